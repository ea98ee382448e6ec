"""The CPU as one card."""

import contextlib
import platform
from pathlib import Path

from edgeproof.kernels import sizing
from edgeproof.kernels.card import Product
from edgeproof.kernels.cpu import memories, nonces, products, room, selfcheck
from edgeproof.kernels.cpu.memories import CpuMemory
from edgeproof.kernels.cpu.products import Workspace
from edgeproof.kernels.scalar import Words


class CpuCard:
    """All cores that the process may use, as one card."""

    kind = "cpu"

    def __init__(self, index: int = 0) -> None:
        self.index = index
        self.name = _cpu_name()
        self.notices: list[str] = []
        self.kernel = ""
        self._space: Workspace | None = None

    def warm(self) -> None:
        """Compile and check every kernel; raise ``EdgeproofError`` if one is wrong."""
        self.notices = list(selfcheck.warm())
        self.kernel = products.used()

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
        """Measure, and return the size that proves most within a phase."""
        return sizing.preferred_size(self, phase_seconds)

    def room(self, share: float) -> int:
        """Return the items that fit that share of the RAM that is available now."""
        return room.items(share)

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
