"""A prover that cheats: part of its tiles, and of its nonces, are invented.

    python -m edgeproof.simulator.garbage_prover --from-file FILE

It is honest until the Unix millisecond that FILE names, for ever if there is no FILE.
Everything else, the agent that runs it included, is the honest program.
"""

import argparse
import random
import time
from pathlib import Path

import numpy as np

from edgeproof.agent.prover import Prover, run
from edgeproof.kernels.card import Card, Product
from edgeproof.kernels.cpu.trees import Tree
from edgeproof.kernels.scalar import Words

SHARE = 0.3
"""Of the tiles, and of the nonces, that are garbage."""

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

    def warm(self) -> None:
        """See ``Card``."""
        self._honest.warm()

    def preferred_size(self, phase_seconds: float) -> int:
        """See ``Card``."""
        return self._honest.preferred_size(phase_seconds)

    def product(self, seed: bytes, n: int) -> Product:
        """Return a product of which ``SHARE`` of the digests are invented."""
        product = self._honest.product(seed, n)
        if not self._cheats():
            return product
        digests = product.digests.copy()
        wrong = self._rng.sample(range(len(digests)), int(SHARE * len(digests)))
        digests[wrong] += np.uint64(1)
        return Product(Tree(digests).root, digests)

    def search(self, seed: bytes, difficulty: int, start: int, count: int) -> Words:
        """Return the solutions, and invented ones beside them."""
        found = self._honest.search(seed, difficulty, start, count)
        if not self._cheats():
            return found
        extra = int(SHARE * len(found)) + 1
        invented = [start + self._rng.randrange(count) for _ in range(extra)]
        return np.union1d(found, np.array(invented, dtype=np.uint64))

    def _cheats(self) -> bool:
        try:
            with self._start.open() as file:
                return time.time_ns() // 1_000_000 >= int(file.read(LONGEST))
        except (OSError, ValueError):
            return False


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--from-file", type=Path, required=True)
    start = parser.parse_args().from_file
    run(lambda own, answer: Prover([GarbageCard(card, start) for card in own], answer))
