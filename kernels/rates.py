"""What a card proves in a second, beside what bounds it: for people, never for pay."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edgeproof.errors import EdgeproofError
from edgeproof.kernels.card import Card
from edgeproof.kernels.shapes import FEWEST_ITEMS, ITEM_BYTES, walk_bytes

SEED = bytes(range(32))

PERMUTATIONS = 128
"""Of each item that is filled: what networks ask for, but for the demo."""

FIRST_HASHES = 1 << 16
"""Hashes of the first search; later ones follow the measured speed."""

ROOM = 0.25
"""Share of the free memory that is filled and walked over, at the most."""

Step = Callable[[str], None]
"""Called with what begins now."""


@dataclass(frozen=True)
class Bound:
    """At most so much a second, by what; 0 where nothing tells."""

    rate: int
    by: str


NO_BOUND = Bound(0, "")


class Bounds(Protocol):
    """What bounds a card; measured, or known from its data sheet."""

    def product(self, n: int) -> Bound:
        """Return the most multiplications a second, at size ``n``."""
        ...

    def keccak(self) -> Bound:
        """Return the most permutations a second."""
        ...

    def reads(self, items: int) -> Bound:
        """Return the most bytes a second that random reads of so many items bring."""
        ...


@dataclass(frozen=True)
class Rate:
    """What a kernel does in a second, in ``unit``."""

    kernel: str
    proven: int
    unit: str
    bound: Bound


def measure(card: Card, bounds: Bounds, seconds: float, step: Step) -> list[Rate]:
    """Measure each kernel of a warm card, and its bound, for so many seconds each."""
    step("choosing a size")
    n = card.preferred_size(max(seconds, 0.1))
    step(f"multiplying at n = {n}")
    products = per_second(lambda: card.product(SEED, n), seconds)
    step("searching for nonces")
    hashes = _searched(card, seconds)
    step("filling memory")
    items, filled = _filled(card, seconds)
    step("walking over memory")
    walked = _walked(card, items, seconds)
    step("measuring what bounds them")
    multiplied, permuted, read = bounds.product(n), bounds.keccak(), bounds.reads(items)
    made = Bound(permuted.rate * ITEM_BYTES // PERMUTATIONS, permuted.by)
    return [
        Rate(f"product, n = {n}", int(products * n**3), "MAC/s", multiplied),
        Rate("search", hashes, "keccak/s", permuted),
        Rate(f"fill, R = {PERMUTATIONS}", filled, "B/s", made),
        Rate("walk", walked, "B/s", read),
    ]


def per_second(task: Callable[[], object], seconds: float) -> float:
    """Return how often a task can be done in a second; done once before, to warm up."""
    task()
    times, started = 0, time.perf_counter()
    while not times or time.perf_counter() - started < seconds:
        task()
        times += 1
    return times / (time.perf_counter() - started)


def _searched(card: Card, seconds: float) -> int:
    count, taken = FIRST_HASHES, 0.0
    while taken < seconds / 2:  # doubled until one search is long enough
        started = time.perf_counter()
        card.search(SEED, 24, 0, count)
        taken = time.perf_counter() - started
        if taken < seconds / 2:
            count *= 2
    return int(count / taken)


def _filled(card: Card, seconds: float) -> tuple[int, int]:
    """Return how many items there is room for, and the bytes a second of a fill."""
    most = min(card.room(ROOM), card.walk_items(max(seconds, 0.1)))
    if most < FEWEST_ITEMS:
        msg = f"there is room for {most} items of memory on {card.name}"
        raise EdgeproofError(msg, hint="free some of its memory")
    held = card.memory(SEED, PERMUTATIONS, most)
    count, rate, taken = FEWEST_ITEMS, 0.0, 0.0
    while held.items < most and taken < seconds / 2:
        count = min(count, most - held.items)
        started = time.perf_counter()
        held.fill(count)
        taken = time.perf_counter() - started
        rate, count = count / taken, 2 * count
    return most, int(rate * ITEM_BYTES)


def _walked(card: Card, items: int, seconds: float) -> int:
    """Return the bytes a second of a walk over so many items, more than caches hold."""
    held = card.memory(SEED, 1, items)
    held.fill(items)
    return int(per_second(lambda: held.walk(SEED, items), seconds) * walk_bytes(items))
