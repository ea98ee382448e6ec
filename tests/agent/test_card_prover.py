"""The prover's cards with invented kernels: what they fill, walk over, and when."""

import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from edgeproof.agent import card_prover
from edgeproof.agent.card_prover import FIRST_ITEMS, CardProver
from edgeproof.agent.prover_cards import Prover
from edgeproof.errors import EdgeproofError
from edgeproof.kernels.card import Card, Product, Walk
from edgeproof.kernels.cpu.card import CpuCard
from edgeproof.kernels.failures import CardOutOfMemory, DriverReset
from edgeproof.kernels.machine import Machine
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.shapes import lanes
from edgeproof.proofs.reasons import Reason

SEED = "01" * 32


@dataclass
class FakeMemory:
    """Fills at once; walks over what ``paced`` says."""

    most: int
    paced: int
    card: "FakeCard"
    items: int = 0
    walked: list[int] = field(default_factory=list)

    def spare(self, share: float) -> int:
        return min(self.most - self.items, self.card.room(share))

    def fill(self, count: int) -> None:
        assert self.items + count <= self.most
        self.items += count

    def walk(self, seed: bytes, items: int) -> Walk:
        del seed
        self.walked.append(items)
        return Walk(bytes(32), np.zeros(lanes(items), dtype=np.uint64))

    def walk_items(self, seconds: float) -> int:
        return min(self.items, self.paced) if seconds > 0 else 0


class FakeCard:
    """A card with so much room, whose walks are as fast as it is told."""

    kind = "fake"
    name = "fake"
    kernel = "fake"
    total_bytes = 0
    checked: Sequence[str] = ()
    notices: Sequence[str] = ()

    def __init__(
        self, index: int = 0, room: int = 10**9, walks: int = 10**9, paced: int = 10**9
    ) -> None:
        self.index = index
        self.free = room
        self.walks = walks
        self.paced = paced
        self.memories: list[FakeMemory] = []
        self.both: threading.Barrier | None = None

    def warm(self) -> None:
        pass

    def product(self, seed: bytes, n: int) -> Product:
        raise NotImplementedError

    def search(self, seed: bytes, difficulty: int, start: int, count: int) -> Words:
        del seed, difficulty, count
        if self.both is not None:
            self.both.wait(20)
        return np.array([start], dtype=np.uint64)

    def preferred_size(self, phase_seconds: float) -> int:
        raise NotImplementedError

    def room(self, share: float) -> int:
        taken = sum(memory.items for memory in self.memories)
        return int(share * (self.free - taken))

    def walk_items(self, seconds: float) -> int:
        del seconds
        return self.walks

    def memory(self, seed: bytes, permutations: int, most: int) -> FakeMemory:
        del seed, permutations
        self.memories.append(FakeMemory(most, self.paced, self))
        return self.memories[-1]


def fill(
    job: int = 1, milliseconds: int = 10_000, share: float = 0.5
) -> dict[str, Any]:
    return {
        "do": "fill",
        "job": job,
        "card": 0,
        "seed": SEED,
        "permutations": 2,
        "walk_ms": 500,
        "share": share,
        "milliseconds": milliseconds,
    }


def walk(job: int = 2, of: int = 1, milliseconds: int = 10_000) -> dict[str, Any]:
    command = {"do": "walk", "job": job, "card": 0, "fill": of, "seed": SEED}
    return {**command, "milliseconds": milliseconds}


def served(card: FakeCard, *commands: dict[str, Any]) -> list[Any]:
    answers: list[Any] = []
    prover = CardProver(card, answers.append)
    for command in commands:
        prover.serve(command, time.monotonic())
    return answers


@pytest.mark.parametrize(
    ("card", "share", "items"),
    [
        pytest.param(FakeCard(walks=5000), 0.5, 5000, id="what a walk covers"),
        # Half of what is available then, and never more than half of what still is.
        pytest.param(FakeCard(room=3000), 1.0, 3000, id="all the room"),
    ],
)
def test_a_fill_ends_at(card: FakeCard, share: float, items: int) -> None:
    assert served(card, fill(share=share)) == [{"is": "done", "job": 1}]
    assert card.memories[0].most == items
    assert 0.4 * items <= card.memories[0].items <= items


def test_a_fill_stops_where_others_took_the_room() -> None:
    card = FakeCard(room=100_000)
    served(card, fill(share=0.5))
    assert card.memories[0].most == 50_000
    # What it took itself is no longer available: it stops at a half of the rest.
    assert card.memories[0].items <= 50_000
    assert card.room(0.5) >= 25_000


def test_a_fill_ends_with_its_time_but_fills_a_little() -> None:
    card = FakeCard()
    served(card, fill(milliseconds=0))
    assert card.memories[0].items == FIRST_ITEMS


@pytest.mark.parametrize(
    ("paced", "items"), [(10**9, 5000), (5000, 5000), (4000, 4000), (64, 64)]
)
def test_a_walk_is_as_long_as_it_was_measured_to_take(paced: int, items: int) -> None:
    card = FakeCard(walks=5000, paced=paced)
    _, found, done = served(card, fill(), walk())
    assert (found["size"], found["items"]) == (items, ["00" * 32])
    assert done == {"is": "done", "job": 2}
    assert card.memories[0].walked == [items]


def test_a_walk_that_is_too_slow_is_not_begun() -> None:
    card = FakeCard(walks=5000, paced=63)
    _, answer = served(card, fill(), walk())
    assert answer["is"] == "failed"
    assert "of 5000 items, 63" in answer["why"]


def test_a_walk_that_ends_late_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(_memory: FakeMemory, _seed: bytes, items: int) -> Walk:
        time.sleep(0.2)
        return Walk(bytes(32), np.zeros(lanes(items), dtype=np.uint64))

    monkeypatch.setattr(FakeMemory, "walk", late)
    card = FakeCard(walks=5000)
    answers = served(card, fill(), walk(milliseconds=100))
    assert answers == [{"is": "done", "job": 1}, {"is": "done", "job": 2}]


def test_a_second_fill_drops_the_first_memory() -> None:
    card = FakeCard(walks=5000)
    answers = served(card, fill(1), fill(2), walk(3, of=1), walk(4, of=2))
    assert [answer["is"] for answer in answers] == [
        "done",
        "done",
        "failed",
        "found",
        "done",
    ]


def search(card: int) -> dict[str, Any]:
    aim = {"difficulty": 1, "hashes": 0, "milliseconds": 1}
    return {"do": "search", "job": card, "card": card, "seed": SEED, **aim}


def test_all_cards_work_in_one_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card_prover, "MAX_SOLUTIONS", 3)
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    both = threading.Barrier(2)  # passed only by two at a time
    cards = [FakeCard(0), FakeCard(1)]
    for card in cards:
        card.both = both
    prover = Prover(Machine(list[Card](cards)), answers.put)
    arrived = time.monotonic() + 60  # however late a thread begins, it is in time
    for card in cards:
        prover.serve(search(card.index), arrived)
    done: set[int] = set()
    while len(done) < 2:
        answer = answers.get(timeout=60)
        if answer["is"] == "done":
            done.add(answer["job"])
    assert done == {0, 1}
    assert not both.broken


def test_a_command_for_no_card_fails_alone() -> None:
    answers: list[Any] = []
    prover = Prover(Machine([]), answers.append)
    prover.serve(search(7), 0.0)
    prover.serve({"do": "open"}, 0.0)
    assert [answer["is"] for answer in answers] == ["failed", "failed"]
    assert [answer["job"] for answer in answers] == [7, None]


def test_what_is_too_large_to_keep_is_made_again_for_its_opening(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    card = CpuCard()
    card.warm()
    one = card.product(bytes(32), 512).digests.nbytes
    draw, command = b"\x05" * 32, {"job": 3, "card": 0, "seed": SEED, "size": 512}
    multiply = {"do": "multiply", **command, "milliseconds": 60_000}
    monkeypatch.setattr(card_prover, "MAX_PRODUCTS", 5)
    payloads = []
    for kept in (0, 2 * one, 1 << 40):
        monkeypatch.setattr(card_prover, "KEPT_BYTES", kept)
        answers: list[Any] = []
        prover = CardProver(card, answers.append)
        prover.serve(multiply, time.monotonic())
        assert sum(len(answer.get("items", ())) for answer in answers) == 5
        opening = {"do": "open", "job": 3, "draw": draw.hex(), "items": 4, "count": 9}
        prover.serve(opening, time.monotonic())
        payloads.append(answers[-1]["payload"])
    assert payloads[0] == payloads[1] == payloads[2]


class Stopping(FakeCard):
    """A card whose work is ended from another thread after a few pieces of it."""

    def __init__(self, job: int) -> None:
        super().__init__(walks=10**6)
        self.job = job
        self.pieces = 0
        self.prover: CardProver | None = None

    def piece(self) -> None:
        self.pieces += 1
        if self.pieces == 3 and self.prover is not None:
            self.prover.cease(self.job)

    def product(self, seed: bytes, n: int) -> Product:
        del seed, n
        self.piece()
        return Product(bytes(32), np.zeros((4, 2), dtype=np.uint64))

    def search(self, seed: bytes, difficulty: int, start: int, count: int) -> Words:
        self.piece()
        return super().search(seed, difficulty, start, count)

    def room(self, share: float) -> int:
        self.piece()
        return super().room(share)


MULTIPLY = {"do": "multiply", "card": 0, "seed": SEED, "size": 512}
SEARCH = {"do": "search", "card": 0, "seed": SEED, "difficulty": 8, "hashes": 0}


@pytest.mark.parametrize(
    "command",
    [
        pytest.param({**MULTIPLY, "job": 7, "milliseconds": 60_000}, id="multiply"),
        pytest.param({**SEARCH, "job": 7, "milliseconds": 60_000}, id="search"),
        pytest.param(fill(7, 60_000, share=0.9), id="fill"),
    ],
)
def test_work_that_must_cease_ends_with_its_piece(command: dict[str, Any]) -> None:
    card, answers = Stopping(7), list[Any]()
    card.prover = CardProver(card, answers.append)
    card.prover.serve(command, time.monotonic())
    assert answers[-1] == {"is": "done", "job": 7}
    assert card.pieces == 3
    # ... and what was filled so far is not held.
    card.prover.serve(walk(8, of=7), time.monotonic())
    assert "was not filled" in answers[-1]["why"]


def test_what_has_not_begun_when_it_must_cease_never_does() -> None:
    card, answers = Stopping(0), list[Any]()
    prover = CardProver(card, answers.append)
    prover.serve(fill(), time.monotonic())
    prover.cease(2)
    prover.serve(walk(2), time.monotonic())
    assert answers == [{"is": "done", "job": 1}, {"is": "done", "job": 2}]
    assert card.memories[0].walked == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), Reason.CARD_OUT_OF_MEMORY),
        (CardOutOfMemory("full"), Reason.CARD_OUT_OF_MEMORY),
        (EdgeproofError("wrong", hint="this way"), Reason.PROVER_FAILED),
        (ValueError("wrong"), Reason.PROVER_FAILED),
    ],
)
def test_what_a_card_raises_has_a_code_and_the_next_command_is_served(
    error: Exception, reason: Reason
) -> None:
    class Raising(Stopping):
        def product(self, seed: bytes, n: int) -> Product:
            del seed, n
            raise error

    multiply = {**MULTIPLY, "job": 1, "milliseconds": 100}
    failed, done = served(Raising(0), multiply, fill(2))
    assert (failed["is"], failed["reason"]) == ("failed", reason)
    assert done["is"] == "done"


def test_a_driver_that_lost_its_work_is_answered_and_ends_the_thread() -> None:
    class Lost(Stopping):
        def product(self, seed: bytes, n: int) -> Product:
            del seed, n
            msg = "CUDA_ERROR_LAUNCH_FAILED"
            raise DriverReset(msg)

    answers: list[Any] = []
    prover = CardProver(Lost(0), answers.append)
    with pytest.raises(DriverReset):
        prover.serve({**MULTIPLY, "job": 1, "milliseconds": 100}, time.monotonic())
    assert answers[-1]["reason"] == Reason.DRIVER_RESET


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        (FakeCard(room=10), Reason.CARD_OUT_OF_MEMORY),
        (FakeCard(walks=10), Reason.PROVER_FAILED),
    ],
)
def test_a_fill_that_finds_too_little_says_what_of(
    card: FakeCard, reason: Reason
) -> None:
    (answer,) = served(card, fill())
    assert answer["reason"] == reason
