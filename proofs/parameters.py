"""The numbers that a network fixes at its birth.  Durations are milliseconds.

They stand in the signed network description and in every bundle, so a replay needs
nothing else.  ``DEMO`` is a network that lives for a minute.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import IntEnum, StrEnum
from typing import Any, Self

from edgeproof.errors import EdgeproofError

SECOND = 1000
"""Milliseconds."""

EVERYTHING = 10_000
"""The share that is all of it."""

MOST_SLOTS = 8192
"""Slots of an epoch: as many as the bitmap of a seal has bits."""

LONGEST = 2**40
"""Any other number but amounts: 35 years of milliseconds, 34,000 of seconds."""

LARGEST_AMOUNT = 2**192
"""Caps and weights: sums of them over all epochs stay below 2**256."""

TEXTS = frozenset({"entropy_source", "drand_key"})
"""Parameters that are no numbers."""


class Bucket(IntEnum):
    """What is paid for.  The order is that of every list "by bucket"."""

    COMPUTE = 0
    MEMORY = 1
    BANDWIDTH = 2
    HASH = 3

    @property
    def unit(self) -> str:
        """The unit of a figure in this bucket."""
        return ("MAC/s", "bytes", "bits/s", "keccak/s")[self]


class Phase(IntEnum):
    """The parts of a round, in order; one preimage starts each."""

    FILL = 0
    WALK = 1
    MATMUL = 2
    SECOND_WALK = 3
    POW = 4


PHASE_BUCKET: Mapping[Phase, Bucket] = {
    Phase.WALK: Bucket.MEMORY,
    Phase.MATMUL: Bucket.COMPUTE,
    Phase.SECOND_WALK: Bucket.MEMORY,
    Phase.POW: Bucket.HASH,
}
"""Phases whose work is committed to.  The fill is not: walks over it prove it."""

BUCKET_PHASES: Mapping[Bucket, tuple[Phase, ...]] = {
    bucket: tuple(phase for phase, other in PHASE_BUCKET.items() if other is bucket)
    for bucket in Bucket
    if bucket in PHASE_BUCKET.values()
}
"""The buckets that rounds measure, and the phases that each is measured in."""


class EntropySource(StrEnum):
    """What is mixed with a slot's beacon: see ``proofs.outside``."""

    NONE = "none"
    CHAIN = "chain"
    DRAND = "drand"


_DRAND_KEY = re.compile(r"0x[0-9a-f]{192}")
"""A point of G2, compressed."""


class BadParameters(EdgeproofError):  # noqa: N818 - reads as what it is about
    """Parameters that contradict each other or the protocol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """One network.  ``genesis`` is the Unix second at which slot 0 starts."""

    genesis: int
    slot_ms: int = 60 * SECOND
    slots_per_epoch: int = 60
    close_slot: int = 30
    """An epoch closes when this many slots of the next have ended."""
    beat_grace_ms: int = 10 * SECOND
    """A heartbeat may arrive this long after its slot; then the intake root comes."""
    commit_grace_ms: int = 1 * SECOND
    """A commitment may arrive this long after its phase."""
    seal_slots: int = 10
    """A device seals its heartbeats after this many slots, and at the epoch's end."""
    chain_slots: int = 1440
    """Slots of one beacon chain: a day."""
    round_one_in: int = 60
    """A round opens in a slot with probability 1 / this."""
    round_gap: int = 120
    """At the latest this many slots after the last round, the next one opens."""
    phase_ms: tuple[int, ...] = (10_000, 1_500, 10_000, 1_500, 3_000)
    """Length of each phase, in the order of ``Phase``."""
    opening_slots: int = 5
    """Openings are due this many slots after the slot whose entropy draws them."""
    opened_tiles: int = 64
    opened_lanes: int = 32
    fill_permutations: int = 128
    """Keccak permutations that make one item of memory."""
    first_difficulty: int = 20
    verified_share: int = 10_000
    """Of the rounds of a device with a record, how many are verified: parts of 10,000.

    All of them, unless a network chooses otherwise.
    """
    record_epochs: int = 24
    """Clean epochs that make a record; nobody without one goes unverified."""
    bucket_shares: tuple[int, ...] = (4, 2, 2, 2)
    """How an epoch's budget is divided, in the order of ``Bucket``."""
    floor_weights: tuple[int, ...] = (1, 1, 1, 1)
    """W0: the weight that an epoch without history is assumed to have, by bucket."""
    epoch_cap: int = 100 * 10**18
    """Budget of an epoch before the first halving, in the token's smallest unit."""
    halving_epochs: int = 4 * 365 * 24
    epochs_per_root: int = 24
    challenge_s: int = 6 * 3600
    """Challenge window of a root, seconds: shorter than the time between roots."""
    confirmations: int = 12
    entropy_source: str = EntropySource.NONE.value
    """What makes a slot's entropy besides its beacon, one of ``EntropySource``."""
    entropy_ms: int = 0
    """Entropy is published within this time of its slot's start, or never.

    Rounds begin so much after their slot.  Zero where nothing comes from outside.
    """
    drand_key: str = ""
    """Public key of the drand chain that is mixed in: 0x and 96 bytes of hex."""
    drand_genesis: int = 0
    """Unix second of that chain's round 1."""
    drand_period: int = 0
    """Seconds from one round of it to the next."""

    def __post_init__(self) -> None:
        """Raise ``BadParameters`` naming what does not fit."""
        for field in fields(self):
            self._check_type(field.name, getattr(self, field.name))
        self._check_lengths()
        if self.slots_per_epoch > MOST_SLOTS:
            self._refuse("slots_per_epoch", f"must be at most {MOST_SLOTS}")
        if self.beat_grace_ms >= self.slot_ms:
            self._refuse("beat_grace_ms", "must be shorter than a slot")
        if self.round_ms + self.commit_grace_ms > self.round_slots * self.slot_ms:
            self._refuse("commit_grace_ms", "must end before the next round may open")
        if self.close_slot < self.decided_after:
            detail = (
                f"must be at least {self.decided_after}: rounds are decided by then"
            )
            self._refuse("close_slot", detail)
        if self.close_slot > self.slots_per_epoch:
            self._refuse("close_slot", "must lie within the next epoch")
        if self.round_gap < self.round_slots:
            self._refuse("round_gap", "must be longer than a round")
        root_s = self.epochs_per_root * self.slots_per_epoch * self.slot_ms // SECOND
        if self.challenge_s >= root_s:
            self._refuse("challenge_s", f"must be shorter than {root_s} s, one root")
        if self.epoch_ms % SECOND:
            self._refuse("slot_ms", "must make an epoch of whole seconds")
        self._check_entropy()

    @property
    def epoch_ms(self) -> int:
        """Length of an epoch."""
        return self.slots_per_epoch * self.slot_ms

    @property
    def round_ms(self) -> int:
        """Length of a round: the sum of its phases."""
        return sum(self.phase_ms)

    @property
    def round_slots(self) -> int:
        """Slots from a round's opening until the next one may open."""
        return -(-self.round_ms // self.slot_ms)

    @property
    def decided_after(self) -> int:
        """Slots from a round's slot to its last opening deadline, if all is on time."""
        until = self.entropy_ms + self.round_ms + self.commit_grace_ms
        last_commit = (until - 1) // self.slot_ms
        return last_commit + DRAW_SLOTS + self.opening_slots

    def cap(self, epoch: int) -> int:
        """Return the budget of ``epoch``, as the distributor's schedule has it."""
        return self.epoch_cap >> (epoch // self.halving_epochs)

    def as_json(self) -> dict[str, Any]:
        """Return plain values; amounts as strings, since JSON numbers are floats."""
        values = asdict(self)
        values["epoch_cap"] = str(self.epoch_cap)
        values["floor_weights"] = [str(weight) for weight in self.floor_weights]
        for name in ("phase_ms", "bucket_shares"):
            values[name] = list(values[name])
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the parameters of ``as_json``; raise ``BadParameters``."""
        names = {field.name for field in fields(cls)}
        if set(values) != names:
            wrong = ", ".join(sorted(set(values) ^ names))
            msg = f"unknown or missing parameters: {wrong}"
            raise BadParameters(msg, hint="use the same edgeproof version")
        try:
            given = dict(values)
            given["epoch_cap"] = int(given["epoch_cap"])
            given["floor_weights"] = tuple(int(w) for w in given["floor_weights"])
            for name in ("phase_ms", "bucket_shares"):
                given[name] = tuple(given[name])
        except (TypeError, ValueError) as error:
            msg = f"parameters of the wrong type: {error}"
            raise BadParameters(msg) from None
        return cls(**given)

    def _check_type(self, name: str, value: object) -> None:
        if name not in TEXTS:
            self._check_numbers(name, value)
        elif type(value) is not str:
            self._refuse(name, "must be a text")

    def _check_numbers(self, name: str, value: object) -> None:
        numbers = value if isinstance(value, tuple) else (value,)
        if not all(type(number) is int and number >= 0 for number in numbers):
            self._refuse(name, "must be whole numbers of zero or more")
        amounts = {"epoch_cap", "floor_weights"}
        most = LARGEST_AMOUNT if name in amounts else LONGEST
        if any(number > most for number in numbers):
            self._refuse(name, f"must be at most {most}")
        zero_is_fine = {
            "beat_grace_ms",
            "commit_grace_ms",
            "confirmations",
            "entropy_ms",
            "drand_genesis",
            "drand_period",
        }
        tuples_too = isinstance(value, tuple)
        if not tuples_too and value == 0 and name not in zero_is_fine:
            self._refuse(name, "must be above zero")

    def _check_lengths(self) -> None:
        for name, want in (
            ("phase_ms", len(Phase)),
            ("bucket_shares", len(Bucket)),
            ("floor_weights", len(Bucket)),
        ):
            if len(getattr(self, name)) != want:
                self._refuse(name, f"must have {want} entries")
        if not sum(self.bucket_shares):
            self._refuse("bucket_shares", "must not all be zero")
        if min(self.floor_weights) < 1:
            self._refuse("floor_weights", "must be at least 1")
        if min(self.phase_ms) < 1:
            self._refuse("phase_ms", "must be at least 1")
        if self.verified_share > EVERYTHING:
            self._refuse("verified_share", f"must be at most {EVERYTHING}, all of them")

    def _check_entropy(self) -> None:
        if self.entropy_source not in set(EntropySource):
            self._refuse("entropy_source", f"must be one of {', '.join(EntropySource)}")
        if (self.entropy_source == EntropySource.NONE) != (self.entropy_ms == 0):
            self._refuse("entropy_ms", "must be above zero with an outside source only")
        if self.entropy_ms > self.slot_ms:
            self._refuse("entropy_ms", "must not be longer than a slot")
        if self.entropy_source != EntropySource.DRAND:
            for name in ("drand_key", "drand_genesis", "drand_period"):
                if getattr(self, name):
                    self._refuse(name, "must be left out without drand")
            return
        if not _DRAND_KEY.fullmatch(self.drand_key):
            self._refuse(
                "drand_key", "must be 0x and 192 lower-case hexadecimal digits"
            )
        if not 0 < self.drand_genesis <= self.genesis:
            self._refuse("drand_genesis", "must lie before the network's genesis")
        if not 0 < self.drand_period * SECOND < self.entropy_ms:
            self._refuse("drand_period", "must be above zero, and within entropy_ms")

    def _refuse(self, name: str, detail: str) -> None:
        msg = f"parameter {name} is {getattr(self, name)!r}: it {detail}"
        raise BadParameters(msg)


DRAW_SLOTS = 2
"""The intake root of a slot comes in the next one; the beacon after that draws."""

LATEST_DRAW = 1
"""A draw that comes this many slots late still counts; later, the phase is void."""


def demo(genesis: int) -> Parameters:
    """Return the parameters of ``edgeproof demo``: an epoch lasts 30 s."""
    return Parameters(
        genesis=genesis,
        slot_ms=2 * SECOND,
        slots_per_epoch=15,
        close_slot=5,
        beat_grace_ms=500,
        commit_grace_ms=400,
        seal_slots=5,
        chain_slots=43_200,
        round_one_in=5,
        round_gap=6,
        phase_ms=(1_000, 500, 2_000, 500, 1_000),
        opening_slots=1,
        fill_permutations=2,
        first_difficulty=11,
        epochs_per_root=1,
        challenge_s=3,
        confirmations=0,
    )
