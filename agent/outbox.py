"""What the device said and the coordinator has not acknowledged yet, on disk.

A message leaves only on the coordinator's word: a broker's proves nothing.  Times are
Unix milliseconds of the device's clock, used only for waiting.
"""

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from edgeproof import lean
from edgeproof.agent.store import Store
from edgeproof.errors import EdgeproofError
from edgeproof.proofs.keccak import keccak

T = TypeVar("T")

OUTBOX_FILE = "outbox.sqlite"
"""Name of the database in the state folder."""

PRIORITY = {
    "heartbeat": 0,
    "opening": 1,
    "commitment": 2,
    "skip": 2,
    "seal": 3,
    "telemetry": 9,
}
"""What is sent first: a backlog of telemetry must not delay a heartbeat."""

DROPPABLE = ("telemetry", "heartbeat")
"""What makes room when the outbox is full, in this order; nothing else ever does."""

OVERHEAD = 256
"""Bytes that a row costs beside its payload, roughly."""

BUSY_MS = 5000
"""How long to wait for another process's write, such as a status reader's."""


TABLES = {
    "messages": (
        "wire",
        "kind",
        "priority",
        "payload",
        "slot",
        "expires",
        "sent",
        "attempts",
    ),
    "counters": ("name", "count"),
}
"""What makes a row; a message's id only sets the order of those beside it."""

_INSERT = (
    f"insert into messages ({','.join(TABLES['messages'])})"  # noqa: S608 - names of this file
    " values (?, ?, ?, ?, ?, ?, ?, ?)"
)
_SELECT = "select wire, kind, payload, slot, attempts from messages"


class OutboxFull(EdgeproofError):  # noqa: N818 - reads as what it is about
    """There is no room, and nothing that may be dropped for this message."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message to send.  ``wire`` is the Keccak-256 of ``payload``."""

    wire: bytes
    kind: str
    payload: bytes
    slot: int | None
    attempts: int


class Outbox:
    """A durable set of messages, keyed by the hash of their bytes."""

    def __init__(
        self,
        path: Path,
        *,
        limit_bytes: int,
        on_full: Callable[[bool], None] = lambda _full: None,
    ) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        sqlite_utils = lean.load("sqlite_utils", "numpy", "pandas")
        self._limit = limit_bytes
        database = sqlite_utils.Database(path)
        database.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        database.enable_wal()
        database.execute("PRAGMA synchronous = FULL")
        _create(database)
        disk: sqlite3.Connection = database.conn
        disk.isolation_level = None  # transactions are the store's
        self._store = Store(disk, TABLES, on_full=on_full)
        sql = "select coalesce(sum(length(payload) + ?), 0) from messages"
        self.bytes = int(disk.execute(sql, [OVERHEAD]).fetchone()[0])
        """Bytes of all messages, with what their rows cost."""

    @property
    def store(self) -> Store:
        """Where the messages are: on the disk, or in memory while that is full."""
        return self._store

    def put(
        self,
        kind: str,
        payload: bytes,
        *,
        slot: int | None = None,
        expires: int | None = None,
    ) -> bytes:
        """Store a message and return its hash; on disk when this returns.

        The same bytes twice are one message.  Telemetry, then heartbeats, the oldest
        first, make room; where that is not enough a message of these kinds is dropped
        and counted, and ``OutboxFull`` raised for any other.
        """
        wire = keccak(payload)
        row = (wire, kind, PRIORITY[kind], payload, slot, expires, None, 0)

        def work(db: sqlite3.Connection) -> None:
            if db.execute(f"{_SELECT} where wire = ?", [wire]).fetchone():
                return
            if self._make_room(db, len(payload) + OVERHEAD):
                db.execute(_INSERT, row)
                self.bytes += len(payload) + OVERHEAD
            elif kind in DROPPABLE:
                _count_drops(db, 1)
            else:
                msg = f"no room for a {kind} of {len(payload)} bytes"
                hint = "is the coordinator acknowledging? or raise the limit"
                raise OutboxFull(msg, hint=hint)

        self._write(work)
        return wire

    def due(self, now: int, resend_ms: int) -> Waiting | None:
        """Return what to send next: never sent, or without answer for ``resend_ms``."""
        rows = self._store.db.execute(
            f"{_SELECT} where"
            " (sent is null or sent > ? or sent <= ?)"  # a clock may be set back
            " order by priority, id limit 1",
            [now, now - resend_ms],
        ).fetchall()
        return Waiting(*rows[0]) if rows else None

    def sent(self, wire: bytes, now: int) -> None:
        """Note that the broker took the message over."""
        sql = "update messages set sent = ?, attempts = attempts + 1 where wire = ?"
        self._write(lambda db: db.execute(sql, [now, wire]))

    def send_again(self, *kinds: str) -> None:
        """Make everything due at once, as after a reconnect, or all of some kinds."""
        marks = ",".join("?" * len(kinds))
        where = f" where kind in ({marks})" if kinds else ""
        sql = f"update messages set sent = null{where}"  # noqa: S608 - marks alone
        self._write(lambda db: db.execute(sql, kinds))

    def acknowledge(self, wires: Iterable[bytes]) -> list[Waiting]:
        """Remove messages that the coordinator has, and return those that were here."""
        known = list(wires)
        return self._write(
            lambda db: [
                row
                for wire in known
                for row in self._remove(db, "where wire = ?", [wire])
            ]
        )

    def drop(self, wire: bytes) -> None:
        """Remove and count a message that can never be delivered."""
        self._write(lambda db: self._discard(db, "where wire = ?", [wire]))

    def expire(self, now: int) -> int:
        """Remove and count what is too late to be of use; return how many."""
        late, known = "where expires <= ?", [now]
        if not self._store.db.execute(f"{_SELECT} {late}", known).fetchone():
            return 0  # the usual case, several times a second
        return self._write(lambda db: self._discard(db, late, known))

    @property
    def dropped(self) -> int:
        """Messages dropped since the outbox was created."""
        sql = "select count from counters where name = 'dropped'"
        row = self._store.db.execute(sql).fetchone()
        return int(row[0]) if row else 0

    @property
    def holds_signed(self) -> bool:
        """Whether anything waits that may never be dropped."""
        marks = ",".join("?" * len(DROPPABLE))
        sql = f"select 1 from messages where kind not in ({marks}) limit 1"  # noqa: S608 - marks alone
        return self._store.db.execute(sql, DROPPABLE).fetchone() is not None

    def __len__(self) -> int:
        """Return how many messages wait."""
        row = self._store.db.execute("select count(*) from messages").fetchone()
        return int(row[0])

    def close(self) -> None:
        """Release the file."""
        self._store.close()

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        before = self.bytes

        def once(db: sqlite3.Connection) -> T:
            self.bytes = before  # it may be the second time
            return work(db)

        try:
            return self._store.write(once)
        except BaseException:
            self.bytes = before
            raise

    def _make_room(self, db: sqlite3.Connection, wanted: int) -> bool:
        for kind in DROPPABLE:
            oldest = "where id = (select min(id) from messages where kind = ?)"
            while self.bytes + wanted > self._limit:
                if not self._discard(db, oldest, [kind]):
                    break
        return self.bytes + wanted <= self._limit

    def _discard(self, db: sqlite3.Connection, where: str, values: list[Any]) -> int:
        removed = len(self._remove(db, where, values))
        _count_drops(db, removed)
        return removed

    def _remove(
        self, db: sqlite3.Connection, where: str, values: list[Any]
    ) -> list[Waiting]:
        rows = db.execute(f"{_SELECT} {where}", values).fetchall()
        db.execute(f"delete from messages {where}", values)  # noqa: S608 - conditions of this file
        self.bytes -= sum(len(row[2]) + OVERHEAD for row in rows)
        return [Waiting(*row) for row in rows]


def _create(database: Any) -> None:  # noqa: ANN401 - an untyped library's
    messages, counters = database.table("messages"), database.table("counters")
    messages.create(
        {
            "id": int,
            "wire": bytes,
            "kind": str,
            "priority": int,
            "payload": bytes,
            "slot": int,
            "expires": int,
            "sent": int,
            "attempts": int,
        },
        pk="id",
        not_null={"wire", "kind", "priority", "payload", "attempts"},
        if_not_exists=True,
    )
    messages.create_index(["wire"], unique=True, if_not_exists=True)
    messages.create_index(["priority", "id"], if_not_exists=True)
    columns = {"name": str, "count": int}
    counters.create(columns, pk="name", if_not_exists=True)


def _count_drops(db: sqlite3.Connection, number: int) -> None:
    if number:
        db.execute(
            "insert into counters values ('dropped', ?)"
            " on conflict (name) do update set count = count + excluded.count",
            [number],
        )


def backlog(folder: Path) -> dict[str, int]:
    """Return the number of waiting messages by kind, for a reader beside the agent."""
    path = folder / OUTBOX_FILE
    if not path.exists():
        return {}
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as db:
        rows = db.execute(
            "select kind, count(*) from messages group by kind order by kind"
        ).fetchall()
    return dict(rows)
