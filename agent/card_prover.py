"""One card's part of the prover: what it computes, holds, and can still open.

The commands are those of ``agent.prover``; one thread serves them in their order.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgeproof.errors import EdgeproofError
from edgeproof.kernels.card import Card, Memory
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

Answer = Mapping[str, object]

FAILURES = (KeyError, TypeError, ValueError, IndexError, MemoryError)
"""What a wrong command, or one that comes too late, can raise."""


@dataclass(frozen=True)
class _Products:
    size: int
    digests: list[Words]

    def open(self, draw: bytes, items: int, count: int) -> bytes:
        if not 0 < items <= len(self.digests):
            msg = f"{items} products to open, {len(self.digests)} made"
            raise ValueError(msg)
        return matmul.open_products(draw, self.digests[:items], self.size, count)


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
    """Serve one card's commands, and give each answer to ``answer``."""

    def __init__(self, card: Card, answer: Callable[[Answer], None]) -> None:
        self._card = card
        self._answer = answer
        self._openable: OrderedDict[int, _Products | _Walk] = OrderedDict()
        self._memory: tuple[int, Memory] | None = None
        """The job of the fill, and what it filled."""

    def serve(self, command: Mapping[str, Any], arrived: float) -> None:
        """Carry out one command that ``arrived`` at that ``time.monotonic``."""
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
        except EdgeproofError as error:
            why = f"{error} ({error.hint})" if error.hint else f"{error}"
            self._answer(failure(command, why))
        except FAILURES as error:
            self._answer(failure(command, f"{type(error).__name__}: {error}"))

    def _fill(self, command: Mapping[str, Any], arrived: float) -> None:
        self._memory = None  # never hold two
        seed, share = bytes.fromhex(command["seed"]), float(command["share"])
        until = arrived + command["milliseconds"] / 1000
        walked = self._card.walk_items(WALK_SHARE * command["walk_ms"] / 1000)
        most = min(self._card.room(share), walked)
        if most < FEWEST_ITEMS:
            msg = f"there is room for {most} items of memory"
            hint = f"{FEWEST_ITEMS} are the fewest that can be proven"
            raise EdgeproofError(msg, hint=hint)
        held = self._card.memory(seed, command["permutations"], most)
        count, ended = FIRST_ITEMS, 0.0
        while held.items < most and ended < until:
            count = min(count, most - held.items)
            # Others fill too, and what they take is no longer available.
            if held.spare(share) < count:
                break
            began = time.monotonic()
            held.fill(count)
            ended = time.monotonic()
            chunk = min(CHUNK_S, max(until - ended, 0.001))
            count = max(4, int(count * chunk / max(ended - began, 1e-6)))
        self._memory = command["job"], held
        self._answer({"is": "done", "job": command["job"]})

    def _walk(self, command: Mapping[str, Any], arrived: float) -> None:
        job, seed = command["job"], bytes.fromhex(command["seed"])
        until = arrived + command["milliseconds"] / 1000
        if self._memory is None or self._memory[0] != command["fill"]:
            msg = "the memory to walk over was not filled"
            raise EdgeproofError(msg)
        held = self._memory[1]
        items = held.walk_items(WALK_SHARE * (until - time.monotonic()))
        if items < FEWEST_ITEMS:
            msg = f"of {held.items} items, {items} can be walked over in time"
            raise EdgeproofError(msg)
        made = held.walk(seed, items)
        report = Report(job, items, self._answer)
        if time.monotonic() <= until:
            self._keep(job, _Walk(items, made.ends))
            report.add([made.root], soon=until)
        report.end()

    def _release(self, fill: int) -> None:
        if self._memory is not None and self._memory[0] == fill:
            self._memory = None

    def _multiply(self, command: Mapping[str, Any], arrived: float) -> None:
        size = int(command["size"])
        seed = bytes.fromhex(command["seed"])
        until = arrived + command["milliseconds"] / 1000
        report = Report(command["job"], size, self._answer)
        digests: list[Words] = []
        fastest = 0.0
        # The last product is not begun where it can't be finished.
        while len(digests) < MAX_PRODUCTS and time.monotonic() + 0.8 * fastest < until:
            started = time.monotonic()
            made = self._card.product(seed, size)
            ended = time.monotonic()
            if ended > until:
                break
            seed = matmul.next_seed(seed, made.root, len(digests))
            digests.append(made.digests)
            fastest = min(fastest or ended - started, ended - started)
            report.add([made.root], soon=ended + fastest)
        self._keep(command["job"], _Products(size, digests))
        report.end()

    def _keep(self, job: int, made: _Products | _Walk) -> None:
        self._openable[job] = made
        while len(self._openable) > KEPT_JOBS:
            self._openable.popitem(last=False)

    def _search(self, command: Mapping[str, Any], arrived: float) -> None:
        seed = bytes.fromhex(command["seed"])
        until = arrived + command["milliseconds"] / 1000
        difficulty = command["difficulty"]
        if difficulty is None:
            difficulty = proof_of_work.next_difficulty(command["hashes"])
        report = Report(command["job"], difficulty, self._answer)
        start, count, found = 0, FIRST_HASHES, 0
        while found < MAX_SOLUTIONS and (began := time.monotonic()) < until:
            nonces = self._card.search(seed, difficulty, start, count)
            encoded = proof_of_work.encode(nonces)
            ended = time.monotonic()
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


def failure(command: Mapping[str, Any], why: str) -> Answer:
    """Return the answer to a command that failed."""
    return {"is": "failed", "job": command.get("job"), "why": why[:500]}


class Report:
    """Say what was found in a few lines a second, whatever the speed."""

    def __init__(self, job: int, size: int, answer: Callable[[Answer], None]) -> None:
        self._job = job
        self._size = size
        self._answer = answer
        self._items: list[str] = []
        self._since = time.monotonic()

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
        self._since = time.monotonic()
        if self._items:
            items, self._items = self._items, []
            found = {"is": "found", "job": self._job, "size": self._size}
            self._answer({**found, "items": items})
