"""Hear devices: decide, commit, acknowledge, in that order."""

import asyncio
from collections import defaultdict
from collections.abc import Callable

import structlog

from edgeproof.audit import register
from edgeproof.audit.model import Enrolment
from edgeproof.coordinator import enrolling
from edgeproof.coordinator.door import Door, OpenDoor
from edgeproof.coordinator.gaps import Gaps
from edgeproof.coordinator.intake import View, admit
from edgeproof.coordinator.publisher import Publisher
from edgeproof.coordinator.store import Batch, Refused, Store
from edgeproof.proofs import timetable
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry import topics
from edgeproof.telemetry.broker import BrokerUnavailable, Connection, Envelope
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.messages import Retire

log = structlog.get_logger()

LARGEST_BATCH = 500
"""Messages of one transaction."""

GATHER = 0.02
"""Seconds to wait for more messages, so that one disk write serves many."""

UNACKNOWLEDGED = frozenset({"status", ""})
"""Kinds that a device does not wait for."""


class Reception:
    """One reader of the connection.  ``lock`` is held while a batch is under way."""

    def __init__(  # noqa: PLR0913 - what it hears, knows, keeps and says
        self,
        connection: Connection,
        store: Store,
        view: View,
        publisher: Publisher,
        clock: Callable[[], int],
        *,
        door: Door | None = None,
    ) -> None:
        self._connection = connection
        self._store = store
        self._view = view
        self._publisher = publisher
        self._clock = clock
        self._door = door or OpenDoor()
        self._gaps = Gaps()
        self.lock = asyncio.Lock()

    async def run(self) -> None:
        """Serve until cancelled; safe to kill: what is unacknowledged comes again."""
        await self._subscribe()
        waiting: asyncio.Queue[Envelope] = asyncio.Queue(LARGEST_BATCH)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read(waiting), name="reader")
            group.create_task(self._serve(waiting), name="batches")

    async def _subscribe(self) -> None:
        """Wait for the broker as long as it takes."""
        while True:
            try:
                await self._connection.subscribe("d/#")
            except BrokerUnavailable as error:
                log.warning("no broker yet", why=str(error), hint=error.hint)
            else:
                return

    async def _read(self, waiting: asyncio.Queue[Envelope]) -> None:
        async for envelope in self._connection:
            await waiting.put(envelope)

    async def _serve(self, waiting: asyncio.Queue[Envelope]) -> None:
        while True:
            envelopes = [await waiting.get()]
            await asyncio.sleep(GATHER)
            while not waiting.empty() and len(envelopes) < LARGEST_BATCH:
                envelopes.append(waiting.get_nowait())
            await self.take(envelopes)

    def follow_only(self, devices: set[bytes]) -> None:
        """Look for gaps in what these devices say, and nobody else."""
        self._gaps.forget(devices)

    async def enrol(self, raw: bytes) -> Enrolment:
        """Admit a change of the register; return it once it is on disk.

        The very same message again is answered alike.  Raises ``MessageRefused``.
        """
        async with self.lock:
            now = self._clock()
            slot = timetable.slot_at(self._view.description.parameters, now)
            try:
                enrolment, new = enrolling.admit(self._view, raw, slot, now)
            except MessageRefused as refusal:
                log.info("refused", reason=refusal.reason.name, why=str(refusal))
                raise
            if new:
                batch = Batch(slot, enrolments=[enrolment])
                await asyncio.to_thread(self._store.add, batch)
                self._view.register.add(enrolment)
        change = enrolment.signed.message
        if isinstance(change, Retire):
            self._door.disconnect(change.device)
        if new:
            kind = register.kind_of(change)
            log.info(kind, device=to_hex(change.device), since=enrolment.since)
        return enrolment

    async def take(self, envelopes: list[Envelope]) -> None:
        """Decide on a batch, commit it, and acknowledge it."""
        answers: dict[str, list[tuple[bytes, Reason]]] = defaultdict(list)
        async with self.lock:
            now = self._clock()
            slot = timetable.slot_at(self._view.description.parameters, now)
            batch = Batch(slot)
            self._view.revoked = self._door.shut_out()
            for envelope in envelopes:
                place = topics.parse(envelope.topic)
                device = place.device if place else ""
                kind = place.kind if place else ""
                reason = self._decide(batch, envelope, now, device, kind)
                if kind not in UNACKNOWLEDGED:
                    answers[device].append((keccak(envelope.payload), reason))
            await asyncio.to_thread(self._store.add, batch)
        await self._publisher.acknowledge(answers)
        wanted = self._gaps.after(batch.links, slot)
        if wanted:
            log.info("asked again", devices=len(wanted), slot=slot)
            await self._publisher.ask_again(wanted, slot)

    def _decide(
        self, batch: Batch, envelope: Envelope, now: int, device: str, kind: str
    ) -> Reason:
        try:
            admit(self._view, batch, envelope.topic, envelope.payload, now)
        except MessageRefused as refusal:
            batch.refused.append(Refused(device, kind, refusal.reason))
            log.info(
                "refused",
                device=device,
                kind=kind,
                reason=refusal.reason.name,
                why=str(refusal),
            )
            return refusal.reason
        return Reason.NONE
