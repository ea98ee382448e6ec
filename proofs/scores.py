"""What a card's slots are worth, from the figures of the rounds around them."""

from bisect import bisect_left
from collections.abc import Sequence

from edgeproof.proofs.parameters import BUCKET_PHASES, SECOND, Bucket, Parameters

LAST = 2
"""Decided rounds whose figures stand until the next one is: as many are carried on."""


def figure(network: Parameters, bucket: Bucket, work: int) -> int:
    """Return what a round's work in a measured bucket shows that the card can do.

    Of memory that is the work itself: bytes, which are held and not done.  Else it is
    work per second, rounded down, over the whole phase: the divisor is the network's,
    the same for everyone, never the time that a device took; else one card would serve
    several identities one after another.
    """
    if bucket is Bucket.MEMORY:
        return work
    (phase,) = BUCKET_PHASES[bucket]
    return work * SECOND // network.phase_ms[phase]


def slot_figure(slot: int, opened: Sequence[int], figures: Sequence[int]) -> int:
    """Return the figure that ``slot`` earns: the lower of the rounds around it.

    ``opened`` are the slots of the rounds that were not void, ascending; ``figures``
    this card's figure in each, 0 where it failed or was absent.  A round's own slot
    belongs to the interval before it.  Before the first round nothing is proven; after
    the last decided one, the lower of the last two stands, so that whoever takes part
    in every other round earns nothing there either.
    """
    after = bisect_left(opened, slot)
    if after == 0:
        return 0
    if after == len(opened):
        return min(figures[-LAST:])
    return min(figures[after - 1], figures[after])


def weight(
    accepted: int, first_slot: int, opened: Sequence[int], figures: Sequence[int]
) -> int:
    """Return the sum over the accepted slots of what each earns.

    Bit i of ``accepted`` is slot ``first_slot + i``.
    """
    return sum(
        slot_figure(first_slot + i, opened, figures)
        for i in range(accepted.bit_length())
        if accepted >> i & 1
    )
