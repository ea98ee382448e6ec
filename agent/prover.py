"""The program that computes proofs, in a short-lived process of its own.

It reads one JSON object a line from standard input, and writes one a line to standard
output; bytes are hexadecimal.  ``do`` names a command, ``is`` an answer:

- ``{"do": "load"}`` or, to choose sizes too, ``{"do": "warm", "phase_ms": 10000}``:
  ``{"is": "ready", "cards": [{"card": 0, "name": ..., "kind": ..., "size": 4096}],
  "notices": [...]}``.  Kernels are compiled and checked then; a card whose kernels are
  wrong is left out, and a notice says so; ``size`` is 0 after ``load``.
- ``{"do": "multiply", "job", "card", "seed", "size", "milliseconds"}`` and
  ``{"do": "search", "job", "card", "seed", "difficulty" or null, "hashes",
  "milliseconds"}``: any number of ``{"is": "found", "job", "size", "items"}`` in the
  order of the work, then ``{"is": "done", "job"}``.
- ``{"do": "fill", "job", "card", "seed", "permutations", "walk_ms", "share",
  "milliseconds"}``: ``{"is": "done", "job"}`` when the time is over, or memory is
  filled up to that share of what is available, or to what a walk of ``walk_ms`` covers.
  The card holds it until ``release``, or the next fill.
- ``{"do": "walk", "job", "card", "fill", "seed", "milliseconds"}``: as ``multiply``,
  where ``fill`` is the job that filled, ``size`` the number of items walked over (fewer
  than were filled where time is short), and the one item the walk's root; none, if it
  did not end in time.
- ``{"do": "release", "card", "fill"}``: no answer.
- ``{"do": "open", "job", "card", "draw", "items", "count"}``, where ``items`` is how
  many of the job's items were committed in time:
  ``{"is": "opening", "job", "payload"}``.
- What fails: ``{"is": "failed", "job", "why"}``; the next command is served all the
  same.

Each card has a thread that serves its commands one after another, so all of them work
in one window.  Time runs from the moment that a command arrives.  The process ends with
its input.
"""

import ctypes
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import IO, Any

from edgeproof.agent.card_prover import FAILURES, Answer, CardProver, failure
from edgeproof.agent.prover_process import NICENESS_VARIABLE
from edgeproof.errors import EdgeproofError
from edgeproof.kernels import machine
from edgeproof.kernels.card import Card
from edgeproof.kernels.machine import Machine

LONGEST_LINE = 64 * 1024
"""Bytes of a command; none comes near."""

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that this process gets when its parent dies."""

Command = tuple[Mapping[str, Any], float]
"""A command, and the ``time.monotonic`` at which it arrived."""


class Prover:
    """Serve commands with the given cards, and give each answer to ``answer``.

    It is called from the thread of each card, but never from two at a time.
    """

    def __init__(self, own: Machine, answer: Callable[[Answer], None]) -> None:
        self._own = own
        self._unlocked = answer
        self._lock = threading.Lock()
        self._queues: dict[int, queue.SimpleQueue[Command]] = {}
        for card in own.cards:
            commands = self._queues[card.index] = queue.SimpleQueue()
            work = CardProver(card, self._answer)
            name = f"card {card.index}"
            threading.Thread(
                target=_serve, args=(work, commands), name=name, daemon=True
            ).start()

    def serve(self, command: Mapping[str, Any], arrived: float) -> None:
        """Carry out what concerns all cards; give any other command to its card."""
        try:
            match command["do"]:
                case "load":
                    self._ready(None)
                case "warm":
                    self._ready(command["phase_ms"] / 1000)
                case _:
                    self._queues[command["card"]].put((command, arrived))
        except EdgeproofError as error:
            why = f"{error} ({error.hint})" if error.hint else f"{error}"
            self._answer(failure(command, why))
        except FAILURES as error:
            self._answer(failure(command, f"{type(error).__name__}: {error}"))

    def _answer(self, answer: Answer) -> None:
        with self._lock:
            self._unlocked(answer)

    def _ready(self, phase_seconds: float | None) -> None:
        machine.warm(self._own)
        cards = [
            {
                "card": card.index,
                "name": card.name,
                "kind": card.kind,
                "size": card.preferred_size(phase_seconds) if phase_seconds else 0,
            }
            for card in self._own.cards
        ]
        notices = [notice[:500] for notice in self._own.notices]
        self._own.notices.clear()  # said once
        self._answer({"is": "ready", "cards": cards, "notices": notices})


def _serve(card: CardProver, commands: queue.SimpleQueue[Command]) -> None:
    while True:
        card.serve(*commands.get())


def run(instead: Callable[[Card], Card] = lambda card: card) -> None:
    """Serve standard input until it ends; never returns to a dead parent.

    ``instead`` is given each card, and returns the one to work with.
    """
    _die_with_parent()
    os.nice(int(os.environ.get(NICENESS_VARIABLE, "0")))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C is for the parent to handle
    threading.excepthook = _end
    commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
    threading.Thread(
        target=_read, args=(sys.stdin.buffer, commands), daemon=True
    ).start()
    try:
        own = machine.look()
    except EdgeproofError as error:
        while True:
            _write(failure(commands.get()[0], f"{error} ({error.hint})"))
    prover = Prover(Machine([instead(card) for card in own.cards], own.notices), _write)
    while True:
        command, arrived = commands.get()
        prover.serve(command, arrived)


def _read(stream: IO[bytes], commands: queue.SimpleQueue[Command]) -> None:
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


def _end(bug: threading.ExceptHookArgs) -> None:
    """End the process with a thread that failed; without it, a card would be deaf."""
    threading.__excepthook__(bug)
    os._exit(1)


def _die_with_parent() -> None:
    """Ask Linux to kill us with our parent; elsewhere the input's end does."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)


if __name__ == "__main__":
    run()
