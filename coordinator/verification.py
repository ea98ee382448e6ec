"""Verifications in a process of their own: intake never waits for them.

A proof's verdict depends on its ``ProofCase`` alone, so it is computed once, kept under
the case's hash, and found again at the close and after a restart.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from types import TracebackType
from typing import Self

import structlog

from edgeproof.audit.model import EpochRecord, Verdict
from edgeproof.audit.rounds import ProofCase, RoundJudge, Verifier, verify_proof
from edgeproof.audit.schedule import Schedule
from edgeproof.coordinator.reading import Load
from edgeproof.coordinator.store import Store
from edgeproof.kernels.cpu import selfcheck
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.reasons import Reason

log = structlog.get_logger()

MICROSECOND = 1000
"""Nanoseconds."""


def case_id(case: ProofCase) -> bytes:
    """Return the Keccak-256 of everything that the case's verdict depends on."""
    numbers = (case.bucket, case.size, case.opened, case.permutations)
    parts = (case.seed, case.items, case.draw, case.opening, case.fill_seed)
    return keccak(
        *(number.to_bytes(32, "big") for number in numbers),
        *(keccak(part) for part in parts),
    )


def timed(case: ProofCase) -> tuple[Reason, int]:
    """Return the verdict on a case and what it cost in microseconds."""
    started = time.perf_counter_ns()
    reason = verify_proof(case)
    return reason, (time.perf_counter_ns() - started) // MICROSECOND


AT_A_TIME = 16
"""Proofs that are handed to each process at a time; the others wait here."""

TRIES = 3
"""Times that a batch is verified whose process was killed."""


class ProofDesk:
    """Judge epochs, each proof once.  Leave with ``async with`` to end its process."""

    def __init__(self, store: Store, workers: int = 1) -> None:
        self._store = store
        self._known: dict[bytes, Reason] = {}
        self._workers = workers
        self._pool = _pool(workers)
        self._load = Load(0, AT_A_TIME * workers, 0, 0)

    @property
    def load(self) -> Load:
        """How much there is to verify, and what it costs."""
        return self._load

    async def __aenter__(self) -> Self:
        """Start the process and compile, so that no proof waits for it later."""
        await asyncio.get_running_loop().run_in_executor(self._pool, _ready)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process; what is unfinished is verified again after a restart."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def verdicts(self, record: EpochRecord, close: int) -> list[Verdict]:
        """Return the verdicts on all rounds that are decided before slot ``close``.

        A verdict can change a later round's difficulty and so raise new cases:
        repeated until none is unknown.
        """
        schedule = Schedule.of(record, close)
        while True:
            found, unknown = await asyncio.to_thread(self._judge, record, schedule)
            if not unknown:
                return found
            await self._verify(unknown)

    def verifier(self) -> Verifier:
        """Return a verifier that knows what was verified here before."""

        def verify(case: ProofCase) -> Reason:
            known = self._known.get(case_id(case))
            return verify_proof(case) if known is None else known

        return verify

    def _judge(
        self, record: EpochRecord, schedule: Schedule
    ) -> tuple[list[Verdict], dict[bytes, ProofCase]]:
        unknown: dict[bytes, ProofCase] = {}
        judge = RoundJudge(record, schedule, self._lookup(unknown))
        for decided in schedule.decided():
            if not decided.void:
                judge.judge(decided)
        return judge.settled(), unknown

    def _lookup(self, unknown: dict[bytes, ProofCase]) -> Callable[[ProofCase], Reason]:
        def verify(case: ProofCase) -> Reason:
            name = case_id(case)
            if name not in self._known:
                self._known.update(self._store.proofs([name]))
            if name not in self._known:
                unknown[name] = case
            return self._known.get(name, Reason.NONE)

        return verify

    async def _verify(self, cases: dict[bytes, ProofCase]) -> None:
        """Verify in batches; each is kept before the next one is begun."""
        left = list(cases.items())
        try:
            while left:
                self._load = replace(self._load, waiting=len(left))
                batch = dict(left[: self._load.at_a_time])
                verdicts = await self._verified(batch)
                await asyncio.to_thread(self._store.keep_proofs, verdicts)
                self._known.update({name: r for name, (r, _) in verdicts.items()})
                left = left[len(batch) :]
                self._load = replace(
                    self._load,
                    verified=self._load.verified + len(batch),
                    micros=self._load.micros + sum(m for _, m in verdicts.values()),
                )
        finally:
            self._load = replace(self._load, waiting=0)

    async def _verified(
        self, batch: dict[bytes, ProofCase]
    ) -> dict[bytes, tuple[Reason, int]]:
        """Return the verdicts on a batch, from new processes if one was killed."""
        loop = asyncio.get_running_loop()
        for _ in range(TRIES - 1):
            try:
                results = await asyncio.gather(
                    *(
                        loop.run_in_executor(self._pool, timed, c)
                        for c in batch.values()
                    )
                )
            except BrokenProcessPool:
                log.warning("a verifying process ended; starting others")
                self._pool.shutdown(wait=False, cancel_futures=True)
                self._pool = _pool(self._workers)
            else:
                return dict(zip(batch, results, strict=True))
        # What kills its process each time is verified here, for all to see.
        found = await asyncio.to_thread(lambda: [timed(c) for c in batch.values()])
        return dict(zip(batch, found, strict=True))

    def forget(self) -> None:
        """Drop the memory of verdicts; the store keeps them."""
        self._known.clear()


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=selfcheck.warm,
    )


def _ready() -> None:
    """Run in the pool: its initializer has finished when this returns."""
