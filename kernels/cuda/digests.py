"""The end of every product kernel: accumulators become the digests of tiles."""

from typing import Any

import numpy as np

from edgeproof.kernels.cuda.compiler import cuda, device
from edgeproof.kernels.cuda.steps import cell, mix64
from edgeproof.kernels.scalar import Words


@device
def mixed(row: Any, column: Any, value: Any, key: np.uint64) -> np.uint64:
    """Return the mix of one entry of the product, as the reference has it."""
    return mix64(cell(np.uint64(row), np.uint64(column), np.uint64(value)) ^ key)


@device
def add_up(partial: Words, thread: int, together: int) -> None:
    """Add up rows of two sums in shared memory, each ``together`` of them to one.

    Row t is thread t's; the sums stand in the first row of each group afterwards.  A
    power of two goes together, and every thread of the block takes part.
    """
    step = together >> 1
    cuda.syncthreads()
    while step > 0:
        if thread & (together - 1) < step:
            partial[2 * thread] += partial[2 * (thread + step)]
            partial[2 * thread + 1] += partial[2 * (thread + step) + 1]
        cuda.syncthreads()
        step >>= 1
