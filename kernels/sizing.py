"""Which matrix size suits a card: one that proves most within a phase."""

import time
from typing import Protocol

from edgeproof.errors import EdgeproofError
from edgeproof.kernels.card import Product
from edgeproof.kernels.shapes import MAX_PRODUCTS, SIZES

SEVERAL = 4
"""A size must let at least so many products fit a phase: the last one is cut off."""


class Multiplies(Protocol):
    """The part of a card that is measured."""

    def product(self, seed: bytes, n: int) -> Product:
        """Compute the n by n product of a 32-byte seed."""
        ...


def preferred_size(card: Multiplies, phase_seconds: float) -> int:
    """Measure sizes upwards, and return the one that proves most within a phase.

    Counts whole products only.  Stops before a size of which ``SEVERAL`` would not
    fit, and takes about half a phase in all.  The smallest size is always allowed.
    """
    best, most = SIZES[0], 0
    for n in SIZES:
        try:
            card.product(bytes(32), n)  # the first one pays for fresh memory
        except EdgeproofError:
            break
        started = time.perf_counter()
        card.product(bytes(32), n)
        seconds = time.perf_counter() - started
        fitting = int(phase_seconds / seconds)
        if fitting < SEVERAL:
            break
        work = min(fitting, MAX_PRODUCTS) * n**3
        if work > most:
            best, most = n, work
        if phase_seconds < SEVERAL * 7 * seconds:  # twice the size: about 8 times
            break
    return best
