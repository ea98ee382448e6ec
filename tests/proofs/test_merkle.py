"""Trees of RFC 6962's shape over Keccak: by hand, then the law they all obey."""

import pytest
import sha3
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.proofs import merkle

LEAVES = [bytes.fromhex(h) for h in ("", "00", "10", "2021", "3031", "40414243")]


def oracle(leaves: list[bytes]) -> bytes:
    """Section 2.1 of RFC 6962, word for word, with the hash exchanged."""
    if len(leaves) == 1:
        return bytes(sha3.keccak_256(b"\x00" + leaves[0]).digest())
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return bytes(
        sha3.keccak_256(b"\x01" + oracle(leaves[:k]) + oracle(leaves[k:])).digest()
    )


def test_the_empty_tree_is_the_hash_of_nothing() -> None:
    # The best-known Keccak-256 constant of all: Ethereum's empty code hash.
    assert merkle.root([]).hex() == (
        "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    )


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
def test_root_follows_the_definition_of_the_rfc(size: int) -> None:
    assert merkle.root(LEAVES[:size]) == oracle(LEAVES[:size])


@given(leaves=st.lists(st.binary(max_size=8), min_size=1, max_size=70))
def test_root_follows_the_definition_for_every_size(leaves: list[bytes]) -> None:
    assert merkle.root(leaves) == oracle(leaves)


@given(
    leaves=st.lists(st.binary(max_size=8), min_size=1, max_size=40, unique=True),
    data=st.data(),
)
def test_every_leaf_proves_itself_at_its_place_and_nowhere_else(
    leaves: list[bytes], data: st.DataObject
) -> None:
    size = len(leaves)
    index = data.draw(st.integers(0, size - 1))
    root, path = merkle.root(leaves), merkle.path(leaves, index)

    assert merkle.check_path(leaves[index], index, size, path, root)
    assert not merkle.check_path(leaves[index] + b"!", index, size, path, root)
    assert not merkle.check_path(leaves[index], index, size, [*path, root], root)
    assert not merkle.check_path(
        leaves[index], index, size, path, path[0] if path else b""
    )
    for other in set(range(-1, size + 1)) - {index}:
        assert not merkle.check_path(leaves[index], other, size, path, root)


@given(leaves=st.lists(st.binary(max_size=8), min_size=2, max_size=40), data=st.data())
def test_a_changed_sibling_breaks_the_path(
    leaves: list[bytes], data: st.DataObject
) -> None:
    size = len(leaves)
    index = data.draw(st.integers(0, size - 1))
    root, path = merkle.root(leaves), merkle.path(leaves, index)
    which = data.draw(st.integers(0, len(path) - 1))
    broken = [*path]
    broken[which] = bytes([path[which][0] ^ 1]) + path[which][1:]
    assert not merkle.check_path(leaves[index], index, size, broken, root)
    broken[which] = path[which][:-1]
    assert not merkle.check_path(leaves[index], index, size, broken, root)
    assert not merkle.check_path(leaves[index], index, size, path[:-1], root)


@given(size=st.integers(1, 40), data=st.data())
def test_many_paths_are_what_each_path_is(size: int, data: st.DataObject) -> None:
    leaves = [bytes([i]) for i in range(size)]
    indices = data.draw(st.lists(st.integers(0, size - 1), max_size=5))
    assert merkle.paths(leaves, indices) == [merkle.path(leaves, i) for i in indices]
    assert [len(p) for p in merkle.paths(leaves, indices)] == [
        merkle.path_length(i, size) for i in indices
    ]


@pytest.mark.parametrize("index", [-1, 3])
def test_a_path_outside_the_tree_is_an_index_error(index: int) -> None:
    with pytest.raises(IndexError, match="3 leaves"):
        merkle.path([b"a", b"b", b"c"], index)


def test_a_leaf_is_never_an_inner_node() -> None:
    left, right = (sha3.keccak_256(b"\x00" + x).digest() for x in (b"a", b"b"))
    assert merkle.root([left + right]) != merkle.root([b"a", b"b"])
