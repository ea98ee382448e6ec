"""The state that epochs hand on, as tables: ``carried_in_*`` and ``carried_out_*``."""

from collections.abc import Iterable, Mapping, Sequence

from edgeproof.audit.errors import BadBundle
from edgeproof.audit.model import Carried, Figure
from edgeproof.audit.tables import Row, Table
from edgeproof.proofs.parameters import Bucket
from edgeproof.proofs.timetable import NO_ROUND
from edgeproof.telemetry.kinds import Kind

Rows = Mapping[str, Sequence[Row]]
"""The rows of each table, by its name."""

_CODE = Kind("uint8")
_COUNT, _CARD, _WIDE = Kind("uint64"), Kind("uint32"), Kind("uint256")
_ADDRESS = Kind("address")


def _carried_tables(side: str) -> tuple[Table, ...]:
    card = (("device", _ADDRESS), ("card", _CARD))
    return (
        Table(f"{side}_last_round", (("slot", _COUNT),)),  # no row: none ever opened
        Table(f"{side}_rounds", (("bucket", _CODE), ("slot", _COUNT))),
        Table(
            f"{side}_figures",
            (("bucket", _CODE), ("round", _COUNT), *card, ("figure", _WIDE)),
        ),
        Table(f"{side}_hashes", (*card, ("hashes", _WIDE))),
        Table(
            f"{side}_sums",
            (
                ("epoch", _COUNT),
                ("slots", _COUNT),
                *((bucket.name.lower(), _WIDE) for bucket in Bucket),
            ),
        ),
        Table(f"{side}_balances", (("owner", _ADDRESS), ("balance", _WIDE))),
        Table(f"{side}_records", (("device", _ADDRESS), ("epochs", _COUNT))),
    )


CARRIED_IN = _carried_tables("carried_in")
CARRIED_OUT = _carried_tables("carried_out")


def rows_of(side: Sequence[Table], carried: Carried) -> dict[str, Iterable[Row]]:
    """Return the rows of each table of one side, by its name."""
    last = carried.last_round
    rows: list[Iterable[Row]] = [
        [] if last == NO_ROUND else [(last,)],
        [(int(bucket), s) for bucket, slots in carried.rounds.items() for s in slots],
        [(int(f.bucket), f.round, f.device, f.card, f.figure) for f in carried.figures],
        by_card(carried.hashes),
        [(epoch, slots, *totals) for epoch, slots, totals in carried.sums],
        list(carried.balances.items()),
        list(carried.records.items()),
    ]
    return {table.name: each for table, each in zip(side, rows, strict=True)}


def carried_from(side: Sequence[Table], rows: Rows, previous_bundle: bytes) -> Carried:
    """Return the state in the tables of one side; raise ``BadBundle``."""
    last, rounds, figures, hashes, sums, balances, records = (
        rows[t.name] for t in side
    )
    if len(last) > 1:
        raise BadBundle(side[0].file, "at most one row", f"{len(last)}")
    slots: dict[Bucket, tuple[int, ...]] = {}
    for row, bucket in zip(rounds, buckets_of(side[1], rows, 0), strict=True):
        slots[bucket] = (*slots.get(bucket, ()), row[1])
    return Carried(
        last_round=last[0][0] if last else NO_ROUND,
        rounds=slots,
        figures=tuple(
            Figure(bucket, *row[1:])
            for row, bucket in zip(figures, buckets_of(side[2], rows, 0), strict=True)
        ),
        hashes={(row[0], row[1]): row[2] for row in hashes},
        sums=tuple((row[0], row[1], tuple(row[2:])) for row in sums),
        balances={row[0]: row[1] for row in balances},
        records={row[0]: row[1] for row in records},
        previous_bundle=previous_bundle,
    )


def buckets_of(table: Table, rows: Rows, place: int) -> list[Bucket]:
    """Return the bucket in one column of each row; raise ``BadBundle`` for others."""
    codes = [row[place] for row in rows[table.name]]
    for number, code in enumerate(codes):
        if code not in set(Bucket):
            raise BadBundle(table.file, "a bucket", f"{code}", number)
    return [Bucket(code) for code in codes]


def by_card(values: Mapping[tuple[bytes, int], int]) -> list[Row]:
    """Return a row for each card: device, card, value."""
    return [(device, card, value) for (device, card), value in values.items()]
