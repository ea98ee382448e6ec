"""The reference against Python's integers, safe-pysha3, and the vectors."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sha3
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeproof.kernels import reference

VECTORS = Path(__file__).parents[1] / "vectors"
SEED = bytes(range(32))


def splitmix(key: int, index: int) -> int:
    mask = 2**64 - 1
    return mix(key + (index + 1) * 0x9E3779B97F4A7C15 & mask)


def mix(z: int) -> int:
    mask = 2**64 - 1
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
    return z ^ z >> 31


def entries(key: int, n: int, row: int) -> list[int]:
    return [
        (splitmix(key, row * (n // 8) + j // 8) >> 8 * (j % 8) & 63) - 32
        for j in range(n)
    ]


@pytest.mark.parametrize("size", [0, 1, 40, 135, 136, 137, 272, 300])
def test_keccak_is_ethereums(size: int) -> None:
    message = bytes(i % 256 for i in range(size))
    assert reference.keccak256(message) == sha3.keccak_256(message).digest()


def test_the_keys_of_a_product_are_words_of_one_hash() -> None:
    digest = sha3.keccak_256(SEED + b"edgeproof/v1/product").digest()
    want = [int.from_bytes(digest[i : i + 8], "big") for i in (0, 8, 16)]
    assert [int(key) for key in reference.product_keys(SEED)] == want


@pytest.mark.parametrize(("n", "row"), [(64, 0), (64, 63), (512, 7), (16384, 16383)])
def test_expansion_matches_python_integers(n: int, row: int) -> None:
    key = 0xFEDCBA9876543210
    found = reference.expand(np.uint64(key), n, row, 1)
    assert found.tolist() == [entries(key, n, row)]


def test_any_row_can_be_had_without_the_others() -> None:
    key = np.uint64(12345)
    whole = reference.expand(key, 128, 0, 128)
    assert np.array_equal(whole[37:40], reference.expand(key, 128, 37, 3))


def test_all_sixty_four_entries_are_equally_common() -> None:
    found = reference.expand(reference.product_keys(SEED).a, 1024, 0, 1024)
    counts = np.bincount((found + 32).ravel(), minlength=64)
    expected = found.size / 64
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    assert counts.size == 64
    assert chi_square < 110  # 63 degrees of freedom: passed by 99.98 % of good keys


def test_a_tile_digest_matches_python_integers() -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(-(2**24), 2**24, (64, 64), endpoint=True)
    sums = [0, 0]
    for i in range(64):
        for j in range(64):
            place = (128 + i) << 48 | (448 + j) << 32 | int(values[i, j]) % 2**32
            sums[j % 2] += mix(place ^ 0xABCDEF)
    found = reference.digest_tile(np.uint64(0xABCDEF), values, 128, 448)
    assert found.tolist() == [total % 2**64 for total in sums]


@settings(max_examples=25)
@given(
    place=st.tuples(st.integers(0, 63), st.integers(0, 63)),
    change=st.integers(-(2**24), 2**24).filter(bool),
)
def test_every_wrong_entry_changes_the_digest(
    place: tuple[int, int], change: int
) -> None:
    values = np.zeros((64, 64), dtype=np.int64)
    right = reference.digest_tile(np.uint64(7), values, 0, 0)
    values[place] = change
    assert reference.digest_tile(np.uint64(7), values, 0, 0).tolist() != right.tolist()


def test_changes_that_cancel_in_every_linear_fold_change_the_digest() -> None:
    # +1 and -1 at the corners of a rectangle leave each row's and column's sum alone.
    values = np.zeros((64, 64), dtype=np.int64)
    right = reference.digest_tile(np.uint64(7), values, 0, 0)
    values[np.ix_([3, 9], [2, 8])] += np.array([[1, -1], [-1, 1]])
    assert not values.sum(axis=0).any()
    assert not values.sum(axis=1).any()
    assert reference.digest_tile(np.uint64(7), values, 0, 0).tolist() != right.tolist()


def test_a_digest_holds_for_one_seed_and_one_place() -> None:
    values = np.arange(4096, dtype=np.int64).reshape(64, 64)
    found = {
        tuple(reference.digest_tile(np.uint64(key), values, row, column).tolist())
        for key in (7, 8)
        for row in (0, 64)
        for column in (0, 64)
    }
    assert len(found) == 8


def test_the_committed_vectors_are_what_the_reference_gives() -> None:
    command = [sys.executable, str(VECTORS / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "changed: nothing\n"), done.stderr
