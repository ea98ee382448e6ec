"""The reader of the store's SQLite file, on read-only connections of its own."""

import sqlite3
import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edgeproof.audit.register import Register, kind_of
from edgeproof.coordinator.reading import (
    BucketPayout,
    ClaimedTelemetry,
    Device,
    Epoch,
    EpochDevice,
    Owed,
    Rate,
    Standing,
    Totals,
    UptimeWindow,
    Why,
    iso,
)
from edgeproof.coordinator.sqlite_rows import ENROLMENTS, enrolments_in
from edgeproof.proofs import history, payout_tree, timetable, uptime
from edgeproof.proofs.history import EpochUptime
from edgeproof.proofs.parameters import SECOND, Bucket, Parameters
from edgeproof.proofs.payout_tree import PayoutTree
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry import samples
from edgeproof.telemetry.hexes import to_hex

Row = sqlite3.Row

LAST_VERDICTS = """
    select round, figure, reason from verdict where device = ? and bucket = ?
    and round = (select max(round) from verdict where device = ? and bucket = ?)
    order by card
"""

EPOCHS = """
    select e.*, coalesce(p.state, 'nothing') as state,
           coalesce(p.transaction_hash, '') as transaction_hash
    from epoch e left join posting p using (epoch)
"""

ATTENDANCE = """
    select a.*, e.countable from attendance a join epoch e using (epoch)
"""


class SqliteReader:
    """See ``Reader``."""

    def __init__(self, path: Path, network: Parameters) -> None:
        self._uri = f"{path.absolute().as_uri()}?mode=ro"
        self._network = network
        self._idle: deque[sqlite3.Connection] = deque()
        self._memory = _Memory()

    def close(self) -> None:
        """Close the file; nobody may ask any more."""
        while self._idle:
            self._idle.pop().close()

    def totals(self) -> Totals:
        """See ``Reader.totals``."""
        with self._moment() as moment:
            return moment.totals()

    def devices(self, epoch: int, after: str, limit: int) -> list[Device]:
        """See ``Reader.devices``."""
        with self._moment() as moment:
            known = moment.register.devices
            start = bisect_right(known, _raw(after))
            return moment.devices(epoch, *known[start : start + limit])

    def device(self, epoch: int, address: str) -> Device | None:
        """See ``Reader.device``."""
        with self._moment() as moment:
            return next(iter(moment.devices(epoch, _raw(address))), None)

    def enrolment(self, address: str) -> Standing | None:
        """See ``Reader.enrolment``."""
        device = _raw(address)
        with self._moment() as moment:
            register = moment.register
        last = register.last(device)
        if last is None:
            return None
        change = last.signed.message
        return Standing(
            device=address,
            owner=to_hex(register.last_owner(device) or b""),
            kind=kind_of(change),
            nonce=str(change.nonce),
            epoch=timetable.epoch_of(self._network, last.since),
            message=to_hex(last.signed.encode()),
        )

    def history(self, address: str, before: int, limit: int) -> list[EpochDevice]:
        """See ``Reader.history``."""
        sql = "where a.device = ? and a.epoch < ? order by a.epoch desc limit ?"
        with self._moment() as moment:
            return moment.attendance(sql, _raw(address), before, limit)

    def uptime(self, address: str) -> dict[str, UptimeWindow]:
        """See ``Reader.uptime``."""
        sql = (
            "select epoch, missing from attendance where device = ?"
            " order by epoch desc limit ?"
        )
        with self._moment() as moment:
            rows = moment.rows(sql, _raw(address), history.MOST_EPOCHS)
        epochs = [EpochUptime(row["epoch"], row["missing"]) for row in rows]
        slot_s = self._network.slot_ms / SECOND
        return {
            name: UptimeWindow(
                accepted=window.accepted,
                countable=window.countable,
                permille=window.permille,
                longest_outage=window.longest_outage,
                longest_outage_s=round(window.longest_outage * slot_s),
                reasons={Reason(code).name: n for code, n in window.reasons.items()},
            )
            for name, window in history.windows(self._network, epochs).items()
        }

    def telemetry(self, address: str) -> ClaimedTelemetry | None:
        """See ``Reader.telemetry``."""
        sql = (
            "select taken_at, readings from telemetry where device = ?"
            " order by taken_at desc limit 1"
        )
        with self._moment() as moment:
            row = moment.row(sql, _raw(address))
        if row is None:
            return None
        taken_at = int.from_bytes(row["taken_at"], "big")
        return ClaimedTelemetry(iso(taken_at), samples.unpack(row["readings"]))

    def epochs(self, before: int, limit: int) -> list[Epoch]:
        """See ``Reader.epochs``."""
        sql = "where epoch < ? order by epoch desc limit ?"
        with self._moment() as moment:
            return [_epoch(row) for row in moment.rows(EPOCHS + sql, before, limit)]

    def epoch(self, number: int) -> Epoch | None:
        """See ``Reader.epoch``."""
        with self._moment() as moment:
            row = moment.row(EPOCHS + "where epoch = ?", number)
        return _epoch(row) if row else None

    def epoch_devices(self, number: int, after: str, limit: int) -> list[EpochDevice]:
        """See ``Reader.epoch_devices``."""
        sql = "where a.epoch = ? and a.device > ? order by a.device limit ?"
        with self._moment() as moment:
            return moment.attendance(sql, number, _raw(after), limit)

    def owed(self, owner: str) -> Owed | None:
        """See ``Reader.owed``."""
        with self._moment() as moment:
            return moment.owed(_raw(owner))

    @contextmanager
    def _moment(self) -> Iterator["_Moment"]:
        """Lend a connection whose queries all see the same state of the file."""
        try:
            connection = self._idle.pop()
        except IndexError:  # as many as threads ever asked at once
            connection = sqlite3.connect(
                self._uri, uri=True, isolation_level=None, check_same_thread=False
            )
            connection.row_factory = Row
            connection.execute("pragma busy_timeout = 5000")
        try:
            connection.execute("begin")
            yield _Moment(connection, self._network, self._memory)
            connection.execute("rollback")
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)


@dataclass(slots=True)
class _Memory:
    """What was worked out once and can't change: replaced as a whole, never edited."""

    register: tuple[int, Register] = (-1, Register())
    """The last row of the enrolments, and all of them."""
    roster: tuple[int, Mapping[bytes, int]] = (-1, {})
    """An epoch that began, and each device's place in its bitmaps."""
    tree: tuple[int, PayoutTree] | None = None
    """An epoch whose root is final, and its tree."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while a tree is built, so that many who ask at once build one."""


@dataclass(frozen=True, slots=True)
class _Moment:
    connection: sqlite3.Connection
    network: Parameters
    memory: _Memory

    @property
    def register(self) -> Register:
        last = self.rows("select coalesce(max(rowid), 0) from enrolment")[0][0]
        known, register = self.memory.register
        if known != last:
            register = Register(enrolments_in(self.rows(ENROLMENTS)))
            self.memory.register = last, register
        return register

    def rows(self, sql: str, *values: object) -> list[Row]:
        return self.connection.execute(sql, values).fetchall()

    def row(self, sql: str, *values: object) -> Row | None:
        row: Row | None = self.connection.execute(sql, values).fetchone()
        return row

    def totals(self) -> Totals:
        heard = self.row(
            "select heard from slot where root is not null order by slot desc limit 1"
        )
        phase = self.row("select * from phase order by round desc, phase desc limit 1")
        last = self.row(
            "select epoch, cumulative_total from epoch order by epoch desc limit 1"
        )
        postings = self.rows("select state, count(*) from posting group by state")
        return Totals(
            enrolled=len(self.register.devices),
            heard_last_slot=uptime.bits(heard[0]).bit_count() if heard else 0,
            last_round=phase["round"] if phase else -1,
            last_phase=phase["phase"] if phase else -1,
            last_epoch=last["epoch"] if last else -1,
            cumulative_total=last["cumulative_total"] if last else "0",
            postings={row[0]: row[1] for row in postings},
        )

    def devices(self, epoch: int, *addresses: bytes) -> list[Device]:
        """Return those of the devices that ever enrolled."""
        sealed, register = self._sealed(epoch, "heard"), self.register
        first = timetable.first_slot(self.network, max(0, epoch))
        owners = {
            address: register.owner(address, first) or register.last_owner(address)
            for address in addresses
        }
        return [
            self._device(epoch, sealed, device, owner)
            for device, owner in owners.items()
            if owner is not None
        ]

    def attendance(self, sql: str, *values: object) -> list[EpochDevice]:
        return [self._epoch_device(row) for row in self.rows(ATTENDANCE + sql, *values)]

    def owed(self, owner: bytes) -> Owed | None:
        latest = self.row(
            "select current from balance where owner = ? order by epoch desc limit 1",
            owner,
        )
        if latest is None:
            return None
        final = self.row(
            "select epoch from posting where state = 'finalised'"
            " order by epoch desc limit 1"
        )
        epoch = final["epoch"] if final else -1
        sql = "select current from balance where epoch = ? and owner = ?"
        row = self.row(sql, epoch, owner)
        tree = self._tree(epoch)
        amount = int(row["current"]) if row else 0
        return Owed(
            owner=to_hex(owner),
            epoch=epoch,
            root=to_hex(tree.root),
            amount=str(amount),
            proof=[to_hex(sibling) for sibling in tree.proof(owner)] if row else [],
            pending=str(int(latest["current"]) - amount),
        )

    def _tree(self, epoch: int) -> PayoutTree:
        with self.memory.lock:
            if self.memory.tree is None or self.memory.tree[0] != epoch:
                sql = "select owner, current from balance where epoch = ?"
                rows = self.rows(sql, epoch)
                balances = {row["owner"]: int(row["current"]) for row in rows}
                self.memory.tree = epoch, payout_tree.build(balances)
            return self.memory.tree[1]

    def _sealed(self, epoch: int, column: str) -> dict[int, bytes]:
        """Return a column of the epoch's slots that have a root, by place in it."""
        first = timetable.first_slot(self.network, epoch)
        rows = self.rows(
            f"select slot, {column} from slot"  # noqa: S608 - a column of ours
            " where slot >= ? and slot < ? and root is not null order by slot",
            first,
            first + self.network.slots_per_epoch,
        )
        return {row[0] - first: row[1] for row in rows}

    def _device(
        self, epoch: int, sealed: Mapping[int, bytes], device: bytes, owner: bytes
    ) -> Device:
        seen = self.row("select * from presence where device = ?", device)
        place = self._roster(epoch).get(device, -1) if sealed else -1
        slots = ["-"] * (max(sealed, default=-1) + 1)
        for offset, heard in sealed.items():
            slots[offset] = "1" if place >= 0 and _bit(heard, place) else "0"
        return Device(
            address=to_hex(device),
            owner=to_hex(owner),
            online=bool(seen and seen["online"]),
            beats=seen["beats"] if seen else 0,
            last_slot=seen["last_slot"] if seen else -1,
            heard=slots.count("1"),
            countable=len(sealed),
            slots="".join(slots),
            rates=[rate for bucket in Bucket for rate in self._rates(device, bucket)],
        )

    def _roster(self, epoch: int) -> Mapping[bytes, int]:
        """Return the places of an epoch in which a slot was sealed: they are final."""
        known, places = self.memory.roster
        if known != epoch:
            first = timetable.first_slot(self.network, epoch)
            roster = self.register.roster(first)
            places = {device: place for place, device in enumerate(roster)}
            self.memory.roster = epoch, places
        return places

    def _rates(self, device: bytes, bucket: Bucket) -> list[Rate]:
        rows = self.rows(LAST_VERDICTS, *[device, int(bucket)] * 2)
        if not rows:
            return []
        figure = sum(int(row["figure"]) for row in rows)
        reason = next((row["reason"] for row in rows if row["reason"]), 0)
        return [
            Rate(
                bucket=bucket.name.lower(),
                unit=bucket.unit,
                round=rows[0]["round"],
                figure=str(figure),
                why=_why(reason),
            )
        ]

    def _epoch_device(self, row: Row) -> EpochDevice:
        sql = "select * from payout where epoch = ? and device = ? order by bucket"
        payouts = self.rows(sql, row["epoch"], row["device"])
        slots = ["-"] * self.network.slots_per_epoch
        for offset in self._sealed(row["epoch"], "slot"):
            slots[offset] = "1" if _bit(row["slots"], offset) else "0"
        return EpochDevice(
            epoch=row["epoch"],
            device=to_hex(row["device"]),
            owner=to_hex(row["owner"]),
            accepted=row["accepted"],
            countable=row["countable"],
            slots="".join(slots),
            missing=list(row["missing"]),
            reward=str(sum(int(p["reward"]) for p in payouts)),
            buckets=[
                BucketPayout(
                    bucket=Bucket(p["bucket"]).name.lower(),
                    weight=p["weight"],
                    reward=p["reward"],
                    why=_why(p["reason"]),
                )
                for p in payouts
            ],
        )


def _bit(bitmap: bytes, place: int) -> bool:
    return bool(uptime.bits(bitmap[place >> 3 : (place >> 3) + 1]) >> (place & 7) & 1)


def _raw(address: str) -> bytes:
    return bytes.fromhex(address.removeprefix("0x"))


def _why(code: int) -> Why | None:
    reason = Reason(code)
    return Why(code, reason.name, reason.text) if reason else None


def _epoch(row: Row) -> Epoch:
    return Epoch(
        epoch=row["epoch"],
        state=row["state"],
        transaction=row["transaction_hash"],
        countable=row["countable"],
        budget=row["budget"],
        unallocated=row["unallocated"],
        root=to_hex(row["root"]),
        cumulative_total=row["cumulative_total"],
        data_hash=to_hex(row["data_hash"]),
    )
