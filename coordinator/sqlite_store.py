"""The store in one SQLite file, through sqlite-utils."""

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

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
from edgeproof.coordinator import sqlite_rows
from edgeproof.coordinator.sqlite_rows import ENROLMENTS, Row
from edgeproof.coordinator.store import Batch, Kept
from edgeproof.proofs import timetable
from edgeproof.proofs.parameters import Bucket
from edgeproof.proofs.reasons import Reason
from edgeproof.proofs.uptime import Seen
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.message import Message, Signed, decode_signed
from edgeproof.telemetry.messages import (
    Beacon,
    Commitment,
    Entropy,
    IntakeRoot,
    Opening,
    Phase,
    Presence,
    Seal,
    Skip,
)

SCHEMA = files("edgeproof.coordinator").joinpath("schema.sql").read_text()

M = TypeVar("M", bound=Message)


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
            for table, rows in sqlite_rows.of_batch(batch):
                self._insert(table, rows)
            self._beats(batch.beats)
            for device, presence in batch.presence.items():
                self._presence(batch.slot, device, presence)
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

    def hints(self, first: int, end: int) -> dict[bytes, Seen]:
        """See ``Store.hints``."""
        late: Counter[bytes] = Counter()
        refused: Counter[bytes] = Counter()
        stopped: Counter[bytes] = Counter()
        for row in self._query(
            "select * from missed where slot >= ? and slot < ?", first, end
        ):
            kind = late if row["reason"] == Reason.LATE_BEAT else refused
            kind[row["device"]] |= 1 << row["slot"] - first
        for row in self._query(
            "select * from stopped where since < ? and ifnull(until, ?) > ?",
            end,
            end,
            first,
        ):
            until = end if row["until"] is None else min(end, row["until"])
            for slot in range(max(first, row["since"]), until):
                stopped[row["device"]] |= 1 << slot - first
        return {
            device: Seen(0, late[device], refused[device], stopped[device])
            for device in {*late, *refused, *stopped}
        }

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
            self._execute(
                "insert into presence (device, last_slot, beats, online)"
                " select device, slot, 1, 1 from beat where slot = ?"
                " on conflict do update set online = 1, beats = beats + 1,"
                " last_slot = max(last_slot, excluded.last_slot)",
                slot,
            )
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
        return sqlite_rows.enrolments_in(self._query(ENROLMENTS))

    def keep_certificate(self, device: bytes, serial: int, ends: int) -> None:
        """See ``Store.keep_certificate``."""
        row = {"serial": serial.to_bytes(20, "big"), "device": device, "ends": ends}
        with self._transaction():
            self._insert("certificate", [row])

    def certificates(self, device: bytes) -> list[int]:
        """See ``Store.certificates``."""
        rows = self._query("select serial from certificate where device = ?", device)
        return [int.from_bytes(row["serial"], "big") for row in rows]

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
            enrolments=tuple(
                each
                for each in self.enrolments()
                if each.since <= timetable.first_slot(network, epoch + 1)
            ),
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
        self,
        epoch: int,
        outcome: Outcome,
        data_hash: bytes,
        posting: str,
        missing: Mapping[bytes, bytes],
    ) -> None:
        """See ``Store.close_epoch``."""
        with self._transaction():
            for table, rows in sqlite_rows.of_epoch(
                epoch, outcome, data_hash, posting, missing
            ):
                self._insert(table, rows)
            self._keep_verdicts(outcome.verdicts)

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
        rows = [sqlite_rows.of_verdict(verdict) for verdict in verdicts]
        self._insert("verdict", rows)
        # Hashes are always verified; their verdicts hang on the epoch before, which may
        # still be open when one is kept.
        self._db.conn.executemany(
            "update verdict set work = :work, figure = :figure, reason = :reason"
            " where round = :round and bucket = :bucket and device = :device"
            " and card = :card and reason = 0",
            [r for r in rows if r["reason"] and r["bucket"] != int(Bucket.HASH)],
        )

    def _arrived(
        self, cls: type[M], kind: str, first: int, until: int
    ) -> tuple[Arrived[M], ...]:
        sql = (
            "select slot, raw from message where rooted = 1 and slot >= ? and slot < ?"
            " and kind = ? order by slot, digest"
        )
        rows = self._query(sql, first, until, kind)
        return tuple(Arrived(r["slot"], decode_signed(cls, r["raw"])) for r in rows)

    def _beats(self, beats: Iterable[tuple[int, bytes]]) -> None:
        # The beats of a sealed slot are forgotten: one that comes again is not new.
        (row,) = self._db.conn.execute(
            "select coalesce(max(slot), -1) from slot where root is not null"
        )
        self._db.conn.executemany(
            "insert or ignore into beat values (?, ?)",
            ((slot, device) for slot, device in beats if slot > row[0]),
        )

    def _presence(self, slot: int, device: bytes, presence: Presence) -> None:
        self._execute(
            "insert into presence (device, online) values (?, ?)"
            " on conflict do update set online = excluded.online",
            device,
            int(presence is Presence.ONLINE),
        )
        if presence is Presence.STOPPED:
            sql = "insert into stopped (device, since) values (?, ?)"
            self._execute(f"{sql} on conflict do nothing", device, slot)
        elif presence is Presence.ONLINE:
            sql = "update stopped set until = ? where device = ? and until is null"
            self._execute(sql, slot, device)

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
