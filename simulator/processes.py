"""Child processes that never outlive the program that started them.

Each child is the leader of a session of its own, so that ctrl-C reaches only us, and
its whole group can be stopped; on Linux the kernel kills it if we die.
"""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from edgeproof.errors import EdgeproofError

PATIENCE = 8.0
"""Seconds between a polite and an impolite signal."""

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that a process gets when its parent dies."""

LAST_LINES = 8
"""Lines of a child's log that an error shows."""


class ChildDied(EdgeproofError):  # noqa: N818 - reads as what happened
    """A child process ended before its time."""


class Family:
    """Start children inside ``with``; leaving stops all of them, whatever happened."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._files: list[IO[bytes]] = []

    def __enter__(self) -> Self:
        """Make the folder of logs."""
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop every child: politely, then not."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._signal(number)
            self._wait(PATIENCE)
        # What a killed child started itself shares its group.
        self._signal(signal.SIGKILL, dead_too=True)
        for file in self._files:
            file.close()

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start a child whose output goes to its log."""
        log = self.log(name).open("ab")
        self._files.append(log)
        self._children[name] = self._popen(command, environment, log, log)

    def start_announcing(self, name: str, command: Sequence[str], wait: float) -> Any:  # noqa: ANN401 - JSON
        """Start a child and return the JSON line that it prints when it is ready."""
        log = self.log(name).open("ab")
        self._files.append(log)
        child = self._popen(command, None, subprocess.PIPE, log)
        self._children[name] = child
        if child.stdout is None:
            msg = "the child has no pipe"
            raise RuntimeError(msg)
        self._files.append(child.stdout)
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            if not selector.select(wait):
                msg = f"{name} was not ready within {wait:g} s"
                raise ChildDied(msg, hint=self._tail(name))
        line = child.stdout.readline()
        if not line:
            child.wait(PATIENCE)
            self.check()
        return json.loads(line)

    def run(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start a child, to be awaited with ``finish``."""
        self.start(name, command, environment)

    def finish(self, name: str, wait: float) -> None:
        """Wait for a child that ends by itself; raise ``ChildDied`` if it failed."""
        child = self._children[name]
        try:
            status = child.wait(wait)
        except subprocess.TimeoutExpired:
            msg = f"{name} took longer than {wait:g} s"
            raise ChildDied(msg, hint=self._tail(name)) from None
        del self._children[name]
        if status:
            msg = f"{name} ended with status {status}"
            raise ChildDied(msg, hint=self._tail(name))

    def check(self) -> None:
        """Raise ``ChildDied`` if a child has ended."""
        for name, child in self._children.items():
            if child.poll() is not None:
                msg = f"{name} ended with status {child.returncode}"
                raise ChildDied(msg, hint=self._tail(name))

    def log(self, name: str) -> Path:
        """Return the path of a child's log."""
        return self._logs / f"{name}.log"

    def _popen(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None,
        output: IO[bytes] | int,
        errors: IO[bytes],
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own programs, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - this program has one thread when it starts children
        )

    def _signal(self, number: signal.Signals, *, dead_too: bool = False) -> None:
        for child in self._children.values():
            if dead_too or child.poll() is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(child.pid, number)

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        for child in self._children.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(0.01, until - time.monotonic()))

    def _tail(self, name: str) -> str:
        lines = self.log(name).read_text(errors="replace").splitlines()
        return "its last words were\n    " + "\n    ".join(lines[-LAST_LINES:])


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
