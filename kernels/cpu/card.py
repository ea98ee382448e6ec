"""The CPU as one card."""

import contextlib
import platform
import time
from pathlib import Path

from edgeproof.errors import EdgeproofError
from edgeproof.kernels.card import Product
from edgeproof.kernels.cpu import memories, nonces, products, room, selfcheck
from edgeproof.kernels.cpu.memories import CpuMemory
from edgeproof.kernels.cpu.products import Workspace
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.shapes import ITEM_BYTES, MAX_PRODUCTS, MOST_ITEMS, SIZES

SEVERAL = 4
"""A size must let at least so many products fit a phase: the last one is cut off."""


class CpuCard:
    """All cores that the process may use, as one card."""

    kind = "cpu"

    def __init__(self, index: int = 0) -> None:
        self.index = index
        self.name = _cpu_name()
        self._space: Workspace | None = None

    def warm(self) -> None:
        """Compile and check every kernel; raise ``EdgeproofError`` if one is wrong."""
        selfcheck.warm()

    def product(self, seed: bytes, n: int) -> Product:
        """Compute the n by n product; keeps 4 n^2 bytes for the next one."""
        if self._space is None or self._space.n != n:
            self._space = None  # never hold two
            self._space = Workspace(n)
        return products.product(seed, self._space)

    def search(self, seed: bytes, difficulty: int, start: int, count: int) -> Words:
        """Return the nonces in [start, start + count) meeting the target, in order."""
        return nonces.search(seed, difficulty, start, count)

    def preferred_size(self, phase_seconds: float) -> int:
        """Measure sizes upwards, and return the one that proves most within a phase.

        Counts whole products only.  Stops before a size of which ``SEVERAL`` would
        not fit, and takes about half a phase in all.  The smallest size is always
        allowed.
        """
        best, most = SIZES[0], 0
        for n in SIZES:
            try:
                self.product(bytes(32), n)  # the first one pays for fresh memory
            except EdgeproofError:
                break
            started = time.perf_counter()
            self.product(bytes(32), n)
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

    def room(self, share: float) -> int:
        """Return the items that fit that share of the RAM that is available now."""
        return min(MOST_ITEMS, int(share * room.available_bytes()) // ITEM_BYTES)

    def walk_items(self, seconds: float) -> int:
        """Measure, and return how many items a walk can cover in so many seconds."""
        return memories.probe(seconds)

    def memory(self, seed: bytes, permutations: int, most: int) -> CpuMemory:
        """Return an empty memory of a 32-byte seed, with room for ``most`` items."""
        return CpuMemory(seed, permutations, most)


def _cpu_name() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "CPU"
