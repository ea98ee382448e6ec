"""The payout tree: OpenZeppelin's, byte for byte, and every owner can prove."""

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st
from murky_tree import StandardMerkleTree

from edgeproof.proofs import payout_tree
from edgeproof.proofs.keccak import keccak

balances = st.dictionaries(
    st.binary(min_size=20, max_size=20), st.integers(0, 2**256 - 1), max_size=40
)


def verify(proof: list[bytes], root: bytes, leaf: bytes) -> bool:
    """What ``MerkleProof.verify`` of OpenZeppelin's contracts does."""
    for sibling in proof:
        leaf = keccak(*sorted((leaf, sibling)))
    return leaf == root


@given(amounts=balances.filter(bool))
def test_the_tree_is_that_of_the_library_of_openzeppelins_format(
    amounts: dict[bytes, int],
) -> None:
    tree = payout_tree.build(amounts)
    oracle = StandardMerkleTree.of(
        [["0x" + owner.hex(), amount] for owner, amount in amounts.items()],
        ["address", "uint256"],
    )
    assert "0x" + tree.root.hex() == _hex(oracle.root)
    for owner, amount in amounts.items():
        proof = oracle.get_proof(["0x" + owner.hex(), amount])
        assert ["0x" + each.hex() for each in tree.proof(owner)] == [
            _hex(each) for each in proof
        ]


def _hex(value: str | bytes) -> str:
    return value if isinstance(value, str) else "0x" + value.hex()


@given(amounts=balances)
def test_every_owner_proves_what_he_has_and_nothing_else(
    amounts: dict[bytes, int],
) -> None:
    tree = payout_tree.build(amounts)
    for owner, amount in amounts.items():
        proof = tree.proof(owner)
        assert verify(proof, tree.root, payout_tree.leaf(owner, amount))
        other = payout_tree.leaf(owner, amount ^ 1)
        assert not verify(proof, tree.root, other)


@given(amounts=balances, data=st.data())
def test_the_order_of_owners_does_not_matter(
    amounts: dict[bytes, int], data: st.DataObject
) -> None:
    shuffled = dict(data.draw(st.permutations(list(amounts.items()))))
    assert payout_tree.build(shuffled) == payout_tree.build(amounts)


@given(owner=st.binary(min_size=20, max_size=20), amount=st.integers(0, 2**256 - 1))
def test_a_leaf_is_hashed_twice_over_the_abi_encoding(
    owner: bytes, amount: int
) -> None:
    want = keccak(keccak(encode(["address", "uint256"], [owner, amount])))
    assert payout_tree.leaf(owner, amount) == want


def test_the_example_of_openzeppelins_readme() -> None:
    # github.com/OpenZeppelin/merkle-tree, section "Building a Tree".
    tree = payout_tree.build({b"\x11" * 20: 5 * 10**18, b"\x22" * 20: 25 * 10**17})
    assert tree.root.hex() == (
        "d4dee0beab2d53f2cc83e567171bd2820e49898130a22622b10ead383e90bd77"
    )


def test_no_balances_are_the_empty_root() -> None:
    assert payout_tree.build({}).root == bytes(32)
    with pytest.raises(KeyError):
        payout_tree.build({}).proof(bytes(20))
    with pytest.raises(KeyError):
        payout_tree.build({b"\x01" * 20: 1}).proof(bytes(20))


def test_a_lone_owner_needs_no_siblings() -> None:
    tree = payout_tree.build({bytes(20): 7})
    assert tree.proof(bytes(20)) == []
    assert tree.root == payout_tree.leaf(bytes(20), 7)
