"""Products on tensor cores: int8 matrix instructions, with the digest fused in.

A block of four warps computes 128 x 128 entries of the product, each warp one tile of
64 x 64 that never leaves its registers: it is mixed, summed up and forgotten.  Blocks
of 64 columns of both matrices pass through shared memory, one being copied while the
other is multiplied.

For cards of compute capability 8.0 and later there are instructions of 16 x 8 x 32
entries and copies that pass by the registers; 7.5 has 8 x 8 x 16, four of which do the
same with the same fragments, and copies through registers.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeproof.kernels.cuda import instructions
from edgeproof.kernels.cuda.compiler import (
    cuda,
    device,
    half,
    kernel,
    types,
    word,
    words,
)
from edgeproof.kernels.cuda.digests import add_up, mixed
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.shapes import TILE

BLOCK = 128

SIDE = 2 * TILE
"""Rows and columns of the product that one block computes."""

DEPTH = 64
"""Bytes of a row that are in shared memory at a time."""

ROW = DEPTH + 16
"""Bytes from row to row in shared memory.  80: eight rows of 16 bytes lie in different
banks, so that a fragment is loaded without conflicts."""

STAGE = SIDE * ROW
"""Bytes of one matrix in shared memory."""

STAGES = 4 * STAGE // 4
"""32-bit words of both stages of both matrices."""

PARKED = 64 * 32
"""Words of half of a warp's accumulators, which take the stages' place in the end."""

ACCUMULATORS = TILE * TILE // 32
"""Entries of a warp's tile that each lane holds."""

SUMS = 2 * BLOCK


@device
def copy_async(to: np.uint32, source: np.uint64) -> None:
    """Copy 16 bytes; they are there after ``settle_async``."""
    instructions.copy_16_bytes(to, source)


@device
def settle_async() -> None:
    """Wait for this thread's copies."""
    instructions.wait_for_copies()


@device
def copy_through(to: np.uint32, source: np.uint64) -> None:
    """Copy 16 bytes through registers."""
    instructions.store_16_bytes(to, instructions.load_16_bytes(source))


@device
def settle_through() -> None:
    """Do nothing: the copies are there."""


@device
def mix_parked(
    shared: NDArray[np.int32],
    mine: int,
    line: np.uint64,
    column: np.uint64,
    key: np.uint64,
) -> tuple[np.uint64, np.uint64]:
    """Return the sums of the mixes of half a tile, as ``park`` wrote it.

    ``line`` and ``column`` are where this lane's first entry stands in the product.
    """
    even = np.uint64(0)
    odd = np.uint64(0)
    for at in range(0, 64, 2):
        there = line + np.uint64((at >> 5 << 4) + (at >> 1 & 1) * 8)
        beside = column + np.uint64((at & 31) >> 2 << 3)
        even += mixed(there, beside, shared[mine + 32 * at], key)
        odd += mixed(there, beside + np.uint64(1), shared[mine + 32 * at + 32], key)
    return even, odd


@device
def stage(copy: Callable[..., None], to: Any, source: Any, quarter: np.uint64) -> None:
    """Copy this thread's part of four rows, ``quarter`` bytes apart."""
    copy(to, source)
    copy(to + np.uint32(32 * ROW), source + quarter)
    copy(to + np.uint32(64 * ROW), source + (quarter << np.uint64(1)))
    copy(to + np.uint32(96 * ROW), source + np.uint64(3) * quarter)


@device
def multiply(
    a: Words,
    b: Words,
    size: np.uint32,
    key: np.uint64,
    digests: Words,
    copy: Callable[..., None],
    settle: Callable[[], None],
    multiply_tile: Callable[..., None],
) -> None:
    """Write the (tiles * 2,) digests of A B, both (n * n / 8,) words of bytes.

    ``b`` is B transposed.  A block for each 128 x 128 entries; n a multiple of 128.
    """
    shared = cuda.shared.array(STAGES, types.int32, alignment=16)
    partial = cuda.shared.array(SUMS, types.uint64)
    sums = cuda.local.array(ACCUMULATORS, types.int32)
    n = np.uint64(size)
    across = np.uint32(size) // np.uint32(SIDE)
    row = np.uint64(np.uint32(cuda.blockIdx.x) // across * np.uint32(SIDE))
    column = np.uint64(np.uint32(cuda.blockIdx.x) % across * np.uint32(SIDE))
    thread = np.uint32(cuda.threadIdx.x)
    lane = thread & np.uint32(31)
    down = (thread >> np.uint32(6)) * np.uint32(TILE)
    right = ((thread >> np.uint32(5)) & np.uint32(1)) * np.uint32(TILE)

    # Four threads copy a row of 64 bytes.
    quarter = n << np.uint64(5)
    line = np.uint64(thread >> np.uint32(2))
    part = np.uint64((thread & np.uint32(3)) << np.uint32(4))
    source_a = instructions.global_address(a) + (row + line) * n + part
    source_b = instructions.global_address(b) + (column + line) * n + part
    start_a = instructions.shared_address(shared)
    start_b = start_a + np.uint32(2 * STAGE)
    to = np.uint32(line) * np.uint32(ROW) + np.uint32(part)
    to_a = start_a + to
    to_b = start_b + to

    # Where this lane's rows of the four matrices of a load begin.
    from_a = start_a + (down + (lane & np.uint32(15))) * np.uint32(ROW)
    from_a += (lane >> np.uint32(4)) << np.uint32(4)
    line_b = right + ((lane >> np.uint32(4)) << np.uint32(3))
    from_b = start_b + (line_b + (lane & np.uint32(7))) * np.uint32(ROW)
    from_b += ((lane >> np.uint32(3)) & np.uint32(1)) << np.uint32(4)

    for clear in range(ACCUMULATORS):
        sums[clear] = types.int32(0)
    stage(copy, to_a, source_a, quarter)
    stage(copy, to_b, source_b, quarter)
    now = np.uint32(0)
    depth = np.uint32(0)
    while depth < size:
        settle()
        # This stage has arrived for all, and nobody still reads the other one.
        cuda.syncthreads()
        depth += np.uint32(DEPTH)
        other = np.uint32(STAGE) - now
        source_a += np.uint64(DEPTH)
        source_b += np.uint64(DEPTH)
        if depth < size:
            stage(copy, to_a + other, source_a, quarter)
            stage(copy, to_b + other, source_b, quarter)
        for half_stage in range(2):
            at = now + np.uint32(32 * half_stage)
            at_a = from_a + at
            at_b = from_b + at
            fragments_b = (
                instructions.load_fragments(at_b),
                instructions.load_fragments(at_b + np.uint32(16 * ROW)),
                instructions.load_fragments(at_b + np.uint32(32 * ROW)),
                instructions.load_fragments(at_b + np.uint32(48 * ROW)),
            )
            fragments_a = (
                instructions.load_fragments(at_a),
                instructions.load_fragments(at_a + np.uint32(16 * ROW)),
                instructions.load_fragments(at_a + np.uint32(32 * ROW)),
                instructions.load_fragments(at_a + np.uint32(48 * ROW)),
            )
            multiply_tile(sums, fragments_a, fragments_b)
        now = other

    # Mixed in a loop over each lane's own values in shared memory, where they can
    # be counted through; unrolled it would be thousands of instructions.
    line = row + np.uint64(down + (lane >> np.uint32(2)))
    place = column + np.uint64(right + ((lane & np.uint32(3)) << np.uint32(1)))
    mine = (cuda.threadIdx.x >> 5) * PARKED + (cuda.threadIdx.x & 31)
    address = instructions.shared_address(shared) + np.uint32(4 * mine)
    cuda.syncthreads()  # nobody still reads the last stage
    instructions.park(sums, 0, address)
    even, odd = mix_parked(shared, mine, line, place, key)
    partial[2 * cuda.threadIdx.x] = even
    partial[2 * cuda.threadIdx.x + 1] = odd
    instructions.park(sums, 1, address)
    even, odd = mix_parked(shared, mine, line + np.uint64(32), place, key)
    partial[2 * cuda.threadIdx.x] += even
    partial[2 * cuda.threadIdx.x + 1] += odd
    add_up(partial, cuda.threadIdx.x, 32)
    if lane < np.uint32(2):
        tile = (row + np.uint64(down)) // np.uint64(TILE) * (n // np.uint64(TILE))
        tile += (column + np.uint64(right)) // np.uint64(TILE)
        digests[np.uint64(2) * tile + np.uint64(lane)] = partial[
            64 * (cuda.threadIdx.x >> 5) + np.int64(lane)
        ]


@kernel(words, words, half, word, words, block=BLOCK, least=(8, 0))
def product_ampere(
    a: Words, b: Words, size: np.uint32, key: np.uint64, digests: Words
) -> None:
    """See ``multiply``; for compute capability 8.0 and later."""
    tile = instructions.multiply_tile_ampere
    multiply(a, b, size, key, digests, copy_async, settle_async, tile)


@kernel(words, words, half, word, words, block=BLOCK, least=(7, 5), below=(8, 0))
def product_turing(
    a: Words, b: Words, size: np.uint32, key: np.uint64, digests: Words
) -> None:
    """See ``multiply``; for 7.5: later cards have its instructions in name only."""
    tile = instructions.multiply_tile_turing
    multiply(a, b, size, key, digests, copy_through, settle_through, tile)
