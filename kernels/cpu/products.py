"""Exact matrix products on the CPU: BLAS in fp32 between two kernels.

Every entry, product and partial sum is an integer of at most 2^24, so fp32 holds all
of them exactly and BLAS may add them in any order.  Where a BLAS computes in less than
fp32, or wrongly, a kernel of our own takes its place: ``MULTIPLIERS``.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from edgeproof.errors import EdgeproofError
from edgeproof.kernels.card import Product
from edgeproof.kernels.cpu import keccak, matrices
from edgeproof.kernels.cpu.matrices import Floats
from edgeproof.kernels.cpu.spread import spread
from edgeproof.kernels.cpu.trees import Tree
from edgeproof.kernels.reference import PRODUCT_DOMAIN, Keys
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.shapes import SIZES, TILE

STRIP = 2048
"""Rows of the product that are computed, digested and forgotten at a time.

BLAS packs the whole of B anew for each strip: at n = 4096, strips of 512 rows cost 6 %
more than one call, these 1 %.
"""


def _blas(a: Floats, b: Floats, c: Floats) -> None:
    np.matmul(a, b.T, out=c)


def _integers(a: Floats, b: Floats, c: Floats) -> None:
    def part(start: int, stop: int) -> None:
        matrices.multiply(a[start:stop], b, c[start:stop])

    spread(part, len(c), TILE)


MULTIPLIERS: Mapping[str, Callable[[Floats, Floats, Floats], None]] = {
    "blas": _blas,
    "integers": _integers,
}
"""What writes A B to ``c``, given A and B transposed; the fastest one first."""

_used = ["blas"]


def used() -> str:
    """Return the name of the multiplier that products are computed with."""
    return _used[0]


def use(name: str) -> None:
    """Compute products with this one of ``MULTIPLIERS`` from now on."""
    _used[0] = name


class Workspace:
    """The arrays that one product after the other is computed in.

    About 4 n^2 bytes.  Fresh arrays for each product would cost more page faults than
    the expansion costs arithmetic.
    """

    def __init__(self, n: int) -> None:
        """Allocate for products of size ``n``.

        Raises:
            EdgeproofError: ``n`` is no multiple of 64 up to 16384, or does not fit
                this machine's memory.

        """
        if n % TILE or not TILE <= n <= SIZES[-1]:
            msg = f"a product cannot have size {n}"
            raise EdgeproofError(
                msg, hint=f"choose one of {', '.join(map(str, SIZES))}"
            )
        rows = min(n, STRIP)
        try:
            self.b = np.empty((n, n), dtype=np.float32)
            self.a = np.empty((rows, n), dtype=np.float32)
            self.c = np.empty((rows, n), dtype=np.float32)
        except MemoryError as error:
            msg = f"a product of size {n} does not fit this machine's memory"
            raise EdgeproofError(msg, hint="choose a smaller size") from error
        self.n = n


def product(seed: bytes, space: Workspace) -> Product:
    """Compute the product of a 32-byte seed, at the workspace's size."""
    n, keys = space.n, product_keys(seed)
    digests = np.empty(((n // TILE) ** 2, 2), dtype=np.uint64)
    spread(partial(_expand, keys.b, space.b, 0), n, TILE)
    for first in range(0, n, STRIP):
        rows = min(STRIP, n - first)
        a, c = space.a[:rows], space.c[:rows]
        spread(partial(_expand, keys.a, a, first), rows, TILE)
        MULTIPLIERS[used()](a, space.b, c)
        spread(partial(_digest, keys.mix, c, first, digests), rows, TILE)
    return Product(Tree(digests).root, digests)


def tile_digest(seed: bytes, n: int, tile: int) -> tuple[int, int]:
    """Return the digest of one tile of the product of ``seed`` at size ``n``.

    Tile t covers rows 64 (t // (n / 64)) and columns 64 (t % (n / 64)) and on.  It
    costs 64^2 n multiplications and 512 n bytes.
    """
    keys = product_keys(seed)
    row, column = (TILE * place for place in divmod(tile, n // TILE))
    a = np.empty((TILE, n), dtype=np.float32)
    b = np.empty((TILE, n), dtype=np.float32)
    matrices.expand(keys.a, n, row, a)
    matrices.expand(keys.b, n, column, b)
    c = np.empty((TILE, TILE), dtype=np.float32)
    MULTIPLIERS[used()](a, b, c)
    sums = np.empty((1, 2), dtype=np.uint64)
    matrices.digest(keys.mix, c, row, column, sums)
    return int(sums[0, 0]), int(sums[0, 1])


def product_keys(seed: bytes) -> Keys:
    """Return ``reference.product_keys(seed)``, faster; the seed is 32 bytes."""
    if len(seed) != 32:
        msg = f"a product's seed has 32 bytes, not {len(seed)}"
        raise ValueError(msg)
    block = bytearray(seed + PRODUCT_DOMAIN).ljust(136, b"\0")
    block[len(seed + PRODUCT_DOMAIN)] = 0x01
    block[-1] = 0x80
    states = np.zeros(keccak.STATES, dtype=np.uint64)
    states[: 17 * keccak.LANES : keccak.LANES] = np.frombuffer(block, dtype="<u8")
    keccak.permute(states)
    digest = states[: 4 * keccak.LANES : keccak.LANES].byteswap()
    return Keys(digest[0], digest[1], digest[2])


def _expand(key: np.uint64, out: Floats, first: int, start: int, stop: int) -> None:
    matrices.expand(key, out.shape[1], first + start, out[start:stop])


def _digest(  # noqa: PLR0913, PLR0917 - one call for each part of a strip
    key: np.uint64, c: Floats, first: int, digests: Words, start: int, stop: int
) -> None:
    across = c.shape[1] // TILE
    tiles = slice((first + start) // TILE * across, (first + stop) // TILE * across)
    matrices.digest(key, c[start:stop], first + start, 0, digests[tiles])
