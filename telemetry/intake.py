"""What an intake root is a root of: who was heard in a slot, and what was said."""

from collections.abc import Iterable, Sequence

from edgeproof.proofs import merkle
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.uptime import bitmap
from edgeproof.telemetry.messages import Telemetry

BITMAP_LEAF = b"edgeproof/v1/heard"
"""Domain of leaf 0: which devices were heard, in the order of the roster."""


def leaves(heard: bytes, digests: Iterable[bytes]) -> list[bytes]:
    """Return the leaves: the bitmap's hash, then the messages' digests, ascending.

    ``heard`` is the bitmap over the epoch's roster; ``digests`` the EIP-712 digests of
    all seals, commitments, openings and skips that arrived in the slot.
    """
    return [keccak(BITMAP_LEAF, heard), *sorted(set(digests))]


def root(heard: bytes, digests: Iterable[bytes]) -> tuple[bytes, int]:
    """Return the intake root and its number of leaves."""
    rows = leaves(heard, digests)
    return merkle.root(rows), len(rows)


def heard_bitmap(roster: Sequence[bytes], heard: Iterable[bytes]) -> bytes:
    """Return the bitmap of the devices in ``heard``; bit i is ``roster[i]``."""
    place = {device: i for i, device in enumerate(roster)}
    slots = 0
    for device in heard:
        if device in place:
            slots |= 1 << place[device]
    return bitmap(slots, len(roster))


def telemetry_hash(samples: Sequence[Telemetry]) -> bytes:
    """Return the body of a heartbeat: the hash of the telemetry since the last one."""
    return keccak(*(keccak(sample.encode()) for sample in samples))
