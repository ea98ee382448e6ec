"""A chain of products: it holds when right, and is refused for its reason when not."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeproof.kernels import reference
from edgeproof.kernels.cpu.products import Workspace, product
from edgeproof.kernels.cpu.trees import Tree
from edgeproof.kernels.scalar import Words
from edgeproof.proofs import matmul
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.reasons import Reason

SEED = bytes(range(32))
DRAW = keccak(b"draw")


@dataclass(frozen=True)
class Chain:
    n: int
    roots: list[bytes]
    digests: list[Words]

    def opened(self, draw: bytes = DRAW, openings: int = 64) -> bytes:
        return matmul.open_products(draw, self.digests, self.n, openings)

    def judged(
        self, opening: bytes, seed: bytes = SEED, draw: bytes = DRAW, openings: int = 64
    ) -> Reason:
        return matmul.verify(seed, self.n, self.roots, draw, opening, openings)


def chain(n: int, count: int, wrong: Sequence[int] = ()) -> Chain:
    """Work honestly, but for these tiles of each product, which are made up."""
    space, seed = Workspace(n), SEED
    roots, digests = [], []
    for number in range(count):
        found = product(seed, space).digests
        found[list(wrong)] ^= np.uint64(1)
        roots.append(Tree(found).root)
        digests.append(found)
        seed = matmul.next_seed(seed, roots[-1], number)
    return Chain(n, roots, digests)


@pytest.fixture(autouse=True)
def small_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matmul, "SIZES", (64, 128, 256, 512))


RIGHT = chain(128, 5)
OPENED = RIGHT.opened()
STEP = 16 + 2 * 32


def test_a_right_chain_holds() -> None:
    assert RIGHT.judged(OPENED) is Reason.NONE
    assert len(OPENED) == matmul.opening_bytes(128) == 64 * STEP


@pytest.mark.parametrize(("n", "count"), [(64, 1), (64, 7), (256, 2), (512, 1)])
def test_right_chains_of_other_sizes_hold(n: int, count: int) -> None:
    right = chain(n, count)
    assert right.judged(right.opened()) is Reason.NONE


@pytest.mark.parametrize(
    ("n", "depth", "size"), [(512, 6, 13312), (4096, 12, 25600), (16384, 16, 33792)]
)
def test_an_opening_has_one_size(n: int, depth: int, size: int) -> None:
    assert (matmul.depth(n), matmul.opening_bytes(n)) == (depth, size)


@pytest.mark.parametrize("n", [0, -512, 96, 192, 1024, 2**20])
def test_only_allowed_sizes_are_judged(n: int) -> None:
    assert replace(RIGHT, n=n).judged(OPENED) is Reason.WRONG_SIZE


@pytest.mark.parametrize(
    ("roots", "want"),
    [
        ([], Reason.NO_COMMITMENT),
        ([bytes(32)] * 4097, Reason.TOO_MUCH_WORK),
        ([bytes(31)], Reason.MALFORMED),
        ([bytes(32)] * 4096, Reason.BAD_PATH),
    ],
)
def test_a_commitment_is_refused_for_its_reason(
    roots: list[bytes], want: Reason
) -> None:
    assert replace(RIGHT, roots=roots).judged(OPENED) is want


@pytest.mark.parametrize("opening", [b"", OPENED[:-1], OPENED + b"\0", OPENED * 2])
def test_an_opening_of_another_size_is_refused(opening: bytes) -> None:
    assert RIGHT.judged(opening) is Reason.BAD_OPENING


@settings(max_examples=40)
@given(place=st.integers(0, len(OPENED) - 1), bit=st.integers(0, 7))
def test_every_changed_bit_of_an_opening_breaks_a_path(place: int, bit: int) -> None:
    changed = bytearray(OPENED)
    changed[place] ^= 1 << bit
    assert RIGHT.judged(bytes(changed)) is Reason.BAD_PATH


def test_an_opening_answers_one_draw_only() -> None:
    assert RIGHT.judged(OPENED, draw=keccak(b"another")) is Reason.BAD_PATH


def test_openings_in_another_order_are_refused() -> None:
    swapped = OPENED[STEP : 2 * STEP] + OPENED[:STEP] + OPENED[2 * STEP :]
    assert RIGHT.judged(swapped) is Reason.BAD_PATH


def test_the_work_of_another_seed_is_refused() -> None:
    assert RIGHT.judged(OPENED, seed=keccak(SEED)) is Reason.WRONG_TILE


def test_products_repeated_or_reordered_do_not_follow_from_the_chain() -> None:
    again = Chain(128, RIGHT.roots[:1] * 4, RIGHT.digests[:1] * 4)
    assert again.judged(again.opened()) is Reason.WRONG_TILE
    back = Chain(128, RIGHT.roots[::-1], RIGHT.digests[::-1])
    assert back.judged(back.opened()) is Reason.WRONG_TILE


def test_made_up_tiles_are_caught() -> None:
    cheat = chain(256, 3, wrong=[1, 4, 6, 11, 12])
    assert cheat.judged(cheat.opened()) is Reason.WRONG_TILE


@pytest.mark.parametrize(
    "change",
    [
        {(3, 5): 1},
        {(63, 63): -1},
        {(0, 0): 1, (0, 9): -1, (7, 0): -1, (7, 9): 1},  # keeps all row, column sums
    ],
)
def test_a_wrong_entry_is_caught(change: dict[tuple[int, int], int]) -> None:
    keys = reference.product_keys(SEED)
    values = reference.expand(keys.a, 64, 0, 64) @ reference.expand(keys.b, 64, 0, 64).T
    right = reference.digest_tile(keys.mix, values, 0, 0)[None, :]
    for place, difference in change.items():
        values[place] += difference
    wrong = reference.digest_tile(keys.mix, values, 0, 0)[None, :]

    for digests, want in ((right, Reason.NONE), (wrong, Reason.WRONG_TILE)):
        made = Chain(64, [Tree(digests).root], [digests])
        assert made.judged(made.opened()) is want


def test_a_share_of_wrong_tiles_passes_as_often_as_stated() -> None:
    # 12 of 48 tiles wrong, 4 openings: (36 / 48)^4 = 0.316 of all draws pass.
    cheat = chain(256, 3, wrong=[0, 5, 9, 15])
    trials = 400
    passed = sum(
        cheat.judged(cheat.opened(draw, 4), draw=draw, openings=4) is Reason.NONE
        for draw in (keccak(number.to_bytes(8, "big")) for number in range(trials))
    )
    stated = matmul.pass_probability(0.25, 4)
    assert stated == pytest.approx(0.75**4)
    assert abs(passed / trials - stated) < 4 * (stated * (1 - stated) / trials) ** 0.5


def test_nothing_can_be_opened_where_nothing_was_committed() -> None:
    with pytest.raises(IndexError, match="nothing was committed"):
        matmul.open_products(DRAW, [], 128)


@given(data=st.binary(min_size=3 * STEP, max_size=3 * STEP))
def test_every_opening_of_the_right_size_decodes_to_itself(data: bytes) -> None:
    opened = matmul.decode(data, 128, 3)
    assert opened is not None
    assert len(opened) == 3
    assert matmul.encode(opened) == data


def test_seeds_follow_from_the_roots_before_them() -> None:
    seeds = matmul.chain_seeds(SEED, RIGHT.roots)
    assert seeds[0] == SEED
    assert seeds[2] == keccak(seeds[1], RIGHT.roots[1], b"\0\0\0\0\0\0\0\1")
    assert len(seeds) == 6


def test_work_counts_multiplications() -> None:
    assert matmul.work(4096, 16384) == 4096 * 16384**3
