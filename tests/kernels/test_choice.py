"""Which kernel for products a card keeps."""

from collections.abc import Sequence

import pytest

from edgeproof.kernels.cuda.card import TIMED, fastest

# Milliseconds a product, as measured on an H200: launching hides the small ones.
H200 = {
    "ampere": (0.66, 0.70, 2.45, 17.8),
    "turing": (0.65, 0.71, 3.73, 28.5),
    "dp4a": (0.74, 2.39, 16.1, 124.1),
    "plain": (0.64, 2.45, 16.5, 127.6),
}
SLOW = {"turing": (6.0, 45, 350, 2700), "plain": (5.9, 50, 400, 3000)}


@pytest.mark.parametrize(
    ("card", "kept", "sizes"),
    [(H200, "ampere", TIMED), (SLOW, "plain", TIMED[:1])],
    ids=["a fast card", "a slow one"],
)
def test_the_fastest_where_a_product_takes_a_while(
    card: dict[str, tuple[float, ...]], kept: str, sizes: Sequence[int]
) -> None:
    measured: list[tuple[int, tuple[str, ...]]] = []

    def times(among: Sequence[str], n: int) -> list[float]:
        measured.append((n, tuple(among)))
        return [card[name][TIMED.index(n)] / 1000 for name in among]

    assert fastest(list(card), times) == kept
    assert [n for n, _ in measured] == list(sizes)
    if card is H200:
        assert measured[2][1] == ("ampere", "turing")  # the others are out by then


def test_one_kernel_needs_no_measuring() -> None:
    def times(among: Sequence[str], n: int) -> list[float]:
        raise AssertionError(among, n)

    assert fastest(["plain"], times) == "plain"
