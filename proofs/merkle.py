"""Merkle trees in the shape of RFC 6962, section 2.1, hashed with Keccak-256.

One tree serves the tile digests of a product and the intake roots; the payout tree,
which OpenZeppelin's contracts check, is another one.  A tree of n leaves splits at
the largest power of two below n, so a lone node at the end of a level moves up
unchanged.
"""

from collections.abc import Sequence

from edgeproof.proofs.keccak import keccak

LEAF = b"\x00"
"""Prefix of a hashed leaf, which keeps it from ever being read as an inner node."""

NODE = b"\x01"
"""Prefix of a hashed pair."""

HASH_BYTES = 32
"""Size of every hash in a tree: Keccak-256's."""

EMPTY_ROOT = keccak(b"")
"""The root of no leaves at all."""


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the 32-byte root of ``leaves``, in order; of none, ``EMPTY_ROOT``."""
    if not leaves:
        return EMPTY_ROOT
    level = [keccak(LEAF, leaf) for leaf in leaves]
    while len(level) > 1:
        level = _parents(level)
    return level[0]


def path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the sibling hashes from leaf ``index`` up to the root's child.

    Raises:
        IndexError: ``index`` is outside ``[0, len(leaves))``.

    """
    return paths(leaves, [index])[0]


def paths(leaves: Sequence[bytes], indices: Sequence[int]) -> list[list[bytes]]:
    """Return the path of each index, hashing the tree only once.

    Raises:
        IndexError: an index is outside ``[0, len(leaves))``.

    """
    if any(not 0 <= index < len(leaves) for index in indices):
        msg = f"an index is outside the {len(leaves)} leaves"
        raise IndexError(msg)
    found: list[list[bytes]] = [[] for _ in indices]
    positions = list(indices)
    level = [keccak(LEAF, leaf) for leaf in leaves]
    while len(level) > 1:
        for siblings, position in zip(found, positions, strict=True):
            if position ^ 1 < len(level):
                siblings.append(level[position ^ 1])
        positions = [position >> 1 for position in positions]
        level = _parents(level)
    return found


def check_path(
    leaf: bytes,
    index: int,
    size: int,
    siblings: Sequence[bytes],
    want: bytes,
) -> bool:
    """Tell whether ``leaf`` is number ``index`` of ``size`` leaves under ``want``.

    False, never an exception, for an index out of range and for a path that is too
    short, too long, or holds something that is not a hash.
    """
    if not 0 <= index < size or len(siblings) != path_length(index, size):
        return False
    node, remaining, last = keccak(LEAF, leaf), iter(siblings), size - 1
    while last:
        if index ^ 1 <= last:
            sibling = next(remaining)
            if len(sibling) != HASH_BYTES:
                return False
            node = (
                keccak(NODE, sibling, node)
                if index & 1
                else keccak(NODE, node, sibling)
            )
        index, last = index >> 1, last >> 1
    return node == want


def path_length(index: int, size: int) -> int:
    """Return how many siblings lie between leaf ``index`` of ``size`` and the root."""
    length, last = 0, size - 1
    while last:
        length += index ^ 1 <= last
        index, last = index >> 1, last >> 1
    return length


def _parents(level: list[bytes]) -> list[bytes]:
    pairs = zip(level[::2], level[1::2], strict=False)  # a lone last node is left over
    parents = [keccak(NODE, left, right) for left, right in pairs]
    return parents + level[len(level) & ~1 :]
