"""What the explorer asks, and how it is answered: values that are JSON as they stand.

Addresses and hashes are lower-case hexadecimal, amounts, weights and figures decimal
text (they can exceed what JSON numbers hold), slots absolute.  ``tests/coordinator/
test_reading.py`` is the contract of every implementation.
"""

from dataclasses import dataclass
from typing import Protocol

PAGE = 100
"""Most rows of one page."""


@dataclass(frozen=True, slots=True)
class Why:
    """A reason code: ``docs/protocol.md`` lists them all."""

    code: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Rate:
    """A device's proven figure in its last judged round of a bucket, over its cards.

    ``why`` is null where the proof held.
    """

    bucket: str
    unit: str
    round: int
    figure: str
    why: Why | None


@dataclass(frozen=True, slots=True)
class Device:
    """One enrolled device.

    ``online`` is a hint.  ``heard`` of ``countable``: slots of the running epoch in
    which it was heard, as the published bitmaps say; whether they are accepted is
    known when the epoch closes.
    """

    address: str
    owner: str
    online: bool
    beats: int
    last_slot: int
    heard: int
    countable: int
    rates: list[Rate]


@dataclass(frozen=True, slots=True)
class BucketPayout:
    """Weight and reward of one bucket; ``why`` says why the reward is zero."""

    bucket: str
    weight: str
    reward: str
    why: Why | None


@dataclass(frozen=True, slots=True)
class EpochDevice:
    """A device in a closed epoch; ``slots`` has 1 for each accepted slot, in order."""

    epoch: int
    device: str
    owner: str
    accepted: int
    countable: int
    slots: str
    reward: str
    buckets: list[BucketPayout]


@dataclass(frozen=True, slots=True)
class ClaimedTelemetry:
    """What a device claims of itself: shown, never paid."""

    taken_at: int
    readings: str


@dataclass(frozen=True, slots=True)
class Epoch:
    """A closed epoch.  ``state`` of its root: nothing, waiting, posted, finalised."""

    epoch: int
    state: str
    transaction: str
    countable: int
    budget: str
    unallocated: str
    root: str
    cumulative_total: str
    data_hash: str


@dataclass(frozen=True, slots=True)
class Owed:
    """An owner's cumulative amounts.

    ``amount`` stands in the last finalised root with ``proof`` up to it; ``pending``
    is what later epochs added.
    """

    owner: str
    epoch: int
    amount: str
    proof: list[str]
    pending: str


@dataclass(frozen=True, slots=True)
class Totals:
    """The network in numbers.  ``activity`` is the phase of a running round."""

    enrolled: int
    heard_last_slot: int
    last_round: int
    last_phase: int
    last_epoch: int
    cumulative_total: str


class Reader(Protocol):
    """Answers from what is committed; safe to use from several threads."""

    def totals(self) -> Totals:
        """Return the network in numbers."""
        ...

    def devices(self, epoch: int, after: str, limit: int) -> list[Device]:
        """Return up to ``limit`` devices by address, behind the address ``after``."""
        ...

    def device(self, epoch: int, address: str) -> Device | None:
        """Return one device, None if it never enrolled."""
        ...

    def history(self, address: str, before: int, limit: int) -> list[EpochDevice]:
        """Return a device's closed epochs before ``before``, latest first."""
        ...

    def telemetry(self, address: str) -> ClaimedTelemetry | None:
        """Return the latest readings of a device."""
        ...

    def epochs(self, before: int, limit: int) -> list[Epoch]:
        """Return closed epochs before ``before``, latest first."""
        ...

    def epoch(self, number: int) -> Epoch | None:
        """Return one closed epoch."""
        ...

    def epoch_devices(self, number: int, after: str, limit: int) -> list[EpochDevice]:
        """Return an epoch's devices by address, behind the address ``after``."""
        ...

    def owed(self, owner: str) -> Owed | None:
        """Return what an owner can claim, None if it never earned anything."""
        ...
