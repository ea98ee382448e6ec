"""What arrives is decided, kept, and only then acknowledged, in whatever order."""

import asyncio
import threading
from pathlib import Path
from random import Random

import pytest

from edgeproof.audit.bundle import encode
from edgeproof.audit.model import EpochRecord
from edgeproof.audit.replay import replay
from edgeproof.coordinator.reception import LARGEST_BATCH
from edgeproof.coordinator.sqlite_store import SqliteStore
from edgeproof.coordinator.store import Batch
from edgeproof.proofs import timetable
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.reasons import Reason
from edgeproof.simulator.epochs import judge_stand_ins
from edgeproof.telemetry import signing, topics
from edgeproof.telemetry.broker import BrokerUnavailable, Envelope
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.memory import MemoryBroker
from edgeproof.telemetry.message import decode_signed
from edgeproof.telemetry.messages import ZERO, Ack, Enrol, Heartbeat, Resend, Status
from tests.coordinator.conftest import NETWORK, OUTCOME, RECORD, kept
from tests.coordinator.test_conductor import NAME, Coordinator, beat, seal

DEVICE = NETWORK.devices[0]
DOMAIN = NETWORK.description.domain
NEW_OWNER = NETWORK.devices[1].owner
EPOCH = NETWORK.parameters.slots_per_epoch


@pytest.fixture
def coordinator(store: SqliteStore) -> Coordinator:
    store.add(Batch(-1, enrolments=list(RECORD.enrolments)))
    return Coordinator(store, MemoryBroker())


def envelope(kind: str, payload: bytes) -> Envelope:
    return Envelope(topics.uplink(NAME, kind), payload)


def enrolment(nonce: int = 2) -> bytes:
    message = Enrol(DEVICE.key.address, NEW_OWNER.address, nonce, 0)
    return signing.sign(message, DOMAIN, DEVICE.key, NEW_OWNER).encode()


async def acknowledged(
    coordinator: Coordinator, envelopes: list[Envelope]
) -> dict[bytes, Reason]:
    """Return what the device is told about ``envelopes``, sent through the broker."""
    broker = coordinator.broker
    async with broker.connect(NAME) as device, coordinator.connection:
        await device.subscribe(topics.downlink(NAME, "ack"))
        serving = asyncio.create_task(coordinator.reception.run())
        await asyncio.sleep(0)  # it subscribes
        for each in envelopes:
            await device.publish(each.topic, each.payload)
        told: dict[bytes, Reason] = {}
        wanted = {keccak(each.payload) for each in envelopes}
        async with asyncio.timeout(20):
            async for answer in device:
                ack = decode_signed(Ack, answer.payload).message
                told.update(zip(ack.messages, map(Reason, ack.reasons), strict=True))
                if wanted <= set(told):
                    break
        serving.cancel()
    return told


async def test_each_message_gets_its_own_answer(coordinator: Coordinator) -> None:
    await coordinator.begin(0)
    sent = [
        envelope("heartbeat", beat(0)),
        envelope("seal", b"noise"),
        envelope("seal", seal()),
    ]
    told = await acknowledged(coordinator, sent)
    reasons = [told[keccak(each.payload)] for each in sent]
    assert reasons == [Reason.NONE, Reason.MALFORMED, Reason.NONE]
    assert coordinator.store.heard(0) == {DEVICE.key.address}
    assert [each.kind for each in coordinator.store.arrivals(0)] == ["seal"]
    rows = list(coordinator.store._db.query("select kind, reason from refusal"))
    assert rows == [{"kind": "seal", "reason": int(Reason.MALFORMED)}]


async def test_more_than_a_batch_is_all_answered(coordinator: Coordinator) -> None:
    await coordinator.begin(0)
    address = DEVICE.key.address
    value = NETWORK.beacons.value(0)
    beats = [
        Heartbeat(address, bytes(16), number, 0, value, ZERO, ZERO).encode()
        for number in range(LARGEST_BATCH + 20)
    ]
    told = await acknowledged(
        coordinator, [envelope("heartbeat", payload) for payload in beats]
    )
    assert set(told.values()) == {Reason.NONE}
    assert len(told) == len(beats)


async def test_a_beat_that_was_passed_over_is_asked_for(
    coordinator: Coordinator,
) -> None:
    address = DEVICE.key.address
    async with coordinator.broker.connect(NAME) as device:
        await device.subscribe(topics.downlink(NAME, "resend"))
        for slot, number in ((0, 0), (1, 2)):
            await coordinator.begin(slot)
            value = NETWORK.beacons.value(slot)
            words = Heartbeat(address, bytes(16), number, slot, value, ZERO, ZERO)
            await coordinator.hear("heartbeat", words.encode())
        asked = decode_signed(Resend, (await anext(aiter(device))).payload)
    signing.check(asked, DOMAIN, NETWORK.coordinator.address)
    assert asked.message == Resend(address, 1, (Heartbeat.TAG,))


async def test_nobody_waits_for_an_answer_to_a_status(
    coordinator: Coordinator,
) -> None:
    await coordinator.begin(0)
    status = Status(DEVICE.key.address, bytes(16), 1).encode()
    async with coordinator.broker.connect(NAME) as device:
        await device.subscribe(topics.downlink(NAME, "ack"))
        strange = Envelope("d/nobody/status", b"")
        await coordinator.reception.take([envelope("status", status), strange])
        await coordinator.hear("seal", seal())
        answer = (await anext(aiter(device))).payload
    assert decode_signed(Ack, answer).message.messages == (keccak(seal()),)


async def test_a_broker_that_comes_late_is_waited_for(
    coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe, refusals = coordinator.connection.subscribe, [1, 2]

    async def late(*filters: str) -> None:
        if refusals:
            refusals.pop()
            msg = "not yet"
            raise BrokerUnavailable(msg)
        await subscribe(*filters)

    monkeypatch.setattr(coordinator.connection, "subscribe", late)
    await coordinator.begin(0)
    told = await acknowledged(coordinator, [envelope("heartbeat", beat(0))])
    assert refusals == []
    assert set(told.values()) == {Reason.NONE}


@pytest.mark.parametrize(
    ("milliseconds", "owner"),
    [(-1, NEW_OWNER), (0, DEVICE.owner)],
    ids=["just before the epoch", "just after it began"],
)
async def test_an_epoch_counts_who_enrolled_before_it(
    coordinator: Coordinator, milliseconds: int, owner: signing.Key
) -> None:
    begin = timetable.slot_start(NETWORK.parameters, EPOCH)
    if milliseconds == 0:
        await coordinator.begin(EPOCH)
    coordinator.now = begin + milliseconds
    await coordinator.reception.enrol(enrolment())
    if milliseconds < 0:
        await coordinator.begin(EPOCH)
    assert coordinator.view.rosters[1][DEVICE.key.address] == owner.address
    await coordinator.begin(2 * EPOCH)
    rosters = coordinator.view.rosters
    assert rosters[2][DEVICE.key.address] == NEW_OWNER.address
    # Whoever restarts sees the same rosters.
    again = Coordinator(coordinator.store, MemoryBroker())
    again.conductor._know_rosters(2)
    assert again.view.rosters == rosters


async def test_an_epoch_waits_for_the_enrolments_under_way(
    coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, disk = coordinator.store.add, threading.Event()

    def slow(batch: Batch) -> None:
        assert disk.wait(10)
        add(batch)

    monkeypatch.setattr(coordinator.store, "add", slow)
    coordinator.now = timetable.slot_start(NETWORK.parameters, EPOCH) - 1
    hearing = asyncio.create_task(coordinator.reception.enrol(enrolment()))
    await asyncio.sleep(0)
    assert coordinator.reception.lock.locked()
    beginning = asyncio.create_task(coordinator.begin(EPOCH))
    await asyncio.sleep(0)
    assert 1 not in coordinator.view.rosters
    disk.set()
    await asyncio.gather(hearing, beginning)
    assert coordinator.view.rosters[1][DEVICE.key.address] == NEW_OWNER.address


def by_slot() -> dict[int, list[Envelope]]:
    """Return everything that devices say in the simulated epoch, by arrival."""
    said: dict[int, list[Envelope]] = {}
    messages = kept(RECORD)
    for slot in range(timetable.close_of(NETWORK.parameters, 0)):
        said[slot] = [
            Envelope(topics.uplink(to_hex(one.device), one.kind), one.raw)
            for one in messages.get(slot, [])
        ]
        for device in NETWORK.devices:
            address, value = device.key.address, NETWORK.beacons.value(slot)
            words = Heartbeat(address, bytes(16), slot, slot, value, ZERO, ZERO)
            topic = topics.uplink(to_hex(address), "heartbeat")
            said[slot].append(Envelope(topic, words.encode()))
    return said


async def live(folder: Path, random: Random | None) -> EpochRecord:
    """Return the record of a coordinator that hears the epoch in some order."""
    store = SqliteStore(folder / "live.db")
    coordinator = Coordinator(store, MemoryBroker())
    async with coordinator.connection:
        for each in RECORD.enrolments:
            await coordinator.reception.enrol(each.signed.encode())
        for slot, envelopes in by_slot().items():
            await coordinator.begin(slot)
            for phase in RECORD.phases:
                if phase.round == slot:
                    store.open_phase(phase)
            heard = [*envelopes]
            if random is not None:
                heard += random.choices(envelopes, k=3)
                random.shuffle(heard)
            while heard:
                size = len(heard) if random is None else random.randint(1, len(heard))
                await coordinator.reception.take(heard[:size])
                del heard[:size]
            await coordinator.end(slot)
    record = store.record(NETWORK.description, 0, len(RECORD.beacons))
    store.close()
    return record


@pytest.mark.parametrize("seed", [None, 1, 2])
async def test_law_5_order_and_duplicates_change_no_byte(
    tmp_path: Path, seed: int | None
) -> None:
    # What is shuffled does not matter beyond being any order: a seeded generator.
    random = None if seed is None else Random(seed)  # noqa: S311 - no secret
    record = await live(tmp_path, random)
    outcome = replay(record, judge_stand_ins)
    assert outcome == OUTCOME
    assert encode(record, outcome) == encode(RECORD, OUTCOME)
