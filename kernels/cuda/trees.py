"""Trees of hashes on the card: as ``cpu.trees``, but the root is all that remains."""

from typing import Any

import numpy as np

from edgeproof.kernels.cuda import keccak
from edgeproof.kernels.cuda.compiler import cuda


def root(leaves: Any, count: int, width: int) -> bytes:
    """Return the 32-byte root over ``count`` leaves of ``width`` words on this card.

    RFC 6962's shape with Keccak-256; an array of (count * width,) words, one leaf at
    least.
    """
    stream = cuda.default_stream()
    nodes = cuda.device_array(4 * count, dtype=np.uint64)
    keccak.hash_leaves.launch(
        -(-count // keccak.BLOCK),
        stream,
        leaves,
        np.uint32(width),
        nodes,
        np.uint64(count),
    )
    while count > 1:
        parents = -(-count // keccak.SUBTREE)
        above = cuda.device_array(4 * parents, dtype=np.uint64)
        keccak.reduce_nodes.launch(parents, stream, nodes, np.uint64(count), above)
        nodes, count = above, parents
    return bytes(nodes.copy_to_host().astype("<u8").tobytes())
