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
- ``{"do": "cease", "card", "job"}``: no answer of its own; that job ends as if its
  time were over.
- What fails: ``{"is": "failed", "job", "why", "reason"}``, a code of ``Reason``; the
  next command is served all the same, unless the driver has lost this process's work:
  then the process ends.

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
from collections.abc import Callable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any

from edgeproof.agent.failures import Answer, explained
from edgeproof.agent.prover_process import NICENESS_VARIABLE
from edgeproof.errors import EdgeproofError
from edgeproof.kernels import preflight
from edgeproof.kernels.failures import DriverReset

if TYPE_CHECKING:
    from edgeproof.kernels.card import Card

LONGEST_LINE = 64 * 1024
"""Bytes of a command; none comes near."""

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that this process gets when its parent dies."""

Command = tuple[Mapping[str, Any], float]
"""A command, and the ``time.monotonic`` at which it arrived."""


def run(instead: "Callable[[Card], Card]" = lambda card: card) -> None:
    """Serve standard input until it ends; never returns to a dead parent.

    ``instead`` is given each card, and returns the one to work with.
    """
    _die_with_parent()
    os.nice(int(os.environ.get(NICENESS_VARIABLE, "0")))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C is for the parent to handle
    threading.excepthook = _end
    try:
        preflight.check()
    except EdgeproofError as error:  # not even one to read with
        for command in _commands(sys.stdin.buffer):
            _write(explained(command, error))
        return
    commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
    threading.Thread(
        target=_read, args=(sys.stdin.buffer, commands), daemon=True
    ).start()
    try:
        serve = _provers(instead)
    except EdgeproofError as error:
        while True:
            _write(explained(commands.get()[0], error))
    while True:
        serve(*commands.get())


def _provers(instead: "Callable[[Card], Card]") -> Callable[..., None]:
    # Only now: NumPy and Numba come with it.
    from edgeproof.agent.prover_cards import Prover  # noqa: PLC0415 - see above
    from edgeproof.kernels import machine  # noqa: PLC0415 - see above

    own = machine.look()
    own.cards = [instead(card) for card in own.cards]
    return Prover(own, _write).serve


def _commands(stream: IO[bytes]) -> Iterator[Mapping[str, Any]]:
    """Yield commands until the stream ends, or says what is none."""
    while line := stream.readline(LONGEST_LINE):
        try:
            command = json.loads(line)
        except ValueError:
            return
        if not isinstance(command, dict):
            return
        yield command


def _read(stream: IO[bytes], commands: queue.SimpleQueue[Command]) -> None:
    """Queue what comes; end the process with the stream, even amid a product."""
    for command in _commands(stream):
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
    if not isinstance(bug.exc_value, DriverReset):  # that one was answered
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
