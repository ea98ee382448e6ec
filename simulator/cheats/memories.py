"""Tricks of a memory: less is held, or less of it is read, than is claimed."""

from abc import ABC, abstractmethod

import numpy as np

from edgeproof.kernels.card import Memory, Walk
from edgeproof.kernels.cpu import memories
from edgeproof.kernels.cpu.memories import CpuMemory
from edgeproof.kernels.scalar import Words, fold, item_index, mix64, stream_state
from edgeproof.kernels.seeds import walk_key
from edgeproof.kernels.shapes import ITEM_WORDS, WALK_READS, lanes
from edgeproof.simulator.cheats.cards import Disguise, MemoryInDisguise, made_up

MOST = 1 << 12
"""Items of a memory that cheats: 512 KiB show a trick as well as more would."""

RECOMPUTED = 16
"""One lane in so many is made right after all: for more, a walk has no time."""


class _Ram(Disguise, ABC):
    """A card whose memory is in this machine's RAM, whatever the card is."""

    def room(self, share: float) -> int:
        room = self.honest.room(share)
        return min(room, MOST) if self.active() else room

    def memory(self, seed: bytes, permutations: int, most: int) -> Memory:
        if not self.active():
            return self.honest.memory(seed, permutations, most)
        return self.trick(CpuMemory(seed, permutations, most), seed)

    @abstractmethod
    def trick(self, held: CpuMemory, seed: bytes) -> Memory:
        """Return what is used in the place of an empty memory."""


class Unfilled(_Ram):
    """Skips the fill: what it walks over is whatever stands in its memory."""

    def trick(self, held: CpuMemory, seed: bytes) -> Memory:
        """Return a memory that is filled with zeros."""
        del seed
        return _Partial(held, 0)


class Half(_Ram):
    """Holds half of what it claims, and makes of the rest what it has the time for."""

    def trick(self, held: CpuMemory, seed: bytes) -> Memory:
        """Return a memory of which the second half is missing."""
        return _Recomputing(held, seed, held.room // 2)


class Nothing(_Ram):
    """Holds nothing, claims everything, and makes what it reads as it reads it."""

    def trick(self, held: CpuMemory, seed: bytes) -> Memory:
        """Return a memory of which no item is there."""
        return _Recomputing(held, seed, 0)


class GivenBack(_Ram):
    """Gives its memory back after the first walk; of the second it has nothing."""

    def trick(self, held: CpuMemory, seed: bytes) -> Memory:
        """Return a memory that forgets."""
        del seed
        return _Forgetful(held)


class ShortWalks(_Ram):
    """Reads 32 items in each lane, where 256 are to be read."""

    def trick(self, held: CpuMemory, seed: bytes) -> Memory:
        """Return a memory that is walked over in a hurry."""
        del seed
        return _Hurried(held)


class _Held(MemoryInDisguise):
    honest: CpuMemory

    def walk_items(self, seconds: float) -> int:
        return min(self.items, memories.probe(seconds))


class _Partial(_Held):
    """Claims what it was asked to hold; the first ``resident`` items are there."""

    def __init__(self, held: CpuMemory, resident: int) -> None:
        super().__init__(held)
        self.honest: CpuMemory = held
        self._resident = resident
        self._claimed = 0

    @property
    def items(self) -> int:
        return self._claimed

    def spare(self, share: float) -> int:
        del share
        return self.honest.room - self._claimed

    def fill(self, count: int) -> None:
        self._claimed += count
        self.honest.fill(min(self._claimed, self._resident) - self.honest.items)

    def walk(self, seed: bytes, items: int) -> Walk:
        """Return a walk over what there is, and zeros after it."""
        there = np.zeros((items, ITEM_WORDS), dtype=np.uint64)
        held = self.honest.held[:items]
        there[: len(held)] = held
        return made_up(walked(there, seed, lanes(items), WALK_READS))


class _Recomputing(_Partial):
    def __init__(self, held: CpuMemory, seed: bytes, resident: int) -> None:
        super().__init__(held, resident)
        self._seed = seed

    def walk(self, seed: bytes, items: int) -> Walk:
        """Return a walk whose first lanes are right, and the rest over zeros."""
        ends = super().walk(seed, items).ends.copy()
        right = np.arange(len(ends) // RECOMPUTED, dtype=np.uint64)
        ends[: len(right)] = memories.lane_ends(
            self._seed, self.honest.permutations, seed, items, right
        )
        return made_up(ends)


class _Forgetful(_Held):
    def __init__(self, held: CpuMemory) -> None:
        super().__init__(held)
        self._walked = False

    def walk(self, seed: bytes, items: int) -> Walk:
        if self._walked:
            there = np.zeros((items, ITEM_WORDS), dtype=np.uint64)
            return made_up(walked(there, seed, lanes(items), WALK_READS))
        self._walked = True
        return super().walk(seed, items)


class _Hurried(_Held):
    def __init__(self, held: CpuMemory) -> None:
        super().__init__(held)
        self.honest: CpuMemory = held

    def walk(self, seed: bytes, items: int) -> Walk:
        there = self.honest.held[:items]
        return made_up(walked(there, seed, lanes(items), WALK_READS // 8))


def walked(items: Words, seed: bytes, number: int, reads: int) -> Words:
    """Return where ``number`` lanes end that read so many of the ``items`` each."""
    places = np.arange(number, dtype=np.uint64)
    states: Words = mix64(stream_state(np.uint64(walk_key(seed)), places))
    for _ in range(reads):
        read = items[item_index(states, np.uint64(len(items))).astype(np.int64)]
        for word in range(ITEM_WORDS):
            states = fold(states, read[:, word])
    return states
