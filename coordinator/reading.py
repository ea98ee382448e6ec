"""What the explorer asks, and how it is answered: values that are JSON as they stand.

Addresses and hashes are lower-case hexadecimal, amounts, weights and figures decimal
text (they can exceed what JSON numbers hold), slots absolute, times ISO 8601 in UTC.
Slots of an epoch, one character each, in order: 1 there, 0 missed, - void for everybody
(the network published no intake root).  ``tests/coordinator/test_reading.py`` is the
contract of every implementation.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

PAGE = 100
"""Most rows of one page."""

LATEST = 1 << 62
"""Behind every epoch that there can be."""

LAST_MOMENT = 253_402_300_799_999
"""The end of the year 9999, Unix milliseconds: a device may claim to live later."""


def iso(moment: int) -> str:
    """Return Unix milliseconds as ISO 8601 in UTC, at the latest ``LAST_MOMENT``."""
    seconds, rest = divmod(min(moment, LAST_MOMENT), 1000)
    day = datetime.fromtimestamp(seconds, UTC).replace(microsecond=1000 * rest)
    return day.isoformat(timespec="milliseconds")


@dataclass(frozen=True, slots=True)
class Load:
    """The verifier's queue: proofs in it, and how many are handed out ``at_a_time``.

    ``verified`` since the start, which took ``micros`` microseconds of one core.
    """

    waiting: int
    at_a_time: int
    verified: int
    micros: int


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
    which it was heard, as the published bitmaps say, and ``slots`` one by one so far;
    whether they are accepted is known when the epoch closes.  ``last_slot`` is that of
    the last beat on time, -1 before the first.
    """

    address: str
    owner: str
    online: bool
    beats: int
    last_slot: int
    heard: int
    countable: int
    slots: str
    rates: list[Rate]


@dataclass(frozen=True, slots=True)
class Standing:
    """A device's latest enrolment, retirement or rotation.

    ``kind`` is enrol, token_enrol, retire or rotate; ``epoch`` the first that it counts
    for; ``message`` the signed message, as 0x and hexadecimal digits.
    """

    device: str
    owner: str
    kind: str
    nonce: str
    epoch: int
    message: str


@dataclass(frozen=True, slots=True)
class UptimeWindow:
    """Uptime over a time that ends with the last closed epoch.

    ``permille`` is rounded down, null where no slot counts.  ``longest_outage`` is in
    slots; ``reasons`` counts the missing slots by the name of their reason.
    """

    accepted: int
    countable: int
    permille: int | None
    longest_outage: int
    longest_outage_s: int
    reasons: dict[str, int]


@dataclass(frozen=True, slots=True)
class BucketPayout:
    """Weight and reward of one bucket; ``why`` says why the reward is zero."""

    bucket: str
    weight: str
    reward: str
    why: Why | None


@dataclass(frozen=True, slots=True)
class EpochDevice:
    """A device in a closed epoch: ``accepted`` of ``countable`` slots.

    ``missing`` has the reason code of each slot, 0 where it was accepted.
    """

    epoch: int
    device: str
    owner: str
    accepted: int
    countable: int
    slots: str
    missing: list[int]
    reward: str
    buckets: list[BucketPayout]


@dataclass(frozen=True, slots=True)
class ClaimedTelemetry:
    """What a device claims of itself: shown, never paid.

    ``taken_at`` by its own clock; ``readings`` is JSON as it came, up to 64 KiB:
    an object with ``samples``, the latest last.
    """

    taken_at: str
    readings: str


@dataclass(frozen=True, slots=True)
class Epoch:
    """A closed epoch.

    ``state`` of its root: nothing (to post: a later root covers it), waiting, posted,
    finalised; ``transaction`` is the last one sent for it, empty before.
    """

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

    ``amount`` stands in the last finalised ``root``, that of ``epoch`` (-1: none yet),
    with ``proof`` up to it; ``pending`` is what later epochs added.
    """

    owner: str
    epoch: int
    root: str
    amount: str
    proof: list[str]
    pending: str


@dataclass(frozen=True, slots=True)
class Totals:
    """The network in numbers; -1 stands for what has not been yet.

    ``postings`` counts the roots of closed epochs by their state.
    """

    enrolled: int
    heard_last_slot: int
    last_round: int
    last_phase: int
    last_epoch: int
    cumulative_total: str
    postings: dict[str, int]


class Reader(Protocol):
    """Answers from what is committed; safe to use from several threads.

    Each answer is of one moment.  Addresses are asked as they are answered, an empty
    ``after`` is before all of them, and ``LATEST`` is behind every ``before``.
    """

    def totals(self) -> Totals:
        """Return the network in numbers."""
        ...

    def devices(self, epoch: int, after: str, limit: int) -> list[Device]:
        """Return up to ``limit`` devices by address, behind the address ``after``.

        ``epoch`` is the running one, here and in ``device``.
        """
        ...

    def device(self, epoch: int, address: str) -> Device | None:
        """Return one device, None if it never enrolled."""
        ...

    def enrolment(self, address: str) -> Standing | None:
        """Return a device's latest change of the register, None if it has none."""
        ...

    def history(self, address: str, before: int, limit: int) -> list[EpochDevice]:
        """Return a device's closed epochs before ``before``, latest first."""
        ...

    def uptime(self, address: str) -> dict[str, UptimeWindow]:
        """Return a device's uptime over each of ``history.WINDOWS``."""
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
