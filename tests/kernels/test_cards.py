"""What the CPU does as a card, and which size suits a phase."""

import time

import numpy as np
import pytest

from edgeproof.kernels import reference
from edgeproof.kernels.card import Card, Memory, Product
from edgeproof.kernels.cpu.card import CpuCard


def test_a_card_proves_at_one_size_after_the_other() -> None:
    card = CpuCard()
    card.warm()
    for n in (64, 128, 64):
        want = reference.digests(bytes(32), n)
        assert np.array_equal(card.product(bytes(32), n).digests, want)
    assert card.search(bytes(32), 0, 5, 3).tolist() == [5, 6, 7]


@pytest.mark.parametrize(
    ("phase", "seconds", "want"),
    [
        (2.0, {512: 0.006, 1024: 0.045, 2048: 0.3, 4096: 2.4}, 2048),
        (2.0, {512: 0.006, 1024: 0.045, 2048: 0.45, 4096: 3.4}, 1024),  # four fit, less
        (2.0, {512: 0.006, 1024: 0.045, 2048: 0.51, 4096: 3.4}, 1024),
        (10.0, {512: 0.006, 1024: 0.045, 2048: 0.35, 4096: 2.4}, 4096),
        (0.01, {512: 0.006}, 512),  # not even one fits: the smallest is allowed
    ],
)
def test_the_size_is_the_one_that_proves_most_in_whole_products(
    monkeypatch: pytest.MonkeyPatch,
    phase: float,
    seconds: dict[int, float],
    want: int,
) -> None:
    now = 0.0

    def product(_: CpuCard, _seed: bytes, n: int) -> Product:
        nonlocal now
        now += seconds[n]  # a size that must not be tried is a KeyError
        return Product(bytes(32), np.zeros((1, 2), dtype=np.uint64))

    monkeypatch.setattr(CpuCard, "product", product)
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    assert CpuCard().preferred_size(phase) == want


def test_a_card_fills_a_memory_and_walks_over_it() -> None:
    card: Card = CpuCard()
    assert card.walk_items(0.1) >= 64
    assert card.room(0.1) >= 64
    held: Memory = card.memory(bytes(32), 2, 200)
    held.fill(150)
    assert held.items == 150
    want = reference.walk(reference.items(bytes(32), 2, 0, 130), bytes(32), 0, 3)
    found = held.walk(bytes(32), 130)
    assert found.ends.tolist() == want.tolist()
