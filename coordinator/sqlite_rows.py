"""What becomes of values in the store's SQLite file: rows, by table."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from edgeproof.audit import register
from edgeproof.audit.model import Enrolment, Outcome, Verdict
from edgeproof.coordinator import carried as carried_json
from edgeproof.coordinator.store import Batch
from edgeproof.proofs.uptime import bitmap

Row = dict[str, Any]
Rows = tuple[str, Iterable[Row]]
"""A table's name and rows for it."""

ENROLMENTS = "select raw, since from enrolment order by device, nonce"
"""Every change of the register."""


def of_batch(batch: Batch) -> Iterator[Rows]:
    """Yield all of a batch that is kept as it came; the same again is the same row."""
    yield "enrolment", map(_enrolment, batch.enrolments)
    yield (
        "message",
        (
            {
                "digest": m.digest,
                "kind": m.kind,
                "device": m.device,
                "slot": batch.slot,
                "raw": m.raw,
            }
            for m in batch.messages
        ),
    )
    yield (
        "telemetry",
        (
            {
                "device": t.device,
                "boot": t.boot,
                "sequence": uint64(t.sequence),
                "taken_at": uint64(t.taken_at),
                "readings": t.readings,
            }
            for t in batch.telemetry
        ),
    )
    yield (
        "missed",
        (
            {"slot": slot, "device": device, "reason": int(reason)}
            for (slot, device), reason in batch.missed.items()
        ),
    )


def of_epoch(
    epoch: int,
    outcome: Outcome,
    data_hash: bytes,
    posting: str,
    missing: Mapping[bytes, bytes],
) -> Iterator[Rows]:
    """Yield a closed epoch's result, but for its verdicts."""
    yield "posting", [{"epoch": epoch, "state": posting, "transaction_hash": ""}]
    yield (
        "epoch",
        [
            {
                "epoch": epoch,
                "countable": outcome.countable.bit_count(),
                "budget": str(outcome.budget),
                "unallocated": str(outcome.unallocated),
                "root": outcome.root,
                "cumulative_total": str(outcome.cumulative_total),
                "data_hash": data_hash,
                "carried": carried_json.dump(outcome.carried),
            }
        ],
    )
    yield (
        "attendance",
        (
            {
                "epoch": epoch,
                "device": a.device,
                "owner": a.owner,
                "slots": bitmap(a.slots, a.slots.bit_length()),
                "missing": missing[a.device],
                "accepted": a.slots.bit_count(),
            }
            for a in outcome.attendance
        ),
    )
    yield (
        "payout",
        (
            {
                "epoch": epoch,
                "device": p.device,
                "bucket": int(p.bucket),
                "owner": p.owner,
                "weight": str(p.weight),
                "reward": str(p.reward),
                "reason": int(p.reason),
            }
            for p in outcome.payouts
        ),
    )
    yield (
        "balance",
        (
            {
                "epoch": epoch,
                "owner": owner,
                "previous": str(previous),
                "current": str(current),
            }
            for owner, previous, current in outcome.balances
        ),
    )


def enrolments_in(rows: Iterable[Mapping[str, Any] | sqlite3.Row]) -> list[Enrolment]:
    """Return the changes in rows of ``ENROLMENTS``."""
    return [Enrolment(register.decode(row["raw"]), row["since"]) for row in rows]


def uint64(number: int) -> bytes:
    """Return a number of a device's as the file holds it: it sorts as the number."""
    return number.to_bytes(8, "big")


def _enrolment(enrolment: Enrolment) -> Row:
    message = enrolment.signed.message
    return {
        "device": message.device,
        "nonce": uint64(message.nonce),
        "since": enrolment.since,
        "raw": enrolment.signed.encode(),
    }


def of_verdict(verdict: Verdict) -> Row:
    """Return a verdict's row."""
    return {
        "round": verdict.round,
        "bucket": int(verdict.bucket),
        "device": verdict.device,
        "card": verdict.card,
        "work": str(verdict.work),
        "figure": str(verdict.figure),
        "reason": int(verdict.reason),
    }
