"""The program that computes proofs, in a short-lived process of its own.

It reads one JSON object a line from standard input, and writes one a line to standard
output; bytes are hexadecimal.  ``do`` names a command, ``is`` an answer:

- ``{"do": "load"}`` or, to choose sizes too, ``{"do": "warm", "phase_ms": 10000}``:
  ``{"is": "ready", "cards": [{"card": 0, "name": ..., "kind": ..., "size": 4096}]}``.
  Kernels are compiled and checked then; ``size`` is 0 after ``load``.
- ``{"do": "multiply", "job", "card", "seed", "size", "milliseconds"}`` and
  ``{"do": "search", "job", "card", "seed", "difficulty" or null, "hashes",
  "milliseconds"}``: any number of ``{"is": "found", "job", "size", "items"}`` in the
  order of the work, then ``{"is": "done", "job"}``.
- ``{"do": "open", "job", "draw", "products", "count"}``:
  ``{"is": "opening", "job", "payload"}``.
- What fails: ``{"is": "failed", "job", "why"}``; the next command is served all the
  same.

Time runs from the moment that a command arrives.  The process ends with its input.
"""

import ctypes
import json
import os
import queue
import signal
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

from edgeproof.agent.prover_process import NICENESS_VARIABLE
from edgeproof.errors import EdgeproofError
from edgeproof.kernels.card import Card
from edgeproof.kernels.machine import cards
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.shapes import MAX_PRODUCTS, MAX_SOLUTIONS
from edgeproof.proofs import matmul, proof_of_work

LONGEST_LINE = 64 * 1024
"""Bytes of a command; none comes near."""

CHUNK_S = 0.05
"""Seconds of work that may wait to be reported."""

FIRST_HASHES = 1 << 14
"""Hashes of the first chunk of a search; later ones follow the measured speed."""

KEPT_JOBS = 4
"""Jobs whose digests are kept for their opening: two rounds of two cards."""

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that this process gets when its parent dies."""

Answer = Mapping[str, object]


class Prover:
    """Serve commands with the given cards, and give each answer to ``answer``."""

    def __init__(self, own: Sequence[Card], answer: Callable[[Answer], None]) -> None:
        self._cards = {card.index: card for card in own}
        self._answer = answer
        self._digests: OrderedDict[int, tuple[int, list[Words]]] = OrderedDict()

    def serve(self, command: Mapping[str, Any], arrived: float) -> None:
        """Carry out one command that ``arrived`` at that ``time.monotonic``."""
        try:
            match command["do"]:
                case "load":
                    self._ready({})
                case "warm":
                    self._warm(command["phase_ms"] / 1000)
                case "multiply":
                    self._multiply(command, arrived)
                case "search":
                    self._search(command, arrived)
                case "open":
                    self._open(command)
                case unknown:
                    self._fail(command, f"unknown command {unknown!r}")
        except EdgeproofError as error:
            self._fail(command, f"{error} ({error.hint})" if error.hint else f"{error}")
        except (KeyError, TypeError, ValueError, IndexError, MemoryError) as error:
            self._fail(command, f"{type(error).__name__}: {error}")

    def _fail(self, command: Mapping[str, Any], why: str) -> None:
        self._answer({"is": "failed", "job": command.get("job"), "why": why[:500]})

    def _warm(self, phase_seconds: float) -> None:
        for card in self._cards.values():
            card.warm()
        self._ready(
            {
                index: card.preferred_size(phase_seconds)
                for index, card in self._cards.items()
            }
        )

    def _ready(self, sizes: Mapping[int, int]) -> None:
        for card in self._cards.values():
            card.warm()
        self._answer(
            {
                "is": "ready",
                "cards": [
                    {
                        "card": index,
                        "name": card.name,
                        "kind": card.kind,
                        "size": sizes.get(index, 0),
                    }
                    for index, card in self._cards.items()
                ],
            }
        )

    def _multiply(self, command: Mapping[str, Any], arrived: float) -> None:
        card, size = self._cards[command["card"]], int(command["size"])
        seed = bytes.fromhex(command["seed"])
        until = arrived + command["milliseconds"] / 1000
        report = _Report(command["job"], size, self._answer)
        digests: list[Words] = []
        fastest = 0.0
        # The last product is not begun where it can't be finished.
        while len(digests) < MAX_PRODUCTS and time.monotonic() + 0.8 * fastest < until:
            started = time.monotonic()
            made = card.product(seed, size)
            ended = time.monotonic()
            if ended > until:
                break
            seed = matmul.next_seed(seed, made.root, len(digests))
            digests.append(made.digests)
            fastest = min(fastest or ended - started, ended - started)
            report.add([made.root], soon=ended + fastest)
        self._keep(command["job"], size, digests)
        report.end()

    def _keep(self, job: int, size: int, digests: list[Words]) -> None:
        self._digests[job] = (size, digests)
        while len(self._digests) > KEPT_JOBS:
            self._digests.popitem(last=False)

    def _search(self, command: Mapping[str, Any], arrived: float) -> None:
        card, seed = self._cards[command["card"]], bytes.fromhex(command["seed"])
        until = arrived + command["milliseconds"] / 1000
        difficulty = command["difficulty"]
        if difficulty is None:
            difficulty = proof_of_work.next_difficulty(command["hashes"])
        report = _Report(command["job"], difficulty, self._answer)
        start, count, found = 0, FIRST_HASHES, 0
        while found < MAX_SOLUTIONS and (began := time.monotonic()) < until:
            encoded = proof_of_work.encode(card.search(seed, difficulty, start, count))
            ended = time.monotonic()
            if ended > until:
                break
            nonces = [encoded[at : at + 8] for at in range(0, len(encoded), 8)]
            found += len(nonces)
            report.add(nonces, soon=ended + CHUNK_S)
            start += count
            chunk = min(CHUNK_S, max(until - ended, 0.001))
            count = max(4, int(count * chunk / max(ended - began, 1e-6)))
        report.end()

    def _open(self, command: Mapping[str, Any]) -> None:
        size, digests = self._digests[command["job"]]
        products = command["products"]
        if not 0 < products <= len(digests):
            msg = f"{products} products to open, {len(digests)} made"
            raise ValueError(msg)
        payload = matmul.open_products(
            bytes.fromhex(command["draw"]), digests[:products], size, command["count"]
        )
        self._answer({"is": "opening", "job": command["job"], "payload": payload.hex()})


class _Report:
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


def run(make: Callable[..., Prover] = Prover) -> None:
    """Serve standard input until it ends; never returns to a dead parent."""
    _die_with_parent()
    os.nice(int(os.environ.get(NICENESS_VARIABLE, "0")))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C is for the parent to handle
    commands: queue.SimpleQueue[tuple[Any, float]] = queue.SimpleQueue()
    threading.Thread(
        target=_read, args=(sys.stdin.buffer, commands), daemon=True
    ).start()
    prover = make(cards(), _write)
    while True:
        command, arrived = commands.get()
        prover.serve(command, arrived)


def _read(stream: IO[bytes], commands: queue.SimpleQueue[tuple[Any, float]]) -> None:
    """Queue what comes; end the process with the stream, even amid a product."""
    while line := stream.readline(LONGEST_LINE):
        try:
            command = json.loads(line)
        except ValueError:
            break
        if not isinstance(command, dict):
            break
        commands.put((command, time.monotonic()))
    os._exit(0)


def _write(answer: Answer) -> None:
    try:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os._exit(0)


def _die_with_parent() -> None:
    """Ask Linux to kill us with our parent; elsewhere the input's end does."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)


if __name__ == "__main__":
    run()
