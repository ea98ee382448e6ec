"""The prover as seen from the agent: a child that is started, asked, and stopped."""

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from edgeproof.errors import EdgeproofError
from edgeproof.proofs.reasons import Reason

LONGEST_LINE = 512 * 1024
"""Bytes of an answer: the largest is an opening of 128 KiB, as hexadecimal."""

LONGEST_WARM_UP = 300.0
"""Seconds for compiling every kernel on the slowest machine."""

GOODBYE = 2.0
"""Seconds until a child that was asked to end is killed."""

THREAD_VARIABLES = (
    "NUMBA_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
)
"""How many threads the libraries take; each reads its own when it is imported."""

NICENESS_VARIABLE = "EDGEPROOF_PROVER_NICENESS"
"""How far the prover steps back; it sets its own priority from it."""

Answer = Mapping[str, Any]


class ProverFailed(EdgeproofError):  # noqa: N818 - reads as what it is about
    """The prover could not be started, ended too early, or said nonsense.

    ``reason`` is its code.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        reason: Reason = Reason.PROVER_FAILED,
    ) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class CardInfo:
    """A card as the prover named it; ``size`` is the n it works best at, 0 unknown."""

    card: int
    name: str
    kind: str
    size: int


class ProverProcess:
    """At most one child at a time.

    ``on_answer(answer)`` gets each answer but ``ready``; ``on_end(why, reason)`` is
    called once for a child that ended without being stopped.  Both run in the event
    loop.
    """

    def __init__(
        self,
        command: tuple[str, ...],
        *,
        threads: int,
        niceness: int,
        on_answer: Callable[[Answer], None],
        on_end: Callable[[str, Reason], None],
    ) -> None:
        self._command = command
        self._threads = threads
        self._niceness = niceness
        self._on_answer = on_answer
        self._on_end = on_end
        self._child: asyncio.subprocess.Process | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._ready: asyncio.Future[tuple[CardInfo, ...]] | None = None
        self._ending = asyncio.Lock()
        self._last_words = ""
        self.notices: tuple[str, ...] = ()
        """What the prover said of its cards when it was last made ready."""

    @property
    def running(self) -> bool:
        """Whether there is a child."""
        return self._child is not None and self._child.returncode is None

    @property
    def process_id(self) -> int | None:
        """The child's process id."""
        return self._child.pid if self._child is not None else None

    async def warm(self, phase_ms: int) -> tuple[CardInfo, ...]:
        """Compile every kernel and choose sizes; return the cards.

        Raises ``ProverFailed``; the child is stopped then.
        """
        return await self._prepare({"do": "warm", "phase_ms": phase_ms})

    async def load(self) -> tuple[CardInfo, ...]:
        """Start a child and load its kernels; return the cards, without sizes."""
        return await self._prepare({"do": "load"})

    def send(self, command: Mapping[str, object]) -> None:
        """Give the running child a command; raise ``ProverFailed`` if there is none."""
        child = self._child
        if child is None or child.stdin is None or child.returncode is not None:
            msg = "the prover is not running"
            raise ProverFailed(msg)
        child.stdin.write(json.dumps(command).encode() + b"\n")

    async def stop(self) -> None:
        """End the child, if any: at once, or killed after two seconds.

        One that a driver holds even then is left to the system.
        """
        async with self._ending:
            await self._stop()

    async def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        if child.stdin is not None:
            child.stdin.close()  # the prover ends with its input
        try:
            async with asyncio.timeout(GOODBYE):
                await child.wait()
        except TimeoutError:
            child.kill()
            with suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE):
                    await child.wait()
        await self._reap()

    async def _reap(self) -> None:
        current = asyncio.current_task()
        readers = [task for task in self._readers if task is not current]
        self._readers = []
        for task in readers:
            task.cancel()
        if readers:
            await asyncio.wait(readers)
        if self._ready is not None and not self._ready.done():
            self._ready.cancel()

    async def _prepare(self, command: Mapping[str, object]) -> tuple[CardInfo, ...]:
        async with self._ending:
            pass  # one that is being stopped still holds its cards
        if not self.running:
            await self._start()
        self._ready = asyncio.get_running_loop().create_future()
        try:
            self.send(command)
            async with asyncio.timeout(LONGEST_WARM_UP):
                return await self._ready
        except TimeoutError:
            await self.stop()
            msg = f"the prover was not ready after {LONGEST_WARM_UP:g} s"
            raise ProverFailed(msg, reason=Reason.PROVER_HUNG) from None
        except ProverFailed:
            await self.stop()
            raise
        except asyncio.CancelledError:
            if self._child is not None:
                self._child.kill()  # it does not look up from compiling
            await self.stop()
            raise

    async def _start(self) -> None:
        self._last_words = ""
        environment = dict(os.environ)
        if self._threads:
            environment |= dict.fromkeys(THREAD_VARIABLES, str(self._threads))
        environment[NICENESS_VARIABLE] = str(self._niceness)
        try:
            self._child = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=environment,
                limit=LONGEST_LINE,
            )
        except OSError as error:
            msg = f"cannot start the prover {self._command[0]}: {error.strerror}"
            hint = "check EDGEPROOF_AGENT_PROVER_COMMAND"
            raise ProverFailed(msg, hint=hint) from None
        self._readers = [
            asyncio.create_task(self._listen(self._child), name="prover answers"),
            asyncio.create_task(self._overhear(self._child), name="prover errors"),
        ]

    async def _listen(self, child: asyncio.subprocess.Process) -> None:
        assert child.stdout is not None  # noqa: S101 - it was started with a pipe
        why = ""
        try:
            while line := await child.stdout.readline():
                self._dispatch(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            why = f"it said what no prover says: {error}"
            child.kill()
        code = await child.wait()
        killed = code < 0 and not why
        reason = Reason.PROVER_KILLED if killed else Reason.PROVER_FAILED
        why = why or f"it ended with {code}: {self._last_words or '?'}"
        self._fall(child, why, reason)

    async def _overhear(self, child: asyncio.subprocess.Process) -> None:
        assert child.stderr is not None  # noqa: S101 - it was started with a pipe
        while part := await child.stderr.read(4096):
            kept = self._last_words + part.decode(errors="replace")
            self._last_words = kept[-500:].strip()

    def _dispatch(self, answer: Answer) -> None:
        waiting = self._ready is not None and not self._ready.done()
        if answer["is"] == "ready":
            if waiting and self._ready is not None:
                found = tuple(CardInfo(**card) for card in answer["cards"])
                self.notices = tuple(map(str, answer["notices"]))
                self._ready.set_result(found)
        elif answer["is"] == "failed" and answer["job"] is None and waiting:
            self._refuse(str(answer["why"]), reason_of(answer))
        else:
            self._on_answer(answer)

    def _refuse(self, why: str, reason: Reason) -> None:
        if self._ready is not None and not self._ready.done():
            msg = f"the prover cannot work: {why}"
            self._ready.set_exception(ProverFailed(msg, reason=reason))

    def _fall(
        self, child: asyncio.subprocess.Process, why: str, reason: Reason
    ) -> None:
        if self._child is not child:
            return  # it was stopped
        self._child = None
        if self._ready is not None and not self._ready.done():
            self._refuse(why, reason)
        else:
            self._on_end(why, reason)


def reason_of(answer: Answer) -> Reason:
    """Return the code of a ``failed`` answer; a prover may say none, or nonsense."""
    try:
        return Reason(int(answer["reason"]))
    except (KeyError, TypeError, ValueError):
        return Reason.PROVER_FAILED
