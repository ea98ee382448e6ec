"""A prover that cheats: part of its tiles, lanes and nonces are invented.

    python -m edgeproof.simulator.garbage_prover --from-file FILE

It is honest until the Unix millisecond that FILE names, for ever if there is no FILE.
Everything else, the agent that runs it included, is the honest program.
"""

import argparse
import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgeproof.agent.prover import run
from edgeproof.kernels.card import Card, Memory, Product, Walk
from edgeproof.kernels.cpu.trees import Tree
from edgeproof.kernels.scalar import Words

SHARE = 0.3
"""Of the tiles, of the lanes and of the nonces, that are garbage."""

LONGEST = 32
"""Characters of FILE that are read."""


class GarbageCard:
    """A card that does ``1 - SHARE`` of its work and claims all of it."""

    def __init__(self, honest: Card, start: Path, seed: int = 0) -> None:
        self._honest = honest
        self._start = start
        self._rng = random.Random(seed)  # noqa: S311 - garbage needs no secret

    @property
    def index(self) -> int:
        """See ``Card``."""
        return self._honest.index

    @property
    def name(self) -> str:
        """See ``Card``."""
        return self._honest.name

    @property
    def kind(self) -> str:
        """See ``Card``."""
        return self._honest.kind

    @property
    def kernel(self) -> str:
        """See ``Card``."""
        return self._honest.kernel

    @property
    def notices(self) -> Sequence[str]:
        """See ``Card``."""
        return self._honest.notices

    def warm(self) -> None:
        """See ``Card``."""
        self._honest.warm()

    def preferred_size(self, phase_seconds: float) -> int:
        """See ``Card``."""
        return self._honest.preferred_size(phase_seconds)

    def product(self, seed: bytes, n: int) -> Product:
        """Return a product of which ``SHARE`` of the digests are invented."""
        product = self._honest.product(seed, n)
        if not self.cheats():
            return product
        digests = self.spoiled(product.digests)
        return Product(Tree(digests).root, digests)

    def search(self, seed: bytes, difficulty: int, start: int, count: int) -> Words:
        """Return the solutions, and invented ones beside them."""
        found = self._honest.search(seed, difficulty, start, count)
        if not self.cheats():
            return found
        extra = int(SHARE * len(found)) + 1
        invented = [start + self._rng.randrange(count) for _ in range(extra)]
        return np.union1d(found, np.array(invented, dtype=np.uint64))

    def room(self, share: float) -> int:
        """See ``Card``."""
        return self._honest.room(share)

    def walk_items(self, seconds: float) -> int:
        """See ``Card``."""
        return self._honest.walk_items(seconds)

    def memory(self, seed: bytes, permutations: int, most: int) -> Memory:
        """Return a memory whose walks end, in ``SHARE`` of the lanes, anywhere."""
        return GarbageMemory(self._honest.memory(seed, permutations, most), self)

    def spoiled(self, words: Words) -> Words:
        """Return a copy of which ``SHARE`` of the rows, and at least one, are wrong."""
        copy = words.copy()
        count = max(1, int(SHARE * len(copy)))
        copy[self._rng.sample(range(len(copy)), count)] += np.uint64(1)
        return copy

    def cheats(self) -> bool:
        """Return whether the time of honesty is over."""
        try:
            with self._start.open() as file:
                return time.time_ns() // 1_000_000 >= int(file.read(LONGEST))
        except (OSError, ValueError):
            return False


class GarbageMemory:
    """What a ``GarbageCard`` holds."""

    def __init__(self, honest: Memory, card: GarbageCard) -> None:
        self._honest = honest
        self._card = card

    @property
    def items(self) -> int:
        """See ``Memory``."""
        return self._honest.items

    def spare(self, share: float) -> int:
        """See ``Memory``."""
        return self._honest.spare(share)

    def fill(self, count: int) -> None:
        """See ``Memory``."""
        self._honest.fill(count)

    def walk_items(self, seconds: float) -> int:
        """See ``Memory``."""
        return self._honest.walk_items(seconds)

    def walk(self, seed: bytes, items: int) -> Walk:
        """Return a walk of which ``SHARE`` of the ends are invented."""
        walk = self._honest.walk(seed, items)
        if not self._card.cheats():
            return walk
        ends = self._card.spoiled(walk.ends)
        return Walk(Tree(ends[:, None]).root, ends)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--from-file", type=Path, required=True)
    start = parser.parse_args().from_file
    run(lambda card: GarbageCard(card, start))
