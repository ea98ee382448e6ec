"""What the demo knows of its network at one moment, read from the explorer's API."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """A card's figure in its last judged round of a bucket; ``reason`` if it is 0."""

    round: int
    figure: int
    reason: str


@dataclass(frozen=True, slots=True)
class DeviceNow:
    """One device; ``rates`` by bucket name, summed over its cards."""

    address: str
    owner: str
    beats: int
    heard: int
    countable: int
    rates: dict[str, Rate]


@dataclass(frozen=True, slots=True)
class Reward:
    """What one device got for one epoch; ``reason`` says why, if that is nothing."""

    device: str
    owner: str
    accepted: int
    countable: int
    compute: int
    memory: int
    hashes: int
    reward: int
    reason: str


@dataclass(frozen=True, slots=True)
class EpochNow:
    """A closed epoch and what became of its root."""

    epoch: int
    state: str
    root: str
    cumulative_total: int
    unallocated: int
    rewards: tuple[Reward, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The network now.  ``activity`` is the phase of the round that runs, if any."""

    slot: int
    epoch: int
    activity: str
    devices: tuple[DeviceNow, ...]
    epochs: tuple[EpochNow, ...]
