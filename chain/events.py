"""What the poster did or saw, for logs, pages and alerts."""

from dataclasses import dataclass
from enum import StrEnum


class EventKind(StrEnum):
    """One word for what happened."""

    SENT = "sent"
    """A new transaction was persisted and broadcast."""
    BUMPED = "bumped"
    """The same intent was broadcast again at a higher fee."""
    CONFIRMED = "confirmed"
    """A transaction succeeded and is final."""
    REVERTED = "reverted"
    """A transaction is final, and a contract refused it."""
    LOST = "lost"
    """Its nonce went to a transaction that is not ours."""
    WAITING = "waiting"
    """Nothing to do until time or the chain moves on."""
    ALERT = "alert"
    """A person must look."""


@dataclass(frozen=True, slots=True)
class ChainEvent:
    """One thing that happened; ``transaction`` is its hash, where there is one."""

    kind: EventKind
    purpose: str
    message: str
    hint: str = ""
    transaction: bytes | None = None
