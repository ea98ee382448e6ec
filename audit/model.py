"""What an epoch's result follows from, and what it is.

``EpochRecord`` holds the published inputs, ``Outcome`` everything recomputed from them
by ``replay``.  The coordinator's close and anyone's audit build the same record and
call the same function: Law 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from edgeproof.proofs.parameters import Bucket
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.message import Message, Signed
from edgeproof.telemetry.messages import (
    Beacon,
    Commitment,
    Enrol,
    Entropy,
    IntakeRoot,
    Opening,
    Phase,
    Retire,
    Rotate,
    Seal,
    Skip,
    TokenEnrol,
)

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Arrived(Generic[M]):
    """A device-signed message and the slot whose intake root holds it."""

    slot: int
    signed: Signed[M]


Change = Enrol | TokenEnrol | Retire | Rotate
"""What says for whom a device works."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A change of the register and the first slot that it counts for.

    The slot is the coordinator's word (declared input): the first of the epoch after
    the arrival; of a ``Retire`` the one after its arrival.
    """

    signed: Signed[Change]
    since: int


@dataclass(frozen=True, slots=True)
class Heard:
    """A slot's intake root and the bitmap under it (bit i: device i of the roster)."""

    signed: Signed[IntakeRoot]
    heard: bytes


@dataclass(frozen=True, slots=True, order=True)
class Figure:
    """A card's proven figure in the round that opened at slot ``round``."""

    bucket: Bucket
    round: int
    device: bytes
    card: int
    figure: int


@dataclass(frozen=True, slots=True)
class Carried:
    """The state that one epoch hands to the next.

    ``rounds``: by bucket, the slots of the last two rounds that were not void, if any.
    ``figures``: the figures above zero in those rounds.  ``hashes``: by (device, card)
    the work (keccaks) of its last pow above zero, which sets the next difficulty.
    ``sums``: the weight sums of up to 24 past epochs by bucket, oldest first, each with
    the number of countable slots.  ``balances``: cumulative, by owner.
    ``records``: each device's clean epochs, where a network does not verify everything.
    """

    last_round: int
    rounds: Mapping[Bucket, tuple[int, ...]]
    figures: tuple[Figure, ...]
    hashes: Mapping[tuple[bytes, int], int]
    sums: tuple[tuple[int, int, tuple[int, ...]], ...]
    """(epoch, countable slots, sum of weights by bucket)."""
    balances: Mapping[bytes, int]
    records: Mapping[bytes, int]
    previous_bundle: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """The inputs of ``epoch``: all that arrived from its first slot to its close.

    ``enrolments`` hold every change of the register that counts for this epoch or from
    the next one's first slot on: the rosters of both order the bitmaps.
    """

    description: Description
    epoch: int
    beacons: tuple[Signed[Beacon], ...]
    entropies: tuple[Signed[Entropy], ...]
    phases: tuple[Phase, ...]
    intake: tuple[Heard, ...]
    enrolments: tuple[Enrolment, ...]
    seals: tuple[Arrived[Seal], ...]
    commitments: tuple[Arrived[Commitment], ...]
    openings: tuple[Arrived[Opening], ...]
    skips: tuple[Arrived[Skip], ...]
    carried: Carried


@dataclass(frozen=True, slots=True, order=True)
class Verdict:
    """What one card's work for a bucket in one round was found to be worth."""

    round: int
    bucket: Bucket
    device: bytes
    card: int
    work: int
    figure: int
    reason: Reason
    verified: bool = True
    """False where it rests on a later one, or was void with it."""


@dataclass(frozen=True, slots=True, order=True)
class Attendance:
    """A device's accepted slots of the epoch (bit i: the epoch's slot i)."""

    device: bytes
    owner: bytes
    slots: int


@dataclass(frozen=True, slots=True, order=True)
class Payout:
    """A device's weight and reward in one bucket; ``reason`` if the reward is zero."""

    device: bytes
    owner: bytes
    bucket: Bucket
    weight: int
    reward: int
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Everything that follows from an ``EpochRecord``."""

    countable: int
    """The epoch's slots with beacon and intake root (bit i: slot i)."""
    verdicts: tuple[Verdict, ...]
    voids: tuple[tuple[int, Bucket], ...]
    """Rounds that were void for a bucket: (slot, bucket)."""
    attendance: tuple[Attendance, ...]
    payouts: tuple[Payout, ...]
    balances: tuple[tuple[bytes, int, int], ...]
    """(owner, previous cumulative, current cumulative), by owner."""
    budget: int
    unallocated: int
    root: bytes
    cumulative_total: int
    difficulties: Mapping[tuple[bytes, int], int]
    """The pow difficulty in force after the epoch, by (device, card)."""
    carried: Carried
    """State for the next epoch; ``previous_bundle`` is set by whoever writes it."""
