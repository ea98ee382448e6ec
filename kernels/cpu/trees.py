"""The Keccak tree over a product's tiles or a walk's lanes, four hashes at a time.

The same tree as ``edgeproof.proofs.merkle``, tens of times faster; a leaf is its words
as big-endian bytes: two of a tile's digest, one of the state in which a lane ends.
"""

from functools import partial

import numpy as np

from edgeproof.errors import EdgeproofError
from edgeproof.kernels.cpu import keccak
from edgeproof.kernels.cpu.spread import spread
from edgeproof.kernels.scalar import Words

PART = 1024
"""Fewest hashes that are worth a thread of their own."""


class Tree:
    """A hashed tree, kept whole so that any path can be read from it.

    It holds 64 bytes for each leaf.
    """

    def __init__(self, leaves: Words) -> None:
        """Hash the tree over (count, 1) or (count, 2) words, in order; at least one.

        Raises:
            EdgeproofError: there is no leaf, or they have another shape.

        """
        if leaves.ndim != 2 or leaves.shape[1] not in (1, 2) or not leaves.size:
            msg = f"leaves of shape {leaves.shape} make no tree"
            raise EdgeproofError(msg, hint="pass an array of one or two words a leaf")
        data = np.array(leaves, dtype=np.uint64, order="C")  # never read-only
        self._levels = [np.empty((len(data), 4), dtype=np.uint64)]
        spread(partial(_hash_leaves, data, self._levels[0]), len(data), PART)
        while len(below := self._levels[-1]) > 1:
            above = np.empty(((len(below) + 1) // 2, 4), dtype=np.uint64)
            spread(partial(_hash_pairs, below, above), len(above), PART)
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


def _hash_leaves(leaves: Words, nodes: Words, start: int, stop: int) -> None:
    keccak.hash_leaves(leaves[start:stop], nodes[start:stop])


def _hash_pairs(below: Words, above: Words, start: int, stop: int) -> None:
    # The last part ends with the lone node, where there is one.
    keccak.hash_pairs(below[2 * start : 2 * stop], above[start:stop])


def _hash_bytes(node: Words) -> bytes:
    return node.astype("<u8").tobytes()
