"""A memory on the card: filled as far as time allows, then walked over."""

import time
from typing import Any

import numpy as np

from edgeproof.errors import EdgeproofError
from edgeproof.kernels.card import Walk
from edgeproof.kernels.cuda import memory, trees
from edgeproof.kernels.cuda.compiler import cuda
from edgeproof.kernels.cuda.driver import Device, on
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.seeds import seed_words, walk_key
from edgeproof.kernels.shapes import (
    FEWEST_ITEMS,
    ITEM_WORDS,
    MOST_ITEMS,
    WALK_COVER,
    WALK_READS,
    lanes,
)

FILL_BLOCKS = 1 << 14
"""Blocks that fill at the most; each strides over more items than it has threads."""

PROBE_LANES = 1 << 18
"""Lanes that are walked to measure a card's speed: enough to keep any card busy."""


class CudaMemory:
    """See ``Memory``.  All the room is taken from the card at once."""

    def __init__(
        self, device: Device, seed: bytes, permutations: int, most: int
    ) -> None:
        """Reserve room for ``most`` items of a 32-byte seed.

        Raises:
            EdgeproofError: the card does not have the room, or no memory may have so
                many items.

        """
        if not FEWEST_ITEMS <= most <= MOST_ITEMS:
            msg = f"a memory cannot have {most} items"
            raise EdgeproofError(msg, hint=f"from {FEWEST_ITEMS} to {MOST_ITEMS}")
        self._device = device
        self._permutations = np.uint32(permutations)
        self._most = most
        with on(device):
            self._seed = cuda.to_device(seed_words(seed))
            self._items = cuda.device_array(most * ITEM_WORDS, dtype=np.uint64)
        self.items = 0

    def spare(self, share: float) -> int:
        """Return how many more items fit; what was reserved stays, whatever a share."""
        del share
        return self._most - self.items

    def fill(self, count: int) -> None:
        """Make the next ``count`` items; raise ``ValueError`` beyond the room."""
        if not 0 <= count <= self._most - self.items:
            msg = f"{count} items do not fit the {self._most - self.items} places left"
            raise ValueError(msg)
        if not count:
            return
        with on(self._device):
            memory.fill.launch(
                min(-(-count // memory.FILL_BLOCK), FILL_BLOCKS),
                cuda.default_stream(),
                self._seed,
                self._permutations,
                np.uint64(self.items),
                np.uint64(count),
                self._items,
            )
            cuda.synchronize()
        self.items += count

    def walk(self, seed: bytes, items: int) -> Walk:
        """Walk over the first ``items``; raise ``ValueError`` unless they are there."""
        if not FEWEST_ITEMS <= items <= self.items:
            msg = f"no walk over {items} of {self.items} items"
            raise ValueError(msg)
        count = lanes(items)
        with on(self._device):
            ends = self._walk(items, walk_key(seed), count)
            return Walk(trees.root(ends, count, 1), ends.copy_to_host())

    def walk_items(self, seconds: float) -> int:
        """Measure, and return over how many of its items it can walk in that time."""
        return min(int(self.walk_speed() * seconds), self.items)

    def walk_speed(self) -> float:
        """Measure, and return over how many items a walk goes in a second."""
        if not self.items:
            return 0.0
        count = min(PROBE_LANES, lanes(self.items))
        with on(self._device):
            self._walk(self.items, np.uint64(0), count)
            cuda.synchronize()
            started = time.perf_counter()
            self._walk(self.items, np.uint64(0), count)
            cuda.synchronize()
            taken = max(time.perf_counter() - started, 1e-9)
        return count * WALK_READS / WALK_COVER / taken

    def words(self) -> Words:
        """Return the words of all items, to compare them with the reference's."""
        with on(self._device):
            held: Words = self._items.copy_to_host()
        return held[: self.items * ITEM_WORDS]

    def _walk(self, items: int, key: np.uint64, count: int) -> Any:
        ends = cuda.device_array(count, dtype=np.uint64)
        memory.walk.launch(
            -(-count // memory.WALK_BLOCK),
            cuda.default_stream(),
            self._items,
            np.uint64(items),
            key,
            ends,
        )
        return ends
