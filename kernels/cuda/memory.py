"""The memory proof on CUDA: a fill of independent items, and walks through them."""

import numpy as np

from edgeproof.kernels.cuda.compiler import (
    cuda,
    device,
    half,
    kernel,
    types,
    word,
    words,
)
from edgeproof.kernels.cuda.steps import (
    ROUND_CONSTANTS,
    fold,
    item_index,
    keccak_round,
    mix64,
    stream_state,
)
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.shapes import ITEM_WORDS, WALK_READS

FILL_BLOCK = 128

WALK_BLOCK = 32
"""One warp, so that its barrier holds nobody else up."""

ROW = ITEM_WORDS + 1
"""Words from one lane's item to the next in shared memory: odd, so that threads which
read the same word of different items meet no bank conflict."""

ROWS = WALK_BLOCK * ROW


@kernel(words, half, word, word, words, block=FILL_BLOCK)
def fill(
    seed: Words,
    permutations: np.uint32,
    first: np.uint64,
    count: np.uint64,
    items: Words,
) -> None:
    """Write items ``first`` to ``first + count`` to their places in ``items``.

    ``seed`` is (4,) little-endian words, ``items`` (N * 16,).
    """
    constants = cuda.const.array_like(ROUND_CONSTANTS)
    state = cuda.local.array(25, types.uint64)
    step = np.uint64(cuda.gridsize(1))
    at = np.uint64(cuda.grid(1))
    while at < count:
        item = first + at
        for place in range(25):
            state[place] = np.uint64(0)
        for place in range(4):
            state[place] = seed[place]
        state[4] = item
        for _ in range(permutations):
            for number in range(np.uint32(24)):
                keccak_round(state, 0, 1, constants[number])
        for place in range(ITEM_WORDS):
            items[item * np.uint64(ITEM_WORDS) + np.uint64(place)] = state[place]
        at += step


@device
def fetch(items: Words, indices: Words, read: Words, owner: int, column: int) -> None:
    """Read a word of eight lanes' items, every second one from ``owner`` on.

    By hand, so that all eight reads are under way before the first is waited for.
    """
    word0 = items[indices[owner + 0] + np.uint64(column)]
    word1 = items[indices[owner + 2] + np.uint64(column)]
    word2 = items[indices[owner + 4] + np.uint64(column)]
    word3 = items[indices[owner + 6] + np.uint64(column)]
    word4 = items[indices[owner + 8] + np.uint64(column)]
    word5 = items[indices[owner + 10] + np.uint64(column)]
    word6 = items[indices[owner + 12] + np.uint64(column)]
    word7 = items[indices[owner + 14] + np.uint64(column)]
    at = owner * ROW + column
    read[at + 0 * ROW] = word0
    read[at + 2 * ROW] = word1
    read[at + 4 * ROW] = word2
    read[at + 6 * ROW] = word3
    read[at + 8 * ROW] = word4
    read[at + 10 * ROW] = word5
    read[at + 12 * ROW] = word6
    read[at + 14 * ROW] = word7


@kernel(words, word, word, words, block=WALK_BLOCK)
def walk(items: Words, count: np.uint64, key: np.uint64, ends: Words) -> None:
    """Write the state in which each lane of a walk over ``count`` items ends.

    A lane a thread, but each item is read by 16 threads at once, a word each: one
    transaction of 128 bytes.  Through shared memory each thread then gets its own.
    """
    indices = cuda.shared.array(WALK_BLOCK, types.uint64)
    read = cuda.shared.array(ROWS, types.uint64)
    thread = cuda.threadIdx.x
    lane = np.uint64(cuda.grid(1))
    column = thread & 15
    row = thread >> 4
    state = mix64(stream_state(key, lane))
    for _ in range(WALK_READS):
        indices[thread] = item_index(state, count) * np.uint64(ITEM_WORDS)
        cuda.syncthreads()
        fetch(items, indices, read, row, column)
        fetch(items, indices, read, row + WALK_BLOCK // 2, column)
        cuda.syncthreads()
        for place in range(ITEM_WORDS):
            state = fold(state, read[thread * ROW + place])
    if lane < np.uint64(ends.size):
        ends[lane] = state
