"""Uptime: claimed by a seal and heard on time.

Sets of slots are integers: bit i is slot i.
"""

from collections.abc import Iterable


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
