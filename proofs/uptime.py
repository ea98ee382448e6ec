"""Uptime: claimed by a seal and heard on time.

Sets of slots are integers: bit i is slot i.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from edgeproof.proofs.reasons import Reason


def bits(bitmap: bytes) -> int:
    """Return the slot set of a bitmap: bit ``i % 8`` of byte ``i // 8`` is slot i."""
    return int.from_bytes(bitmap, "little")


def bitmap(slots: int, count: int) -> bytes:
    """Return the bitmap of ``count`` slots, ``ceil(count / 8)`` bytes."""
    return slots.to_bytes(-(-count // 8), "little")


def accepted(claims: Iterable[int], arrived: int) -> int:
    """Return the accepted slots: OR over the seals of (claimed AND arrived).

    Seals come in any order, any number of times, from any number of boots.
    """
    slots = 0
    for claim in claims:
        slots |= claim & arrived
    return slots


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a device in an epoch beside what counts; sets of slots.

    ``heard`` follows from the bitmaps.  The others are hints: ``late`` and ``refused``
    the coordinator's word, ``stopped`` the device's own.
    """

    heard: int = 0
    late: int = 0
    refused: int = 0
    stopped: int = 0


def missing(accepted: int, countable: int, seen: Seen, ends: int, count: int) -> bytes:
    """Return the reason code of each of ``count`` slots, 0 where it was accepted.

    The network's own fault comes first; ``ends`` is the slot from which on the device
    was retired.
    """
    return bytes(_why(accepted, countable, seen, ends, i) for i in range(count))


def _why(accepted: int, countable: int, seen: Seen, ends: int, slot: int) -> Reason:
    bit = 1 << slot
    if accepted & bit:
        return Reason.NONE
    if not countable & bit:
        return Reason.SLOT_VOID
    if slot >= ends:
        return Reason.RETIRED
    for slots, reason in (
        (seen.heard, Reason.UNSEALED),
        (seen.late, Reason.LATE_BEAT),
        (seen.refused, Reason.BEAT_REFUSED),
        (seen.stopped, Reason.OWNER_STOPPED),
    ):
        if slots & bit:
            return reason
    return Reason.NO_BEAT
