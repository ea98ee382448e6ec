"""The tree that owners claim from: OpenZeppelin's StandardMerkleTree, v1.

Leaf: ``keccak(keccak(abi.encode(address, uint256)))``.  Leaves are sorted by hash and
stand at ``tree[2n-2-i]``; the children of node i are 2i+1 and 2i+2; each pair is hashed
in sorted order.  Source: github.com/OpenZeppelin/merkle-tree.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from edgeproof.proofs.keccak import keccak

EMPTY = bytes(32)
"""The root of an epoch in which nobody ever earned anything."""


@dataclass(frozen=True, slots=True)
class PayoutTree:
    """Nodes in heap order, root first; ``places`` is each owner's leaf."""

    nodes: tuple[bytes, ...]
    places: Mapping[bytes, int]

    @property
    def root(self) -> bytes:
        """The 32 bytes that are posted."""
        return self.nodes[0] if self.nodes else EMPTY

    def proof(self, owner: bytes) -> list[bytes]:
        """Return the siblings from the owner's leaf up; ``KeyError`` if none."""
        at = self.places[owner]
        siblings = []
        while at > 0:
            siblings.append(self.nodes[at + 1 if at % 2 else at - 1])
            at = (at - 1) // 2
        return siblings


def leaf(owner: bytes, amount: int) -> bytes:
    """Return the leaf of an owner's cumulative ``amount``."""
    return keccak(keccak(owner.rjust(32, b"\0"), amount.to_bytes(32, "big")))


def build(balances: Mapping[bytes, int]) -> PayoutTree:
    """Return the tree over the cumulative balances, by 20-byte owner address."""
    leaves = sorted((leaf(owner, amount), owner) for owner, amount in balances.items())
    count = len(leaves)
    nodes = [EMPTY] * max(0, 2 * count - 1)
    places = {}
    for i, (value, owner) in enumerate(leaves):
        nodes[2 * count - 2 - i] = value
        places[owner] = 2 * count - 2 - i
    for at in range(count - 2, -1, -1):
        nodes[at] = keccak(*sorted((nodes[2 * at + 1], nodes[2 * at + 2])))
    return PayoutTree(tuple(nodes), places)
