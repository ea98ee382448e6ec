"""Products on the ordinary cores: four multiplications of bytes at a time, or one.

A block of 256 threads computes one tile of the product, 4 x 4 entries a thread, with
the digest fused in.  Blocks of 32 columns of both matrices pass through shared memory.
"""

from collections.abc import Callable

import numpy as np

from edgeproof.kernels.cuda.compiler import (
    SIMULATED,
    Halves,
    cuda,
    device,
    half,
    halves,
    kernel,
    types,
    word,
    words,
)
from edgeproof.kernels.cuda.digests import add_up, mixed
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.shapes import TILE

BLOCK = 256

SIDE = 4
"""Rows and columns of the product that one thread computes."""

ENTRIES = SIDE * SIDE

DEPTH = 8
"""32-bit words, of four entries each, of a row that are in shared memory at a time."""

ROW = TILE + 4
"""Words from one word of all rows to the next, so that a warp's stores, of 8 words of 4
rows, meet no bank conflict."""

STAGE = DEPTH * ROW
"""Words of one matrix in shared memory."""

SUMS = 2 * BLOCK


@device
def dot_plain(a: np.uint32, b: np.uint32, total: np.int32) -> np.int32:
    """Return ``total`` plus the product of each of four signed bytes."""
    for byte in range(4):
        shift = np.uint32(8 * byte)
        left = np.int64((a >> shift) & np.uint32(255)) ^ 128
        right = np.int64((b >> shift) & np.uint32(255)) ^ 128
        total += np.int32((left - 128) * (right - 128))
    return total


@device
def stage(
    matrix: Halves,
    row: np.uint64,
    words_a_row: np.uint64,
    depth: np.uint64,
    shared: Halves,
) -> None:
    """Copy 8 words of 64 rows, eight threads to a row."""
    thread = cuda.threadIdx.x
    part = thread & 7
    for lower in range(2):
        line = (thread >> 3) + 32 * lower
        start = (row + np.uint64(line)) * words_a_row + depth + np.uint64(part)
        shared[part * ROW + line] = matrix[start]


@device
def multiply(
    a: Halves,
    b: Halves,
    size: np.uint32,
    key: np.uint64,
    digests: Words,
    dot: Callable[..., np.int32],
) -> None:
    """Write the (tiles * 2,) digests of A B, both (n * n / 4,) words of bytes.

    ``b`` is B transposed.  A block for each tile; n a multiple of 64.
    """
    shared_a = cuda.shared.array(STAGE, types.uint32)
    shared_b = cuda.shared.array(STAGE, types.uint32)
    partial = cuda.shared.array(SUMS, types.uint64)
    sums = cuda.local.array(ENTRIES, types.int32)
    left = cuda.local.array(SIDE, types.uint32)
    right = cuda.local.array(SIDE, types.uint32)
    n = np.uint64(size)
    words_a_row = n // np.uint64(4)
    across = n // np.uint64(TILE)
    tile = np.uint64(cuda.blockIdx.x)
    row = tile // across * np.uint64(TILE)
    column = tile % across * np.uint64(TILE)
    thread = cuda.threadIdx.x
    # Unsigned: where an index may be negative, Numba adds a check to every access.
    down = np.uint64(thread >> 4)
    over = np.uint64(thread & 15)
    for clear in range(ENTRIES):
        sums[clear] = types.int32(0)
    depth = np.uint64(0)
    while depth < words_a_row:
        stage(a, row, words_a_row, depth, shared_a)
        stage(b, column, words_a_row, depth, shared_b)
        cuda.syncthreads()
        for part in range(DEPTH):
            for i in range(SIDE):
                place = np.uint64(part * ROW + 16 * i)
                left[i] = shared_a[place + down]
                right[i] = shared_b[place + over]
            for i in range(SIDE):
                for j in range(SIDE):
                    at = SIDE * i + j
                    sums[at] = dot(left[i], right[j], sums[at])
        cuda.syncthreads()  # all have read before the next stage is written
        depth += np.uint64(DEPTH)

    total = np.uint64(0)
    for i in range(SIDE):
        line = row + down + np.uint64(16 * i)
        for j in range(SIDE):
            beside = column + over + np.uint64(16 * j)
            total += mixed(line, beside, sums[SIDE * i + j], key)
    # A thread's columns are all even or all odd.
    partial[2 * thread] = np.uint64(0)
    partial[2 * thread + 1] = np.uint64(0)
    partial[2 * thread + (thread & 1)] = total
    add_up(partial, thread, BLOCK)
    if thread < 2:
        digests[np.uint64(2) * tile + np.uint64(thread)] = partial[thread]


@kernel(halves, halves, half, word, words, block=BLOCK)
def product_plain(
    a: Halves, b: Halves, size: np.uint32, key: np.uint64, digests: Words
) -> None:
    """See ``multiply``; one multiplication of integers at a time runs everywhere."""
    multiply(a, b, size, key, digests, dot_plain)


if not SIMULATED:
    from edgeproof.kernels.cuda import instructions

    @kernel(halves, halves, half, word, words, block=BLOCK, least=(6, 1))
    def product_dp4a(
        a: Halves, b: Halves, size: np.uint32, key: np.uint64, digests: Words
    ) -> None:
        """See ``multiply``; four multiplications in one instruction, dp4a."""
        multiply(a, b, size, key, digests, instructions.dot4)
