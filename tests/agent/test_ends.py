"""What befalls a prover amid a round, each with its reason, and the phase after it."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edgeproof.agent import pause
from edgeproof.agent.options import Options
from edgeproof.agent.proving import Proving
from edgeproof.agent.state import State
from edgeproof.agent.work import Job
from edgeproof.proofs.parameters import Phase
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry.messages import Commitment, Opening, Skip
from edgeproof.telemetry.messages import Phase as PhaseValue
from edgeproof.telemetry.signing import Key

if TYPE_CHECKING:
    from tests.agent.conftest import Coordinator

pytestmark = pytest.mark.integration

ENTROPY = b"\x0e" * 32

PROVER = """
import os, pathlib, signal, sys, threading, time
from edgeproof.agent import prover
from edgeproof.kernels.failures import CardOutOfMemory, DriverReset
folder, trouble = pathlib.Path(sys.argv[1]), sys.argv[2]

def once():
    # The first product meets with trouble; a file remembers it for the next prover.
    try:
        (folder / "met").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True

class Card:
    def __init__(self, honest):
        self._honest = honest
    def __getattr__(self, name):
        return getattr(self._honest, name)
    def product(self, seed, n):
        (folder / "multiplies").touch()
        if trouble == "slow":
            time.sleep(0.15)
        elif trouble and once():
            if trouble == "memory":
                raise CardOutOfMemory("CUDA_ERROR_OUT_OF_MEMORY")
            if trouble == "host memory":
                raise MemoryError
            if trouble == "driver":
                raise DriverReset("CUDA_ERROR_LAUNCH_FAILED")
            if trouble == "bug":
                raise ZeroDivisionError
            if trouble == "hang":
                threading.Event().wait()
            if trouble == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
        return self._honest.product(seed, n)

prover.run(Card)
"""
"""An honest prover that meets with the trouble that its second argument names."""


class Stage:
    """A device's proofs in a network of short phases, without the network."""

    def __init__(self, network: "Coordinator", device: Key, options: Options) -> None:
        self.network = network
        self.sent: list[Any] = []
        self.ends: list[tuple[Job, Reason]] = []
        self.proving = Proving(
            network.description,
            device,
            options,
            send=lambda signed: self.sent.append(signed.message),
            on_end=lambda job, reason: self.ends.append((job, reason)),
        )
        self.folder = options.state_dir

    async def phase(self, opened: int, phase: Phase, *, after: float = 0.25) -> None:
        """Have a phase, and so much time after it."""
        value = self.network.phase_value(opened, phase)
        self.proving.phase(PhaseValue(opened, phase, value), ENTROPY)
        length = self.network.parameters.phase_ms[phase] / 1000
        await asyncio.sleep(length + after)

    async def ready(self) -> None:
        """Return once there is a prover that can work, and works on nothing."""
        prover = self.proving._prover
        async with asyncio.timeout(20):
            while (  # noqa: ASYNC110 - a process tells
                self.proving._given
                or not prover.running
                or prover._ready is None
                or not prover._ready.done()
            ):
                await asyncio.sleep(0.01)

    def committed(self, opened: int, phase: Phase) -> list[Commitment]:
        return [
            message
            for message in self.sent
            if isinstance(message, Commitment)
            and (message.round, message.phase) == (opened, phase)
        ]

    def skips(self, opened: int) -> list[tuple[Phase, Reason]]:
        return [
            (Phase(message.phase), Reason(message.reason))
            for message in self.sent
            if isinstance(message, Skip) and message.round == opened
        ]


StartStage = Callable[..., Any]


@pytest.fixture
async def start(
    coordinator: "Coordinator", device: Key, options: Options, tmp_path: Path
) -> AsyncIterator[StartStage]:
    """Start a device whose prover meets with trouble."""
    running: list[asyncio.Task[None]] = []
    State(options.state_dir).close()

    async def begin(trouble: str, *, opens: bool = True, **changes: Any) -> Stage:
        phases = (400, 800, 1000, 800, 1500)
        parameters = replace(coordinator.parameters, slot_ms=9000, phase_ms=phases)
        # At this difficulty a search does not end before its time.
        parameters = replace(parameters, commit_grace_ms=500, first_difficulty=14)
        command = (sys.executable, "-c", PROVER, str(tmp_path), trouble)
        chosen: dict[str, Any] = {"prover_command": command}
        chosen |= {"prover_hanging_s": 0.5, "prover_linger_s": 60.0}
        network = replace(coordinator, parameters=parameters)
        stage = Stage(network, device, replace(options, **chosen, **changes))
        await stage.proving.warm()
        for name in ("met", "multiplies"):  # what it met while it chose a size
            (tmp_path / name).unlink(missing_ok=True)
        running.append(asyncio.create_task(stage.proving.run()))
        if opens:
            stage.proving.expect_round()
        return stage

    yield begin
    for task in running:
        task.cancel()
    await asyncio.wait(running)


async def multiplying(folder: Path) -> None:
    """Return once a product has begun."""
    async with asyncio.timeout(10):
        while not (folder / "multiplies").exists():  # noqa: ASYNC110 - a file tells
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("kill", Reason.PROVER_KILLED),
        ("memory", Reason.CARD_OUT_OF_MEMORY),
        ("host memory", Reason.CARD_OUT_OF_MEMORY),
        ("driver", Reason.DRIVER_RESET),
        ("bug", Reason.PROVER_FAILED),
        ("hang", Reason.PROVER_HUNG),
    ],
)
async def test_trouble_amid_a_product_has_a_reason_and_the_next_phase_works(
    start: StartStage, trouble: str, reason: Reason
) -> None:
    stage = await start(trouble)
    await stage.phase(0, Phase.MATMUL)
    assert stage.skips(0) == [(Phase.MATMUL, reason)]
    assert stage.ends == [(Job(0, Phase.MATMUL, 0), reason)]
    assert stage.committed(0, Phase.MATMUL) == []
    await stage.ready()
    await stage.phase(0, Phase.POW)
    assert stage.committed(0, Phase.POW)
    await stage.phase(1, Phase.MATMUL)
    assert stage.committed(1, Phase.MATMUL)
    assert stage.skips(1) == []


async def test_memory_that_went_with_its_prover_is_told_once(start: StartStage) -> None:
    stage = await start("kill", prover_memory_share=0.01)
    await stage.phase(0, Phase.FILL, after=0)
    await stage.phase(0, Phase.WALK, after=0)
    assert stage.committed(0, Phase.WALK)
    await stage.phase(0, Phase.MATMUL)
    await stage.phase(0, Phase.SECOND_WALK, after=0)
    assert stage.skips(0) == [
        (Phase.MATMUL, Reason.PROVER_KILLED),
        (Phase.SECOND_WALK, Reason.PROVER_KILLED),
    ]
    await stage.ready()
    await stage.phase(0, Phase.POW)
    assert stage.committed(0, Phase.POW)


async def test_a_killed_child_of_a_search_keeps_what_it_committed(
    start: StartStage,
) -> None:
    stage = await start("")
    begun = asyncio.create_task(stage.phase(0, Phase.POW))
    async with asyncio.timeout(10):
        while not stage.committed(0, Phase.POW):  # noqa: ASYNC110 - a list tells
            await asyncio.sleep(0.01)
    os.kill(stage.proving._prover.process_id, signal.SIGKILL)
    await begun
    assert stage.skips(0) == []
    assert stage.ends == [(Job(0, Phase.POW, 0), Reason.PROVER_KILLED)]
    await stage.ready()
    await stage.phase(1, Phase.POW)
    assert stage.committed(1, Phase.POW)


async def test_a_slow_card_proves_less_and_nothing_has_failed(
    start: StartStage,
) -> None:
    stage = await start("slow")
    await stage.phase(0, Phase.MATMUL)
    products = sum(len(m.payload) for m in stage.committed(0, Phase.MATMUL)) // 32
    assert 1 <= products <= 7
    assert (stage.skips(0), stage.ends) == ([], [])


async def test_a_pause_amid_a_product_ends_it_and_what_was_complete_is_opened(
    start: StartStage, tmp_path: Path
) -> None:
    stage = await start("", prover_memory_share=0.01)
    await stage.phase(0, Phase.FILL, after=0)
    await stage.phase(0, Phase.WALK, after=0)
    began = time.monotonic()
    begun = asyncio.create_task(stage.phase(0, Phase.MATMUL, after=1.5))
    await multiplying(tmp_path)
    pause.pause(stage.folder)
    async with asyncio.timeout(5):
        while not stage.skips(0):  # noqa: ASYNC110 - a list tells
            await asyncio.sleep(0.01)
    assert time.monotonic() - began < 2.5
    assert stage.skips(0) == [(Phase.MATMUL, Reason.SKIPPED_PAUSED)]
    count = len(stage.committed(0, Phase.MATMUL))
    await begun
    assert not stage.proving._given  # it works on nothing
    assert len(stage.committed(0, Phase.MATMUL)) == count
    await stage.phase(0, Phase.SECOND_WALK, after=0)
    pause.resume(stage.folder)
    await stage.phase(0, Phase.POW, after=0.5)
    assert stage.skips(0) == [
        (Phase.MATMUL, Reason.SKIPPED_PAUSED),
        (Phase.SECOND_WALK, Reason.SKIPPED_PAUSED),
    ]
    assert stage.committed(0, Phase.POW)
    # The draw comes: of the walk, which was complete, not of the products.
    stage.proving.stored(
        work.wire for job in stage.proving._rounds._works.values() for work in job.sent
    )
    stage.proving.drawn(3, b"\x0d" * 32)
    async with asyncio.timeout(10):
        while not any(isinstance(m, Opening) for m in stage.sent):  # noqa: ASYNC110 - a list tells
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)
    opened = [m.phase for m in stage.sent if isinstance(m, Opening)]
    assert opened == [Phase.WALK]


async def test_a_paused_device_skips_a_round_and_starts_no_prover(
    start: StartStage,
) -> None:
    stage = await start("", opens=False, prover_memory_share=0.01)
    await stage.proving._prover.stop()
    pause.pause(stage.folder)
    stage.proving.expect_round()
    for phase in Phase:
        value = PhaseValue(0, phase, stage.network.phase_value(0, phase))
        stage.proving.phase(value, ENTROPY)
    await asyncio.sleep(0.3)
    assert stage.skips(0) == [
        (phase, Reason.SKIPPED_PAUSED)
        for phase in (Phase.FILL, Phase.MATMUL, Phase.POW)
    ]
    assert not stage.proving._prover.running
    pause.resume(stage.folder)
    stage.proving.expect_round()
    await stage.ready()
    await stage.phase(1, Phase.POW)
    assert stage.committed(1, Phase.POW)
