"""True and forged claims against a coordinator, each named by what it claims."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from edgeproof.audit import attendance
from edgeproof.audit.dispute import Finding, Published, judge
from edgeproof.audit.evidence import Claim, ClaimKind, Dispute
from edgeproof.audit.model import EpochRecord
from edgeproof.audit.register import Register
from edgeproof.audit.replay import replay
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
MISSING = attendance.missing(RECORD, OUTCOME, {})
PUBLISHED = Published(RECORD, OUTCOME, tuple(Register(RECORD.enrolments).roster(0)))
SAID = {s.device: s for s in _statements(RECORD, OUTCOME, MISSING)}[DEVICE.key.address]
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
