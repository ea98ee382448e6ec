"""One NVIDIA card: which of its kernels are right, which is fastest, and its work."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import IO, TypeVar

import numpy as np

from edgeproof.errors import EdgeproofError
from edgeproof.kernels import reference, sizing
from edgeproof.kernels.card import Product
from edgeproof.kernels.cuda import keccak, products, trees
from edgeproof.kernels.cuda.compiler import SIMULATED, Kernel, cuda
from edgeproof.kernels.cuda.driver import LEAST, Device, on, reserve, translated
from edgeproof.kernels.cuda.memories import CudaMemory
from edgeproof.kernels.cuda.products import Workspace
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.seeds import seed_words
from edgeproof.kernels.shapes import (
    FEWEST_ITEMS,
    ITEM_BYTES,
    MAX_DIFFICULTY,
    MOST_ITEMS,
    SIZES,
    TILE,
    lanes,
)

SEED = bytes(range(32))
"""The seed of self-checks; any would do."""

CHECKED = TILE if SIMULATED else 4 * TILE
"""The size at which product kernels are compared with the reference."""

TIMED = SIZES[2:]
"""The sizes at which those that passed are compared, up to one that takes a while."""

A_WHILE_S = 0.005
"""What is over sooner says more about launching a kernel than about the kernel."""

SEARCH_BLOCKS = 1 << 14
"""Blocks that search at the most; each strides over more nonces than it has threads."""

PROBE_ITEMS = 1 << 10 if SIMULATED else 1 << 24
"""Items of a memory that is made to be measured: 2 GiB, beyond any card's caches."""


class CudaCard:
    """See ``Card``.  Its methods may be called from one thread at a time."""

    kind = "cuda"

    def __init__(self, device: Device, index: int = 0) -> None:
        self.index = index
        self.name = device.name
        self.checked: list[str] = []
        self.notices: list[str] = []
        self.device = device
        self._reserved: IO[str] | None = None
        self._kernel: Kernel | None = None
        self._tree_on_card = True
        self._space: Workspace | None = None
        self._walks = 0.0
        """Items that a walk covers in a second, 0 until it was measured."""

    @property
    def total_bytes(self) -> int:
        """The memory that it has in all."""
        return self.device.memory

    @property
    def kernel(self) -> str:
        """The kernel that it multiplies with, empty before ``warm`` has chosen one."""
        return "" if self._kernel is None else self._kernel.function.__name__

    def warm(self) -> None:
        """Compile and check every kernel, and choose the fastest for products.

        Raises:
            EdgeproofError: the card is too old, another process uses it, the driver
                refuses, or a kernel that nothing replaces gives other bits.

        """
        if self._kernel is not None:
            return
        if not SIMULATED and self.device.capability < LEAST:
            have, least = (
                ".".join(map(str, c)) for c in (self.device.capability, LEAST)
            )
            msg = f"{self.name} has compute capability {have}, {least} is needed"
            raise EdgeproofError(msg, hint="EDGEPROOF_CARDS=cpu proves with the CPU")
        self._reserved = self._reserved or reserve(self.device)
        with on(self.device):
            right = [kernel for kernel in self._suitable() if self._is_right(kernel)]
            if not right:
                msg = f"no kernel for products is right on {self.name}"
                raise EdgeproofError(msg, hint="; ".join(self.notices))
            self._check_others()
            self._tree_on_card = products.tree_is_faster_on_card()
            self._kernel = fastest(right, self._times)

    def product(self, seed: bytes, n: int) -> Product:
        """Compute the n by n product; keeps 2 n^2 bytes of the card for the next one.

        Raises:
            EdgeproofError: the size is not allowed, or does not fit the card.

        """
        self.warm()
        assert self._kernel is not None  # noqa: S101 - warm has chosen one
        with on(self.device):
            if self._space is None or self._space.n != n:
                self._space = None  # never hold two
                self._space = Workspace(n)
            return products.product(
                self._kernel, seed, self._space, tree_on_card=self._tree_on_card
            )

    def search(self, seed: bytes, difficulty: int, start: int, count: int) -> Words:
        """Return the nonces in [start, start + count) meeting the target, in order."""
        if not 0 <= start <= start + count <= 2**64:
            msg = "nonces are 64-bit integers"
            raise ValueError(msg)
        if not 0 <= difficulty <= MAX_DIFFICULTY:
            msg = f"a difficulty is 0 to {MAX_DIFFICULTY}, not {difficulty}"
            raise ValueError(msg)
        if not count:
            return np.empty(0, dtype=np.uint64)
        # Four times the expected number, and never so few that chance fills it.
        room = min(count, 64 + 4 * (count >> difficulty))
        with on(self.device):
            while True:
                found, hits = self._search(seed, difficulty, start, count, room)
                if hits <= room:
                    return np.sort(found[:hits])
                room = hits  # next to impossible, but never dropped

    def preferred_size(self, phase_seconds: float) -> int:
        """Measure, and return the size that proves most within a phase."""
        return sizing.preferred_size(self, phase_seconds)

    def room(self, share: float) -> int:
        """Return the items that a memory may have now, beside the largest product."""
        with on(self.device) as context:
            free = int(min(context.get_memory_info().free, 1 << 50))
        held = 0 if self._space is None else 3 * self._space.n**2
        spare = int(share * free) - max(0, 3 * SIZES[-1] ** 2 - held)
        return max(0, min(spare // ITEM_BYTES, MOST_ITEMS))

    def walk_items(self, seconds: float) -> int:
        """Measure once, and return how many items a walk covers in so many seconds."""
        if not self._walks:
            items = min(self.room(0.5), PROBE_ITEMS)
            if items < FEWEST_ITEMS:
                return 0
            probe = self.memory(SEED, 1, items)
            probe.fill(items)
            self._walks = probe.walk_speed()
        return min(MOST_ITEMS, int(self._walks * seconds))

    def memory(self, seed: bytes, permutations: int, most: int) -> CudaMemory:
        """Return an empty memory of a 32-byte seed, with room for ``most`` items."""
        return CudaMemory(self.device, seed, permutations, most)

    def _search(
        self, seed: bytes, difficulty: int, start: int, count: int, room: int
    ) -> tuple[Words, int]:
        found = cuda.device_array(room, dtype=np.uint64)
        hits = cuda.to_device(np.zeros(1, dtype=np.uint32))
        keccak.search.launch(
            min(-(-count // keccak.BLOCK), SEARCH_BLOCKS),
            cuda.default_stream(),
            cuda.to_device(seed_words(seed)),
            np.uint64((1 << (64 - difficulty)) - 1),
            np.uint64(start),
            np.uint64(count),
            found,
            hits,
        )
        return found.copy_to_host(), int(hits.copy_to_host()[0])

    def _suitable(self) -> list[Kernel]:
        capability = self.device.capability
        return [kernel for kernel in products.variants() if kernel.suits(capability)]

    def _is_right(self, kernel: Kernel) -> bool:
        """Compare a kernel for products with the reference; note it if it is wrong."""
        try:
            with translated(f"the kernel {kernel.name}"):
                space = Workspace(CHECKED)
                found = products.product(kernel, SEED, space, tree_on_card=False)
        except EdgeproofError as error:
            self.notices.append(f"{error} ({error.hint}); it is not used")
            return False
        if np.array_equal(found.digests, reference.digests(SEED, CHECKED)):
            self.checked.append(kernel.function.__name__)
            return True
        self.notices.append(
            f"the kernel {kernel.name} does not match the reference on {self.name}; "
            "it is not used"
        )
        return False

    def _check_others(self) -> None:
        leaves = np.arange(10, dtype=np.uint64)
        for width in (1, 2):
            there = cuda.to_device(leaves)
            root = trees.root(there, len(leaves) // width, width)
            want = reference.tree_root(leaves.reshape(-1, width))
            self._compare("tree", root, want)
        found, hits = self._search(SEED, 2, 0, 14, 14)
        self._compare(
            "search for nonces",
            np.sort(found[:hits]),
            reference.search(SEED, 2, 0, 14),
        )
        held = self.memory(SEED, 2, FEWEST_ITEMS + 1)
        held.fill(9)
        held.fill(FEWEST_ITEMS - 8)
        items = reference.items(SEED, 2, 0, held.items)
        self._compare("fill of memory", held.words(), items.ravel())
        ends = reference.walk(items, SEED, 0, lanes(held.items))
        self._compare("walk over memory", held.walk(SEED, held.items).ends, ends)

    def _compare(self, name: str, found: object, want: object) -> None:
        if not np.array_equal(np.asarray(found), np.asarray(want)):
            msg = f"the {name} does not match the reference on {self.name}"
            hint = "update the NVIDIA driver; if it stays, the card is faulty"
            raise EdgeproofError(msg, hint=hint)
        if name not in self.checked:
            self.checked.append(name)

    def _times(self, kernels: Sequence[Kernel], n: int) -> list[float]:
        space = Workspace(n)

        def once(kernel: Kernel) -> Product:
            return products.product(
                kernel, SEED, space, tree_on_card=self._tree_on_card
            )

        return [products.seconds(partial(once, kernel)) for kernel in kernels]


Choice = TypeVar("Choice")


def fastest(
    among: Sequence[Choice], times: Callable[[Sequence[Choice], int], list[float]]
) -> Choice:
    """Return the fastest: at the first of ``TIMED`` where it takes ``A_WHILE_S``.

    ``times(among, n)`` measures seconds.  What can only be slower there is not measured
    again: nothing that took twice as long as the fastest at the size before.
    """
    left = list(among)
    for n in TIMED:
        if len(left) == 1:
            break
        taken = times(left, n)
        best = min(taken)
        if best >= A_WHILE_S or n == TIMED[-1]:
            return left[taken.index(best)]
        left = [each for each, s in zip(left, taken, strict=True) if s < 2 * best]
    return left[0]
