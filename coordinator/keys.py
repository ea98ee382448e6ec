"""The coordinator's secrets, each in a file of its own in ``<data>/keys``."""

from dataclasses import dataclass, field
from pathlib import Path

from edgeproof.telemetry import keyfile
from edgeproof.telemetry.signing import Key


@dataclass(frozen=True, slots=True)
class Keys:
    """Three keys, because each can do different harm when it leaks.

    ``coordinator`` signs messages, ``attestor`` epoch roots, ``poster`` transactions.
    ``beacon`` is the secret that the beacon chain is derived from.
    """

    coordinator: Key
    attestor: Key
    poster: Key
    beacon: bytes = field(repr=False)


def load(data: Path) -> Keys:
    """Return the keys in ``data``, made at random where one is missing."""
    folder = data / "keys"
    return Keys(
        coordinator=keyfile.make_key(folder / "coordinator.key"),
        attestor=keyfile.make_key(folder / "attestor.key"),
        poster=keyfile.make_key(folder / "poster.key"),
        beacon=keyfile.make_secret(folder / "beacon.secret"),
    )
