"""The store in one SQLite file, through sqlite-utils."""

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from sqlite_utils import Database

from edgeproof.audit.model import (
    Arrived,
    Carried,
    Enrolment,
    EpochRecord,
    Heard,
    Outcome,
    Verdict,
)
from edgeproof.coordinator import carried as carried_json
from edgeproof.coordinator.store import Batch, Kept
from edgeproof.proofs import timetable
from edgeproof.proofs.parameters import Bucket
from edgeproof.proofs.reasons import Reason
from edgeproof.proofs.uptime import bitmap
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.message import Message, Signed, decode_signed
from edgeproof.telemetry.messages import (
    Beacon,
    Commitment,
    Enrol,
    Entropy,
    IntakeRoot,
    Opening,
    Phase,
    Seal,
    Skip,
)

SCHEMA = files("edgeproof.coordinator").joinpath("schema.sql").read_text()

M = TypeVar("M", bound=Message)

Row = dict[str, Any]


def connect(path: Path) -> Database:
    """Open the file for any thread of this process; the caller serialises writes."""
    path.touch(mode=0o600)
    path.chmod(0o600)  # and SQLite gives the same mode to the files beside it
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute("pragma busy_timeout = 5000")
    return Database(connection)


class SqliteStore:
    """See ``Store``.  Durable: WAL with ``synchronous = full``."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = connect(path)
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def add(self, batch: Batch) -> None:
        """See ``Store.add``."""
        with self._transaction():
            self._insert("enrolment", map(_enrolment_row, batch.enrolments))
            for slot, device in batch.beats:
                self._beat(slot, device)
            self._insert(
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
            self._insert(
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
            for device, online in batch.online.items():
                self._execute(
                    "insert into presence (device, online) values (?, ?)"
                    " on conflict do update set online = excluded.online",
                    device,
                    int(online),
                )
            for refused, count in Counter(batch.refused).items():
                self._execute(
                    "insert into refusal values (?, ?, ?, ?, ?)"
                    " on conflict do update set count = count + excluded.count",
                    batch.slot,
                    refused.device,
                    refused.kind,
                    int(refused.reason),
                    count,
                )

    def open_slot(
        self, slot: int, beacon: Signed[Beacon], entropy: Signed[Entropy] | None
    ) -> None:
        """See ``Store.open_slot``."""
        with self._transaction():
            self._execute(
                "insert into slot (slot, beacon, entropy) values (?, ?, ?)"
                " on conflict do nothing",
                slot,
                beacon.encode(),
                None if entropy is None else entropy.encode(),
            )

    def keep_entropy(self, entropy: Signed[Entropy]) -> None:
        """See ``Store.keep_entropy``."""
        with self._transaction():
            self._execute(
                "update slot set entropy = ? where slot = ? and entropy is null",
                entropy.encode(),
                entropy.message.slot,
            )

    def open_phase(self, phase: Phase) -> None:
        """See ``Store.open_phase``."""
        row = {"round": phase.round, "phase": phase.phase, "value": phase.value}
        with self._transaction():
            self._insert("phase", [row])

    def heard(self, slot: int) -> set[bytes]:
        """See ``Store.heard``."""
        rows = self._query("select device from beat where slot = ?", slot)
        return {row["device"] for row in rows}

    def arrivals(self, slot: int) -> list[Kept]:
        """See ``Store.arrivals``."""
        sql = "select * from message where rooted = 0 and slot <= ? order by digest"
        rows = self._query(sql, slot)
        return [Kept(r["digest"], r["kind"], r["device"], r["raw"]) for r in rows]

    def seal_slot(self, slot: int, heard: bytes, root: bytes) -> None:
        """See ``Store.seal_slot``."""
        with self._transaction():
            sql = "update slot set heard = ?, root = ? where slot = ? and root is null"
            if not self._execute(sql, heard, root, slot).rowcount:
                return  # what came since then is not under the root that stands
            self._execute("delete from beat where slot <= ?", slot)
            self._execute(
                "update message set slot = ?, rooted = 1"
                " where rooted = 0 and slot <= ?",
                slot,
                slot,
            )

    def last_slots(self) -> tuple[int, int]:
        """See ``Store.last_slots``."""
        sql = "select slot from slot {} order by slot desc limit 1"
        opened = self._query(sql.format(""))
        sealed = self._query(sql.format("where root is not null"))
        last = [rows[0]["slot"] if rows else -1 for rows in (opened, sealed)]
        return last[0], last[1]

    def enrolments(self) -> list[Enrolment]:
        """See ``Store.enrolments``."""
        rows = self._query("select raw, epoch from enrolment order by device, nonce")
        return [Enrolment(decode_signed(Enrol, r["raw"]), r["epoch"]) for r in rows]

    def record(self, description: Description, epoch: int, until: int) -> EpochRecord:
        """See ``Store.record``."""
        network = description.parameters
        first = timetable.first_slot(network, epoch)
        sql = "select * from slot where slot >= ? and slot < ? order by slot"
        slots = self._query(sql, first, until)
        sql = "select * from phase where round >= ? and round < ? order by round, phase"
        phases = self._query(sql, first, until)
        return EpochRecord(
            description=description,
            epoch=epoch,
            beacons=tuple(decode_signed(Beacon, r["beacon"]) for r in slots),
            entropies=tuple(
                decode_signed(Entropy, r["entropy"])
                for r in slots
                if r["entropy"] is not None
            ),
            phases=tuple(Phase(r["round"], r["phase"], r["value"]) for r in phases),
            intake=tuple(
                Heard(decode_signed(IntakeRoot, r["root"]), r["heard"])
                for r in slots
                if r["root"] is not None
            ),
            enrolments=self._in_force(epoch),
            seals=self._arrived(Seal, "seal", first, until),
            commitments=self._arrived(Commitment, "commitment", first, until),
            openings=self._arrived(Opening, "opening", first, until),
            skips=self._arrived(Skip, "skip", first, until),
            carried=self.carried(epoch),
        )

    def proofs(self, cases: Sequence[bytes]) -> dict[bytes, Reason]:
        """See ``Store.proofs``."""
        sql = "select reason from proof where proof_case = ?"
        known = {case: self._query(sql, case) for case in cases}
        return {case: Reason(rows[0]["reason"]) for case, rows in known.items() if rows}

    def keep_proofs(self, verdicts: Mapping[bytes, tuple[Reason, int]]) -> None:
        """See ``Store.keep_proofs``."""
        rows = (
            {"proof_case": case, "reason": int(reason), "micros": micros}
            for case, (reason, micros) in verdicts.items()
        )
        with self._transaction():
            self._insert("proof", rows)

    def keep_verdicts(self, verdicts: Iterable[Verdict]) -> None:
        """See ``Store.keep_verdicts``."""
        with self._transaction():
            self._keep_verdicts(verdicts)

    def close_epoch(
        self, epoch: int, outcome: Outcome, data_hash: bytes, posting: str
    ) -> None:
        """See ``Store.close_epoch``."""
        with self._transaction():
            self._insert(
                "posting", [{"epoch": epoch, "state": posting, "transaction_hash": ""}]
            )
            self._insert(
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
            self._keep_verdicts(outcome.verdicts)
            self._insert(
                "attendance",
                (
                    {
                        "epoch": epoch,
                        "device": a.device,
                        "owner": a.owner,
                        "slots": bitmap(a.slots, a.slots.bit_length()),
                        "accepted": a.slots.bit_count(),
                    }
                    for a in outcome.attendance
                ),
            )
            self._insert(
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
            self._insert(
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

    def last_epoch(self) -> int:
        """See ``Store.last_epoch``."""
        (row,) = self._query("select coalesce(max(epoch), -1) as last from epoch")
        return int(row["last"])

    def carried(self, epoch: int) -> Carried:
        """See ``Store.carried``."""
        sql = "select carried from epoch where epoch < ? order by epoch desc limit 1"
        rows = self._query(sql, epoch)
        return carried_json.load(rows[0]["carried"]) if rows else carried_json.GENESIS

    def postings(self) -> dict[int, tuple[str, str]]:
        """See ``Store.postings``."""
        rows = self._query("select * from posting order by epoch")
        return {r["epoch"]: (r["state"], r["transaction_hash"]) for r in rows}

    def posted_total(self) -> int:
        """See ``Store.posted_total``."""
        sql = (
            "select cumulative_total from epoch join posting using (epoch)"
            " where state != 'nothing' order by epoch desc limit 1"
        )
        rows = self._query(sql)
        return int(rows[0]["cumulative_total"]) if rows else 0

    def keep_posting(self, epoch: int, state: str, transaction: str) -> None:
        """See ``Store.keep_posting``."""
        with self._transaction():
            self._execute(
                "insert into posting values (?, ?, ?) on conflict do update set"
                " state = excluded.state, transaction_hash = excluded.transaction_hash",
                epoch,
                state,
                transaction,
            )

    def _keep_verdicts(self, verdicts: Iterable[Verdict]) -> None:
        rows = [_verdict_row(verdict) for verdict in verdicts]
        self._insert("verdict", rows)
        # Hashes are always verified; their verdicts hang on the epoch before, which may
        # still be open when one is kept.
        self._db.conn.executemany(
            "update verdict set work = :work, figure = :figure, reason = :reason"
            " where round = :round and bucket = :bucket and device = :device"
            " and card = :card and reason = 0",
            [r for r in rows if r["reason"] and r["bucket"] != int(Bucket.HASH)],
        )

    def _in_force(self, epoch: int) -> tuple[Enrolment, ...]:
        """Return each device's latest enrolment for ``epoch`` and for the next one."""
        kept: dict[tuple[bytes, bool], Enrolment] = {}
        for each in self.enrolments():
            if each.epoch <= epoch + 1:
                kept[each.signed.message.device, each.epoch > epoch] = each
        return tuple(kept[key] for key in sorted(kept))

    def _arrived(
        self, cls: type[M], kind: str, first: int, until: int
    ) -> tuple[Arrived[M], ...]:
        sql = (
            "select slot, raw from message where rooted = 1 and slot >= ? and slot < ?"
            " and kind = ? order by slot, digest"
        )
        rows = self._query(sql, first, until, kind)
        return tuple(Arrived(r["slot"], decode_signed(cls, r["raw"])) for r in rows)

    def _beat(self, slot: int, device: bytes) -> None:
        # The beats of a sealed slot are forgotten: one that comes again is not new.
        sql = (
            "insert into beat select ?, ? where not exists"
            " (select 1 from slot where slot >= ? and root is not null)"
            " on conflict do nothing"
        )
        if self._execute(sql, slot, device, slot).rowcount:
            self._execute(
                "insert into presence (device, last_slot, beats, online)"
                " values (?, ?, 1, 1) on conflict do update set beats = beats + 1,"
                " online = 1, last_slot = max(last_slot, excluded.last_slot)",
                device,
                slot,
            )

    def _insert(self, table: str, rows: Iterable[Row]) -> None:
        self._db.table(table).insert_all(rows, ignore=True)

    def _execute(self, sql: str, *values: object) -> sqlite3.Cursor:
        cursor: sqlite3.Cursor = self._db.conn.execute(sql, values)
        return cursor

    def _query(self, sql: str, *values: object) -> list[Row]:
        with self._lock:
            return list(self._db.query(sql, values))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.conn.execute("begin immediate")
            try:
                yield
                self._db.conn.execute("commit")
            except BaseException:
                if self._db.conn.in_transaction:  # a full disk may have ended it
                    self._db.conn.execute("rollback")
                raise


def uint64(number: int) -> bytes:
    """Return a number of a device's as the file holds it: it sorts as the number."""
    return number.to_bytes(8, "big")


def _enrolment_row(enrolment: Enrolment) -> Row:
    message = enrolment.signed.message
    return {
        "device": message.device,
        "nonce": uint64(message.nonce),
        "owner": message.owner,
        "epoch": enrolment.epoch,
        "raw": enrolment.signed.encode(),
    }


def _verdict_row(verdict: Verdict) -> Row:
    return {
        "round": verdict.round,
        "bucket": int(verdict.bucket),
        "device": verdict.device,
        "card": verdict.card,
        "work": str(verdict.work),
        "figure": str(verdict.figure),
        "reason": int(verdict.reason),
    }
