"""Keep the timetable: begin slots and phases, end slots with their intake root."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from edgeproof.audit.register import Register
from edgeproof.coordinator.beacon_chain import BeaconChain
from edgeproof.coordinator.intake import View
from edgeproof.coordinator.outside import OutsideSource
from edgeproof.coordinator.publisher import Publisher
from edgeproof.coordinator.reception import Reception
from edgeproof.coordinator.store import Kept, Store
from edgeproof.proofs import merkle, outside, timetable
from edgeproof.proofs.parameters import SECOND, Phase
from edgeproof.telemetry import intake
from edgeproof.telemetry.message import Signed
from edgeproof.telemetry.messages import Beacon, Entropy, IntakeRoot, Receipt
from edgeproof.telemetry.messages import Phase as PhaseMessage

log = structlog.get_logger()

REMEMBERED = 2
"""Epochs before the current one that messages may still speak of."""


class Conductor:
    """The one loop that everything in the network follows.

    A slot that it could not begin in time, or end before the next but one begins, is
    void for everybody: nothing is published late.  A slot for which nothing came from
    outside in time has no entropy: no round opens in it, and nothing is drawn by it.
    """

    def __init__(  # noqa: PLR0913 - the parts that it conducts
        self,
        store: Store,
        view: View,
        chain: BeaconChain,
        publisher: Publisher,
        reception: Reception,
        *,
        clock: Callable[[], int],
        after_slot: Callable[[int], Awaitable[None]],
        source: OutsideSource | None = None,
    ) -> None:
        self._store = store
        self._view = view
        self._network = view.description.parameters
        self._chain = chain
        self._publisher = publisher
        self._reception = reception
        self._clock = clock
        self._after_slot = after_slot
        self._source = source
        self._last_round = timetable.NO_ROUND

    def resume(self) -> None:
        """Take up what the store says was published before a restart."""
        epoch = self._store.last_epoch() + 1
        record = self._store.record(
            self._view.description, epoch, self._store.last_slots()[0] + 1
        )
        self._last_round = record.carried.last_round
        entropies = {e.message.slot: e.message.value for e in record.entropies}
        for opened in timetable.rounds(self._network, entropies, self._last_round):
            self._last_round = opened
            self._view.rounds.add(opened)
        self._view.entropies.update(entropies)
        self._view.beacons.update(
            {beacon.message.slot: beacon.message.value for beacon in record.beacons}
        )
        self._view.sealed = self._store.last_slots()[1]
        self._view.register = Register(self._store.enrolments())
        self._know_rosters(timetable.epoch_of(self._network, self._now_slot()))

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as rounds:
            await self._conduct(rounds)

    async def _conduct(self, rounds: asyncio.TaskGroup) -> None:
        slot = max(self._now_slot() + 1, 0)
        while True:
            await self._sleep_until(timetable.slot_start(self._network, slot))
            slot = max(slot, self._now_slot())  # a machine that slept wakes up later
            await self._begin(slot)
            rounds.create_task(self._follow(slot), name=f"round {slot}")
            grace = self._network.beat_grace_ms
            await self._sleep_until(timetable.slot_start(self._network, slot) + grace)
            if slot > 0:
                await self._end(slot - 1)
                await self._after_slot(slot - 1)
            slot = max(slot + 1, self._now_slot())

    async def _begin(self, slot: int) -> None:
        """Publish the slot's beacon, and its entropy where all of it is ours."""
        network = self._network
        epoch = timetable.epoch_of(network, slot)
        if epoch not in self._view.rosters:
            async with self._reception.lock:  # enrolments of the last epoch are in
                self._know_rosters(epoch)
        value = self._chain.value(slot)
        beacon = self._publisher.sign(
            Beacon(
                slot,
                value,
                self._chain.round_anchor(slot),
                self._chain.next_anchor(slot),
            )
        )
        entropy = self._entropy(slot, b"") if self._source is None else None
        await asyncio.to_thread(self._store.open_slot, slot, beacon, entropy)
        self._view.beacons[slot] = value
        await self._publisher.beacon(beacon)
        if entropy is not None:
            await self._drawn(entropy)

    def _entropy(self, slot: int, found: bytes) -> Signed[Entropy]:
        value = outside.entropy(self._chain.value(slot), found)
        return self._publisher.sign(Entropy(slot, value, found))

    async def _drawn(self, entropy: Signed[Entropy]) -> None:
        """Publish a slot's entropy, which is on disk."""
        slot, value = entropy.message.slot, entropy.message.value
        self._view.entropies.add(slot)
        if timetable.round_opens(self._network, slot, value, self._last_round):
            self._last_round = slot
            self._view.rounds.add(slot)
        await self._publisher.entropy(entropy)

    async def _follow(self, slot: int) -> None:
        """Draw what the slot draws, and conduct the round that opens in it, if any."""
        if self._source is not None:
            await self._draw(slot, self._source)
        if slot in self._view.rounds:
            await self._round(slot)

    async def _draw(self, slot: int, source: OutsideSource) -> None:
        """Publish the slot's entropy once it has come from outside; never late."""
        due = timetable.slot_start(self._network, slot) + self._network.entropy_ms
        found = None
        try:
            async with asyncio.timeout(max(0, due - self._clock()) / SECOND):
                found = await source.of(slot)
        except TimeoutError:
            pass  # said below
        except Exception:  # what strangers' servers answer costs one draw at most
            log.exception("the source of entropy failed", slot=slot)
        if found is None or self._clock() >= due:
            log.warning("no entropy: nothing came from outside in time", slot=slot)
            return
        entropy = self._entropy(slot, found)
        await asyncio.to_thread(self._store.keep_entropy, entropy)
        await self._drawn(entropy)

    async def _round(self, opened: int) -> None:
        log.info("round opens", slot=opened)
        values = self._chain.phase_values(opened)
        for phase in Phase:
            start, end = timetable.phase_bounds(self._network, opened, phase)
            await self._sleep_until(start)
            if self._clock() >= end:
                log.warning("phase missed", round=opened, phase=phase.name)
                continue
            message = PhaseMessage(opened, phase, values[phase])
            await asyncio.to_thread(self._store.open_phase, message)
            await self._publisher.phase(message)

    async def _end(self, slot: int) -> None:
        network = self._network
        if slot not in self._view.beacons:
            return
        if self._clock() >= timetable.slot_start(network, slot + 2):
            log.warning("slot void: its intake root would be late", slot=slot)
            return
        async with self._reception.lock:
            self._view.sealed = slot
            heard, kept = await asyncio.to_thread(self._arrived, slot)
        epoch = timetable.epoch_of(network, slot)
        bitmap = intake.heard_bitmap(list(self._view.rosters[epoch]), heard)
        digests = [message.digest for message in kept]
        value, size = intake.root(bitmap, digests)
        root = self._publisher.sign(IntakeRoot(slot, size, value))
        await asyncio.to_thread(self._store.seal_slot, slot, bitmap, root.encode())
        await self._publisher.intake_root(root)
        await self._publisher.receipts(_receipts(slot, bitmap, kept, value))

    def _arrived(self, slot: int) -> tuple[set[bytes], list[Kept]]:
        return self._store.heard(slot), self._store.arrivals(slot)

    def _know_rosters(self, epoch: int) -> None:
        """Freeze the rosters up to ``epoch``; forget what nobody may speak of."""
        view = self._view
        oldest = max(0, epoch - REMEMBERED)
        view.rosters = {
            e: view.register.roster(timetable.first_slot(self._network, e))
            for e in range(oldest, epoch + 1)
        }
        horizon = timetable.first_slot(self._network, oldest)
        view.beacons = {s: v for s, v in view.beacons.items() if s >= horizon}
        view.rounds = {slot for slot in view.rounds if slot >= horizon}
        view.entropies = {slot for slot in view.entropies if slot >= horizon}
        for key in [key for key in view.sent if key[0] < horizon]:
            del view.sent[key]
        self._reception.follow_only(
            {d for owners in view.rosters.values() for d in owners}
        )

    def _now_slot(self) -> int:
        return timetable.slot_at(self._network, self._clock())

    async def _sleep_until(self, moment: int) -> None:
        while (left := moment - self._clock()) > 0:  # noqa: ASYNC110 - clocks step
            await asyncio.sleep(left / SECOND)


def _receipts(slot: int, bitmap: bytes, kept: list[Kept], root: bytes) -> list[Receipt]:
    leaves = intake.leaves(bitmap, [message.digest for message in kept])
    places = range(1, len(leaves))
    return [
        Receipt(
            device=message.device,
            slot=slot,
            message=message.digest,
            index=index,
            size=len(leaves),
            path=tuple(path),
            root=root,
        )
        for index, message, path in zip(
            places, kept, merkle.paths(leaves, places), strict=True
        )
    ]
