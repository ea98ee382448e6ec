"""Judge rounds as they are decided, close epochs, publish their bundles."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import structlog

from edgeproof.audit import attendance, bundle
from edgeproof.audit.model import EpochRecord, Outcome
from edgeproof.audit.replay import replay
from edgeproof.coordinator.publisher import Publisher
from edgeproof.coordinator.store import Store
from edgeproof.coordinator.verification import ProofDesk
from edgeproof.proofs import timetable, uptime
from edgeproof.proofs.parameters import Bucket
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.messages import EpochRoot, Statement
from edgeproof.telemetry.signing import Key

log = structlog.get_logger()

NOTHING = "nothing"
"""State of a root that raises no balance and is therefore never posted."""

WAITING = "waiting"
"""State of a root that is to be posted."""


class Closer:
    """Follow the slots in a task of its own, so the timetable never waits for it."""

    def __init__(  # noqa: PLR0913 - what a close reads, asks and writes
        self,
        store: Store,
        desk: ProofDesk,
        publisher: Publisher,
        description: Description,
        *,
        attestor: Key,
        bundles: Path,
    ) -> None:
        self._store = store
        self._desk = desk
        self._publisher = publisher
        self._description = description
        self._network = description.parameters
        self._attestor = attestor
        self._bundles = bundles
        self._slots: asyncio.Queue[int] = asyncio.Queue()

    async def after_slot(self, slot: int) -> None:
        """Note that ``slot`` has ended."""
        await self._slots.put(slot)

    async def run(self) -> None:
        """Serve until cancelled.  Every step can be repeated after a crash."""
        while True:
            slot = await self._slots.get()
            while not self._slots.empty():
                slot = self._slots.get_nowait()
            await self._judge(slot)
            epoch = self._store.last_epoch() + 1
            while slot + 1 >= timetable.close_of(self._network, epoch):
                await self._close(epoch)
                epoch += 1

    async def _judge(self, slot: int) -> None:
        """Show verdicts as soon as they are final, long before the close."""
        last = timetable.epoch_of(self._network, slot)
        for epoch in range(self._store.last_epoch() + 1, last + 1):
            close = min(slot + 1, timetable.close_of(self._network, epoch))
            record = await self._record(epoch, close)
            verdicts = await self._desk.verdicts(record, close)
            await asyncio.to_thread(self._store.keep_verdicts, verdicts)

    async def _close(self, epoch: int) -> None:
        close = timetable.close_of(self._network, epoch)
        record = await self._record(epoch, close)
        await self._desk.verdicts(record, close)
        outcome = await asyncio.to_thread(replay, record, self._desk.verifier())
        data_hash = await asyncio.to_thread(self._publish, record, outcome)
        outcome = replace(
            outcome, carried=replace(outcome.carried, previous_bundle=data_hash)
        )
        posting = self._posting(epoch, outcome)
        first = timetable.first_slot(self._network, epoch)
        hints = await asyncio.to_thread(
            self._store.hints, first, first + self._network.slots_per_epoch
        )
        missing = attendance.missing(record, outcome, hints)
        await asyncio.to_thread(
            self._store.close_epoch, epoch, outcome, data_hash, posting, missing
        )
        self._desk.forget()
        log.info(
            "epoch closed",
            epoch=epoch,
            root="0x" + outcome.root.hex(),
            cumulative_total=str(outcome.cumulative_total),
            unallocated=str(outcome.unallocated),
        )
        await self._publisher.statements(_statements(record, outcome, missing))

    async def _record(self, epoch: int, until: int) -> EpochRecord:
        return await asyncio.to_thread(
            self._store.record, self._description, epoch, until
        )

    def _publish(self, record: EpochRecord, outcome: Outcome) -> bytes:
        """Write the bundle; sign its root if it is the last one of a group."""
        folder = self._bundles / str(record.epoch)
        data_hash = bundle.write_bundle(folder, record, outcome)
        if not timetable.ends_root(self._network, record.epoch):
            return data_hash
        root = EpochRoot(
            first_epoch=record.epoch - record.epoch % self._network.epochs_per_root,
            last_epoch=record.epoch,
            root=outcome.root,
            cumulative_total=outcome.cumulative_total,
            data_hash=data_hash,
        )
        digest = root.digest(self._description.root_domain)
        signature = self._attestor.sign_digest(digest)
        bundle.attest(folder, root, {self._attestor.address: signature})
        return data_hash

    def _posting(self, epoch: int, outcome: Outcome) -> str:
        """Return whether the root is to be posted: the last of its group, and more."""
        last = timetable.ends_root(self._network, epoch)
        grown = outcome.cumulative_total > self._store.posted_total()
        return WAITING if last and grown else NOTHING


def _statements(
    record: EpochRecord, outcome: Outcome, missing: Mapping[bytes, bytes]
) -> list[Statement]:
    slots = record.description.parameters.slots_per_epoch
    payouts = {(p.device, p.bucket): p for p in outcome.payouts}
    statements = []
    for row in outcome.attendance:
        mine = [payouts[row.device, bucket] for bucket in Bucket]
        statements.append(
            Statement(
                device=row.device,
                owner=row.owner,
                epoch=record.epoch,
                slots=uptime.bitmap(row.slots, slots),
                missing=missing[row.device],
                counted=outcome.countable.bit_count(),
                weights=tuple(p.weight for p in mine),
                rewards=tuple(p.reward for p in mine),
                reasons=tuple(int(p.reason) for p in mine),
                difficulties=_difficulties(outcome.difficulties, row.device),
            )
        )
    return statements


def _difficulties(
    difficulties: Mapping[tuple[bytes, int], int], device: bytes
) -> tuple[int, ...]:
    pairs = sorted((c, d) for (who, c), d in difficulties.items() if who == device)
    return tuple(number for pair in pairs for number in pair)
