"""Evidence against a coordinator: true claims are proven, and no forged one is."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from edgeproof.audit import disputed, evidence
from edgeproof.audit.bundle import attest, write_bundle
from edgeproof.audit.commands import audit_command
from edgeproof.audit.dispute import Finding, Published, judge
from edgeproof.audit.evidence import BadDispute, Claim, ClaimKind, Dispute
from edgeproof.audit.model import EpochRecord, Heard
from edgeproof.audit.replay import replay, roster
from edgeproof.coordinator.closing import _statements
from edgeproof.proofs import merkle, timetable, uptime
from edgeproof.proofs.keccak import keccak
from edgeproof.simulator.epochs import Behaviour, SimulatedNetwork, judge_stand_ins
from edgeproof.telemetry import intake
from edgeproof.telemetry.message import Message
from edgeproof.telemetry.messages import (
    Beacon,
    Commitment,
    Entropy,
    IntakeRoot,
    Receipt,
    Seal,
    Statement,
)
from edgeproof.telemetry.signing import Key, sign

NETWORK = SimulatedNetwork(count=2)
OTHER = SimulatedNetwork(count=2, name="another network")
DEVICE, NEIGHBOUR = NETWORK.devices
DOMAIN = NETWORK.description.domain
SOMEBODY = Key(keccak(b"somebody"))
ABSENT = 3
"""The slot in which the device was silent."""

RECORD = NETWORK.epoch(0, {0: Behaviour(absent=frozenset({ABSENT}))})
OUTCOME = replay(RECORD, judge_stand_ins)
PUBLISHED = Published(RECORD, OUTCOME, tuple(roster(RECORD.enrolments, 0)))
SAID = {s.device: s for s in _statements(RECORD, OUTCOME)}[DEVICE.key.address]
TEXT = NETWORK.description.sign(NETWORK.coordinator)


def said(message: Message, by: Key = NETWORK.coordinator) -> bytes:
    return sign(message, DOMAIN, by).encode()


def root(slot: int) -> IntakeRoot:
    return RECORD.intake[slot].signed.message


def under(slot: int) -> list[bytes]:
    """Return the digests of the record's messages of a slot."""
    arrived: list[tuple[int, Message]] = [
        *((row.slot, row.signed.message) for row in RECORD.seals),
        *((row.slot, row.signed.message) for row in RECORD.commitments),
        *((row.slot, row.signed.message) for row in RECORD.openings),
    ]
    return [message.digest(DOMAIN) for at, message in arrived if at == slot]


def receipt(device: bytes, slot: int, digest: bytes) -> Receipt:
    """Return what the coordinator said of a message of the record."""
    digests = under(slot)
    leaves = intake.leaves(RECORD.intake[slot].heard, digests)
    index, size = leaves.index(digest), len(leaves)
    path = tuple(merkle.path(leaves, index))
    return Receipt(device, slot, digest, index, size, path, root(slot).root)


ARRIVED = RECORD.seals[0]
SEAL: Seal = ARRIVED.signed.message
assert SEAL.device == DEVICE.key.address
RECEIPT = receipt(SEAL.device, ARRIVED.slot, SEAL.digest(DOMAIN))
COMMITTED = next(
    c for c in RECORD.commitments if c.signed.message.device == SEAL.device
)
OF_COMMITMENT = receipt(
    SEAL.device, COMMITTED.slot, COMMITTED.signed.message.digest(DOMAIN)
)


def dispute(kind: ClaimKind, *messages: bytes) -> Dispute:
    return Dispute(TEXT, DEVICE.key.address, 0, (Claim(kind, messages),))


def find(
    kind: ClaimKind, messages: Sequence[bytes], published: Published | None = None
) -> Finding:
    (finding,) = judge(dispute(kind, *messages), published)
    return finding


def without(slot: int) -> Statement:
    """Return the statement, had it not accepted a slot."""
    slots = uptime.bits(SAID.slots) & ~(1 << slot)
    return replace(SAID, slots=uptime.bitmap(slots, 15))


def pairs(count: int) -> list[bytes]:
    return [
        raw
        for slot in range(count)
        for raw in (NETWORK.beacon(slot).encode(), said(root(slot)))
    ]


BEACON: Beacon = NETWORK.beacon(2).message
ENTROPY: Entropy = NETWORK.entropy(2).message

Made = Callable[[], list[bytes]]

TWO, VOID = ClaimKind.TWO_WORDS, ClaimKind.VOID_SLOT
NOT_ACCEPTED, NOT_IN = ClaimKind.NOT_ACCEPTED, ClaimKind.NOT_IN_BUNDLE

BY_THEMSELVES: dict[str, tuple[ClaimKind, Made]] = {
    "two_beacons": (
        TWO,
        lambda: [said(BEACON), said(replace(BEACON, value=keccak(b"x")))],
    ),
    "two_beacons_with_other_anchors": (
        TWO,
        lambda: [said(BEACON), said(replace(BEACON, next_anchor=keccak(b"x")))],
    ),
    "two_entropies": (
        TWO,
        lambda: [said(ENTROPY), said(replace(ENTROPY, value=keccak(b"x")))],
    ),
    "two_intake_roots": (
        TWO,
        lambda: [said(root(2)), said(replace(root(2), root=keccak(b"x")))],
    ),
    "two_statements": (
        TWO,
        lambda: [said(SAID), said(replace(SAID, rewards=(0, 0, 0, 0)))],
    ),
    "a_receipt_under_another_root": (
        TWO,
        lambda: [said(RECEIPT), said(replace(root(RECEIPT.slot), root=keccak(b"x")))],
    ),
    "a_receipt_under_a_root_of_another_size": (
        TWO,
        lambda: [said(replace(root(RECEIPT.slot), size=99)), said(RECEIPT)],
    ),
    "a_slot_declared_void": (
        VOID,
        lambda: [said(replace(SAID, counted=14)), *pairs(15)],
    ),
    "more_slots_declared_void_than_shown": (
        VOID,
        lambda: [said(replace(SAID, counted=4)), *pairs(5)],
    ),
}
"""True claims that need nothing but their messages."""


def published(change: Callable[[EpochRecord], EpochRecord]) -> Published:
    return replace(PUBLISHED, record=change(RECORD))


def no_root(slot: int) -> Callable[[EpochRecord], EpochRecord]:
    return lambda record: replace(
        record,
        intake=tuple(h for h in record.intake if h.signed.message.slot != slot),
    )


AGAINST_THE_BUNDLE: dict[str, tuple[ClaimKind, Made, Callable[[], Published]]] = {
    "sealed_and_heard_and_not_accepted": (
        NOT_ACCEPTED,
        lambda: [
            said(without(2)),
            said(SEAL, DEVICE.key),
            said(RECEIPT),
            said(root(2)),
        ],
        lambda: PUBLISHED,
    ),
    "a_commitment_left_out": (
        NOT_IN,
        lambda: [said(OF_COMMITMENT)],
        lambda: published(
            lambda r: replace(
                r, commitments=tuple(c for c in r.commitments if c is not COMMITTED)
            )
        ),
    ),
    "a_seal_left_out_with_its_slot": (
        NOT_IN,
        lambda: [said(RECEIPT)],
        lambda: published(no_root(RECEIPT.slot)),
    ),
    "a_receipt_under_another_root": (
        NOT_IN,
        lambda: [
            said(
                replace(
                    RECEIPT,
                    index=0,
                    size=1,
                    path=(),
                    root=merkle.root([RECEIPT.message]),
                )
            )
        ],
        lambda: PUBLISHED,
    ),
    "a_beacon_of_a_slot_declared_void": (
        NOT_IN,
        lambda: [said(root(1)), said(BEACON)],
        lambda: published(
            lambda r: replace(
                r, beacons=tuple(b for b in r.beacons if b != r.beacons[2])
            )
        ),
    ),
    "an_intake_root_of_a_slot_declared_void": (
        NOT_IN,
        lambda: [said(root(2))],
        lambda: published(no_root(2)),
    ),
    "another_intake_root": (
        NOT_IN,
        lambda: [said(replace(root(2), root=keccak(b"x")))],
        lambda: PUBLISHED,
    ),
    "an_entropy_kept_back": (
        NOT_IN,
        lambda: [said(ENTROPY)],
        lambda: published(lambda r: replace(r, entropies=r.entropies[:2])),
    ),
    "a_statement_of_other_rewards": (
        NOT_IN,
        lambda: [said(replace(SAID, rewards=(10**30, 0, 0, 0)))],
        lambda: PUBLISHED,
    ),
    "a_statement_of_other_slots": (
        NOT_IN,
        lambda: [said(without(2))],
        lambda: PUBLISHED,
    ),
}
"""True claims that the bundle of the epoch proves."""


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


def by_another_network() -> list[bytes]:
    one: Beacon = OTHER.beacon(2).message
    return [
        sign(message, OTHER.description.domain, OTHER.coordinator).encode()
        for message in (one, replace(one, value=keccak(b"x")))
    ]


def altered(raw: bytes, at: int = 30) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


HEARD = [said(without(2)), said(SEAL, DEVICE.key), said(RECEIPT), said(root(2))]
"""What proves that slot 2 is not accepted, in order."""


def instead(place: int, raw: bytes) -> Made:
    return lambda: [*HEARD[:place], raw, *HEARD[place + 1 :]]


OTHER_RECEIPT = replace(RECEIPT, device=NEIGHBOUR.key.address)
NEXT_SLOT = timetable.first_slot(NETWORK.parameters, 1) + 1

FORGED: dict[str, tuple[ClaimKind, Made]] = {
    # two words
    "the_same_message_twice": (TWO, lambda: [said(BEACON), said(BEACON)]),
    "the_same_statement_twice": (TWO, lambda: [said(SAID), said(SAID)]),
    "one_message": (TWO, lambda: [said(BEACON)]),
    "three_messages": (TWO, lambda: [said(BEACON)] * 3),
    "an_altered_message": (TWO, lambda: [said(BEACON), altered(said(BEACON))]),
    "a_message_of_somebody": (
        TWO,
        lambda: [said(BEACON), said(replace(BEACON, value=keccak(b"x")), SOMEBODY)],
    ),
    "a_message_of_the_device": (
        TWO,
        lambda: [said(SAID), said(replace(SAID, rewards=(0,) * 4), DEVICE.key)],
    ),
    "messages_of_another_network": (TWO, by_another_network),
    "beacons_of_two_slots": (
        TWO,
        lambda: [NETWORK.beacon(1).encode(), NETWORK.beacon(2).encode()],
    ),
    "a_beacon_and_an_entropy": (TWO, lambda: [said(BEACON), said(ENTROPY)]),
    "beacons_of_another_epoch": (
        TWO,
        lambda: [
            said(replace(BEACON, slot=100)),
            said(replace(BEACON, slot=100, value=keccak(b"x"))),
        ],
    ),
    "statements_of_another_device": (
        TWO,
        lambda: [
            said(replace(SAID, device=NEIGHBOUR.key.address)),
            said(replace(SAID, device=NEIGHBOUR.key.address, counted=0)),
        ],
    ),
    "statements_of_two_epochs": (
        TWO,
        lambda: [said(SAID), said(replace(SAID, epoch=1))],
    ),
    "a_receipt_under_its_root": (
        TWO,
        lambda: [said(RECEIPT), said(root(RECEIPT.slot))],
    ),
    "a_receipt_of_another_device": (
        TWO,
        lambda: [
            said(OTHER_RECEIPT),
            said(replace(root(RECEIPT.slot), root=keccak(b"x"))),
        ],
    ),
    "two_receipts_under_one_root": (TWO, lambda: [said(RECEIPT), said(RECEIPT)]),
    "two_seals": (
        TWO,
        lambda: [
            said(SEAL, DEVICE.key),
            said(replace(SEAL, head=bytes(32)), DEVICE.key),
        ],
    ),
    "a_message_that_is_no_evidence": (
        TWO,
        lambda: [
            said(Commitment(DEVICE.key.address, 0, 0, 2, n, 512, bytes(32), b""))
            for n in (0, 1)
        ],
    ),
    "no_messages_at_all": (TWO, lambda: [b"\xff", b""]),
    "a_message_with_a_byte_more": (TWO, lambda: [said(BEACON), said(BEACON) + b"\0"]),
    # void slots
    "as_many_slots_as_counted": (VOID, lambda: [said(SAID), *pairs(15)]),
    "fewer_slots_than_counted": (VOID, lambda: [said(SAID), *pairs(3)]),
    "one_slot_again_and_again": (
        VOID,
        lambda: [said(replace(SAID, counted=1)), *pairs(1) * 5],
    ),
    "beacons_without_roots": (
        VOID,
        lambda: [
            said(replace(SAID, counted=1)),
            *(NETWORK.beacon(slot).encode() for slot in range(9)),
        ],
    ),
    "slots_of_the_next_epoch": (
        VOID,
        lambda: [
            said(replace(SAID, counted=1)),
            *pairs(1),
            NETWORK.beacon(NEXT_SLOT).encode(),
            said(root(NEXT_SLOT)),
        ],
    ),
    "no_statement": (VOID, lambda: pairs(15)),
    "a_statement_by_somebody": (
        VOID,
        lambda: [said(replace(SAID, counted=1), SOMEBODY), *pairs(5)],
    ),
    "roots_by_somebody": (
        VOID,
        lambda: [
            said(replace(SAID, counted=0)),
            NETWORK.beacon(1).encode(),
            said(root(1), SOMEBODY),
        ],
    ),
    # not accepted
    "a_slot_that_is_accepted": (NOT_ACCEPTED, instead(0, said(SAID))),
    "a_slot_in_which_it_was_silent": (NOT_ACCEPTED, instead(3, said(root(ABSENT)))),
    "a_slot_that_the_seal_does_not_claim": (NOT_ACCEPTED, instead(3, said(root(9)))),
    "a_slot_that_is_another_epochs": (NOT_ACCEPTED, instead(3, said(root(NEXT_SLOT)))),
    "a_root_that_the_bundle_has_not": (
        NOT_ACCEPTED,
        instead(3, said(replace(root(2), size=7))),
    ),
    "a_seal_altered": (
        NOT_ACCEPTED,
        instead(1, said(replace(SEAL, slots=b"\xff\x7f"), DEVICE.key)),
    ),
    "a_seal_of_somebody": (NOT_ACCEPTED, instead(1, said(SEAL, SOMEBODY))),
    "a_seal_of_another_device": (
        NOT_ACCEPTED,
        instead(1, said(replace(SEAL, device=NEIGHBOUR.key.address), NEIGHBOUR.key)),
    ),
    "a_seal_of_another_epoch": (
        NOT_ACCEPTED,
        instead(1, said(replace(SEAL, epoch=1), DEVICE.key)),
    ),
    "a_receipt_with_another_path": (
        NOT_ACCEPTED,
        instead(2, said(replace(RECEIPT, path=(*RECEIPT.path[::-1], bytes(32))))),
    ),
    "a_receipt_at_another_place": (
        NOT_ACCEPTED,
        instead(2, said(replace(RECEIPT, index=RECEIPT.index ^ 1))),
    ),
    "a_receipt_of_somebody": (NOT_ACCEPTED, instead(2, said(RECEIPT, SOMEBODY))),
    "a_receipt_for_another_device": (NOT_ACCEPTED, instead(2, said(OTHER_RECEIPT))),
    "a_receipt_of_another_message": (NOT_ACCEPTED, instead(2, said(OF_COMMITMENT))),
    "no_receipt": (NOT_ACCEPTED, lambda: [HEARD[0], HEARD[1], HEARD[3]]),
    "two_roots": (NOT_ACCEPTED, lambda: [*HEARD, HEARD[3]]),
    # not in the bundle
    "all_of_it_is_in_the_bundle": (
        NOT_IN,
        lambda: [
            said(SAID),
            said(RECEIPT),
            said(OF_COMMITMENT),
            said(BEACON),
            said(ENTROPY),
            said(root(2)),
        ],
    ),
    "a_receipt_that_leads_nowhere": (
        NOT_IN,
        lambda: [said(replace(RECEIPT, message=keccak(b"x")))],
    ),
    "a_receipt_for_a_neighbour": (NOT_IN, lambda: [said(OTHER_RECEIPT)]),
    "a_beacon_by_somebody": (
        NOT_IN,
        lambda: [said(replace(BEACON, value=keccak(b"x")), SOMEBODY)],
    ),
    "a_seal_alone": (NOT_IN, lambda: [said(replace(SEAL, head=bytes(32)), DEVICE.key)]),
    "a_beacon_after_the_close": (NOT_IN, lambda: [NETWORK.beacon(20).encode()]),
}
"""Claims that are not so."""


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


# The file.


def test_a_dispute_reads_back_from_its_file() -> None:
    kind, made = BY_THEMSELVES["a_slot_declared_void"]
    whole = dispute(kind, *made())
    again = Dispute.decode(whole.encode())
    assert (again.device, again.epoch, again.claims) == (
        whole.device,
        whole.epoch,
        whole.claims,
    )
    assert judge(again) == judge(whole)


def changed_file(**changes: Any) -> bytes:
    kind, made = BY_THEMSELVES["two_beacons"]
    return json.dumps(
        {**json.loads(dispute(kind, *made()).encode()), **changes}
    ).encode()


MANY = [{"kind": "two-words", "messages": ["0x00"]}]


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="no-object"),
        pytest.param(b"\xff\xfe", id="no-text"),
        pytest.param(b"[" * 10_000, id="deep"),
        pytest.param(b" " * (evidence.LARGEST + 1), id="too-large"),
        pytest.param(changed_file(format=2), id="another-format"),
        pytest.param(changed_file(more=1), id="a-field-more"),
        pytest.param(changed_file(epoch=-1), id="an-epoch-below-zero"),
        pytest.param(changed_file(epoch=True), id="an-epoch-that-is-none"),
        pytest.param(changed_file(epoch=1 << 64), id="an-epoch-beyond-all"),
        pytest.param(changed_file(device="0x00"), id="no-device"),
        pytest.param(changed_file(claims=[]), id="no-claim"),
        pytest.param(changed_file(claims=MANY * 65), id="too-many-claims"),
        pytest.param(changed_file(claims=[{"kind": "two-words"}]), id="no-messages"),
        pytest.param(
            changed_file(claims=[{"kind": "guilty", "messages": ["0x00"]}]),
            id="an-unknown-kind",
        ),
        pytest.param(
            changed_file(claims=[{"kind": "two-words", "messages": ["00"]}]),
            id="no-hex",
        ),
        pytest.param(
            changed_file(
                claims=[{"kind": "two-words", "messages": ["0x" + "00" * 16385]}]
            ),
            id="a-message-too-long",
        ),
        pytest.param(
            changed_file(claims=[{"kind": "two-words", "messages": ["0x00"] * 16386}]),
            id="too-many-messages",
        ),
        pytest.param(
            changed_file(claims=[{"kind": "two-words", "messages": [5]}]),
            id="a-number-for-a-message",
        ),
    ],
)
def test_any_other_file_is_refused(raw: bytes) -> None:
    with pytest.raises(BadDispute):
        Dispute.decode(raw)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(
    field=st.sampled_from(
        ["format", "network", "device", "epoch", "claims", "x\ud800"]
    ),
    value=JSON,
)
def test_whatever_a_field_holds_it_is_judged_or_refused(field: str, value: Any) -> None:
    try:
        findings = judge(Dispute.decode(changed_file(**{field: value})))
    except BadDispute:
        return
    assert len(findings) == 1


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(ClaimKind), raws=st.lists(st.binary(max_size=80), max_size=4)
)
def test_whatever_the_messages_hold_they_are_judged(
    kind: ClaimKind, raws: list[bytes]
) -> None:
    assert not find(kind, raws, PUBLISHED).proven


def test_what_a_stranger_wrote_does_not_command_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "file"
    values = json.loads(TEXT)
    values["network"]["parameters"]["\x1b[2J\ud800"] = 1
    file.write_bytes(changed_file(network=values))
    for line in disputed.lines(disputed.judge_file(file)):
        assert line.isprintable()
        line.encode()


# The command.

app = typer.Typer()
app.command()(audit_command)
runner = CliRunner(env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "0"
    data_hash = write_bundle(folder, RECORD, OUTCOME)
    attest(folder, *NETWORK.attestation(RECORD, OUTCOME, data_hash))
    return folder


def written(folder: Path, kind: ClaimKind, messages: Sequence[bytes]) -> str:
    file = folder / "dispute.json"
    file.write_bytes(dispute(kind, *messages).encode())
    return str(file)


def test_a_proven_dispute_exits_0_with_or_without_the_bundle(
    tmp_path: Path, bundle: Path
) -> None:
    kind, made = BY_THEMSELVES["two_beacons"]
    file = written(tmp_path, kind, made())
    for more in ([], [str(bundle)]):
        done = runner.invoke(app, ["--dispute", file, *more])
        assert done.exit_code == 0
        assert "1. two-words: proven: beacon and beacon of slot 2" in done.stdout
        assert "0x" + NETWORK.coordinator.address.hex() in done.stdout
        assert "Proven" in done.stdout


def test_a_claim_that_needs_the_bundle_is_open_without_it(
    tmp_path: Path, bundle: Path
) -> None:
    file = written(tmp_path, NOT_ACCEPTED, HEARD)
    alone = runner.invoke(app, ["--dispute", file])
    assert alone.exit_code == 1
    assert "open: this needs the bundle of epoch 0" in alone.stdout
    done = runner.invoke(app, [str(bundle), "--dispute", file, "--json"])
    assert done.exit_code == 0
    report = json.loads(done.stdout)
    assert report["proven"] is True
    assert report["claims"][0]["kind"] == "not-accepted"
    assert "slot 2 is sealed under the root" in report["claims"][0]["why"]


def test_a_forged_dispute_exits_1_and_says_why(tmp_path: Path, bundle: Path) -> None:
    kind, made = FORGED["the_same_message_twice"]
    done = runner.invoke(
        app, [str(bundle), "--dispute", written(tmp_path, kind, made())]
    )
    assert done.exit_code == 1
    assert "1. two-words: not proven: the two say the same" in done.stdout
    assert "Not proven." in done.stdout


@pytest.mark.parametrize("content", [b"{}", None])
def test_no_evidence_exits_1(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    done = runner.invoke(app, ["--dispute", str(file)])
    assert done.exit_code == 1
    assert "Not proven" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--dispute", "f", "--rpc", "http://127.0.0.1:1"],
        ["--dispute", "f", "--distributor", "0x" + "11" * 20],
        ["--dispute"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2(words: list[str]) -> None:
    assert runner.invoke(app, words).exit_code == 2


def test_a_bundle_that_nobody_attested_is_nobodys_word(tmp_path: Path) -> None:
    write_bundle(tmp_path / "0", RECORD, OUTCOME)
    kind, made = BY_THEMSELVES["two_beacons"]
    verdict = disputed.judge_file(Path(written(tmp_path, kind, made())), tmp_path / "0")
    assert not verdict.proven
    assert "nobody vouches for this" in verdict.failure


def test_a_bundle_inside_a_group_is_vouched_for_by_the_one_that_ends_it(
    tmp_path: Path,
) -> None:
    network = SimulatedNetwork(
        count=1, parameters=replace(NETWORK.parameters, epochs_per_root=2)
    )
    first = network.epoch(0)
    outcome = replay(first, judge_stand_ins)
    before = write_bundle(tmp_path / "0", first, outcome)
    carried = replace(outcome.carried, previous_bundle=before)
    second = network.epoch(1, carried=carried)
    closed = replay(second, judge_stand_ins)
    data_hash = write_bundle(tmp_path / "1", second, closed)
    with pytest.raises(Exception, match="nobody vouches"):
        disputed.read_published(tmp_path / "0")
    attest(tmp_path / "1", *network.attestation(second, closed, data_hash))
    assert disputed.read_published(tmp_path / "0").record == first

    (tmp_path / "other").mkdir()
    lie = replace(outcome, unallocated=outcome.unallocated - 1)
    write_bundle(tmp_path / "other" / "0", first, lie)
    (tmp_path / "1").rename(tmp_path / "other" / "1")
    with pytest.raises(Exception, match="after 0x"):
        disputed.read_published(tmp_path / "other" / "0")
