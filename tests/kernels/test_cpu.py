"""The compiled kernels against the reference, bit for bit."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeproof.errors import EdgeproofError
from edgeproof.kernels import reference
from edgeproof.kernels.cpu import (
    keccak,
    matrices,
    memories,
    memory,
    nonces,
    products,
    selfcheck,
    spread,
    trees,
)
from edgeproof.kernels.cpu.matrices import Floats
from edgeproof.kernels.cpu.products import Workspace, product, tile_digest
from edgeproof.kernels.cpu.trees import Tree
from edgeproof.proofs import merkle

VECTORS = Path(__file__).parents[1] / "vectors"
SEED = bytes(range(32))
KERNELS = [
    keccak.permute,
    keccak.search,
    keccak.meet,
    keccak.hash_leaves,
    keccak.hash_pairs,
    matrices.expand,
    matrices.digest,
    memory.fill,
    memory.walk,
    memory.regenerate,
]


@pytest.fixture(autouse=True)
def warm() -> None:
    selfcheck.warm()


@settings(max_examples=10, deadline=None)
@given(seed=st.binary(min_size=32, max_size=32), n=st.sampled_from([64, 128, 192]))
def test_a_product_is_the_references(seed: bytes, n: int) -> None:
    found, want = product(seed, Workspace(n)), reference.digests(seed, n)
    assert found.digests.tolist() == want.tolist()
    assert found.root == merkle.root([row.astype(">u8").tobytes() for row in want])
    assert [tile_digest(seed, n, tile) for tile in range(len(want))] == [
        tuple(row) for row in want.tolist()
    ]


def test_a_product_matches_its_vector() -> None:
    vector = json.loads((VECTORS / "matmul.json").read_text())
    seed, n = bytes.fromhex(vector["seed"]), vector["n"]
    found = product(seed, Workspace(n))
    assert found.digests.astype(">u8").tobytes().hex() == "".join(vector["digests"])
    assert found.root.hex() == vector["root"]

    tile = vector["tile"]
    number = tile["row"] // 64 * (tile["n"] // 64) + tile["column"] // 64
    words = tile_digest(seed, tile["n"], number)
    assert "".join(f"{word:016x}" for word in words) == tile["digest"]


def test_strips_and_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    want = product(SEED, Workspace(320)).digests
    monkeypatch.setattr(products, "STRIP", 128)
    monkeypatch.setattr(spread, "threads", lambda: 3)
    assert product(SEED, Workspace(320)).digests.tolist() == want.tolist()


@settings(max_examples=40)
@given(
    total=st.integers(0, 500),
    threads=st.integers(1, 9),
    step=st.sampled_from([1, 4, 64]),
)
def test_parts_cover_everything_once_and_in_order(
    total: int, threads: int, step: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spread, "threads", lambda: threads)
        parts = spread.spread(lambda start, stop: (start, stop), total, step)
    assert [i for part in parts for i in range(*part)] == list(range(total))
    assert len(parts) <= threads
    assert all((stop - start) % step == 0 for start, stop in parts[:-1])


@pytest.mark.parametrize("value", [-(2**24), -(2**24) + 1, -1, 0, 1, 2**24 - 1, 2**24])
def test_the_largest_sums_are_digested_exactly(value: int) -> None:
    values = np.full((64, 64), value)
    want = reference.digest_tile(np.uint64(9), values, 16320, 16320)
    sums = np.empty((1, 2), dtype=np.uint64)
    matrices.digest(np.uint64(9), values.astype(np.float32), 16320, 16320, sums)
    assert sums[0].tolist() == want.tolist()


def test_blas_is_exact_where_the_sums_are_largest() -> None:
    # Every entry -32 at n = 16384: all sums reach 2^24, the last exact integer.
    rows = np.full((64, 16384), -32, dtype=np.float32)
    assert np.unique(rows @ rows.T).tolist() == [2.0**24]


@settings(max_examples=40, deadline=None)
@given(size=st.integers(1, 70), data=st.data())
def test_a_tree_is_the_one_that_proofs_check(size: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(size)
    words = data.draw(st.sampled_from([1, 2]))
    digests = rng.integers(0, 2**64, (size, words), dtype=np.uint64)
    leaves = [row.astype(">u8").tobytes() for row in digests]
    index = data.draw(st.integers(0, size - 1))
    tree = Tree(digests)
    assert tree.root == merkle.root(leaves)
    assert tree.path(index) == merkle.path(leaves, index)


@pytest.mark.parametrize("size", [2 * trees.PART, 5 * trees.PART + 3])
def test_a_large_tree_is_hashed_in_parts_and_stays_the_same(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    leaves = np.random.default_rng(size).integers(0, 2**64, (size, 1), dtype=np.uint64)
    monkeypatch.setattr(spread, "threads", lambda: 3)
    tree = Tree(leaves)
    want = [row.astype(">u8").tobytes() for row in leaves]
    assert tree.root == merkle.root(want)
    assert tree.path(size - 1) == merkle.path(want, size - 1)


@pytest.mark.parametrize("shape", [(0, 2), (0, 1), (3,), (3, 0), (3, 3), (3, 4)])
def test_what_is_no_list_of_digests_makes_no_tree(shape: tuple[int, ...]) -> None:
    with pytest.raises(EdgeproofError, match="make no tree"):
        Tree(np.zeros(shape, dtype=np.uint64))


@pytest.mark.parametrize("index", [-1, 3])
def test_a_tree_has_no_path_for_a_leaf_outside(index: int) -> None:
    with pytest.raises(IndexError, match="3 leaves"):
        Tree(np.zeros((3, 2), dtype=np.uint64)).path(index)


def test_the_search_finds_what_the_vectors_list() -> None:
    for vector in json.loads((VECTORS / "pow.json").read_text()):
        seed, difficulty = bytes.fromhex(vector["seed"]), vector["difficulty"]
        start = int(vector["start"], 16)
        found = nonces.search(seed, difficulty, start, vector["count"])
        want = [int(solution["nonce"], 16) for solution in vector["solutions"]]
        assert found.tolist() == want
        assert nonces.meet(seed, difficulty, found)


@settings(max_examples=10, deadline=None)
@given(
    seed=st.binary(min_size=32, max_size=32),
    start=st.integers(0, 2**64 - 30),
    count=st.integers(0, 30),
    difficulty=st.integers(0, 3),
)
def test_a_search_is_the_references(
    seed: bytes, start: int, count: int, difficulty: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spread, "threads", lambda: 1 + count % 3)
        found = nonces.search(seed, difficulty, start, count)
    assert found.tolist() == reference.search(seed, difficulty, start, count).tolist()
    for nonce in set(range(start, start + min(count, 8))):
        is_there = nonce in found.tolist()
        one = np.array([nonce], dtype=np.uint64)
        assert nonces.meet(seed, difficulty, one) is is_there


@pytest.mark.parametrize(
    ("difficulty", "start", "count"),
    [(-1, 0, 1), (64, 0, 1), (1, -1, 1), (1, 2**64, 1)],
)
def test_a_search_outside_its_range_is_refused(
    difficulty: int, start: int, count: int
) -> None:
    with pytest.raises(ValueError, match=r"64-bit|difficulty"):
        nonces.search(SEED, difficulty, start, count)


@pytest.mark.parametrize("n", [0, 63, 100, 32768])
def test_a_size_that_cannot_be_digested_is_refused_with_a_hint(n: int) -> None:
    with pytest.raises(EdgeproofError, match=f"size {n}") as refused:
        Workspace(n)
    assert "512" in refused.value.hint


def test_a_seed_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        tile_digest(b"short", 64, 0)
    with pytest.raises(ValueError, match="32 bytes"):
        nonces.search(b"short", 1, 0, 1)


def test_nothing_is_compiled_after_warming_up() -> None:
    def compiled() -> list[int]:
        return [len(kernel.signatures) for kernel in KERNELS]  # type: ignore[attr-defined]  # Numba's dispatchers, typed as what they compile

    before = compiled()
    read_only = np.zeros((4, 2), dtype=np.uint64)
    read_only.flags.writeable = False
    Tree(read_only)
    nonces.meet(SEED, 1, nonces.search(SEED, 1, 0, 10))
    product(SEED, Workspace(576))
    tile_digest(SEED, 512, 63)
    held = memories.CpuMemory(SEED, 2, 99)
    held.fill(33)
    held.fill(66)
    held.walk_items(0.1)
    held.walk(SEED, 80)
    memories.lane_ends(SEED, 2, SEED, 80, read_only[:, 0])
    assert compiled() == before


def test_wrong_bits_are_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(seed: bytes, n: int, tile: int) -> tuple[int, int]:
        even, odd = tile_digest(seed, n, tile)
        return even ^ 1, odd

    monkeypatch.setattr(products, "tile_digest", wrong)
    with pytest.raises(EdgeproofError, match="opened tile does not match") as refused:
        selfcheck.warm.__wrapped__()
    assert "reinstall" in refused.value.hint


def test_a_blas_that_is_not_exact_is_replaced_and_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def in_half_precision(a: Floats, b: Floats, c: Floats) -> None:
        with np.errstate(over="ignore"):
            c[:] = a.astype(np.float16) @ b.T.astype(np.float16)

    used = products.used()
    multipliers = {**products.MULTIPLIERS, "blas": in_half_precision}
    monkeypatch.setattr(products, "MULTIPLIERS", multipliers)
    try:
        found = selfcheck.warm.__wrapped__()
        assert products.used() == "integers"
        want = reference.digests(SEED, 192)
        assert product(SEED, Workspace(192)).digests.tolist() == want.tolist()
        assert tile_digest(SEED, 192, 5) == tuple(want[5].tolist())
    finally:
        products.use(used)
    assert "product (blas)" not in found.checked
    assert "product (integers)" in found.checked
    assert "OPENBLAS_CORETYPE" in found.notices[0]


def test_where_no_multiplier_is_exact_none_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nothing(_a: Floats, _b: Floats, c: Floats) -> None:
        c[:] = 0

    used = products.used()
    monkeypatch.setattr(products, "MULTIPLIERS", {"blas": nothing})
    try:
        with pytest.raises(EdgeproofError, match="matrix product does not match"):
            selfcheck.warm.__wrapped__()
    finally:
        products.use(used)
