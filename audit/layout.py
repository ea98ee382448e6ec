"""Which tables a bundle has, and how a record and its outcome stand in them.

The tables of messages have the message's fields as columns, then its signatures;
before them, where it says so, the slot whose intake root holds the message.  Sets of
slots are bitmaps (bit ``i % 8`` of byte ``i // 8`` is the epoch's slot i).  The tables
``carried_out_*`` of one bundle are, byte for byte, ``carried_in_*`` of the next.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from edgeproof.audit import carried_tables
from edgeproof.audit.carried_tables import CARRIED_IN, CARRIED_OUT, Rows
from edgeproof.audit.errors import BadBundle
from edgeproof.audit.model import (
    Arrived,
    Attendance,
    Change,
    Enrolment,
    EpochRecord,
    Heard,
    Outcome,
    Payout,
    Verdict,
)
from edgeproof.audit.tables import Row, Table, canonical
from edgeproof.proofs import uptime
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry import description
from edgeproof.telemetry.bounded_json import load_object
from edgeproof.telemetry.codec import SIGNATURE
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.kinds import Kind
from edgeproof.telemetry.message import Message, Signed, kinds_of
from edgeproof.telemetry.messages import (
    Beacon,
    Commitment,
    Enrol,
    Entropy,
    IntakeRoot,
    Opening,
    Phase,
    Retire,
    Rotate,
    Seal,
    Skip,
    TokenEnrol,
)

M = TypeVar("M", bound=Message)

_CODE, _SHORT = Kind("uint8"), Kind("uint16")
_COUNT, _CARD, _WIDE = Kind("uint64"), Kind("uint32"), Kind("uint256")
_ADDRESS, _HASH = Kind("address"), Kind("bytes32")
_SLOTS, _NAME = Kind("bytes", 1024), Kind("string", 128)
_ROSTER = Kind("bytes", 1 << 20)  # a bit for each of up to 8 million devices


def _message_table(
    name: str, cls: type[Message], *extra: tuple[str, Kind], signatures: str = ""
) -> Table:
    signed = tuple((column, SIGNATURE) for column in signatures.split())
    return Table(name, (*extra, *kinds_of(cls), *signed))


_ARRIVED = ("arrived", _COUNT)
_SINCE = ("since", _COUNT)

PARAMETERS = Table(
    "parameters", (("description", Kind("string", description.LARGEST)),)
)
DECLARED = Table(
    "declared", (("table", _NAME), ("column", _NAME), ("declared_by", _ADDRESS))
)
BEACONS = _message_table("beacons", Beacon, signatures="signature")
ENTROPY = _message_table("entropy", Entropy, signatures="signature")
PHASES = _message_table("phases", Phase)
INTAKE = _message_table(
    "intake", IntakeRoot, ("heard", _ROSTER), signatures="signature"
)
ENROLMENTS = _message_table(
    "enrolments", Enrol, _SINCE, signatures="device_signature owner_signature"
)
TOKEN_ENROLMENTS = _message_table(
    "token_enrolments", TokenEnrol, _SINCE, signatures="device_signature"
)
RETIREMENTS = _message_table(
    "retirements", Retire, _SINCE, signatures="owner_signature"
)
ROTATIONS = _message_table(
    "rotations", Rotate, _SINCE, signatures="device_signature successor_signature"
)
REGISTER: Mapping[Table, type[Change]] = {
    ENROLMENTS: Enrol,
    TOKEN_ENROLMENTS: TokenEnrol,
    RETIREMENTS: Retire,
    ROTATIONS: Rotate,
}
"""The tables of what changes the register, and what each holds."""
SEALS = _message_table("seals", Seal, _ARRIVED, signatures="signature")
COMMITMENTS = _message_table(
    "commitments", Commitment, _ARRIVED, signatures="signature"
)
OPENINGS = _message_table("openings", Opening, _ARRIVED, signatures="signature")
SKIPS = _message_table("skips", Skip, _ARRIVED, signatures="signature")

VERDICTS = Table(
    "verdicts",
    (
        ("round", _COUNT),
        ("bucket", _CODE),
        ("device", _ADDRESS),
        ("card", _CARD),
        ("work", _WIDE),
        ("figure", _WIDE),
        ("verified", _CODE),
        ("reason", _SHORT),
    ),
)
VOIDS = Table("voids", (("round", _COUNT), ("bucket", _CODE)))
ATTENDANCE = Table(
    "attendance", (("device", _ADDRESS), ("owner", _ADDRESS), ("slots", _SLOTS))
)
PAYOUTS = Table(
    "payouts",
    (
        ("device", _ADDRESS),
        ("owner", _ADDRESS),
        ("bucket", _CODE),
        ("weight", _WIDE),
        ("reward", _WIDE),
        ("reason", _SHORT),
    ),
)
BALANCES = Table(
    "balances", (("owner", _ADDRESS), ("previous", _WIDE), ("current", _WIDE))
)
TOTALS = Table(
    "totals",
    (
        ("epoch", _COUNT),
        ("countable", _SLOTS),
        ("budget", _WIDE),
        ("unallocated", _WIDE),
        ("root", _HASH),
        ("cumulative_total", _WIDE),
    ),
)
DIFFICULTIES = Table(
    "difficulties", (("device", _ADDRESS), ("card", _CARD), ("difficulty", _COUNT))
)


INPUTS: tuple[Table, ...] = (
    PARAMETERS,
    DECLARED,
    BEACONS,
    ENTROPY,
    PHASES,
    INTAKE,
    *REGISTER,
    SEALS,
    COMMITMENTS,
    OPENINGS,
    SKIPS,
    *CARRIED_IN,
)
OUTPUTS: tuple[Table, ...] = (
    VERDICTS,
    VOIDS,
    ATTENDANCE,
    PAYOUTS,
    BALANCES,
    TOTALS,
    DIFFICULTIES,
    *CARRIED_OUT,
)
TABLES = (*INPUTS, *OUTPUTS)

ON_ITS_WORD = (
    *((table, "since") for table in REGISTER),
    (INTAKE, "heard"),
    (SEALS, "arrived"),
    (COMMITMENTS, "arrived"),
    (OPENINGS, "arrived"),
    (SKIPS, "arrived"),
)
"""What nobody can recompute: the coordinator says when it heard what."""


def input_rows(record: EpochRecord) -> dict[str, list[Row]]:
    """Return the canonical rows of every input table."""
    text = description.canonical(record.description.as_json()).decode()
    coordinator = record.description.coordinator
    rows: dict[str, Iterable[Row]] = {
        PARAMETERS.name: [(text,)],
        DECLARED.name: [(t.name, c, coordinator) for t, c in ON_ITS_WORD],
        BEACONS.name: [_signed(each) for each in record.beacons],
        ENTROPY.name: [_signed(each) for each in record.entropies],
        PHASES.name: [_fields(each) for each in record.phases],
        INTAKE.name: [(each.heard, *_signed(each.signed)) for each in record.intake],
        **{
            table.name: [
                (each.since, *_signed(each.signed))
                for each in record.enrolments
                if type(each.signed.message) is cls
            ]
            for table, cls in REGISTER.items()
        },
        SEALS.name: [(each.slot, *_signed(each.signed)) for each in record.seals],
        COMMITMENTS.name: [(c.slot, *_signed(c.signed)) for c in record.commitments],
        OPENINGS.name: [(each.slot, *_signed(each.signed)) for each in record.openings],
        SKIPS.name: [(each.slot, *_signed(each.signed)) for each in record.skips],
        **carried_tables.rows_of(CARRIED_IN, record.carried),
    }
    return {table.name: canonical(table, rows[table.name]) for table in INPUTS}


def output_rows(record: EpochRecord, outcome: Outcome) -> dict[str, list[Row]]:
    """Return the canonical rows of every output table."""
    slots = record.description.parameters.slots_per_epoch
    rows: dict[str, Iterable[Row]] = {
        VERDICTS.name: [
            (
                v.round,
                int(v.bucket),
                v.device,
                v.card,
                v.work,
                v.figure,
                int(v.verified),
                int(v.reason),
            )
            for v in outcome.verdicts
        ],
        VOIDS.name: [(slot, int(bucket)) for slot, bucket in outcome.voids],
        ATTENDANCE.name: [
            (a.device, a.owner, uptime.bitmap(a.slots, slots))
            for a in outcome.attendance
        ],
        PAYOUTS.name: [
            (p.device, p.owner, int(p.bucket), p.weight, p.reward, int(p.reason))
            for p in outcome.payouts
        ],
        BALANCES.name: outcome.balances,
        TOTALS.name: [
            (
                record.epoch,
                uptime.bitmap(outcome.countable, slots),
                outcome.budget,
                outcome.unallocated,
                outcome.root,
                outcome.cumulative_total,
            )
        ],
        DIFFICULTIES.name: carried_tables.by_card(outcome.difficulties),
        **carried_tables.rows_of(CARRIED_OUT, outcome.carried),
    }
    return {table.name: canonical(table, rows[table.name]) for table in OUTPUTS}


def record_from(rows: Rows, epoch: int, previous_bundle: bytes) -> EpochRecord:
    """Return the record that the input tables hold.

    Raises ``BadBundle``, or ``EdgeproofError`` for a description that is none.
    """
    texts = rows[PARAMETERS.name]
    if len(texts) != 1:
        raise BadBundle(PARAMETERS.file, "one row", f"{len(texts)}")
    return EpochRecord(
        description=_description(texts[0][0]),
        epoch=epoch,
        beacons=tuple(_unsigned(Beacon, row) for row in rows[BEACONS.name]),
        entropies=tuple(_unsigned(Entropy, row) for row in rows[ENTROPY.name]),
        phases=tuple(Phase(*row) for row in rows[PHASES.name]),
        intake=tuple(
            Heard(_unsigned(IntakeRoot, row), heard)
            for heard, *row in rows[INTAKE.name]
        ),
        enrolments=tuple(
            Enrolment(_unsigned(cls, row), since)
            for table, cls in REGISTER.items()
            for since, *row in rows[table.name]
        ),
        seals=_arrived(Seal, rows[SEALS.name]),
        commitments=_arrived(Commitment, rows[COMMITMENTS.name]),
        openings=_arrived(Opening, rows[OPENINGS.name]),
        skips=_arrived(Skip, rows[SKIPS.name]),
        carried=carried_tables.carried_from(CARRIED_IN, rows, previous_bundle),
    )


def outcome_from(rows: Rows, epoch: int) -> Outcome:
    """Return the outcome that the output tables claim.  Raises ``BadBundle``."""
    totals = rows[TOTALS.name]
    if [row[0] for row in totals] != [epoch]:
        got = f"epochs {[row[0] for row in totals]}"
        raise BadBundle(TOTALS.file, f"one row, of epoch {epoch}", got)
    _, countable, budget, unallocated, root, cumulative_total = totals[0]
    return Outcome(
        countable=uptime.bits(countable),
        verdicts=tuple(
            Verdict(slot, bucket, device, card, work, figure, reason, bool(seen))
            for (slot, _, device, card, work, figure, seen, _), bucket, reason in zip(
                rows[VERDICTS.name],
                carried_tables.buckets_of(VERDICTS, rows, 1),
                _reasons(VERDICTS, rows),
                strict=True,
            )
        ),
        voids=tuple(
            (row[0], bucket)
            for row, bucket in zip(
                rows[VOIDS.name], carried_tables.buckets_of(VOIDS, rows, 1), strict=True
            )
        ),
        attendance=tuple(
            Attendance(device, owner, uptime.bits(slots))
            for device, owner, slots in rows[ATTENDANCE.name]
        ),
        payouts=tuple(
            Payout(device, owner, bucket, weight, reward, reason)
            for (device, owner, _, weight, reward, _), bucket, reason in zip(
                rows[PAYOUTS.name],
                carried_tables.buckets_of(PAYOUTS, rows, 2),
                _reasons(PAYOUTS, rows),
                strict=True,
            )
        ),
        balances=tuple((row[0], row[1], row[2]) for row in rows[BALANCES.name]),
        budget=budget,
        unallocated=unallocated,
        root=root,
        cumulative_total=cumulative_total,
        difficulties={(row[0], row[1]): row[2] for row in rows[DIFFICULTIES.name]},
        carried=carried_tables.carried_from(CARRIED_OUT, rows, b""),
    )


def _fields(message: Message) -> Row:
    return tuple(value for _, value in message.values())


def _signed(signed: Signed[M]) -> Row:
    return (*_fields(signed.message), *signed.signatures)


def _unsigned(cls: type[M], row: Sequence[Any]) -> Signed[M]:
    count = len(kinds_of(cls))
    return Signed(cls(*row[:count]), tuple(row[count:]))


def _arrived(cls: type[M], rows: Iterable[Row]) -> tuple[Arrived[M], ...]:
    return tuple(Arrived(slot, _unsigned(cls, row)) for slot, *row in rows)


def _reasons(table: Table, rows: Rows) -> list[Reason]:
    codes = [row[-1] for row in rows[table.name]]
    for number, code in enumerate(codes):
        if code not in set(Reason):
            raise BadBundle(table.file, "a reason code", f"{code}", number)
    return [Reason(code) for code in codes]


def _description(text: str) -> Description:
    try:
        values = load_object(text, description.LARGEST)
    except MessageRefused:
        raise BadBundle(PARAMETERS.file, "a description in JSON", text[:80]) from None
    found = Description.from_json(values)
    again = description.canonical(found.as_json()).decode()
    if again != text:
        raise BadBundle(PARAMETERS.file, "canonical JSON", text[:80])
    return found
