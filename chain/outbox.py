"""Transactions that we mean to make, on disk before any node hears of them."""

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib.resources import files
from pathlib import Path

from sqlite_utils import Database

from edgeproof.errors import EdgeproofError

SCHEMA = files("edgeproof.chain").joinpath("outbox.sql").read_text()


class Status(StrEnum):
    """Where an intent stands."""

    OPEN = "open"
    """Not final: it may be unsent, waiting, or mined and not deep enough."""
    DONE = "done"
    """Mined, successful and final."""
    REVERTED = "reverted"
    """Mined and final, but a contract refused it."""
    LOST = "lost"
    """Its nonce went to a transaction that is not ours."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One signed transaction of an intent; fees in wei, ``signed_at`` in unix s."""

    hash: bytes
    raw: bytes
    max_fee: int
    priority_fee: int
    signed_at: float


@dataclass(frozen=True, slots=True)
class Intent:
    """One thing to achieve, under one nonce, by one of its variants."""

    purpose: str
    nonce: int
    recipient: bytes | None
    data: bytes
    gas: int
    variants: tuple[Variant, ...]
    status: Status = Status.OPEN


class Outbox:
    """One file for one signer on one chain; one process at a time.

    Whatever a method wrote is durable once it returns, and a kill at any line leaves
    either all of it or nothing.
    """

    def __init__(self, path: Path) -> None:
        self._lock = _lock(path)
        # The coordinator's loop may call from one worker thread after another.
        connection = sqlite3.connect(path, check_same_thread=False)
        self._db = Database(connection)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")
        self._db.execute("pragma foreign_keys = on")
        self._db.executescript(SCHEMA)

    def belong_to(self, chain_id: int, genesis_hash: bytes, signer: bytes) -> None:
        """Bind a new file to this chain and signer; raise if it belongs to another."""
        mine = {"chain_id": chain_id, "genesis_hash": genesis_hash, "signer": signer}
        with self._db.atomic():
            self._db.table("identity").insert(
                {"only": 1, **mine}, pk="only", ignore=True
            )
        (kept,) = self._db["identity"].rows
        for name, value in mine.items():
            if kept[name] != value:
                msg = (
                    f"this outbox was written for {name} {_show(kept[name])},"
                    f" not for {_show(value)}"
                )
                raise EdgeproofError(
                    msg, hint="use another data folder for another chain or signer"
                )

    def add(self, intent: Intent) -> None:
        """Keep a new intent; raise if its purpose or nonce is taken."""
        row = {
            "purpose": intent.purpose,
            "nonce": intent.nonce,
            "recipient": intent.recipient,
            "data": intent.data,
            "gas": intent.gas,
            "status": intent.status.value,
        }
        try:
            with self._db.atomic():
                self._db.table("intent").insert(row)
                for position, variant in enumerate(intent.variants):
                    self._insert_variant(intent.purpose, position, variant)
        except sqlite3.IntegrityError as error:
            msg = f"{intent.purpose}: already intended, or nonce {intent.nonce} taken"
            raise EdgeproofError(msg) from error

    def add_variant(self, intent: Intent, variant: Variant) -> Intent:
        """Keep the same intent at a higher fee; return it with that variant last."""
        with self._db.atomic():
            self._insert_variant(intent.purpose, len(intent.variants), variant)
        return replace(intent, variants=(*intent.variants, variant))

    def set_status(self, purpose: str, status: Status) -> None:
        """Note what became of an intent."""
        with self._db.atomic():
            self._db.table("intent").update(purpose, {"status": status.value})

    def intents(self) -> Sequence[Intent]:
        """Return all intents in the order of their nonces."""
        variants: dict[str, list[Variant]] = {}
        for row in self._db["variant"].rows_where(order_by="purpose, position"):
            variants.setdefault(row["purpose"], []).append(
                Variant(
                    hash=row["hash"],
                    raw=row["raw"],
                    max_fee=int(row["max_fee"]),
                    priority_fee=int(row["priority_fee"]),
                    signed_at=row["signed_at"],
                )
            )
        return [
            Intent(
                purpose=row["purpose"],
                nonce=row["nonce"],
                recipient=row["recipient"],
                data=row["data"],
                gas=row["gas"],
                variants=tuple(variants[row["purpose"]]),
                status=Status(row["status"]),
            )
            for row in self._db["intent"].rows_where(order_by="nonce, rowid")
        ]

    def close(self) -> None:
        """Close the file and let another process have it."""
        self._db.close()
        os.close(self._lock)

    def _insert_variant(self, purpose: str, position: int, variant: Variant) -> None:
        self._db.table("variant").insert(
            {
                "hash": variant.hash,
                "purpose": purpose,
                "position": position,
                "raw": variant.raw,
                "max_fee": str(variant.max_fee),
                "priority_fee": str(variant.priority_fee),
                "signed_at": variant.signed_at,
            }
        )


def _lock(path: Path) -> int:
    """Return a descriptor that holds the file's lock until we close it or die."""
    path.touch(mode=0o600, exist_ok=True)
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        msg = f"another process is sending transactions from {path}"
        raise EdgeproofError(msg, hint="one signer, one writer: stop it") from error
    return descriptor


def _show(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
