"""What counts of what arrives: a message for each reason, and nothing for noise."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.audit.model import Enrolment
from edgeproof.audit.register import Register
from edgeproof.coordinator.intake import LARGEST, QUOTA, View, admit
from edgeproof.coordinator.store import Batch
from edgeproof.proofs import timetable
from edgeproof.proofs.parameters import Phase
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry import samples, signing, topics
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.messages import (
    ZERO,
    Commitment,
    Heartbeat,
    Opening,
    Retire,
    Seal,
    Skip,
    Status,
    Telemetry,
)
from tests.coordinator.conftest import NETWORK, RECORD

PARAMETERS = NETWORK.parameters
DEVICE, OTHER = NETWORK.devices[0], NETWORK.devices[1]
STRANGER = replace(DEVICE, key=DEVICE.owner, owner=DEVICE.key)
ADDRESS = DEVICE.key.address
DOMAIN = NETWORK.description.domain
ROUND = next(iter({each.signed.message.round for each in RECORD.commitments}))
BOOT = bytes(16)


@dataclass(frozen=True)
class Case:
    """A message: its kind, bytes, and the slot and millisecond of its arrival."""

    kind: str
    payload: bytes
    slot: int
    late_ms: int = 0
    topic_of: bytes = ADDRESS


def view() -> View:
    known = View(NETWORK.description)
    known.register = Register(RECORD.enrolments)
    owners = known.register.roster(0)
    known.rosters = {0: owners, 1: owners}
    known.beacons = {b.message.slot: b.message.value for b in RECORD.beacons}
    known.entropies = {e.message.slot for e in RECORD.entropies}
    known.rounds = {ROUND}
    return known


def take(case: Case, known: View | None = None) -> Batch:
    now = timetable.slot_start(PARAMETERS, case.slot) + case.late_ms
    batch = Batch(timetable.slot_at(PARAMETERS, now))
    topic = topics.uplink(to_hex(case.topic_of), case.kind)
    admit(known or view(), batch, topic, case.payload, now)
    return batch


def beat(slot: int = 3, value: bytes | None = None) -> bytes:
    value = NETWORK.beacons.value(slot) if value is None else value
    return Heartbeat(ADDRESS, BOOT, 0, slot, value, ZERO, ZERO).encode()


def seal(epoch: int = 0, signer: signing.Key = DEVICE.key) -> bytes:
    message = Seal(ADDRESS, BOOT, epoch, b"\x0f", ZERO)
    return signing.sign(message, DOMAIN, signer).encode()


def commitment(
    opened: int = ROUND,
    card: int = 0,
    phase: int = Phase.MATMUL,
    device: bytes = ADDRESS,
) -> bytes:
    message = Commitment(device, opened, card, phase, 0, 512, ZERO, bytes(32))
    return signing.sign(message, DOMAIN, DEVICE.key).encode()


def opening(phase: int = Phase.MATMUL) -> bytes:
    message = Opening(ADDRESS, ROUND, 0, phase, ZERO, b"x")
    return signing.sign(message, DOMAIN, DEVICE.key).encode()


def skip(
    opened: int = ROUND,
    card: int = 0,
    phase: int = Phase.FILL,
    reason: int = Reason.SKIPPED_HOT,
    signer: signing.Key = DEVICE.key,
) -> bytes:
    message = Skip(ADDRESS, opened, card, phase, reason)
    return signing.sign(message, DOMAIN, signer).encode()


def telemetry(readings: bytes | None = None) -> bytes:
    readings = samples.pack([{"cpu": 1}]) if readings is None else readings
    return Telemetry(ADDRESS, BOOT, 0, 0, bytes(16), readings).encode()


DRAW = timetable.commit_slot(PARAMETERS, ROUND, Phase.MATMUL) + 2

GOOD: dict[str, tuple[Case, Callable[[Batch], object]]] = {
    "a beat": (Case("heartbeat", beat(), 3), lambda b: b.beats),
    "a beat within its grace": (Case("heartbeat", beat(), 4, 499), lambda b: b.beats),
    "a seal": (Case("seal", seal(), 8), lambda b: b.messages),
    "a seal just before the close": (
        Case("seal", seal(), 19, 1999),
        lambda b: b.messages,
    ),
    "a commitment": (
        Case("commitment", commitment(), ROUND, 3_899),
        lambda b: b.messages,
    ),
    "an opening": (Case("opening", opening(), DRAW), lambda b: b.messages),
    "a skip of the fill": (Case("skip", skip(), ROUND, 1_399), lambda b: b.messages),
    "a skip of the pow": (
        Case("skip", skip(phase=Phase.POW), ROUND),
        lambda b: b.messages,
    ),
    "telemetry": (Case("telemetry", telemetry(), 3), lambda b: b.telemetry),
    "a status": (
        Case("status", Status(ADDRESS, BOOT, 1).encode(), 3),
        lambda b: b.presence,
    ),
}

BAD: dict[str, tuple[Case, Reason]] = {
    "noise": (Case("seal", b"\xff\xff", 3), Reason.MALFORMED),
    "another kind's bytes": (Case("seal", beat(), 3), Reason.MALFORMED),
    "too many bytes": (
        Case("heartbeat", bytes(LARGEST["heartbeat"] + 1), 3),
        Reason.TOO_LARGE,
    ),
    "a number in more bytes than it needs": (
        Case("status", b"\x84\x18\x07" + Status(ADDRESS, BOOT, 1).encode()[2:], 3),
        Reason.NOT_CANONICAL,
    ),
    "a broken signature": (
        Case("seal", seal()[:-1] + b"\x00", 3),
        Reason.BAD_SIGNATURE,
    ),
    "another's signature": (
        Case("seal", seal(signer=OTHER.key), 3),
        Reason.WRONG_SIGNER,
    ),
    "another's topic": (
        Case("seal", seal(), 3, topic_of=OTHER.key.address),
        Reason.WRONG_TOPIC,
    ),
    "an epoch without roster": (Case("seal", seal(epoch=9), 3), Reason.NOT_ENROLLED),
    "a beat after its grace": (Case("heartbeat", beat(), 4, 500), Reason.LATE),
    "a seal after the close": (Case("seal", seal(), 20), Reason.LATE),
    "a commitment after its phase": (
        Case("commitment", commitment(), ROUND, 3_900),
        Reason.LATE,
    ),
    "an opening after its deadline": (
        Case("opening", opening(), DRAW + PARAMETERS.opening_slots + 1),
        Reason.LATE,
    ),
    "another slot's beacon": (
        Case("heartbeat", beat(value=NETWORK.beacons.value(4)), 3),
        Reason.WRONG_BEACON,
    ),
    "a round that never opened": (
        Case("commitment", commitment(opened=ROUND + 1), ROUND),
        Reason.UNKNOWN_ROUND,
    ),
    "a phase that is not measured": (
        Case("commitment", commitment(phase=Phase.FILL), ROUND),
        Reason.OUT_OF_RANGE,
    ),
    "a card too many": (
        Case("commitment", commitment(card=64), ROUND),
        Reason.OUT_OF_RANGE,
    ),
    "an opening of a pow": (
        Case("opening", opening(phase=Phase.POW), DRAW),
        Reason.OUT_OF_RANGE,
    ),
    "a skip after its phase": (Case("skip", skip(), ROUND, 1_400), Reason.LATE),
    "a skip for no reason": (Case("skip", skip(reason=0), ROUND), Reason.OUT_OF_RANGE),
    "a skip for a failed proof": (
        Case("skip", skip(reason=Reason.WRONG_TILE), ROUND),
        Reason.OUT_OF_RANGE,
    ),
    "a skip of no phase": (Case("skip", skip(phase=5), ROUND), Reason.OUT_OF_RANGE),
    "a skip by a card too many": (
        Case("skip", skip(card=64), ROUND),
        Reason.OUT_OF_RANGE,
    ),
    "a skip of no round": (
        Case("skip", skip(opened=ROUND + 1), ROUND),
        Reason.UNKNOWN_ROUND,
    ),
    "a skip that another signed": (
        Case("skip", skip(signer=OTHER.key), ROUND),
        Reason.WRONG_SIGNER,
    ),
    "readings that are not compressed": (
        Case("telemetry", telemetry(b"{}"), 3),
        Reason.MALFORMED,
    ),
    "readings that are a bomb": (
        Case("telemetry", telemetry(zlib.compress(b" " * 1_000_000, 9)), 3),
        Reason.TOO_LARGE,
    ),
    "readings that are no object": (
        Case("telemetry", telemetry(zlib.compress(b"[1]")), 3),
        Reason.MALFORMED,
    ),
}


@pytest.mark.parametrize(("case", "where"), GOOD.values(), ids=GOOD.keys())
def test_what_is_right_counts(case: Case, where: Callable[[Batch], object]) -> None:
    assert where(take(case))


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (Case("heartbeat", beat(), 4, 500), Reason.LATE_BEAT),
        (Case("heartbeat", beat(), 9), Reason.LATE_BEAT),
        (Case("heartbeat", beat(value=bytes(32)), 3), Reason.BEAT_REFUSED),
        (Case("heartbeat", beat(99, bytes(32)), 3), None),
        (Case("heartbeat", beat(), 4, 500, OTHER.key.address), None),
    ],
    ids=["late", "much_later", "wrong_value", "no_such_slot", "anothers_topic"],
)
def test_a_beat_that_does_not_count_is_noted_for_its_slot(
    case: Case, reason: Reason | None
) -> None:
    batch = Batch(3)
    now = timetable.slot_start(PARAMETERS, case.slot) + case.late_ms
    topic = topics.uplink(to_hex(case.topic_of), case.kind)
    with pytest.raises(MessageRefused):
        admit(view(), batch, topic, case.payload, now)
    assert batch.missed == ({(3, ADDRESS): reason} if reason else {})


@pytest.mark.parametrize(("case", "reason"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_has_its_reason(case: Case, reason: Reason) -> None:
    with pytest.raises(MessageRefused) as refusal:
        take(case)
    assert refusal.value.reason is reason


def test_a_stranger_is_not_enrolled() -> None:
    raw = Status(STRANGER.key.address, BOOT, 1).encode()
    with pytest.raises(MessageRefused) as refusal:
        take(Case("status", raw, 3, topic_of=STRANGER.key.address))
    assert refusal.value.reason is Reason.NOT_ENROLLED


@pytest.mark.parametrize(
    ("kind", "raw"),
    [("heartbeat", beat()), ("seal", seal()), ("telemetry", telemetry())],
)
def test_a_retired_device_is_not_heard_any_more(kind: str, raw: bytes) -> None:
    known = view()
    message = Retire(ADDRESS, DEVICE.owner.address, 2, 0)
    retired = signing.sign(message, DOMAIN, DEVICE.owner)
    known.register.add(Enrolment(retired, 4))
    with pytest.raises(MessageRefused) as refusal:
        take(Case(kind, raw, 3), known)
    assert refusal.value.reason is Reason.RETIRED


def test_a_sealed_slot_hears_nobody_any_more() -> None:
    known = view()
    known.sealed = 3
    with pytest.raises(MessageRefused) as refusal:
        take(Case("heartbeat", beat(), 4), known)
    assert refusal.value.reason is Reason.LATE


def test_one_device_cannot_fill_the_store() -> None:
    known = view()
    known.sent[8, ADDRESS] = QUOTA - 1
    take(Case("seal", seal(), 8), known)
    with pytest.raises(MessageRefused) as refusal:
        take(Case("seal", seal(), 8), known)
    assert refusal.value.reason is Reason.QUOTA


@given(
    kind=st.sampled_from(sorted(LARGEST)),
    raw=st.binary(max_size=300)
    | st.sampled_from([c.payload for c, _ in GOOD.values()]),
    cut=st.integers(0, 300),
)
def test_noise_is_refused_and_leaves_nothing(kind: str, raw: bytes, cut: int) -> None:
    known, batch = view(), Batch(3)
    payload = raw[:cut] + b"\x00"
    with pytest.raises(MessageRefused):
        admit(known, batch, f"d/{to_hex(ADDRESS)}/{kind}", payload, 0)
    assert batch == Batch(3)
    assert known == view()


@given(topic=st.text(max_size=80))
def test_no_other_topic_is_heard(topic: str) -> None:
    with pytest.raises(MessageRefused):
        admit(view(), Batch(3), topic, b"", 0)
