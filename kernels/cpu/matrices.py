"""What surrounds BLAS: the entries of matrices, and the digests of products.

Each kernel runs on one thread without the GIL and allocates nothing; whoever calls it
brings the arrays and shares out the rows.
"""

import numpy as np
from numpy.typing import NDArray

from edgeproof.kernels import scalar
from edgeproof.kernels.cpu.compiler import compiled, inlined
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.shapes import TILE

Floats = NDArray[np.float32]
"""Integers that fp32 holds exactly: matrix entries and their sums up to 2^24."""

PAIRS = TILE // 2

cell = inlined(scalar.cell)
entry = inlined(scalar.entry)
mix64 = inlined(scalar.mix64)
stream_state = inlined(scalar.stream_state)


@compiled
def expand(key: np.uint64, n: int, first: int, out: Floats) -> None:
    """Write rows ``first`` and on of the n by n matrix of ``key`` to (rows, n)."""
    for row in range(out.shape[0]):
        outputs = np.uint64(first + row) * np.uint64(n // 8)
        for number in range(n // 8):
            word = mix64(stream_state(key, outputs + np.uint64(number)))
            for place in range(8):
                value = np.int32(entry(word, np.uint64(place))) - np.int32(32)
                out[row, 8 * number + place] = np.float32(value)


@compiled
def multiply(a: Floats, b: Floats, c: Floats) -> None:
    """Write A B to (rows, columns) ``c``; ``b`` is B transposed.

    In 32-bit integers, so exact by construction.  For machines whose BLAS is not.
    """
    for row in range(c.shape[0]):
        for column in range(c.shape[1]):
            total = np.int32(0)
            for place in range(a.shape[1]):
                left = np.int32(a[row, place])
                total += np.int32(left * np.int32(b[column, place]))
            c[row, column] = np.float32(total)


@compiled
def digest(key: np.uint64, values: Floats, row: int, column: int, sums: Words) -> None:
    """Write the digests of the tiles of (64 a, 64 b) ``values``, to (a * b, 2).

    ``row`` and ``column`` are where ``values`` stands in the whole product.
    """
    across = values.shape[1] // TILE
    sums[:] = np.uint64(0)
    for line in range(values.shape[0]):
        i = np.uint64(row + line)
        for block in range(across):
            even = np.uint64(0)
            odd = np.uint64(0)
            for pair in range(PAIRS):
                at = block * TILE + 2 * pair
                j = np.uint64(column + at)
                left = np.uint64(np.uint32(np.int32(values[line, at])))
                right = np.uint64(np.uint32(np.int32(values[line, at + 1])))
                even += mix64(cell(i, j, left) ^ key)
                odd += mix64(cell(i, j + np.uint64(1), right) ^ key)
            tile = line // TILE * across + block
            sums[tile, 0] += even
            sums[tile, 1] += odd
