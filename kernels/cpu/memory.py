"""A memory's items on the CPU: they are filled, walked over, and regenerated.

Each kernel runs on one thread without the GIL, and allocates no more than a few
hundred bytes; whoever calls it brings the arrays and shares out the work.  A seed is
(4,) little-endian words of its bytes, a walk's key the first 8 of them, big-endian.
"""

import numpy as np

from edgeproof.kernels import scalar
from edgeproof.kernels.cpu.compiler import compiled, inlined, prefetch
from edgeproof.kernels.cpu.keccak import LANES, STATES, permute
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.shapes import ITEM_BYTES, ITEM_WORDS, WALK_READS

WALKERS = 16
"""Lanes that one thread walks at a time, each waiting for a read of its own.

Two cache lines each: about as many reads as a core can have under way.  Measured: the
fastest; with 32, most of what is asked for ahead is dropped, at half the speed.
"""

LINE_BYTES = 64
"""Bytes of a cache line: an item is two of them."""

fold = inlined(scalar.fold)
item_index = inlined(scalar.item_index)
mix64 = inlined(scalar.mix64)
stream_state = inlined(scalar.stream_state)


@compiled
def fill(seed: Words, permutations: int, first: int, out: Words) -> None:
    """Write items ``first`` and on to (count, 16) ``out``, four at a time."""
    states = np.zeros(STATES, dtype=np.uint64)
    for base in range(0, out.shape[0], LANES):
        states[:] = np.uint64(0)
        for lane in range(LANES):
            for word in range(4):
                states[word * LANES + lane] = seed[word]
            states[4 * LANES + lane] = np.uint64(first + base + lane)
        for _ in range(permutations):
            permute(states)
        for lane in range(min(LANES, out.shape[0] - base)):
            for word in range(ITEM_WORDS):
                out[base + lane, word] = states[word * LANES + lane]


@compiled
def walk(
    memory: Words, count: np.uint64, key: np.uint64, first: int, ends: Words
) -> None:
    """Write the states in which lanes ``first`` and on end, as many as ``ends`` has.

    They read the first ``count`` items of ``memory``, each lane at its own places.
    """
    states = np.zeros(WALKERS, dtype=np.uint64)
    places = np.zeros(WALKERS, dtype=np.int64)
    start = memory.ctypes.data
    for base in range(0, ends.size, WALKERS):
        here = min(WALKERS, ends.size - base)
        for lane in range(here):
            states[lane] = mix64(stream_state(key, np.uint64(first + base + lane)))
            places[lane] = np.int64(item_index(states[lane], count))
        for _ in range(WALK_READS):
            for lane in range(here):
                state = states[lane]
                place = places[lane]
                for word in range(ITEM_WORDS):
                    state = fold(state, memory[place, word])
                states[lane] = state
                place = np.int64(item_index(state, count))
                places[lane] = place
                prefetch(start + place * ITEM_BYTES)
                prefetch(start + place * ITEM_BYTES + LINE_BYTES)
        for lane in range(here):
            ends[base + lane] = states[lane]


@compiled
def regenerate(  # noqa: PLR0913, PLR0917 - a walk, and the fill that it needs again
    seed: Words,
    permutations: int,
    count: np.uint64,
    key: np.uint64,
    lanes: Words,
    ends: Words,
) -> None:
    """Write the states in which ``lanes`` end, making every item that they read.

    Needs no memory; costs ``permutations`` for each read, many lanes at a time.
    """
    states = np.zeros(STATES, dtype=np.uint64)
    walkers = np.zeros(LANES, dtype=np.uint64)
    for base in range(0, lanes.size, LANES):
        here = min(LANES, lanes.size - base)
        for lane in range(here):
            walkers[lane] = mix64(stream_state(key, lanes[base + lane]))
        for _ in range(WALK_READS):
            states[:] = np.uint64(0)
            for lane in range(LANES):
                for word in range(4):
                    states[word * LANES + lane] = seed[word]
                states[4 * LANES + lane] = item_index(walkers[lane], count)
            for _ in range(permutations):
                permute(states)
            for lane in range(LANES):
                state = walkers[lane]
                for word in range(ITEM_WORDS):
                    state = fold(state, states[word * LANES + lane])
                walkers[lane] = state
        for lane in range(here):
            ends[base + lane] = walkers[lane]
