"""Evidence against a coordinator: true claims are proven, and no forged one is."""

import json
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeproof.audit.dispute import Published, judge
from edgeproof.audit.evidence import BadDispute, Claim
from edgeproof.audit.model import Enrolment, Heard
from edgeproof.telemetry import intake
from edgeproof.telemetry.messages import (
    IntakeRoot,
    Retire,
)
from edgeproof.telemetry.signing import sign
from tests.audit.evidence_cases import (
    AGAINST_THE_BUNDLE,
    BY_THEMSELVES,
    DEVICE,
    DOMAIN,
    FORGED,
    HEARD,
    NEIGHBOUR,
    NETWORK,
    NOT_ACCEPTED,
    NOT_IN,
    OF_COMMITMENT,
    OTHER,
    OUTCOME,
    PUBLISHED,
    RECEIPT,
    RECORD,
    SAID,
    SEAL,
    SOMEBODY,
    TEXT,
    TWO,
    VOID,
    dispute,
    find,
    pairs,
    root,
    said,
    under,
    without,
)


@pytest.mark.parametrize("name", BY_THEMSELVES)
def test_a_true_claim_is_proven_by_its_messages_alone(name: str) -> None:
    kind, made = BY_THEMSELVES[name]
    finding = find(kind, made())
    assert finding.proven, finding.why
    assert find(kind, made(), PUBLISHED).proven


@pytest.mark.parametrize("name", AGAINST_THE_BUNDLE)
def test_a_true_claim_is_proven_by_the_bundle_and_open_without_it(name: str) -> None:
    kind, made, bundle = AGAINST_THE_BUNDLE[name]
    finding = find(kind, made(), bundle())
    assert finding.proven, finding.why
    alone = find(kind, made())
    assert (alone.proven, alone.needs_bundle) == (False, True)


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_claim_is_not_proven(name: str) -> None:
    kind, made = FORGED[name]
    for bundle in (None, PUBLISHED):
        finding = find(kind, made(), bundle)
        assert not finding.proven, finding.why
        assert finding.why
    assert not finding.needs_bundle


def test_a_seal_that_claims_more_than_was_heard_proves_nothing() -> None:
    # As the seal of a device whose beat came late: bit 0 of slot 2 is not set.
    value, size = intake.root(b"\x02", under(2))
    unheard = IntakeRoot(2, size, value)
    row = Heard(sign(unheard, DOMAIN, NETWORK.coordinator), b"\x02")
    rows = (*RECORD.intake[:2], row, *RECORD.intake[3:])
    bundle = replace(PUBLISHED, record=replace(RECORD, intake=rows))
    messages = [*HEARD[:3], said(unheard)]
    assert find(NOT_ACCEPTED, messages, bundle).why.startswith("the device was not")

    lie = (*RECORD.intake[:2], replace(row, heard=b"\x03"), *RECORD.intake[3:])
    bundle = replace(PUBLISHED, record=replace(RECORD, intake=lie))
    assert "is not under its root" in find(NOT_ACCEPTED, messages, bundle).why


def test_a_device_that_the_roster_lacks_was_not_heard() -> None:
    bundle = replace(PUBLISHED, roster=(NEIGHBOUR.key.address,))
    assert "not in the epoch's roster" in find(NOT_ACCEPTED, HEARD, bundle).why


def test_the_neighbour_of_a_forged_claim_is_judged_all_the_same() -> None:
    forged = Claim(TWO, (b"\xff", b""))
    kind, made = BY_THEMSELVES["two_beacons"]
    claims = (forged, Claim(kind, tuple(made())), forged)
    whole = replace(dispute(TWO), claims=claims)
    assert [finding.proven for finding in judge(whole)] == [False, True, False]


HONEST: list[bytes] = [
    *(b.encode() for b in RECORD.beacons[:6]),
    *(e.encode() for e in RECORD.entropies[:6]),
    *(said(root(slot)) for slot in range(6)),
    said(RECEIPT),
    said(OF_COMMITMENT),
    said(SAID),
    said(SEAL, DEVICE.key),
]


def test_no_two_words_of_an_honest_coordinator_prove_anything() -> None:
    for two in combinations(HONEST, 2):
        assert not find(TWO, two).proven
    assert not find(VOID, [said(SAID), *pairs(15)]).proven
    every = [raw for raw in HONEST if raw != HONEST[-1]]
    assert not find(NOT_IN, every, PUBLISHED).proven


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(BY_THEMSELVES)),
    place=st.integers(0),
    bit=st.integers(0),
)
def test_one_changed_bit_and_a_true_claim_is_not_proven(
    name: str, place: int, bit: int
) -> None:
    kind, made = BY_THEMSELVES[name]
    messages = made()
    which = place % 2 if kind is TWO else 0
    raw = messages[which]
    at = bit // 8 % len(raw)
    messages[which] = raw[:at] + bytes([raw[at] ^ 1 << bit % 8]) + raw[at + 1 :]
    assert not find(kind, messages).proven


def test_a_description_that_nobody_signed_is_no_network() -> None:
    values = json.loads(TEXT)
    values["network"]["coordinator"] = "0x" + SOMEBODY.address.hex()
    kind, made = BY_THEMSELVES["two_beacons"]
    forged = replace(dispute(kind, *made()), network=json.dumps(values))
    with pytest.raises(BadDispute, match="description does not hold"):
        judge(forged)


def test_a_bundle_of_another_network_or_epoch_judges_nothing() -> None:
    kind, made = BY_THEMSELVES["two_beacons"]
    record = OTHER.epoch(0)
    other = Published(record, OUTCOME, ())
    with pytest.raises(BadDispute, match="network_id differs"):
        judge(dispute(kind, *made()), other)
    later = replace(PUBLISHED, record=replace(RECORD, epoch=1))
    with pytest.raises(BadDispute, match="epoch 1, not of 0"):
        judge(dispute(kind, *made()), later)


def test_a_slot_after_its_owner_retired_the_device_is_no_claim() -> None:
    owner = DEVICE.owner
    retire = Retire(DEVICE.key.address, owner.address, 2, 0)
    for since, proven in ((3, True), (2, False)):
        change = Enrolment(sign(retire, DOMAIN, owner), since)
        enrolments = (*RECORD.enrolments, change)
        shown = replace(PUBLISHED, record=replace(RECORD, enrolments=enrolments))
        words = [said(without(2)), said(SEAL, DEVICE.key), said(RECEIPT), said(root(2))]
        finding = find(NOT_ACCEPTED, words, shown)
        assert finding.proven == proven, finding.why
        assert proven or "retired" in finding.why
