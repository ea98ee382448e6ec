"""What a device keeps of what the coordinator signed, to show it if it must.

A fixed number of epochs, and of words in each: nobody can fill the disk.  Two words
of one thing are enough to contradict each other, so a third is not kept.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from edgeproof.agent.store import Store
from edgeproof.proofs import timetable
from edgeproof.telemetry import signing
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.message import decode_signed
from edgeproof.telemetry.messages import (
    Beacon,
    Entropy,
    IntakeRoot,
    Receipt,
    Seal,
    Statement,
)

KEPT_EPOCHS = 48
"""Epochs of which words are kept, the current one included."""

Word = Beacon | Entropy | IntakeRoot | Receipt | Seal | Statement

KINDS: dict[str, tuple[type[Word], int]] = {
    "beacon": (Beacon, 2),
    "entropy": (Entropy, 2),
    "root": (IntakeRoot, 2),
    "receipt": (Receipt, 512),
    "statement": (Statement, 2),
    "seal": (Seal, 64),
}
"""By topic, what is kept: how many for one slot, of statements and seals one epoch."""

SCHEMA = """
create table if not exists evidence (
    epoch integer not null, tag integer not null, place integer not null,
    digest blob not null, raw blob not null, primary key (tag, place, digest)
);
create index if not exists evidence_by_epoch on evidence (epoch);
"""

COLUMNS = ("epoch", "tag", "place", "digest", "raw")


@dataclass(frozen=True, slots=True)
class Kept:
    """A signed word as it was sent, and its digest."""

    word: Word
    digest: bytes
    raw: bytes


class Evidence:
    """Keeps the words of one coordinator to one device."""

    def __init__(self, store: Store, description: Description, device: bytes) -> None:
        self._store = store
        self._description = description
        self._device = device

    def note(self, kind: str, raw: bytes, slot: int) -> None:
        """Keep a message of a topic's ``kind``, heard in ``slot``, if it is evidence.

        What nobody signed, or what speaks of times to come, is passed over.
        """
        if kind not in KINDS:
            return
        cls, most = KINDS[kind]
        try:
            signed = decode_signed(cls, raw)
            by = self._device if cls is Seal else self._description.coordinator
            digest = signing.check(signed, self._description.domain, by)
        except MessageRefused:
            return
        word: Any = signed.message
        if getattr(word, "device", self._device) != self._device:
            return
        network = self._description.parameters
        by_epoch = isinstance(word, Seal | Statement)
        place = word.epoch if by_epoch else word.slot
        epoch = place if by_epoch else timetable.epoch_of(network, place)
        now = timetable.epoch_of(network, slot)
        if not now - KEPT_EPOCHS < epoch <= now or (not by_epoch and place > slot):
            return
        row = (epoch, cls.TAG, place, digest, raw)

        def work(db: sqlite3.Connection) -> None:
            db.execute(
                "insert or ignore into evidence select ?, ?, ?, ?, ? where"
                " (select count(*) from evidence where tag = ? and place = ?) < ?",
                [*row, cls.TAG, place, most],
            )
            db.execute("delete from evidence where epoch <= ?", [now - KEPT_EPOCHS])

        self._store.write(work)

    def of(self, epoch: int) -> list[Kept]:
        """Return what is kept from the epoch's first slot to before its close."""
        network = self._description.parameters
        close = timetable.close_of(network, epoch)
        rows: Iterable[tuple[int, bytes, bytes]] = self._store.db.execute(
            "select tag, digest, raw from evidence where epoch = ? or (epoch = ?"
            " and place < ? and tag not in (?, ?)) order by tag, place, rowid",
            [epoch, epoch + 1, close, Seal.TAG, Statement.TAG],
        )
        classes = {cls.TAG: cls for cls, _ in KINDS.values()}
        return [
            Kept(decode_signed(classes[tag], raw).message, digest, raw)
            for tag, digest, raw in rows
        ]
