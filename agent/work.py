"""One card's work in one phase: what is found, committed, received and opened.  Pure.

Items are what a commitment's payload holds: 32-byte roots of finished products or of a
walk, or 8-byte nonces.  Times are milliseconds of the caller's clock.
"""

from dataclasses import dataclass, field, replace
from typing import Protocol

from edgeproof.kernels.shapes import ITEM_BYTES, MAX_PRODUCTS, MAX_SOLUTIONS
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.parameters import Phase
from edgeproof.telemetry import signing
from edgeproof.telemetry.eip712 import Domain
from edgeproof.telemetry.message import Signed
from edgeproof.telemetry.messages import ZERO, Commitment
from edgeproof.telemetry.signing import Key

MOST_MESSAGES = 16
"""Commitments that one card sends in one phase at most."""

SHORTEST_PAUSE_MS = 400
"""Between two commitments of one card: each costs a signature and a receipt."""

OPENED = frozenset({Phase.WALK, Phase.MATMUL, Phase.SECOND_WALK})
"""The phases whose work is opened; nonces prove themselves."""

WALKS = frozenset({Phase.WALK, Phase.SECOND_WALK})
"""The phases that need what was filled."""

MOST_ITEMS = {
    Phase.FILL: 0,
    Phase.WALK: 1,
    Phase.MATMUL: MAX_PRODUCTS,
    Phase.SECOND_WALK: 1,
    Phase.POW: MAX_SOLUTIONS,
}
"""Items that a card is paid for in one phase; of a fill nothing is committed."""


class Random(Protocol):
    """The one thing needed of ``random.Random``."""

    def random(self) -> float:
        """Return a number in [0, 1)."""
        ...


@dataclass(frozen=True, slots=True, order=True)
class Job:
    """A card's part in a phase of the round that opened at slot ``round``."""

    round: int
    phase: Phase
    card: int

    @property
    def fill(self) -> "Job":
        """The fill of the same card in the same round."""
        return replace(self, phase=Phase.FILL)


@dataclass(frozen=True, slots=True)
class Sent:
    """A commitment on its way: ``digest`` as signed, ``wire`` the hash as sent."""

    digest: bytes
    wire: bytes
    items: int


@dataclass(frozen=True, slots=True)
class Prefix:
    """The commitments that count: how many items, and the last message's digest."""

    items: int
    digest: bytes


@dataclass
class CardWork:
    """The state of one job.

    Work ends ``margin`` before the phase, counted from the arrival of its value; what
    was found by then is committed at moments that ``rng`` spreads.
    """

    job: Job
    device: bytes
    begun: int
    length: int
    margin: int
    rng: Random
    size: int | None = None
    closed: bool = False
    done: bool = False
    """Whether the prover has ended its work, well or not."""
    given_up: bool = False
    """Whether nothing of it may count any more."""
    sent: list[Sent] = field(default_factory=list)
    _found: list[bytes] = field(default_factory=list)
    _count: int = 0
    _slots: dict[bytes, int] = field(default_factory=dict)
    _stored: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Choose the first moment and the last one."""
        self._pause = max(SHORTEST_PAUSE_MS, -(-self.length // MOST_MESSAGES))
        late = self.margin * self.rng.random() / 2
        self.last_at = self.begun + self.length - self.margin + int(late)
        first = self._pause * (1 + self.rng.random()) / 2
        self.next_at = min(self.begun + int(first), self.last_at)

    @property
    def until(self) -> int:
        """When to stop working."""
        return self.begun + self.length - self.margin

    def found(self, size: int, items: list[bytes]) -> None:
        """Take items that the prover finished; what comes too late is dropped."""
        if self.closed or self.size not in (None, size):
            return
        self.size = size
        fitting = items[: MOST_ITEMS[self.job.phase] - self._count]
        self._found += fitting
        self._count += len(fitting)

    def finished(self, now: int) -> None:
        """Note that nothing more will be found: the last commitment comes soon."""
        self.done = True
        soon = now + int(self.margin * self.rng.random() / 2)
        self.last_at = min(self.last_at, soon)
        self.next_at = min(self.next_at, self.last_at)

    def give_up(self) -> None:
        """Commit and open nothing more, and let nothing count that was committed."""
        self.closed = self.given_up = True
        self.sent.clear()
        self._found.clear()

    @property
    def empty(self) -> bool:
        """Whether nothing was committed, nor waits to be."""
        return not self.sent and not self._found

    @property
    def late(self) -> bool:
        """Whether it is over without anything to show that its phase asks for.

        A search can end well without a nonce.
        """
        asked = self.job.phase in OPENED or (
            self.job.phase is Phase.POW and not self.done
        )
        return self.closed and not self.sent and asked

    def commit(self, now: int, key: Key, domain: Domain) -> Signed[Commitment] | None:
        """Return the next commitment if one is due now."""
        if self.closed or now < self.next_at:
            return None
        last = now >= self.last_at
        self.closed = last
        pause = self._pause * (1 + self.rng.random() / 4)
        self.next_at = min(now + int(pause), self.last_at)
        room_for_last = len(self.sent) + 1 < MOST_MESSAGES
        if not self._found or self.size is None or not (last or room_for_last):
            return None
        message = Commitment(
            device=self.device,
            round=self.job.round,
            card=self.job.card,
            phase=int(self.job.phase),
            sequence=len(self.sent),
            size=self.size,
            previous=self.sent[-1].digest if self.sent else ZERO,
            payload=b"".join(self._found),
        )
        signed = signing.sign(message, domain, key)
        digest, wire = message.digest(domain), keccak(signed.encode())
        self.sent.append(Sent(digest, wire, len(self._found)))
        self._found.clear()
        return signed

    def received(self, digest: bytes, slot: int) -> bool:
        """Note the receipt of a message; False if it is none of this work's."""
        if not any(sent.digest == digest for sent in self.sent):
            return False
        self._slots.setdefault(digest, slot)
        return True

    def stored(self, wire: bytes) -> None:
        """Note that the coordinator has a message on its disk."""
        self._stored.add(wire)

    @property
    def all_received(self) -> bool:
        """Whether every commitment has its receipt."""
        return self.closed and all(sent.digest in self._slots for sent in self.sent)

    def prefix(self, last_slot: int, *, trust_acks: bool) -> Prefix | None:
        """Return the commitments that count, None if none does.

        They are the first ones, without a gap, whose receipts are of ``last_slot`` or
        before.  With ``trust_acks`` a stored message without receipt counts too: the
        best guess when receipts were lost on the way.
        """
        items, digest = 0, None
        for sent in self.sent:
            slot = self._slots.get(sent.digest)
            if slot is None and not (trust_acks and sent.wire in self._stored):
                break
            if slot is not None and slot > last_slot:
                break
            items, digest = items + sent.items, sent.digest
        return None if digest is None else Prefix(items, digest)


def amount(phase: Phase, items: int, size: int) -> int:
    """Return the work of so many items, in the unit of its bucket's work."""
    if phase is Phase.MATMUL:
        return items * size**3
    return size * ITEM_BYTES if phase in WALKS else items << size
