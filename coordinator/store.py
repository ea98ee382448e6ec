"""What the coordinator must be able to remember.

``tests/coordinator/test_store.py`` is the contract of every implementation.  What the
explorer asks is another seam, ``coordinator.reading``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from edgeproof.audit.model import Carried, Enrolment, EpochRecord, Outcome, Verdict
from edgeproof.coordinator.gaps import Link
from edgeproof.proofs.reasons import Reason
from edgeproof.proofs.uptime import Seen
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.message import Signed
from edgeproof.telemetry.messages import Beacon, Entropy, Phase, Presence, Telemetry


@dataclass(frozen=True, slots=True)
class Kept:
    """A device-signed message that counts: ``kind`` as in its topic."""

    digest: bytes
    kind: str
    device: bytes
    raw: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that does not count: its topic's device and kind, and why."""

    device: str
    kind: str
    reason: Reason


@dataclass(slots=True)
class Batch:
    """What one turn of the intake decided, all of one arrival ``slot``.

    ``beats``: (slot, device) heard on time; ``missed`` why another beat did not count.
    ``presence``: last status by device; ``links``: numbered messages, for gaps.
    """

    slot: int
    enrolments: list[Enrolment] = field(default_factory=list)
    beats: list[tuple[int, bytes]] = field(default_factory=list)
    messages: list[Kept] = field(default_factory=list)
    telemetry: list[Telemetry] = field(default_factory=list)
    missed: dict[tuple[int, bytes], Reason] = field(default_factory=dict)
    presence: dict[bytes, Presence] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


class Store(Protocol):
    """Every method that writes is one transaction, on disk when it returns.

    Each is idempotent: doing it twice, in any order with others, leaves the same.
    """

    def add(self, batch: Batch) -> None:
        """Keep a batch; what is known already stays as it was."""
        ...

    def open_slot(
        self, slot: int, beacon: Signed[Beacon], entropy: Signed[Entropy] | None
    ) -> None:
        """Keep what is about to be published for ``slot``.

        Without ``entropy`` it may still follow, by ``keep_entropy``.
        """
        ...

    def keep_entropy(self, entropy: Signed[Entropy]) -> None:
        """Keep the entropy of a slot that was opened; the first one stays."""
        ...

    def open_phase(self, phase: Phase) -> None:
        """Keep a phase value that is about to be published."""
        ...

    def heard(self, slot: int) -> set[bytes]:
        """Return the devices heard on time in ``slot``."""
        ...

    def hints(self, first: int, end: int) -> dict[bytes, Seen]:
        """Return what was seen of devices in slots ``first`` to ``end`` and counts not.

        Bit i is slot ``first + i``; ``heard`` is not among it.
        """
        ...

    def arrivals(self, slot: int) -> list[Kept]:
        """Return the messages that arrived by the end of ``slot``, by digest.

        Only those under no intake root yet: what arrived in a slot that was void
        moves to the next one's root, so an outage of ours loses nobody's seal.
        """
        ...

    def seal_slot(self, slot: int, heard: bytes, root: bytes) -> None:
        """Keep the bitmap and the signed intake root of ``slot``.

        Its beats are forgotten, and what ``arrivals`` returned stands under the root.
        """
        ...

    def last_slots(self) -> tuple[int, int]:
        """Return the last slot opened and the last one sealed, -1 where none was."""
        ...

    def enrolments(self) -> list[Enrolment]:
        """Return every change of the register, by device and nonce."""
        ...

    def keep_certificate(self, device: bytes, serial: int, ends: int) -> None:
        """Remember a certificate until it ends (Unix milliseconds)."""
        ...

    def certificates(self, device: bytes) -> list[int]:
        """Return the serial numbers of a device's certificates."""
        ...

    def record(self, description: Description, epoch: int, until: int) -> EpochRecord:
        """Return the inputs of ``epoch`` from its first slot to before ``until``."""
        ...

    def proofs(self, cases: Sequence[bytes]) -> dict[bytes, Reason]:
        """Return the verdicts that are known of these proof cases."""
        ...

    def keep_proofs(self, verdicts: Mapping[bytes, tuple[Reason, int]]) -> None:
        """Remember verdicts with what each cost in microseconds."""
        ...

    def keep_verdicts(self, verdicts: Iterable[Verdict]) -> None:
        """Remember what each card's work in a round was found to be worth.

        A verdict that is kept stays, but for work that was believed unverified: it may
        fail, or become void, until its epoch closes.
        """
        ...

    def close_epoch(
        self,
        epoch: int,
        outcome: Outcome,
        data_hash: bytes,
        posting: str,
        missing: Mapping[bytes, bytes],
    ) -> None:
        """Keep an epoch's result, and in which state its root's posting begins.

        ``missing`` has each device's slots as ``attendance.missing`` returns them.
        """
        ...

    def last_epoch(self) -> int:
        """Return the last closed epoch, -1 before the first."""
        ...

    def carried(self, epoch: int) -> Carried:
        """Return the state that ``epoch`` starts from: that of the last one closed."""
        ...

    def postings(self) -> dict[int, tuple[str, str]]:
        """Return state and transaction hash of every closed epoch's root."""
        ...

    def posted_total(self) -> int:
        """Return the cumulative total of the last root that is or will be posted."""
        ...

    def keep_posting(self, epoch: int, state: str, transaction: str) -> None:
        """Remember what became of an epoch's root."""
        ...
