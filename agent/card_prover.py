"""One card's part of the prover: what it computes, holds, and can still open.

The commands are those of ``agent.prover``; one thread serves them in their order.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from edgeproof.agent.failures import FAILURES, Answer, explained, failure
from edgeproof.errors import EdgeproofError
from edgeproof.kernels.card import Card, Memory
from edgeproof.kernels.failures import CardOutOfMemory, DriverReset
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.shapes import FEWEST_ITEMS, MAX_PRODUCTS, MAX_SOLUTIONS
from edgeproof.proofs import matmul, memory, proof_of_work

CHUNK_S = 0.05
"""Seconds of work that may wait to be reported, or run beyond what was measured."""

FIRST_HASHES = 1 << 14
"""Hashes of the first chunk of a search; later ones follow the measured speed."""

FIRST_ITEMS = 1 << 8
"""Items of the first chunk of a fill; later ones follow the measured speed."""

WALK_SHARE = 0.6
"""A walk is sized to take this part of its time: one that is late proves nothing.

What a walk's phase can cover bounds the fill, and what is left of it the walk.
"""

KEPT_JOBS = 6
"""Jobs that can be opened: two rounds of two walks and a chain of products."""

KEPT_BYTES = 64 << 20
"""Digests of one job that are kept for its opening."""


@dataclass(frozen=True)
class _Products(Sequence[Words]):
    """The digests of a chain of products; the last ones are made again when asked for.

    A fast card makes gigabytes of them in a phase, of which 64 tiles are opened.
    """

    card: Card
    size: int
    seeds: list[bytes] = field(default_factory=list)
    kept: list[Words] = field(default_factory=list)

    def add(self, seed: bytes, digests: Words) -> None:
        self.seeds.append(seed)
        if digests.nbytes * len(self.seeds) <= KEPT_BYTES:
            self.kept.append(digests)

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401 - slices, which nobody asks for, would need overloads
        if index < len(self.kept):
            return self.kept[index]
        return self.card.product(self.seeds[index], self.size).digests

    def open(self, draw: bytes, items: int, count: int) -> bytes:
        if not 0 < items <= len(self):
            msg = f"{items} products to open, {len(self)} made"
            raise ValueError(msg)
        committed = replace(self, seeds=self.seeds[:items])
        return matmul.open_products(draw, committed, self.size, count)


@dataclass(frozen=True)
class _Walk:
    size: int
    ends: Words

    def open(self, draw: bytes, items: int, count: int) -> bytes:
        if items != 1:
            msg = f"{items} walks to open, one made"
            raise ValueError(msg)
        return memory.open_walk(draw, self.ends, self.size, count)


class CardProver:
    """Serve one card's commands, and give each answer to ``answer``.

    ``clock`` returns seconds that only ever grow.
    """

    def __init__(
        self,
        card: Card,
        answer: Callable[[Answer], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._card = card
        self._answer = answer
        self._clock = clock
        self._openable: OrderedDict[int, _Products | _Walk] = OrderedDict()
        self._memory: tuple[int, Memory] | None = None
        """The job of the fill, and what it filled."""
        self._ceased: set[int | None] = set()

    def serve(self, command: Mapping[str, Any], arrived: float) -> None:
        """Carry out one command that ``arrived`` at that moment of the clock.

        Raises ``DriverReset``, after its answer.
        """
        try:
            match command["do"]:
                case "fill":
                    self._fill(command, arrived)
                case "walk":
                    self._walk(command, arrived)
                case "release":
                    self._release(command["fill"])
                case "multiply":
                    self._multiply(command, arrived)
                case "search":
                    self._search(command, arrived)
                case "open":
                    self._open(command)
                case unknown:
                    self._answer(failure(command, f"unknown command {unknown!r}"))
        except FAILURES as error:
            self._answer(explained(command, error))
            if isinstance(error, DriverReset):
                raise  # whatever it held is lost, and nothing works in this process
        finally:
            self._ceased.discard(command.get("job"))

    def cease(self, job: int) -> None:
        """Have the work on ``job`` end early, from another thread; all else goes on.

        It is answered as if its time were over, within what runs uninterrupted: a
        product, a walk, or a twentieth of a second.
        """
        self._ceased.add(job)

    def _fill(self, command: Mapping[str, Any], arrived: float) -> None:
        self._memory = None  # never hold two
        seed, share = bytes.fromhex(command["seed"]), float(command["share"])
        until = arrived + command["milliseconds"] / 1000
        walked = self._card.walk_items(WALK_SHARE * command["walk_ms"] / 1000)
        room = self._card.room(share)
        most = min(room, walked)
        if most < FEWEST_ITEMS:
            msg = f"there is room for {most} items of memory"
            hint = f"{FEWEST_ITEMS} are the fewest that can be proven"
            short = CardOutOfMemory if room < FEWEST_ITEMS else EdgeproofError
            raise short(msg, hint=hint)
        held = self._card.memory(seed, command["permutations"], most)
        count, ended = FIRST_ITEMS, 0.0
        job = command["job"]
        while held.items < most and ended < until and job not in self._ceased:
            count = min(count, most - held.items)
            # Others fill too, and what they take is no longer available.
            if held.spare(share) < count:
                break
            began = self._clock()
            held.fill(count)
            ended = self._clock()
            chunk = min(CHUNK_S, max(until - ended, 0.001))
            count = max(4, int(count * chunk / max(ended - began, 1e-6)))
        if job not in self._ceased:
            self._memory = job, held
        self._answer({"is": "done", "job": job})

    def _walk(self, command: Mapping[str, Any], arrived: float) -> None:
        job, seed = command["job"], bytes.fromhex(command["seed"])
        until = arrived + command["milliseconds"] / 1000
        if self._memory is None or self._memory[0] != command["fill"]:
            msg = "the memory to walk over was not filled"
            raise EdgeproofError(msg)
        held = self._memory[1]
        report = Report(job, 0, self._answer, self._clock)
        if job in self._ceased:
            report.end()
            return
        items = held.walk_items(WALK_SHARE * (until - self._clock()))
        if items < FEWEST_ITEMS:
            msg = f"of {held.items} items, {items} can be walked over in time"
            raise EdgeproofError(msg)
        made = held.walk(seed, items)
        report.size = items
        if self._clock() <= until:
            self._keep(job, _Walk(items, made.ends))
            report.add([made.root], soon=until)
        report.end()

    def _release(self, fill: int) -> None:
        if self._memory is not None and self._memory[0] == fill:
            self._memory = None

    def _multiply(self, command: Mapping[str, Any], arrived: float) -> None:
        size, job = int(command["size"]), command["job"]
        seed = bytes.fromhex(command["seed"])
        until = arrived + command["milliseconds"] / 1000
        report = Report(job, size, self._answer, self._clock)
        products = _Products(self._card, size)
        fastest = 0.0
        # The last product is not begun where it can't be finished.
        while len(products) < MAX_PRODUCTS and self._clock() + 0.8 * fastest < until:
            if job in self._ceased:
                break
            started = self._clock()
            made = self._card.product(seed, size)
            ended = self._clock()
            if ended > until:
                break
            products.add(seed, made.digests)
            seed = matmul.next_seed(seed, made.root, len(products) - 1)
            fastest = min(fastest or ended - started, ended - started)
            report.add([made.root], soon=ended + fastest)
        self._keep(job, products)
        report.end()

    def _keep(self, job: int, made: _Products | _Walk) -> None:
        self._openable[job] = made
        while len(self._openable) > KEPT_JOBS:
            self._openable.popitem(last=False)

    def _search(self, command: Mapping[str, Any], arrived: float) -> None:
        seed = bytes.fromhex(command["seed"])
        until = arrived + command["milliseconds"] / 1000
        job, difficulty = command["job"], command["difficulty"]
        if difficulty is None:
            difficulty = proof_of_work.next_difficulty(command["hashes"])
        report = Report(job, difficulty, self._answer, self._clock)
        start, count, found = 0, FIRST_HASHES, 0
        while found < MAX_SOLUTIONS and (began := self._clock()) < until:
            if job in self._ceased:
                break
            nonces = self._card.search(seed, difficulty, start, count)
            encoded = proof_of_work.encode(nonces)
            ended = self._clock()
            if ended > until:
                break
            items = [encoded[at : at + 8] for at in range(0, len(encoded), 8)]
            found += len(items)
            report.add(items, soon=ended + CHUNK_S)
            start += count
            chunk = min(CHUNK_S, max(until - ended, 0.001))
            count = max(4, int(count * chunk / max(ended - began, 1e-6)))
        report.end()

    def _open(self, command: Mapping[str, Any]) -> None:
        job, draw = command["job"], bytes.fromhex(command["draw"])
        payload = self._openable[job].open(draw, command["items"], command["count"])
        self._answer({"is": "opening", "job": job, "payload": payload.hex()})


class Report:
    """Say what was found in a few lines a second, whatever the speed."""

    def __init__(
        self,
        job: int,
        size: int,
        answer: Callable[[Answer], None],
        clock: Callable[[], float],
    ) -> None:
        self._job = job
        self.size = size
        self._answer = answer
        self._clock = clock
        self._items: list[str] = []
        self._since = self._clock()

    def add(self, items: list[bytes], *, soon: float) -> None:
        """Add items; ``soon`` is when the next ones can be expected."""
        self._items += [item.hex() for item in items]
        if soon - self._since >= CHUNK_S:
            self._flush()

    def end(self) -> None:
        """Report the rest, and that there is no more."""
        self._flush()
        self._answer({"is": "done", "job": self._job})

    def _flush(self) -> None:
        self._since = self._clock()
        if self._items:
            items, self._items = self._items, []
            found = {"is": "found", "job": self._job, "size": self.size}
            self._answer({**found, "items": items})
