"""What bounds a CPU's kernels, measured beside them."""

from functools import partial

import numpy as np

from edgeproof.kernels.cpu import memory
from edgeproof.kernels.cpu.compiler import threads
from edgeproof.kernels.cpu.keccak import LANES
from edgeproof.kernels.cpu.memories import CpuMemory
from edgeproof.kernels.cpu.spread import spread
from edgeproof.kernels.rates import Bound, per_second
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.shapes import FEWEST_ITEMS, ITEM_BYTES, ITEM_WORDS

SEED = bytes(32)

PERMUTATIONS = 20_000
"""Of one item after the other: next to nothing else is done."""

READS = 1 << 20


class CpuBounds:
    """See ``Bounds``; each is measured for about ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def product(self, n: int) -> Bound:
        """Multiply with nothing but BLAS."""
        a, b, c = (np.ones((n, n), dtype=np.float32) for _ in range(3))
        rate = per_second(lambda: np.matmul(a, b.T, out=c), self._seconds)
        return Bound(int(rate * n**3), "bare sgemm")

    def keccak(self) -> Bound:
        """Permute the same states over and over."""
        items = LANES * threads()
        room = max(FEWEST_ITEMS, items)

        def permute() -> None:
            CpuMemory(SEED, PERMUTATIONS, room).fill(items)

        rate = per_second(permute, self._seconds) * items * PERMUTATIONS
        return Bound(int(rate), "bare permutations")

    def reads(self, items: int) -> Bound:
        """Read items at places that depend on nothing."""
        part = partial(_read, np.full((items, ITEM_WORDS), 1, dtype=np.uint64))
        rate = per_second(lambda: spread(part, READS, 1), self._seconds)
        return Bound(int(rate * READS * ITEM_BYTES), "plain random reads")


def _read(items: Words, start: int, stop: int) -> np.uint64:
    return memory.read_at_random(items, np.uint64(len(items)), start, stop - start)
