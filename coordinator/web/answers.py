"""What the routes of ``/api/v1`` answer, beyond what ``coordinator.reading`` has."""

from dataclasses import dataclass

from edgeproof.coordinator import reading


@dataclass(frozen=True, slots=True)
class NetworkNow:
    """The network: who it is, and where it stands.

    ``time`` is ISO 8601 in UTC; ``slot`` and ``epoch`` are negative before genesis;
    ``activity`` is the phase of a running round, empty between rounds; ``postings``
    counts the roots of closed epochs by their state; ``verification`` is the queue of
    proofs that the coordinator still has to verify.
    """

    network_id: str
    chain_id: int
    coordinator: str
    distributor: str
    token: str
    broker: str
    api: str
    time: str
    slot: int
    epoch: int
    slot_ms: int
    slots_per_epoch: int
    activity: str
    enrolled: int
    heard_last_slot: int
    last_epoch: int
    cumulative_total: str
    postings: dict[str, int]
    verification: reading.Load


@dataclass(frozen=True, slots=True)
class DevicePage:
    """Devices by address; ``next`` is the cursor of the next page, empty at the end."""

    items: list[reading.Device]
    next: str


@dataclass(frozen=True, slots=True)
class DeviceDetail:
    """One device: now, its last epochs, and what it claims of itself."""

    device: reading.Device
    epochs: list[reading.EpochDevice]
    claimed: reading.ClaimedTelemetry | None


@dataclass(frozen=True, slots=True)
class Uptime:
    """Slots heard in the running epoch; a page of closed epochs, latest first.

    ``windows``: over 24 hours, 7, 30 and 90 days, up to the last closed epoch.
    """

    address: str
    epoch: int
    heard: int
    countable: int
    slots: str
    windows: dict[str, reading.UptimeWindow]
    closed: list[reading.EpochDevice]
    next: str


@dataclass(frozen=True, slots=True)
class EpochPage:
    """Closed epochs, latest first; ``next`` is the cursor of the next page."""

    items: list[reading.Epoch]
    next: str


@dataclass(frozen=True, slots=True)
class EpochDetail:
    """One closed epoch and a page of its devices by address."""

    epoch: reading.Epoch
    devices: list[reading.EpochDevice]
    next: str


@dataclass(frozen=True, slots=True)
class BundleFile:
    """A file of a published epoch.  The digits of ``sha256`` are its ETag."""

    name: str
    bytes: int
    sha256: str
    url: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """Everything that an epoch is recomputed from: ``edgeproof audit`` reads it."""

    epoch: int
    files: list[BundleFile]
