"""Nonces: the vectors, each way to be refused, and the difficulty that follows."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import sha3
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.kernels.cpu import nonces as kernel
from edgeproof.proofs import proof_of_work
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.reasons import Reason

VECTORS = json.loads(
    (Path(__file__).parents[1] / "vectors" / "pow.json").read_text(encoding="utf-8")
)
SEED = bytes(range(32))
FOUND = kernel.search(SEED, 6, 0, 2000)
PROOF = proof_of_work.encode(FOUND)


@pytest.mark.parametrize("vector", VECTORS)
def test_the_solutions_of_the_vectors_hold(vector: dict[str, object]) -> None:
    solutions = vector["solutions"]
    assert isinstance(solutions, list)
    seed = bytes.fromhex(str(vector["seed"]))
    proof = bytes.fromhex("".join(solution["nonce"] for solution in solutions))
    assert proof_of_work.verify(seed, 5, proof) is Reason.NONE
    for solution in solutions:
        digest = sha3.keccak_256(seed + bytes.fromhex(solution["nonce"])).digest()
        assert digest.hex() == solution["digest"]
        assert int.from_bytes(digest, "big") < 2 ** (256 - 5)


def test_the_search_misses_nothing_that_pysha3_finds() -> None:
    want = [
        nonce
        for nonce in range(2000)
        if sha3.keccak_256(SEED + nonce.to_bytes(8, "big")).digest()[0] < 4
    ]
    assert FOUND.tolist() == want


NOT_A_SOLUTION = next(i for i in range(2000) if i not in set(FOUND.tolist()))


@pytest.mark.parametrize(
    ("difficulty", "proof", "want"),
    [
        (6, PROOF, Reason.NONE),
        (-1, PROOF, Reason.WRONG_DIFFICULTY),
        (64, PROOF, Reason.WRONG_DIFFICULTY),
        (6, PROOF[:-1], Reason.MALFORMED),
        (6, b"", Reason.NO_COMMITMENT),
        (0, bytes(8 * 4097), Reason.TOO_MUCH_WORK),
        (6, PROOF + PROOF[-8:], Reason.NONCE_ORDER),
        (6, PROOF[8:16] + PROOF[:8], Reason.NONCE_ORDER),
        (6, NOT_A_SOLUTION.to_bytes(8, "big"), Reason.BAD_NONCE),
        (12, PROOF, Reason.BAD_NONCE),
    ],
)
def test_a_proof_is_refused_for_its_reason(
    difficulty: int, proof: bytes, want: Reason
) -> None:
    assert proof_of_work.verify(SEED, difficulty, proof) is want


def test_a_proof_holds_for_its_seed_alone() -> None:
    assert proof_of_work.verify(SEED[::-1], 6, PROOF) is Reason.BAD_NONCE


def test_the_most_nonces_that_count_hold() -> None:
    proof = proof_of_work.encode(np.arange(4096, dtype=np.uint64))
    assert proof_of_work.verify(SEED, 0, proof) is Reason.NONE


@given(place=st.integers(0, len(PROOF) - 1), bit=st.integers(0, 7))
def test_every_changed_bit_is_judged_as_pysha3_would(place: int, bit: int) -> None:
    changed = bytearray(PROOF)
    changed[place] ^= 1 << bit
    values = [
        int.from_bytes(changed[i : i + 8], "big") for i in range(0, len(PROOF), 8)
    ]
    increasing = all(a < b for a, b in itertools.pairwise(values))
    meet = all(
        sha3.keccak_256(SEED + value.to_bytes(8, "big")).digest()[0] < 4
        for value in values
    )
    holds = proof_of_work.verify(SEED, 6, bytes(changed)) is Reason.NONE
    assert holds is (increasing and meet)


@pytest.mark.parametrize(
    ("hashes", "want"),
    [(0, 0), (511, 0), (1023, 0), (1024, 1), (2047, 1), (2**30, 21), (2**90, 63)],
)
def test_the_difficulty_follows_the_work(hashes: int, want: int) -> None:
    assert proof_of_work.next_difficulty(hashes) == want


@given(hashes=st.integers(512, 2**70))
def test_between_512_and_1024_solutions_are_expected(hashes: int) -> None:
    difficulty = proof_of_work.next_difficulty(hashes)
    assert 512 << difficulty <= hashes < 1024 << difficulty


@given(count=st.integers(0, 4096), difficulty=st.integers(0, 63))
def test_work_counts_the_hashes_expected(count: int, difficulty: int) -> None:
    assert proof_of_work.work(count, difficulty) == count * 2**difficulty


def test_work_is_unbiased_and_strays_as_stated() -> None:
    hashes, difficulty, trials = 2048, 3, 400
    seeds = [keccak(bytes([trial % 256, trial // 256])) for trial in range(trials)]
    counts = [len(kernel.search(seed, difficulty, 0, hashes)) for seed in seeds]
    found = np.array([proof_of_work.work(count, difficulty) for count in counts])
    stated = proof_of_work.relative_error(hashes / 2**difficulty) * hashes
    assert abs(found.mean() - hashes) < 4 * stated / trials**0.5
    # (1 - p)^1/2 below what is stated for rare solutions; 4 standard errors of it.
    exact = stated * (1 - 2.0**-difficulty) ** 0.5
    assert abs(found.std() / exact - 1) < 4 / (2 * trials) ** 0.5


def test_the_stated_error_is_that_of_a_rounds_solutions() -> None:
    assert proof_of_work.relative_error(512) == pytest.approx(0.0442, abs=1e-4)
    assert proof_of_work.relative_error(1024) == pytest.approx(0.03125)
