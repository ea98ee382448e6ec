"""A memory in the CPU's RAM: filled as far as time allows, then walked over."""

import time
from functools import partial

import numpy as np

from edgeproof.errors import EdgeproofError
from edgeproof.kernels.card import Walk
from edgeproof.kernels.cpu import memory, room
from edgeproof.kernels.cpu.compiler import threads
from edgeproof.kernels.cpu.keccak import LANES
from edgeproof.kernels.cpu.spread import spread
from edgeproof.kernels.cpu.trees import Tree
from edgeproof.kernels.failures import CardOutOfMemory
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.seeds import seed_words, walk_key
from edgeproof.kernels.shapes import (
    FEWEST_ITEMS,
    ITEM_BYTES,
    ITEM_WORDS,
    MOST_ITEMS,
    WALK_COVER,
    WALK_READS,
    lanes,
)

PROBE_LANES = 1024
"""Lanes that each thread walks to measure its speed: about ten milliseconds."""

PROBE_ITEMS = 1 << 18
"""Items of a memory that is made to be measured: 32 MiB."""


class CpuMemory:
    """See ``Memory``.  The system gives the RAM as it is filled."""

    def __init__(self, seed: bytes, permutations: int, most: int) -> None:
        """Reserve room for ``most`` items of a 32-byte seed.

        Raises:
            CardOutOfMemory: this machine does not have the room.
            EdgeproofError: no memory may have so many items.

        """
        if not FEWEST_ITEMS <= most <= MOST_ITEMS:
            msg = f"a memory cannot have {most} items"
            raise EdgeproofError(msg, hint=f"from {FEWEST_ITEMS} to {MOST_ITEMS}")
        try:
            self._items = np.empty((most, ITEM_WORDS), dtype=np.uint64)
        except (MemoryError, ValueError) as error:
            msg = f"{most * ITEM_BYTES} bytes do not fit this machine's memory"
            raise CardOutOfMemory(msg, hint="prove a smaller share of it") from error
        self._seed = seed_words(seed)
        self.permutations = permutations
        self.items = 0

    @property
    def room(self) -> int:
        """How many items fit in all."""
        return len(self._items)

    @property
    def held(self) -> Words:
        """What it holds, (items, 16): the arrays themselves, no copy."""
        return self._items[: self.items]

    def spare(self, share: float) -> int:
        """Return how many more items fit: others may have taken what was free."""
        return min(self.room - self.items, room.items(share))

    def fill(self, count: int) -> None:
        """Make the next ``count`` items; raise ``ValueError`` beyond the room."""
        left = self.room - self.items
        if not 0 <= count <= left:
            msg = f"{count} items do not fit the {left} places left"
            raise ValueError(msg)
        spread(self._fill, count, LANES)
        self.items += count

    def _fill(self, start: int, stop: int) -> None:
        out = self._items[self.items + start : self.items + stop]
        memory.fill(self._seed, self.permutations, self.items + start, out)

    def walk(self, seed: bytes, items: int) -> Walk:
        """Walk over the first ``items``; raise ``ValueError`` unless they are there."""
        if not FEWEST_ITEMS <= items <= self.items:
            msg = f"no walk over {items} of {self.items} items"
            raise ValueError(msg)
        ends = _walk(self._items, items, walk_key(seed), lanes(items))
        return Walk(Tree(ends[:, None]).root, ends)

    def walk_items(self, seconds: float) -> int:
        """Measure, and return over how many of its items it can walk in that time."""
        return min(self.items, walkable(self._items, self.items, seconds))


def probe(seconds: float) -> int:
    """Measure on a memory made for it over how many items a walk takes so long."""
    # What stands in an item decides nothing; that RAM is behind it, does.
    items = np.full((PROBE_ITEMS, ITEM_WORDS), 1, dtype=np.uint64)
    return walkable(items, PROBE_ITEMS, seconds)


def walkable(items: Words, count: int, seconds: float) -> int:
    """Measure a few lanes, and return over how many items that speed would take.

    ``MOST_ITEMS`` at most, 0 of an empty memory.
    """
    if not count:
        return 0
    probed = PROBE_LANES * threads()
    started = time.perf_counter()
    _walk(items, count, np.uint64(0), probed)
    taken = max(time.perf_counter() - started, 1e-9)
    covered = int(probed * max(seconds, 0.0) / taken) * WALK_READS // WALK_COVER
    return min(covered, MOST_ITEMS)


def lane_ends(
    fill_seed: bytes,
    permutations: int,
    walk_seed: bytes,
    items: int,
    chosen: Words,
) -> Words:
    """Return the states in which the ``chosen`` lanes of a walk end, without a memory.

    Makes each of the items that they read: 256 times ``permutations`` for each lane.
    """
    ends = np.empty(len(chosen), dtype=np.uint64)
    fill, key, count = seed_words(fill_seed), walk_key(walk_seed), np.uint64(items)
    memory.regenerate(fill, permutations, count, key, np.array(chosen), ends)
    return ends


def _walk(items: Words, count: int, key: np.uint64, number: int) -> Words:
    ends = np.empty(number, dtype=np.uint64)
    spread(
        partial(_walk_part, items, np.uint64(count), key, ends), number, memory.WALKERS
    )
    return ends


def _walk_part(  # noqa: PLR0913, PLR0917 - one call for each part of the lanes
    items: Words, count: np.uint64, key: np.uint64, ends: Words, start: int, stop: int
) -> None:
    memory.walk(items, count, key, start, ends[start:stop])
