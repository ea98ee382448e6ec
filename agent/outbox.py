"""What the device said and the coordinator has not acknowledged yet, on disk.

A message leaves only on the coordinator's word: a broker's proves nothing.  Times are
Unix milliseconds of the device's clock, used only for waiting.
"""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from edgeproof import lean
from edgeproof.errors import EdgeproofError
from edgeproof.proofs.keccak import keccak

OUTBOX_FILE = "outbox.sqlite"
"""Name of the database in the state folder."""

PRIORITY = {
    "heartbeat": 0,
    "opening": 1,
    "commitment": 2,
    "skip": 2,
    "seal": 3,
    "enrol": 4,
    "telemetry": 9,
}
"""What is sent first: a backlog of telemetry must not delay a heartbeat."""

DROPPABLE = ("telemetry", "heartbeat")
"""What makes room when the outbox is full, in this order; nothing else ever does."""

OVERHEAD = 256
"""Bytes that a row costs beside its payload, roughly."""

BUSY_MS = 5000
"""How long to wait for another process's write, such as an enrolment's."""


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

    def __init__(self, path: Path, *, limit_bytes: int) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        sqlite_utils = lean.load("sqlite_utils", "numpy", "pandas")
        self._limit = limit_bytes
        self._db = sqlite_utils.Database(path)
        self._db.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        self._db.enable_wal()
        self._db.execute("PRAGMA synchronous = FULL")
        self._messages: Any = self._db.table("messages")
        self._counters: Any = self._db.table("counters")
        self._create()
        sql = "select coalesce(sum(length(payload) + ?), 0) from messages"
        self.bytes = int(self._db.execute(sql, [OVERHEAD]).fetchone()[0])
        """Bytes of all messages, with what their rows cost."""

    def _create(self) -> None:
        self._messages.create(
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
        self._messages.create_index(["wire"], unique=True, if_not_exists=True)
        self._messages.create_index(["priority", "id"], if_not_exists=True)
        columns = {"name": str, "count": int}
        self._counters.create(columns, pk="name", if_not_exists=True)

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
        with self._db.atomic():
            if self._db.execute(f"{_SELECT} where wire = ?", [wire]).fetchone():
                return wire
            if not self._make_room(len(payload) + OVERHEAD):
                if kind not in DROPPABLE:
                    msg = f"no room for a {kind} of {len(payload)} bytes"
                    hint = "is the coordinator acknowledging? or raise the limit"
                    raise OutboxFull(msg, hint=hint)
                self._count_drops(1)
                return wire
            self._messages.insert(
                {
                    "wire": wire,
                    "kind": kind,
                    "priority": PRIORITY[kind],
                    "payload": payload,
                    "slot": slot,
                    "expires": expires,
                    "sent": None,
                    "attempts": 0,
                }
            )
            self.bytes += len(payload) + OVERHEAD
        return wire

    def due(
        self, now: int, resend_ms: int, *, hold: Iterable[str] = ()
    ) -> Waiting | None:
        """Return what to send next: never sent, or without answer for ``resend_ms``.

        Kinds in ``hold`` stay for now.
        """
        held = list(hold)
        marks = ",".join("?" * len(held))
        rows = self._db.execute(
            f"{_SELECT} where"
            " (sent is null or sent > ? or sent <= ?)"  # a clock may be set back
            f" and kind not in ({marks}) order by priority, id limit 1",
            [now, now - resend_ms, *held],
        ).fetchall()
        return Waiting(*rows[0]) if rows else None

    def sent(self, wire: bytes, now: int) -> None:
        """Note that the broker took the message over."""
        self._db.execute(
            "update messages set sent = ?, attempts = attempts + 1 where wire = ?",
            [now, wire],
        )

    def send_again(self) -> None:
        """Make everything due at once, as after a reconnect."""
        self._db.execute("update messages set sent = null")

    def acknowledge(self, wires: Iterable[bytes]) -> list[Waiting]:
        """Remove messages that the coordinator has, and return those that were here."""
        with self._db.atomic():
            return [
                row for wire in wires for row in self._remove("where wire = ?", [wire])
            ]

    def drop(self, wire: bytes) -> None:
        """Remove and count a message that can never be delivered."""
        with self._db.atomic():
            self._count_drops(len(self._remove("where wire = ?", [wire])))

    def expire(self, now: int) -> int:
        """Remove and count what is too late to be of use; return how many."""
        with self._db.atomic():
            removed = len(self._remove("where expires <= ?", [now]))
            self._count_drops(removed)
        return removed

    @property
    def dropped(self) -> int:
        """Messages dropped since the outbox was created."""
        sql = "select count from counters where name = 'dropped'"
        row = self._db.execute(sql).fetchone()
        return int(row[0]) if row else 0

    def __len__(self) -> int:
        """Return how many messages wait."""
        return int(self._messages.count)

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def _make_room(self, wanted: int) -> bool:
        for kind in DROPPABLE:
            oldest = "where id = (select min(id) from messages where kind = ?)"
            while self.bytes + wanted > self._limit:
                if not self._remove(oldest, [kind]):
                    break
                self._count_drops(1)
        return self.bytes + wanted <= self._limit

    def _remove(self, where: str, parameters: list[Any]) -> list[Waiting]:
        rows = self._db.execute(f"{_SELECT} {where}", parameters).fetchall()
        self._db.execute(f"delete from messages {where}", parameters)  # noqa: S608 - conditions of this file
        self.bytes -= sum(len(row[2]) + OVERHEAD for row in rows)
        return [Waiting(*row) for row in rows]

    def _count_drops(self, number: int) -> None:
        if number:
            self._db.execute(
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
