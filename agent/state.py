"""What the agent must remember, and what ``edgeproof agent status`` reads.

Facts by name, each a JSON value, and the statements of past epochs.  The service
writes; any number of readers look at the same time.
"""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from edgeproof.agent import evidence
from edgeproof.agent.beacons import Position
from edgeproof.agent.store import Store
from edgeproof.agent.work import Job
from edgeproof.errors import EdgeproofError
from edgeproof.proofs.history import MOST_EPOCHS, EpochUptime
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry import description
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.hexes import from_hex, to_hex
from edgeproof.telemetry.messages import Statement

STATE_FILE = "state.sqlite"
"""Name of the database in the state folder."""

DISK_FULL_FILE = "disk-full"
"""Name of the empty file there that says that all is held in memory."""

KEPT_STATEMENTS = MOST_EPOCHS
"""Statements of the latest epochs that are kept."""

KEPT_REFUSALS = 20
"""Refused messages of which the reason is kept."""

KEPT_ENDS = 20
"""Ends of work that came to nothing, or to less, of which the reason is kept."""

SCHEMA = """
create table if not exists facts (name text primary key, value text not null);
create table if not exists statements (epoch integer primary key, value text not null);
"""

TABLES = {
    "facts": ("name", "value"),
    "statements": ("epoch", "value"),
    "evidence": evidence.COLUMNS,
}
"""What makes a row."""


class NotEnrolled(EdgeproofError):  # noqa: N818 - reads as what it is about
    """The folder knows no network yet."""


class OtherKey(EdgeproofError):  # noqa: N818 - reads as what it is about
    """The network that is pinned is signed for by another key than the pinned one."""


class BrokenState(EdgeproofError):  # noqa: N818 - reads as what it is about
    """The file cannot be opened or is not a database."""


class OtherNetwork(EdgeproofError):  # noqa: N818 - reads as what it is about
    """The description is of another network, or signed by another coordinator."""


class State:
    """The agent's memory in one file; every write is on disk when it returns.

    In memory while the disk is full: ``on_full(full)`` is called when that changes.
    """

    def __init__(
        self,
        folder: Path,
        *,
        read_only: bool = False,
        on_full: Callable[[bool], None] = lambda _full: None,
    ) -> None:
        path = folder / STATE_FILE
        if read_only and not path.exists():
            raise not_enrolled(folder)
        try:
            disk = _read(path) if read_only else _write(folder, path)
        except (OSError, sqlite3.Error) as error:
            msg = f"cannot open {path}: {error}"
            hint = "is the folder yours and writable, and the disk not full?"
            raise BrokenState(msg, hint=hint) from None
        self._store = Store(disk, TABLES, on_full=on_full)

    @property
    def store(self) -> Store:
        """Where everything is: on the disk, or in memory while that is full."""
        return self._store

    def close(self) -> None:
        """Release the file."""
        self._store.close()

    def get(self, name: str) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return the fact ``name``, None if it is not known."""
        sql = "select value from facts where name = ?"
        row = self._store.db.execute(sql, [name]).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, name: str, value: object) -> None:
        """Remember a fact."""
        sql = (
            "insert into facts values (?, ?)"
            " on conflict (name) do update set value = excluded.value"
        )
        self._store.write(lambda db: db.execute(sql, [name, json.dumps(value)]))

    def pin(self, text: str) -> Description:
        """Check and remember a network's signed description, and return it.

        What it says beside the keys (the broker's address, say) may change at any time:
        the pinned coordinator has signed it.  Raises ``OtherNetwork`` if another
        network is pinned already, ``OtherKey`` if another coordinator of the same one,
        and ``MessageRefused`` or ``BadParameters`` for a description that is wrong.
        """
        found = description.read(text)
        known = self.get("description")
        if known is not None:
            pinned = description.read(known)
            if pinned.network_id != found.network_id:
                msg = (
                    "this device is enrolled in another network: "
                    f"{to_hex(pinned.network_id)[:18]} of coordinator "
                    f"{to_hex(pinned.coordinator)}"
                )
                hint = "use another folder: --state DIR"
                raise OtherNetwork(msg, hint=hint)
            if pinned.coordinator != found.coordinator:
                msg = (
                    f"the network's key has changed: {to_hex(pinned.coordinator)} was "
                    f"pinned, {to_hex(found.coordinator)} signs now"
                )
                hint = (
                    "ask the operator; if it is right: edgeproof agent network accept"
                )
                raise OtherKey(msg, hint=hint)
        self.put("description", text)
        return found

    def accept(self, text: str) -> Description:
        """Pin what ``text`` describes in place of what was pinned before.

        For the owner to decide: whoever has the key can say what it likes to this
        device.  Raises ``MessageRefused`` or ``BadParameters``.
        """
        found = description.read(text)
        self.put("description", text)
        return found

    def network(self) -> Description:
        """Return the pinned network; raise ``NotEnrolled`` if there is none."""
        known = self.get("description")
        if known is None:
            raise not_enrolled(Path())
        return description.read(known)

    def save_position(self, position: Position) -> None:
        """Remember how far the beacons were followed."""
        self.put(
            "position",
            {
                "slot": position.slot,
                "value": to_hex(position.value),
                "next_anchor": to_hex(position.next_anchor),
                "last_round": position.last_round,
            },
        )

    def position(self) -> Position | None:
        """Return how far the beacons were followed, None before the first."""
        known = self.get("position")
        if known is None:
            return None
        return Position(
            slot=known["slot"],
            value=from_hex(known["value"], 32),
            next_anchor=from_hex(known["next_anchor"], 32),
            last_round=known["last_round"],
        )

    def save_statement(self, statement: Statement) -> None:
        """Remember what the network said of an epoch; the first word stands."""
        row = [statement.epoch, json.dumps(_readable(statement))]
        old = "delete from statements where epoch <= ?"

        def work(db: sqlite3.Connection) -> None:
            db.execute("insert or ignore into statements values (?, ?)", row)
            db.execute(old, [statement.epoch - KEPT_STATEMENTS])

        self._store.write(work)

    def statements(self, count: int = 1) -> list[dict[str, Any]]:
        """Return the latest statements, newest first."""
        rows = self._store.db.execute(
            "select value from statements order by epoch desc limit ?", [count]
        )
        return [json.loads(value) for (value,) in rows]

    def uptime(self) -> list[EpochUptime]:
        """Return the epochs of all statements, each slot with its reason."""
        sql = "select epoch, json_extract(value, '$.missing') from statements"
        rows = self._store.db.execute(sql).fetchall()
        return [EpochUptime(epoch, bytes.fromhex(missing)) for epoch, missing in rows]

    def save_refusal(self, kind: str, reason: int, at: int) -> None:
        """Remember that the coordinator refused a message."""
        refused = self.get("refused") or []
        refused.append({"kind": kind, "reason": _reason(reason), "at": at})
        self.put("refused", refused[-KEPT_REFUSALS:])

    def save_end(self, job: Job | None, reason: int, at: int) -> None:
        """Remember why work came to nothing, or to less than it could have.

        A ``job`` of None is the whole device.
        """
        ends = self.get("ends") or []
        end = {"reason": _reason(reason), "at": at}
        if job is not None:
            where = {"round": job.round, "phase": job.phase.name, "card": job.card}
            end |= where
        self.put("ends", [*ends, end][-KEPT_ENDS:])


def open_pinned(folder: Path) -> Description:
    """Return the network that ``folder`` is enrolled in, without writing there."""
    with closing(State(folder, read_only=True)) as state:
        return state.network()


def _read(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)


def _write(folder: Path, path: Path) -> sqlite3.Connection:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = normal")
        db.executescript(SCHEMA + evidence.SCHEMA)
    except BaseException:
        db.close()
        raise
    return db


def not_enrolled(folder: Path) -> NotEnrolled:
    """Return the error to raise; an empty path is not named in it."""
    where = f" ({folder} knows no network)" if folder != Path() else ""
    msg = f"this device is not enrolled{where}"
    hint = "edgeproof agent enrol --network URL --owner 0x…"
    return NotEnrolled(msg, hint=hint)


def _readable(statement: Statement) -> dict[str, Any]:
    slots = int.from_bytes(statement.slots, "little")
    return {
        "epoch": statement.epoch,
        "owner": to_hex(statement.owner),
        "accepted": slots.bit_count(),
        "missing": statement.missing.hex(),
        "counted": statement.counted,
        "weights": [str(weight) for weight in statement.weights],
        "rewards": [str(reward) for reward in statement.rewards],
        "reasons": [_reason(code) for code in statement.reasons],
        "difficulties": list(statement.difficulties),
    }


def _reason(code: int) -> dict[str, Any]:
    try:
        reason = Reason(code)
    except ValueError:
        return {"code": code, "name": "UNKNOWN", "text": "a reason of a newer version"}
    return {"code": code, "name": reason.name, "text": reason.text}
