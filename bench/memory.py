"""A walk over a memory against plain random reads of it, and against making items."""

from collections.abc import Callable
from functools import partial

import numpy as np

from bench.measure import interleave
from bench.report import Report, at_least
from bench.steps import Steps
from edgeproof.kernels.cpu import keccak, memories
from edgeproof.kernels.cpu.card import CpuCard
from edgeproof.kernels.cpu.memory import read_at_random
from edgeproof.kernels.shapes import ITEM_BYTES, ITEM_WORDS, WALK_READS, walk_bytes

SEED = bytes(range(32))

ITEMS = 1 << 22
"""Half a gigabyte: far more than the caches of data and of addresses hold."""

PERMUTATIONS = (2, 16, 128)

WORK = 1 << 18
"""Permutations of one timing of recomputation."""

TARGET = "walk of plain reads"


def bench(steps: Steps, rounds: int = 7, items: int = ITEMS) -> Report:
    """Walk over so many items, read as many bytes, and make some items again."""
    card = CpuCard()
    steps.begin("compiling the kernels", 1)
    card.warm()
    read_at_random(np.zeros((1, ITEM_WORDS), dtype=np.uint64), np.uint64(1), 0, 1)
    steps.done()
    memory = memories.CpuMemory(SEED, 1, items)
    parts = 8
    steps.begin("filling the memory", parts)
    for _ in range(parts):
        memory.fill(items // parts)
        steps.done()
    array = memory._items  # noqa: SLF001 - both sides read the very same array
    reads = walk_bytes(items) // ITEM_BYTES

    def walk() -> object:
        return memory.walk(SEED, items)

    def plain() -> object:
        return read_at_random(array, np.uint64(items), 0, reads)

    def recompute(permutations: int) -> object:
        chosen = np.arange(lanes(permutations), dtype=np.uint64)
        return memories.lane_ends(SEED, permutations, SEED, items, chosen)

    sides: dict[str, Callable[[], object]] = {"walk": walk, "plain": plain}
    for r in PERMUTATIONS:
        sides[f"R={r}"] = partial(recompute, r)
    steps.begin("reading", rounds + 1)
    timings = interleave(sides, rounds, steps)
    gigabytes = reads * ITEM_BYTES / 1e9
    figures = {
        "walk GB/s": gigabytes / timings.median("walk"),
        "plain reads GB/s": gigabytes / timings.median("plain"),
        TARGET: timings.ratio("plain", "walk"),
    }
    for r in PERMUTATIONS:
        share = reads / (lanes(r) * WALK_READS)
        figures[f"R={r} recompute over read"] = share * timings.ratio(f"R={r}", "walk")
    notes = {"memory": f"{items * ITEM_BYTES >> 20} MiB, {reads} reads a walk"}
    return Report(card.name, figures, {TARGET: at_least(0.75)}, notes=notes)


def lanes(permutations: int) -> int:
    """Return how many lanes are recomputed: it is the same work for every R."""
    return max(keccak.LANES, WORK // permutations // WALK_READS)
