"""The prover as a real process, at its smallest sizes."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from edgeproof.agent.options import PROVER
from edgeproof.agent.prover_process import ProverFailed, ProverProcess
from edgeproof.kernels.shapes import MAX_SOLUTIONS
from edgeproof.proofs import matmul, memory, proof_of_work
from edgeproof.proofs.reasons import Reason

pytestmark = pytest.mark.integration

SEED, DRAW, OTHER = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32


class Prover:
    """A prover process and what it said."""

    def __init__(self, *command: str) -> None:
        self.answers: asyncio.Queue[Any] = asyncio.Queue()
        self.ends: asyncio.Queue[tuple[str, Reason]] = asyncio.Queue()
        self.process = ProverProcess(
            command or PROVER,
            threads=1,
            niceness=5,
            on_answer=self.answers.put_nowait,
            on_end=lambda why, reason: self.ends.put_nowait((why, reason)),
        )

    async def until(self, kind: str) -> list[Any]:
        """Return the answers up to the first of ``kind``."""
        found: list[Any] = []
        async with asyncio.timeout(30):
            while not found or found[-1]["is"] != kind:
                found.append(await self.answers.get())
                wrong = found[-1]["is"] == "failed" != kind
                assert not wrong, found[-1]["why"]
        return found

    def multiply(self, job: int, milliseconds: int = 200) -> None:
        self.process.send(
            {
                "do": "multiply",
                "job": job,
                "card": 0,
                "seed": SEED.hex(),
                "size": 512,
                "milliseconds": milliseconds,
            }
        )

    def open(self, job: int, items: int) -> None:
        self.process.send(
            {
                "do": "open",
                "job": job,
                "card": 0,
                "draw": DRAW.hex(),
                "items": items,
                "count": 8,
            }
        )

    def fill(self, job: int, milliseconds: int = 100, **changes: object) -> None:
        command = {
            "do": "fill",
            "job": job,
            "card": 0,
            "seed": SEED.hex(),
            "permutations": 2,
            "walk_ms": 200,
            "share": 0.1,
            "milliseconds": milliseconds,
        }
        self.process.send(command | changes)

    def walk(self, job: int, fill: int, milliseconds: int = 2000) -> None:
        self.process.send(
            {
                "do": "walk",
                "job": job,
                "card": 0,
                "fill": fill,
                "seed": OTHER.hex(),
                "milliseconds": milliseconds,
            }
        )


@pytest.fixture
async def prover() -> AsyncIterator[Prover]:
    made = Prover()
    yield made
    await made.process.stop()


def items(answers: list[Any]) -> list[bytes]:
    return [bytes.fromhex(i) for a in answers if a["is"] == "found" for i in a["items"]]


async def test_products_stream_and_their_opening_verifies(prover: Prover) -> None:
    (card,) = await prover.process.load()
    assert (card.card, card.kind, card.size) == (0, "cpu", 0)
    prover.multiply(1)
    roots = items(await prover.until("done"))
    assert len(roots) > 2
    kept = len(roots) - 1  # a prefix: the last message came too late
    prover.open(1, kept)
    (answer,) = await prover.until("opening")
    payload = bytes.fromhex(answer["payload"])
    verdict = matmul.verify(SEED, 512, roots[:kept], DRAW, payload, 8)
    assert verdict is Reason.NONE


@pytest.mark.parametrize(
    ("difficulty", "hashes", "expected"),
    [
        pytest.param(8, 0, 8, id="given"),
        pytest.param(None, 512 << 9, 9, id="from-the-last-work"),
    ],
)
async def test_found_nonces_verify(
    prover: Prover, difficulty: int | None, hashes: int, expected: int
) -> None:
    await prover.process.load()
    search = {"do": "search", "job": 7, "card": 0, "seed": SEED.hex()}
    aim = {"difficulty": difficulty, "hashes": hashes, "milliseconds": 150}
    prover.process.send(search | aim)
    answers = await prover.until("done")
    assert {a["size"] for a in answers if a["is"] == "found"} == {expected}
    nonces = b"".join(items(answers)[:MAX_SOLUTIONS])
    assert proof_of_work.verify(SEED, expected, nonces) is Reason.NONE


async def test_a_warm_prover_names_the_size_it_works_best_at(prover: Prover) -> None:
    (card,) = await prover.process.warm(100)
    assert card.size in {512, 1024, 2048, 4096}
    assert card.name


async def test_a_wrong_command_fails_alone(prover: Prover) -> None:
    await prover.process.load()
    prover.open(99, 1)
    (answer,) = await prover.until("failed")
    assert answer["job"] == 99
    prover.multiply(1)
    roots = items(await prover.until("done"))
    prover.open(1, len(roots) + 1)
    (answer,) = await prover.until("failed")
    assert "products to open" in answer["why"]


async def test_a_memory_is_walked_over_twice_and_each_opening_verifies(
    prover: Prover,
) -> None:
    await prover.process.load()
    prover.fill(1)
    await prover.until("done")
    for job in (2, 3):
        prover.walk(job, fill=1)
        found, _ = await prover.until("done")
        (root,) = items([found])
        prover.open(job, 1)
        (answer,) = await prover.until("opening")
        payload = bytes.fromhex(answer["payload"])
        size = found["size"]
        verdict = memory.verify(SEED, OTHER, size, root, DRAW, payload, 2, 8)
        assert (answer["job"], verdict) == (job, Reason.NONE)


async def test_what_was_not_filled_or_is_released_cannot_be_walked_over(
    prover: Prover,
) -> None:
    await prover.process.load()
    prover.walk(2, fill=1)
    (answer,) = await prover.until("failed")
    assert "was not filled" in answer["why"]
    prover.fill(1)
    await prover.until("done")
    prover.walk(2, fill=9)
    assert (await prover.until("failed"))[-1]["job"] == 2
    prover.process.send({"do": "release", "card": 0, "fill": 9})  # another one
    prover.walk(2, fill=1)
    assert items(await prover.until("done"))
    prover.process.send({"do": "release", "card": 0, "fill": 1})
    prover.walk(3, fill=1)
    assert (await prover.until("failed"))[-1]["job"] == 3
    prover.open(2, 1)  # what was walked can still be opened
    assert await prover.until("opening")


async def test_a_walk_that_would_be_late_is_not_begun(prover: Prover) -> None:
    await prover.process.load()
    prover.fill(1)
    await prover.until("done")
    prover.walk(2, 1, milliseconds=0)
    (answer,) = await prover.until("failed")
    assert "walked over in time" in answer["why"]


async def test_a_share_of_nothing_leaves_no_room(prover: Prover) -> None:
    await prover.process.load()
    prover.fill(1, share=0.0)
    (answer,) = await prover.until("failed")
    assert "room for 0 items" in answer["why"]


async def test_old_digests_are_forgotten(prover: Prover) -> None:
    await prover.process.load()
    for job in range(7):
        prover.multiply(job, 50)
        await prover.until("done")
    prover.open(0, 1)
    assert (await prover.until("failed"))[-1]["job"] == 0


async def test_it_steps_back_behind_the_owners_programs(prover: Prover) -> None:
    await prover.process.load()
    assert prover.process.process_id is not None
    priority = os.getpriority(os.PRIO_PROCESS, prover.process.process_id)
    assert priority == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 5)


async def test_a_killed_prover_is_reported_and_another_can_be_started(
    prover: Prover,
) -> None:
    await prover.process.load()
    prover.multiply(1, 30_000)
    assert prover.process.process_id is not None
    os.kill(prover.process.process_id, signal.SIGKILL)
    why, reason = await asyncio.wait_for(prover.ends.get(), 10)
    assert "-9" in why
    assert reason is Reason.PROVER_KILLED
    assert not prover.process.running
    with pytest.raises(ProverFailed):
        prover.multiply(2)
    await prover.process.load()
    prover.multiply(3)
    assert items(await prover.until("done"))


async def test_it_is_stopped_amid_its_work(prover: Prover) -> None:
    await prover.process.load()
    prover.multiply(1, 60_000)
    await asyncio.wait_for(prover.process.stop(), 5)
    assert not prover.process.running
    assert prover.ends.empty()


@pytest.mark.parametrize(
    ("program", "complaint"),
    [
        pytest.param("raise SystemExit('no numba')", "no numba", id="it-ends"),
        pytest.param("print('hello'); input()", "no prover says", id="it-babbles"),
        pytest.param("print('[]'); input()", "no prover says", id="no-object"),
    ],
)
async def test_a_program_that_is_no_prover_is_explained(
    program: str, complaint: str
) -> None:
    wrong = Prover(sys.executable, "-c", program)
    with pytest.raises(ProverFailed, match=complaint):
        await wrong.process.load()
    assert not wrong.process.running


async def test_a_missing_program_is_explained() -> None:
    missing = Prover("/nowhere/prover")
    with pytest.raises(ProverFailed, match="cannot start the prover") as caught:
        await missing.process.load()
    assert "PROVER_COMMAND" in caught.value.hint


BUG = """
from edgeproof.agent import card_prover, prover
def serve(card, command, arrived):
    raise ZeroDivisionError("a bug")
card_prover.CardProver.serve = serve
prover.run()
"""


async def test_a_bug_ends_the_prover_rather_than_leave_a_card_deaf() -> None:
    buggy = Prover(sys.executable, "-c", BUG)
    await buggy.process.load()
    buggy.multiply(1)
    why, reason = await asyncio.wait_for(buggy.ends.get(), 10)
    assert "ended with 1" in why
    assert reason is Reason.PROVER_FAILED
    assert "a bug" in why


PARENT = """
import subprocess, sys, time
child = subprocess.Popen(
    [sys.executable, "-m", "edgeproof.agent.prover"],
    stdin=open(sys.argv[1]), stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the signal")
def test_it_dies_with_a_killed_parent(tmp_path: Path) -> None:
    # Its input stays open in our hands, so only the kernel can tell it.
    pipe = tmp_path / "input"
    os.mkfifo(pipe)
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(pipe)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        with pipe.open("w") as ours:
            ours.write('{"do": "load"}\n')
            ours.flush()
            child = int(parent.stdout.readline())
            parent.kill()
            deadline = time.monotonic() + 10
            while _alive(child):
                assert time.monotonic() < deadline
                time.sleep(0.02)


def _alive(process_id: int) -> bool:
    """Tell whether it runs; one that nobody has waited for yet does not."""
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2]
        return state.split()[0] != "Z"
    return False
