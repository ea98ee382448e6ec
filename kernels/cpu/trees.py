"""The Keccak tree over a product's tile digests, four hashes at a time.

The same tree as ``edgeproof.proofs.merkle``, tens of times faster; a tile digest's
leaf is its two words as 16 big-endian bytes.
"""

import numpy as np

from edgeproof.errors import EdgeproofError
from edgeproof.kernels.cpu import keccak
from edgeproof.kernels.scalar import Words


class Tree:
    """A hashed tree, kept whole so that any path can be read from it.

    It holds 64 bytes for each leaf.
    """

    def __init__(self, digests: Words) -> None:
        """Hash the tree over (tiles, 2) digests, in order; at least one.

        Raises:
            EdgeproofError: there is no digest, or they are not two words each.

        """
        if digests.ndim != 2 or digests.shape[1:] != (2,) or not digests.size:
            msg = f"tile digests of shape {digests.shape} make no tree"
            raise EdgeproofError(msg, hint="pass an array of shape (tiles, 2)")
        leaves = np.array(digests, dtype=np.uint64, order="C")  # never read-only
        self._levels = [np.empty((len(leaves), 4), dtype=np.uint64)]
        keccak.hash_leaves(leaves, self._levels[0])
        while len(below := self._levels[-1]) > 1:
            above = np.empty(((len(below) + 1) // 2, 4), dtype=np.uint64)
            keccak.hash_pairs(below, above)
            self._levels.append(above)

    @property
    def root(self) -> bytes:
        """The 32-byte root."""
        return _hash_bytes(self._levels[-1][0])

    def path(self, index: int) -> list[bytes]:
        """Return the sibling hashes from leaf ``index`` up to the root's child.

        Raises:
            IndexError: there is no such leaf.

        """
        if not 0 <= index < len(self._levels[0]):
            msg = f"leaf {index} is outside the {len(self._levels[0])} leaves"
            raise IndexError(msg)
        siblings = []
        for level in self._levels[:-1]:
            if index ^ 1 < len(level):
                siblings.append(_hash_bytes(level[index ^ 1]))
            index >>= 1
        return siblings


def _hash_bytes(node: Words) -> bytes:
    return node.astype("<u8").tobytes()
