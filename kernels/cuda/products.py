"""Exact matrix products on the card: expansion, product with digests, and the tree."""

import time
from typing import Any

import numpy as np

from edgeproof.errors import EdgeproofError
from edgeproof.kernels.card import Product
from edgeproof.kernels.cpu.products import product_keys
from edgeproof.kernels.cpu.trees import Tree
from edgeproof.kernels.cuda import dot_products, expansion, trees
from edgeproof.kernels.cuda.compiler import SIMULATED, Kernel, cuda, halves
from edgeproof.kernels.shapes import SIZES, TILE

EXPAND_BLOCKS = 1 << 14
"""Blocks that expand at the most; each strides over more words than it has threads."""


TREE_TILES = 4 if SIMULATED else (SIZES[3] // TILE) ** 2
"""Leaves of the tree that is timed: those of a middling product."""


def variants() -> list[Kernel]:
    """Return every kernel for products, best first."""
    plain = [dot_products.product_plain]
    if SIMULATED:  # it has no inline PTX
        return plain
    from edgeproof.kernels.cuda import tensor_products  # noqa: PLC0415 - see above

    return [
        tensor_products.product_ampere,
        tensor_products.product_turing,
        dot_products.product_dp4a,
        *plain,
    ]


def side(kernel: Kernel) -> int:
    """Return how many rows and columns of a product one block computes."""
    return TILE if kernel.arguments[0] == halves else 2 * TILE


class Workspace:
    """The buffers that one product after the other is computed in: 2 n^2 bytes."""

    def __init__(self, n: int) -> None:
        """Allocate on the current card for products of size ``n``.

        Raises:
            EdgeproofError: ``n`` is no multiple of 64 up to 16384.

        """
        if n % TILE or not TILE <= n <= SIZES[-1]:
            msg = f"a product cannot have size {n}"
            raise EdgeproofError(
                msg, hint=f"choose one of {', '.join(map(str, SIZES))}"
            )
        self.n = n
        self.a = cuda.device_array(n * n // 8, dtype=np.uint64)
        self.b = cuda.device_array(n * n // 8, dtype=np.uint64)
        self.digests = cuda.device_array(2 * (n // TILE) ** 2, dtype=np.uint64)


def product(
    kernel: Kernel, seed: bytes, space: Workspace, *, tree_on_card: bool
) -> Product:
    """Compute the product of a 32-byte seed with ``kernel`` on the current card."""
    n, keys, stream = space.n, product_keys(seed), cuda.default_stream()
    blocks = min(-(-space.a.size // expansion.BLOCK), EXPAND_BLOCKS)
    expansion.expand.launch(blocks, stream, keys.a, space.a)
    expansion.expand.launch(blocks, stream, keys.b, space.b)
    a, b = space.a, space.b
    if kernel.arguments[0] == halves:
        a, b = a.view(np.uint32), b.view(np.uint32)
    blocks = (n // side(kernel)) ** 2
    kernel.launch(blocks, stream, a, b, np.uint32(n), keys.mix, space.digests)
    # Started before the copy, which waits for everything.
    root = trees.root(space.digests, (n // TILE) ** 2, 2) if tree_on_card else None
    digests = space.digests.copy_to_host().reshape(-1, 2)
    return Product(Tree(digests).root if root is None else root, digests)


def tree_is_faster_on_card() -> bool:
    """Measure on the current card."""
    tiles = TREE_TILES
    leaves = np.arange(2 * tiles, dtype=np.uint64)
    there = cuda.to_device(leaves)
    card = seconds(lambda: trees.root(there, tiles, 2))
    return card <= seconds(lambda: Tree(leaves.reshape(-1, 2)))


def seconds(task: Any) -> float:
    """Return the shortest of three runs."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        task()
        times.append(time.perf_counter() - started)
    return min(times)
