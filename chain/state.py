"""What the distributor says at one block: values, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass

Range = tuple[int, int]
"""The first and the last epoch of a root."""


@dataclass(frozen=True, slots=True)
class OnChainRoot:
    """An ``EpochRoot`` as the chain holds it; amounts in the token's smallest unit."""

    first_epoch: int
    last_epoch: int
    root: bytes
    cumulative_total: int
    data_hash: bytes

    @property
    def epochs(self) -> Range:
        """The first and the last epoch that this root covers."""
        return self.first_epoch, self.last_epoch

    @property
    def body(self) -> tuple[int, int, bytes, int, bytes]:
        """The fields in the order in which attestors sign them."""
        return (
            self.first_epoch,
            self.last_epoch,
            self.root,
            self.cumulative_total,
            self.data_hash,
        )


@dataclass(frozen=True, slots=True)
class PendingRoot:
    """A posted root, to be finalised from ``challenge_ends_at`` (unix s) on."""

    body: OnChainRoot
    challenge_ends_at: int
    vetoable: bool


@dataclass(frozen=True, slots=True)
class Terms:
    """What a distributor fixed when it was deployed; times in seconds."""

    token: bytes
    genesis: int
    epoch_length: int
    epochs_per_root: int
    challenge_window: int
    halving_interval: int
    initial_epoch_cap: int
    guardian: bytes
    attestors: tuple[bytes, ...]
    threshold: int

    def end_of(self, epoch: int) -> int:
        """Return the unix time at which ``epoch`` ends."""
        return self.genesis + (epoch + 1) * self.epoch_length

    def cap_of(self, epoch: int) -> int:
        """Return the most that may be minted for ``epoch``."""
        return self.initial_epoch_cap >> (epoch // self.halving_interval)

    def cap_of_range(self, first: int, last: int) -> int:
        """Return the most that may be minted for ``first`` to ``last``, inclusive."""
        return sum(self.cap_of(epoch) for epoch in range(first, last + 1))


@dataclass(frozen=True, slots=True)
class DistributorState:
    """Everything that a decision needs, read at one block.

    ``time`` is the timestamp that a transaction sent now would see, in unix seconds:
    the only clock that deadlines are compared with.
    """

    terms: Terms
    block_number: int
    time: int
    next_epoch: int
    finalised: OnChainRoot | None
    pending: PendingRoot | None
    vetoes: Mapping[Range, int]
