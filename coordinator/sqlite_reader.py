"""The reader of the store's SQLite file: a read-only connection for each thread."""

import sqlite3
import threading
from pathlib import Path
from typing import Any

from edgeproof.coordinator.reading import (
    BucketPayout,
    ClaimedTelemetry,
    Device,
    Epoch,
    EpochDevice,
    Owed,
    Rate,
    Totals,
    Why,
)
from edgeproof.proofs import payout_tree, timetable, uptime
from edgeproof.proofs.parameters import Bucket, Parameters
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry.hexes import to_hex

Row = sqlite3.Row

ROSTER = """
    select device, owner, max(nonce) from enrolment where epoch <= ?
    group by device order by device
"""

LAST_VERDICTS = """
    select v.bucket, v.round, v.figure, v.reason from verdict v
    join (select bucket, max(round) as round from verdict where device = ?
          group by bucket) last
    on v.bucket = last.bucket and v.round = last.round
    where v.device = ? order by v.bucket, v.card
"""

EPOCHS = """
    select e.*, coalesce(p.state, 'nothing') as state,
           coalesce(p.transaction_hash, '') as transaction_hash
    from epoch e left join posting p using (epoch)
"""


class SqliteReader:
    """See ``Reader``."""

    def __init__(self, path: Path, network: Parameters) -> None:
        self._path = path
        self._network = network
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []

    def close(self) -> None:
        """Close the connections of all threads; nobody may ask any more."""
        while self._open:
            self._open.pop().close()

    def totals(self) -> Totals:
        """See ``Reader.totals``."""
        (enrolled,) = self._one("select count(distinct device) from enrolment")
        heard = self._one(
            "select heard from slot where root is not null order by slot desc limit 1"
        )
        phase = self._one("select round, phase from phase order by 1 desc, 2 desc")
        last = self._one(
            "select epoch, cumulative_total from epoch order by epoch desc limit 1"
        )
        return Totals(
            enrolled=enrolled,
            heard_last_slot=uptime.bits(heard[0]).bit_count() if heard else 0,
            last_round=phase[0] if phase else -1,
            last_phase=phase[1] if phase else -1,
            last_epoch=last[0] if last else -1,
            cumulative_total=last[1] if last else "0",
        )

    def devices(self, epoch: int, after: str, limit: int) -> list[Device]:
        """See ``Reader.devices``."""
        sql = (
            "select device, owner, max(nonce), epoch from enrolment where device > ?"
            " group by device order by device limit ?"
        )
        rows = self._all(sql, _raw(after), limit)
        heard, countable = self._heard(epoch)
        return [self._device(row, heard, countable) for row in rows]

    def device(self, epoch: int, address: str) -> Device | None:
        """See ``Reader.device``."""
        sql = "select device, owner from enrolment where device = ? order by nonce desc"
        row = self._one(sql, _raw(address))
        return self._device(row, *self._heard(epoch)) if row else None

    def history(self, address: str, before: int, limit: int) -> list[EpochDevice]:
        """See ``Reader.history``."""
        sql = (
            "select a.*, e.countable from attendance a join epoch e using (epoch)"
            " where a.device = ? and a.epoch < ? order by a.epoch desc limit ?"
        )
        rows = self._all(sql, _raw(address), before, limit)
        return [self._epoch_device(row) for row in rows]

    def telemetry(self, address: str) -> ClaimedTelemetry | None:
        """See ``Reader.telemetry``."""
        sql = (
            "select taken_at, readings from telemetry where device = ?"
            " order by taken_at desc limit 1"
        )
        row = self._one(sql, _raw(address))
        return ClaimedTelemetry(row["taken_at"], row["readings"]) if row else None

    def epochs(self, before: int, limit: int) -> list[Epoch]:
        """See ``Reader.epochs``."""
        sql = EPOCHS + " where epoch < ? order by epoch desc limit ?"
        return [_epoch(row) for row in self._all(sql, before, limit)]

    def epoch(self, number: int) -> Epoch | None:
        """See ``Reader.epoch``."""
        row = self._one(EPOCHS + " where epoch = ?", number)
        return _epoch(row) if row else None

    def epoch_devices(self, number: int, after: str, limit: int) -> list[EpochDevice]:
        """See ``Reader.epoch_devices``."""
        sql = (
            "select a.*, e.countable from attendance a join epoch e using (epoch)"
            " where a.epoch = ? and a.device > ? order by a.device limit ?"
        )
        rows = self._all(sql, number, _raw(after), limit)
        return [self._epoch_device(row) for row in rows]

    def owed(self, owner: str) -> Owed | None:
        """See ``Reader.owed``."""
        latest = self._one(
            "select current from balance where owner = ? order by epoch desc limit 1",
            _raw(owner),
        )
        if latest is None:
            return None
        final = self._one(
            "select max(epoch) as epoch from posting where state = 'finalised'"
        )
        epoch = -1 if final is None or final["epoch"] is None else final["epoch"]
        rows = self._all(
            "select owner, current from balance where epoch = ? order by owner", epoch
        )
        balances = {row["owner"]: int(row["current"]) for row in rows}
        amount = balances.get(_raw(owner), 0)
        proof = payout_tree.build(balances).proof(_raw(owner)) if amount else []
        return Owed(
            owner=owner,
            epoch=epoch,
            amount=str(amount),
            proof=[to_hex(sibling) for sibling in proof],
            pending=str(int(latest["current"]) - amount),
        )

    def _device(self, row: Row, heard: dict[bytes, int], countable: int) -> Device:
        device = row["device"]
        seen = self._one("select * from presence where device = ?", device)
        return Device(
            address=to_hex(device),
            owner=to_hex(row["owner"]),
            online=bool(seen and seen["online"]),
            beats=seen["beats"] if seen else 0,
            last_slot=seen["last_slot"] if seen else -1,
            heard=heard.get(device, 0),
            countable=countable,
            rates=self._rates(device),
        )

    def _rates(self, device: bytes) -> list[Rate]:
        figures: dict[Bucket, tuple[int, int, Reason]] = {}
        for row in self._all(LAST_VERDICTS, device, device):
            bucket = Bucket(row["bucket"])
            _, total, reason = figures.get(bucket, (0, 0, Reason.NONE))
            figures[bucket] = (
                row["round"],
                total + int(row["figure"]),
                reason or Reason(row["reason"]),
            )
        return [
            Rate(bucket.name.lower(), bucket.unit, opened, str(total), _why(reason))
            for bucket, (opened, total, reason) in figures.items()
        ]

    def _heard(self, epoch: int) -> tuple[dict[bytes, int], int]:
        """Return slots heard by device, and countable slots, of a running epoch."""
        first = timetable.first_slot(self._network, epoch)
        last = first + self._network.slots_per_epoch
        rows = self._all(
            "select heard from slot where slot >= ? and slot < ? and root is not null",
            first,
            last,
        )
        counts: dict[bytes, int] = {}
        bitmaps = [uptime.bits(row["heard"]) for row in rows]
        for place, device in enumerate(self._all(ROSTER, epoch)):
            counts[device["device"]] = sum(slots >> place & 1 for slots in bitmaps)
        return counts, len(rows)

    def _epoch_device(self, row: Row) -> EpochDevice:
        sql = "select * from payout where epoch = ? and device = ? order by bucket"
        payouts = self._all(sql, row["epoch"], row["device"])
        slots = uptime.bits(row["slots"])
        count = self._network.slots_per_epoch
        return EpochDevice(
            epoch=row["epoch"],
            device=to_hex(row["device"]),
            owner=to_hex(row["owner"]),
            accepted=row["accepted"],
            countable=row["countable"],
            slots="".join(str(slots >> i & 1) for i in range(count)),
            reward=str(sum(int(p["reward"]) for p in payouts)),
            buckets=[
                BucketPayout(
                    Bucket(p["bucket"]).name.lower(),
                    p["weight"],
                    p["reward"],
                    _why(Reason(p["reason"])),
                )
                for p in payouts
            ],
        )

    def _all(self, sql: str, *values: object) -> list[Row]:
        return self._connection().execute(sql, values).fetchall()

    def _one(self, sql: str, *values: object) -> Any:  # noqa: ANN401 - a row or None
        return self._connection().execute(sql, values).fetchone()

    def _connection(self) -> sqlite3.Connection:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=ro",
                uri=True,
                check_same_thread=False,  # only to be closed by another thread
            )
            self._open.append(connection)
            connection.row_factory = Row
            connection.execute("pragma busy_timeout = 5000")
            self._local.connection = connection
        return connection


def _raw(address: str) -> bytes:
    return bytes.fromhex(address.removeprefix("0x"))


def _why(reason: Reason) -> Why | None:
    return Why(int(reason), reason.name, reason.text) if reason else None


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
