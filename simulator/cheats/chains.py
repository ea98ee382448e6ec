"""Chains of products that a cheat makes when it is asked, not when it should."""

from collections.abc import Sequence

import numpy as np

from edgeproof.agent.orders import Open
from edgeproof.kernels.cpu import products
from edgeproof.kernels.cpu.products import Workspace
from edgeproof.kernels.cpu.trees import Tree
from edgeproof.kernels.scalar import Words
from edgeproof.proofs import challenge, matmul


def digests(seed: bytes, n: int, count: int) -> Sequence[Words]:
    """Return the digests of ``count`` products from a seed, of size ``n``."""
    space = Workspace(n)
    made = []
    for number in range(count):
        product = products.product(seed, space)
        made.append(product.digests)
        seed = matmul.next_seed(seed, product.root, number)
    return made


def late_leaves(seed: bytes, roots: Sequence[bytes], n: int, draw: Open) -> bytes:
    """Return the opening of roots that were committed to before any leaf was made.

    The drawn tiles are right; the others, and so every path, are invented.
    """
    seeds = matmul.chain_seeds(seed, roots)
    count = matmul.tiles(n)
    drawn = challenge.opened_tiles(draw.draw, len(roots), count, draw.count)
    made = [np.zeros((count, 2), dtype=np.uint64) for _ in roots]
    for product, tile in drawn:
        made[product][tile] = products.tile_digest(seeds[product], n, tile)
    trees = [Tree(words) for words in made]
    return matmul.encode(
        [
            matmul.Opening(
                made[product][tile].astype(">u8").tobytes(),
                tuple(trees[product].path(tile)),
            )
            for product, tile in drawn
        ]
    )
