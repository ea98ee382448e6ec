"""What was published is what its signers said: each check refuses its own defect."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from edgeproof.audit import published
from edgeproof.audit.errors import BadBundle
from edgeproof.audit.model import Arrived, Enrolment, EpochRecord, Heard
from edgeproof.proofs.keccak import keccak
from edgeproof.simulator.epochs import SimulatedNetwork
from edgeproof.telemetry.messages import (
    Beacon,
    Enrol,
    Entropy,
    IntakeRoot,
    Phase,
)
from edgeproof.telemetry.signing import Key, sign

NETWORK = SimulatedNetwork(count=2)
RECORD = NETWORK.epoch(0)
DOMAIN = NETWORK.description.domain
SOMEBODY = Key(keccak(b"somebody"))


def beacon(change: dict[str, Any], by: Key = NETWORK.coordinator) -> EpochRecord:
    first, *others = RECORD.beacons
    changed: Beacon = replace(first.message, **change)
    return replace(RECORD, beacons=(sign(changed, DOMAIN, by), *others))


def entropy(change: dict[str, Any], by: Key = NETWORK.coordinator) -> EpochRecord:
    first, *others = RECORD.entropies
    changed: Entropy = replace(first.message, **change)
    return replace(RECORD, entropies=(sign(changed, DOMAIN, by), *others))


def intake(change: dict[str, Any], by: Key = NETWORK.coordinator) -> EpochRecord:
    first, *others = RECORD.intake
    changed: IntakeRoot = replace(first.signed.message, **change)
    heard = Heard(sign(changed, DOMAIN, by), first.heard)
    return replace(RECORD, intake=(heard, *others))


def heard(bitmap: bytes) -> EpochRecord:
    first, *others = RECORD.intake
    return replace(RECORD, intake=(replace(first, heard=bitmap), *others))


def phase(change: dict[str, Any]) -> EpochRecord:
    first, *others = RECORD.phases
    changed: Phase = replace(first, **change)
    return replace(RECORD, phases=(changed, *others))


def enrolment(since: int = 0, device: Key | None = None) -> EpochRecord:
    first, *others = RECORD.enrolments
    real = NETWORK.devices[0]
    message = first.signed.message
    assert isinstance(message, Enrol)
    signed = sign(message, DOMAIN, device or real.key, real.owner)
    return replace(RECORD, enrolments=(Enrolment(signed, since), *others))


def twice_enrolled() -> EpochRecord:
    device = NETWORK.devices[0].key
    message = Enrol(device.address, SOMEBODY.address, 1, 0)
    other = Enrolment(sign(message, DOMAIN, device, SOMEBODY), 0)
    return replace(RECORD, enrolments=(*RECORD.enrolments, other))


def forged_seal() -> EpochRecord:
    first, *others = RECORD.seals
    forged = sign(first.signed.message, DOMAIN, SOMEBODY)
    return replace(RECORD, seals=(Arrived(first.slot, forged), *others))


def forged_commitment() -> EpochRecord:
    first, *others = RECORD.commitments
    forged = sign(first.signed.message, DOMAIN, SOMEBODY)
    return replace(RECORD, commitments=(Arrived(first.slot, forged), *others))


def moved(slot: int) -> EpochRecord:
    first, *others = RECORD.openings
    return replace(RECORD, openings=(replace(first, slot=slot), *others))


def left_out() -> EpochRecord:
    return replace(RECORD, commitments=RECORD.commitments[1:])


def slipped_in() -> EpochRecord:
    device = NETWORK.devices[0].key
    arrived = RECORD.seals[0]
    message = replace(arrived.signed.message, head=keccak(b"another"))
    extra = Arrived(arrived.slot, sign(message, DOMAIN, device))
    return replace(RECORD, seals=(*RECORD.seals, extra))


def state_from_nowhere() -> EpochRecord:
    carried = replace(RECORD.carried, balances={SOMEBODY.address: 1})
    return replace(RECORD, carried=carried)


def state_before_epoch_0() -> EpochRecord:
    carried = replace(RECORD.carried, previous_bundle=keccak(b"a bundle"))
    return replace(RECORD, carried=carried)


DEFECTS: dict[str, tuple[Callable[[], EpochRecord], str]] = {
    "beacon_by_somebody": (lambda: beacon({}, SOMEBODY), "beacons"),
    "beacon_off_the_chain": (lambda: beacon({"value": keccak(b"x")}), "beacons"),
    "beacon_beyond_the_close": (lambda: beacon({"slot": 20}), "beacons"),
    "beacon_twice": (lambda: beacon({"slot": 1}), "beacons"),
    "entropy_by_somebody": (lambda: entropy({}, SOMEBODY), "entropy"),
    "entropy_of_its_own": (lambda: entropy({"value": keccak(b"x")}), "entropy"),
    "entropy_from_outside_unsaid": (lambda: entropy({"outside": b"x"}), "entropy"),
    "entropy_without_beacon": (
        lambda: replace(RECORD, beacons=RECORD.beacons[1:]),
        "entropy",
    ),
    "phase_off_the_chain": (lambda: phase({"value": keccak(b"x")}), "phases"),
    "phase_swapped": (lambda: phase({"phase": 1}), "phases"),
    "phase_beyond_the_close": (lambda: phase({"round": 20}), "phases"),
    "intake_by_somebody": (lambda: intake({}, SOMEBODY), "intake"),
    "intake_of_another_root": (lambda: intake({"root": keccak(b"x")}), "intake"),
    "intake_of_another_size": (lambda: intake({"size": 9}), "intake"),
    "heard_more": (lambda: heard(b"\x00"), "intake"),
    "heard_a_longer_roster": (lambda: heard(b"\x03\x00"), "intake"),
    "enrolled_too_early": (lambda: enrolment(since=30), "enrolments"),
    "enrolled_amid_an_epoch": (lambda: enrolment(since=7), "enrolments"),
    "enrolled_by_somebody": (lambda: enrolment(device=SOMEBODY), "enrolments"),
    "enrolled_twice_with_one_nonce": (twice_enrolled, "enrolments"),
    "seal_by_somebody": (forged_seal, "seals"),
    "commitment_by_somebody": (forged_commitment, "commitments"),
    "opening_in_another_slot": (lambda: moved(RECORD.openings[0].slot + 1), "intake"),
    "opening_in_no_slot": (lambda: moved(20), "openings"),
    "message_left_out": (left_out, "intake"),
    "message_slipped_in": (slipped_in, "intake"),
    "state_from_nowhere": (state_from_nowhere, "manifest"),
    "state_before_epoch_0": (state_before_epoch_0, "manifest"),
}


def test_an_honest_record_is_what_was_published() -> None:
    done: list[str] = []
    published.check(RECORD, lambda name, _count: done.append(name))
    assert len(done) == 8


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_is_found_in_its_file(defect: str) -> None:
    make, file = DEFECTS[defect]
    with pytest.raises(BadBundle) as caught:
        published.check(make())
    assert caught.value.difference.file.partition(".")[0] == file


@pytest.mark.parametrize("missing", [{0}, {3}, {3, 4, 5}, set(range(1, 20))])
def test_beacons_link_across_slots_without_one(missing: set[int]) -> None:
    beacons = tuple(b for b in RECORD.beacons if b.message.slot not in missing)
    kept = {b.message.slot for b in beacons}
    record = replace(
        RECORD,
        beacons=beacons,
        entropies=tuple(e for e in RECORD.entropies if e.message.slot in kept),
        phases=tuple(p for p in RECORD.phases if p.round in kept),
    )
    published.check(record)


@pytest.mark.parametrize("epoch", [0, 1, 2])
@pytest.mark.parametrize("length", [3, 7, 15])
def test_beacons_are_followed_from_one_day_to_the_next(epoch: int, length: int) -> None:
    parameters = replace(NETWORK.parameters, chain_slots=length)
    network = SimulatedNetwork(count=1, parameters=parameters)
    carried = replace(RECORD.carried, previous_bundle=keccak(b"a bundle"))
    record = network.epoch(epoch, carried=carried if epoch else RECORD.carried)
    published.check(record)
    for row, beacon in enumerate(record.beacons[1:], start=1):
        # Another value fails, but at the first slot: nothing here is before it.
        forged = replace(beacon.message, value=keccak(b"another"))
        signed = sign(forged, DOMAIN, network.coordinator)
        rows = (*record.beacons[:row], signed, *record.beacons[row + 1 :])
        with pytest.raises(BadBundle, match=rf"beacons\.parquet row {row}"):
            published.check(replace(record, beacons=rows))


def test_a_new_chain_of_beacons_starts_from_its_announced_anchor() -> None:
    parameters = replace(NETWORK.parameters, chain_slots=7)
    network = SimulatedNetwork(count=1, parameters=parameters)
    record = network.epoch(0)
    published.check(record)

    last = record.beacons[6]
    wrong = replace(last.message, next_anchor=keccak(b"another chain"))
    signed = sign(wrong, DOMAIN, network.coordinator)
    beacons = (*record.beacons[:6], signed, *record.beacons[7:])
    with pytest.raises(BadBundle, match=r"beacons\.parquet row 7"):
        published.check(replace(record, beacons=beacons))
