"""Slots from their beacon to their intake root, on a clock that the test moves."""

import asyncio

import pytest

from edgeproof.audit import attendance
from edgeproof.audit.register import Register
from edgeproof.audit.replay import replay
from edgeproof.coordinator import conductor as conductor_module
from edgeproof.coordinator.conductor import Conductor
from edgeproof.coordinator.intake import View
from edgeproof.coordinator.outside import OutsideSource
from edgeproof.coordinator.publisher import Publisher
from edgeproof.coordinator.reception import Reception
from edgeproof.coordinator.sqlite_store import SqliteStore
from edgeproof.coordinator.store import Batch
from edgeproof.proofs import merkle, outside, timetable, uptime
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.outside import Block
from edgeproof.proofs.parameters import EntropySource, Phase
from edgeproof.proofs.reasons import Reason
from edgeproof.simulator.epochs import SimulatedNetwork, judge_stand_ins
from edgeproof.telemetry import intake, signing, topics
from edgeproof.telemetry.broker import Envelope
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.memory import MemoryBroker
from edgeproof.telemetry.message import Signed, decode_signed
from edgeproof.telemetry.messages import (
    ZERO,
    Ack,
    Beacon,
    Entropy,
    Heartbeat,
    IntakeRoot,
    Receipt,
    Seal,
)
from tests.coordinator.conftest import NETWORK, RECORD

DEVICE = NETWORK.devices[0]
NAME = to_hex(DEVICE.key.address)
EPOCH = NETWORK.parameters.slots_per_epoch


class Coordinator:
    """The live parts over a broker in this process; ``now`` is the test's."""

    def __init__(
        self,
        store: SqliteStore,
        broker: MemoryBroker,
        network: SimulatedNetwork = NETWORK,
        source: OutsideSource | None = None,
    ) -> None:
        self.network = network
        self.now = timetable.slot_start(network.parameters, -1)
        self.store = store
        self.broker = broker
        self.connection = broker.connect(topics.COORDINATOR)
        self.view = View(network.description)
        publisher = Publisher(self.connection, network.description, network.coordinator)
        self.reception = Reception(
            self.connection, store, self.view, publisher, lambda: self.now
        )
        self.ended: list[int] = []
        self.conductor = Conductor(
            store,
            self.view,
            network.beacons,
            publisher,
            self.reception,
            clock=lambda: self.now,
            after_slot=self._note,
            source=source,
        )
        self.conductor.resume()

    async def _note(self, slot: int) -> None:
        self.ended.append(slot)

    async def begin(self, slot: int) -> None:
        self.now = timetable.slot_start(NETWORK.parameters, slot)
        await self.conductor._begin(slot)

    async def end(self, slot: int, *, late_ms: int = 0) -> None:
        end = timetable.slot_start(NETWORK.parameters, slot + 1)
        self.now = end + NETWORK.parameters.beat_grace_ms + late_ms
        await self.conductor._end(slot)

    async def hear(self, kind: str, payload: bytes) -> None:
        await self.reception.take([Envelope(topics.uplink(NAME, kind), payload)])


def beat(slot: int) -> bytes:
    value = NETWORK.beacons.value(slot)
    address = DEVICE.key.address
    return Heartbeat(address, bytes(16), 0, slot, value, ZERO, ZERO).encode()


def seal() -> bytes:
    message = Seal(DEVICE.key.address, bytes(16), 0, b"\x01", ZERO)
    return signing.sign(message, NETWORK.description.domain, DEVICE.key).encode()


async def received(device: "asyncio.Queue[Envelope]", topic: str) -> bytes:
    async with asyncio.timeout(5):
        while True:
            envelope = await device.get()
            if envelope.topic == topic:
                return envelope.payload


@pytest.fixture
def broker(store: SqliteStore) -> MemoryBroker:
    store.add(Batch(-1, enrolments=list(RECORD.enrolments)))
    return MemoryBroker()


async def test_a_slot_goes_from_beacon_to_receipt(
    store: SqliteStore, broker: MemoryBroker
) -> None:
    coordinator = Coordinator(store, broker)
    inbox: asyncio.Queue[Envelope] = asyncio.Queue()

    async def listen() -> None:
        async with broker.connect(NAME) as device:
            await device.subscribe("n/+", f"c/{NAME}/#")
            ready.set()
            async for envelope in device:
                inbox.put_nowait(envelope)

    ready = asyncio.Event()
    async with coordinator.connection:
        listener = asyncio.create_task(listen())
        await ready.wait()
        await coordinator.begin(0)
        raw = await received(inbox, "n/beacon")
        assert decode_signed(Beacon, raw).message.value == NETWORK.beacons.value(0)

        await coordinator.hear("heartbeat", beat(0))
        ack = decode_signed(Ack, await received(inbox, f"c/{NAME}/ack")).message
        assert ack.messages == (keccak(beat(0)),)
        assert ack.reasons == (0,)
        await coordinator.hear("seal", seal())

        await coordinator.end(0)
        root = decode_signed(IntakeRoot, await received(inbox, "n/root")).message
        raw = await received(inbox, f"c/{NAME}/receipt")
        receipt = decode_signed(Receipt, raw).message
        assert merkle.check_path(
            receipt.message, receipt.index, receipt.size, receipt.path, root.root
        )
        place = list(Register(RECORD.enrolments).roster(0)).index(DEVICE.key.address)
        digest = decode_signed(Seal, seal()).message.digest(NETWORK.description.domain)
        assert receipt.message == digest
        assert (root.root, root.size) == intake.root(bytes([1 << place]), [digest])

        await coordinator.hear("heartbeat", beat(0))
        ack = decode_signed(Ack, await received(inbox, f"c/{NAME}/ack")).message
        while ack.messages != (keccak(beat(0)),):
            ack = decode_signed(Ack, await received(inbox, f"c/{NAME}/ack")).message
        assert ack.reasons == (int(Reason.LATE),)
        listener.cancel()


async def test_nothing_is_acknowledged_that_is_not_on_disk(
    store: SqliteStore, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    coordinator = Coordinator(store, broker)
    said: list[str] = []

    async def note(device: str, _messages: object) -> None:
        said.append(device)

    def full(_batch: Batch) -> None:
        msg = "database or disk is full"
        raise OSError(msg)

    async with coordinator.connection:
        await coordinator.begin(0)
        monkeypatch.setattr(coordinator.reception._publisher, "acknowledge", note)
        monkeypatch.setattr(store, "add", full)
        with pytest.raises(OSError, match="full"):
            await coordinator.hear("heartbeat", beat(0))
    assert said == []


async def test_a_slot_that_would_end_late_is_void(
    store: SqliteStore, broker: MemoryBroker
) -> None:
    coordinator = Coordinator(store, broker)
    async with coordinator.connection:
        await coordinator.begin(0)
        await coordinator.hear("seal", seal())
        await coordinator.end(0, late_ms=NETWORK.parameters.slot_ms)
        assert store.last_slots() == (0, -1)
        await coordinator.begin(1)
        await coordinator.end(1)
    assert store.last_slots() == (1, 1)
    record = store.record(NETWORK.description, 0, 20)
    assert [each.slot for each in record.seals] == [1]


async def test_a_restart_goes_on_where_it_was(
    store: SqliteStore, broker: MemoryBroker
) -> None:
    first = Coordinator(store, broker)
    async with first.connection:
        for slot in range(8):
            await first.begin(slot)
            await first.end(slot)
    second = Coordinator(store, broker)
    assert second.view.rounds == first.view.rounds
    assert second.view.rounds
    assert second.conductor._last_round == first.conductor._last_round
    assert second.view.beacons == first.view.beacons
    assert second.view.sealed == 7
    before = store.record(NETWORK.description, 0, 20)
    async with second.connection:
        await second.begin(7)
        await second.end(7)
    assert store.record(NETWORK.description, 0, 20) == before


async def conducted(coordinator: Coordinator, jumps: dict[int, int], to: int) -> None:
    """Run the conductor to slot ``to``; its clock jumps by ``jumps`` (slots) at each.

    As if the machine had slept when it was about to begin that slot.
    """
    network, clock = coordinator.network.parameters, coordinator
    left = {timetable.slot_start(network, slot): by for slot, by in jumps.items()}
    done = asyncio.Event()

    async def sleep_until(moment: int) -> None:
        task = asyncio.current_task()
        if task is not None and task.get_name().startswith("round"):
            # A round waits; it must not push the clock on under the slots.
            while clock.now < moment:  # noqa: ASYNC110 - the clock is no event
                await asyncio.sleep(0)
            return
        clock.now = max(clock.now, moment)
        clock.now += left.pop(moment, 0) * network.slot_ms
        if clock.now >= timetable.slot_start(network, to):
            done.set()
            await asyncio.Event().wait()

    coordinator.conductor._sleep_until = sleep_until  # type: ignore[method-assign] # no test waits for a real clock
    async with coordinator.connection:
        conducting = asyncio.create_task(coordinator.conductor.run())
        async with asyncio.timeout(10):
            await done.wait()
        conducting.cancel()


async def test_every_slot_begins_and_ends_in_its_turn(
    store: SqliteStore, broker: MemoryBroker
) -> None:
    coordinator = Coordinator(store, broker)
    await conducted(coordinator, {}, 12)
    record = store.record(NETWORK.description, 0, 20)
    assert record.beacons == RECORD.beacons[:12]
    assert record.entropies == RECORD.entropies[:12]
    assert [each.signed.message.slot for each in record.intake] == list(range(11))
    assert coordinator.ended == list(range(11))
    opened = [each.round for each in record.phases]
    assert set(opened) <= coordinator.view.rounds


async def test_what_was_slept_through_is_void_and_never_said_late(
    store: SqliteStore, broker: MemoryBroker
) -> None:
    coordinator = Coordinator(store, broker)
    await conducted(coordinator, {5: 3}, 12)
    record = store.record(NETWORK.description, 0, 20)
    assert [each.message.slot for each in record.beacons] == [*range(5), *range(8, 12)]
    sealed = [each.signed.message.slot for each in record.intake]
    assert sealed == [*range(4), *range(8, 11)]


OUTSIDE = SimulatedNetwork(
    count=3, parameters=outside.with_source(NETWORK.parameters, EntropySource.CHAIN)
)
OUTSIDE.outside = lambda slot: Block(slot, bytes([slot]) * 32, 0).outside


class Source:
    """Gives each slot's value at once, but in some slots nothing, or nothing in time.

    ``late`` moves the clock beyond the deadline before it answers.
    """

    def __init__(self, *silent: int, late: int = -1) -> None:
        self.silent = silent
        self.late = late
        self.coordinator: Coordinator | None = None

    async def of(self, slot: int) -> bytes:
        if slot in self.silent:
            await asyncio.Event().wait()
        if slot == self.late and self.coordinator is not None:
            self.coordinator.now += OUTSIDE.parameters.entropy_ms
        return OUTSIDE.outside(slot)


async def test_entropy_follows_its_beacon_once_it_came_from_outside(
    store: SqliteStore, broker: MemoryBroker
) -> None:
    source = Source(late=6)
    coordinator = Coordinator(store, broker, OUTSIDE, source)
    source.coordinator = coordinator
    conductor, published = coordinator.conductor, []

    async def note(entropy: Signed[Entropy]) -> None:
        assert entropy in store.record(OUTSIDE.description, 0, 20).entropies
        published.append(entropy.message.slot)

    async def rest(moment: int) -> None:
        coordinator.now = max(coordinator.now, moment)

    async with coordinator.connection:
        conductor._publisher.entropy = note  # type: ignore[method-assign] # what is published is what counts
        conductor._sleep_until = rest  # type: ignore[method-assign] # no test waits for a real clock
        for slot in range(8):
            await coordinator.begin(slot)
            assert slot not in coordinator.view.entropies
            await conductor._follow(slot)
            await coordinator.end(slot)
    said = store.record(OUTSIDE.description, 0, 20)
    in_time = [slot for slot in range(8) if slot != 6]
    assert published == in_time
    assert said.entropies == tuple(OUTSIDE.entropy(slot) for slot in in_time)
    assert len(said.beacons) == len(said.intake) == 8
    values = {e.message.slot: e.message.value for e in said.entropies}
    opened = set(timetable.rounds(OUTSIDE.parameters, values, timetable.NO_ROUND))
    assert opened == coordinator.view.rounds == {p.round for p in said.phases}
    assert opened


async def test_a_source_that_is_silent_costs_its_slots_draws_and_nothing_else(
    store: SqliteStore, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conductor_module, "SECOND", 100_000)  # it gives up soon
    silent = (0, 3, 4)
    coordinator = Coordinator(store, broker, OUTSIDE, Source(*silent))
    async with coordinator.connection:
        for slot in range(8):
            await coordinator.begin(slot)
            if slot in silent:
                await coordinator.conductor._follow(slot)
            else:
                await coordinator.conductor._draw(slot, Source())
            await coordinator.end(slot)
    said = store.record(OUTSIDE.description, 0, 20)
    assert [e.message.slot for e in said.entropies] == [1, 2, 5, 6, 7]
    assert len(said.beacons) == len(said.intake) == 8
    assert not coordinator.view.rounds & set(silent)

    again = Coordinator(store, broker, OUTSIDE, Source())
    assert again.view.entropies == coordinator.view.entropies == {1, 2, 5, 6, 7}
    assert again.view.rounds == coordinator.view.rounds


class Broken:
    """A source with a bug."""

    async def of(self, slot: int) -> bytes:
        msg = f"slot {slot}"
        raise KeyError(msg)


async def test_a_source_that_breaks_costs_draws_and_nothing_else(
    store: SqliteStore, broker: MemoryBroker
) -> None:
    coordinator = Coordinator(store, broker, OUTSIDE, Broken())
    await conducted(coordinator, {}, 6)
    said = store.record(OUTSIDE.description, 0, 20)
    assert len(said.beacons) == 6
    assert len(said.intake) == 5
    assert said.entropies == ()


async def test_a_conductor_with_a_source_keeps_every_slot(
    store: SqliteStore, broker: MemoryBroker
) -> None:
    coordinator = Coordinator(store, broker, OUTSIDE, Source(5))
    await conducted(coordinator, {}, 12)
    said = store.record(OUTSIDE.description, 0, 20)
    assert [each.message.slot for each in said.beacons] == list(range(12))
    assert [each.signed.message.slot for each in said.intake] == list(range(11))
    assert 5 not in coordinator.view.entropies


async def test_a_phase_that_is_missed_is_never_said_late(
    store: SqliteStore, broker: MemoryBroker
) -> None:
    coordinator = Coordinator(store, broker)
    conductor, network = coordinator.conductor, NETWORK.parameters
    _, late = timetable.phase_bounds(network, 0, Phase.WALK)

    async def sleep_until(moment: int) -> None:
        coordinator.now = max(moment, late)

    conductor._sleep_until = sleep_until  # type: ignore[method-assign] # no test waits for a real clock
    async with coordinator.connection:
        await conductor._round(0)
    said = store.record(NETWORK.description, 0, 20).phases
    assert [each.phase for each in said] == [Phase.MATMUL, Phase.SECOND_WALK, Phase.POW]
    values = NETWORK.beacons.phase_values(0)
    assert all(each.value == values[each.phase] for each in said)


async def test_an_outage_of_ours_lowers_nobodys_uptime(store: SqliteStore) -> None:
    """Stop for five slots amid an epoch; what devices sent meanwhile comes after."""
    store.add(Batch(-1, enrolments=list(RECORD.enrolments)))
    coordinator = Coordinator(store, MemoryBroker())
    outage = range(4, 9)
    claimed = 0
    for slot in range(timetable.close_of(NETWORK.parameters, 0)):
        if slot in outage:
            continue
        if slot == outage.stop:
            # Nobody restarts at the same place: the store alone goes on.
            coordinator = Coordinator(store, MemoryBroker())
            await coordinator.begin(slot)
            before = claims(claimed)
            await coordinator.hear("seal", before)
        else:
            await coordinator.begin(slot)
        if slot < EPOCH:
            await coordinator.hear("heartbeat", beat(slot))
            claimed |= 1 << slot
        if slot == EPOCH:
            await coordinator.hear("seal", claims(claimed))
        if slot != outage.start - 1:  # it stopped before it could end this one
            await coordinator.end(slot)
    record = store.record(NETWORK.description, 0, EPOCH + 5)
    outcome = replay(record, judge_stand_ins)
    (mine,) = [a for a in outcome.attendance if a.device == DEVICE.key.address]
    assert mine.slots == outcome.countable, "every slot that counts at all"
    assert outcome.countable.bit_count() == EPOCH - len(outage) - 1
    codes = attendance.missing(record, outcome, {})[DEVICE.key.address]
    assert set(codes) == {Reason.NONE, Reason.SLOT_VOID}


def claims(slots: int) -> bytes:
    message = Seal(DEVICE.key.address, bytes(16), 0, uptime.bitmap(slots, EPOCH), ZERO)
    return signing.sign(message, NETWORK.description.domain, DEVICE.key).encode()
