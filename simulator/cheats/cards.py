"""Tricks of a card: it computes less than it claims."""

import random
from collections.abc import Callable, Sequence

import numpy as np

from edgeproof.kernels import reference
from edgeproof.kernels.card import Card, Memory, Product, Walk
from edgeproof.kernels.cpu.trees import Tree
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.shapes import TILE

SEED = 0
"""Of what is invented: garbage needs no secret, and a trial is to be repeatable."""


class Disguise:
    """A card that does what another one does; ``active()`` tells whether it cheats."""

    def __init__(self, honest: Card, active: Callable[[], bool]) -> None:
        self.honest = honest
        self.active = active
        self.rng = random.Random(SEED)  # noqa: S311 - see SEED

    @property
    def index(self) -> int:
        """See ``Card``."""
        return self.honest.index

    @property
    def name(self) -> str:
        """See ``Card``."""
        return self.honest.name

    @property
    def kind(self) -> str:
        """See ``Card``."""
        return self.honest.kind

    @property
    def total_bytes(self) -> int:
        """See ``Card``."""
        return self.honest.total_bytes

    @property
    def kernel(self) -> str:
        """See ``Card``."""
        return self.honest.kernel

    @property
    def checked(self) -> Sequence[str]:
        """See ``Card``."""
        return self.honest.checked

    @property
    def notices(self) -> Sequence[str]:
        """See ``Card``."""
        return self.honest.notices

    def warm(self) -> None:
        """See ``Card``."""
        self.honest.warm()

    def preferred_size(self, phase_seconds: float) -> int:
        """See ``Card``."""
        return self.honest.preferred_size(phase_seconds)

    def product(self, seed: bytes, n: int) -> Product:
        """See ``Card``."""
        return self.honest.product(seed, n)

    def search(self, seed: bytes, difficulty: int, start: int, count: int) -> Words:
        """See ``Card``."""
        return self.honest.search(seed, difficulty, start, count)

    def room(self, share: float) -> int:
        """See ``Card``."""
        return self.honest.room(share)

    def walk_items(self, seconds: float) -> int:
        """See ``Card``."""
        return self.honest.walk_items(seconds)

    def memory(self, seed: bytes, permutations: int, most: int) -> Memory:
        """See ``Card``."""
        return self.honest.memory(seed, permutations, most)


class StructuredMatrices(Disguise):
    """Multiplies matrices whose rows repeat: one tile stands for all of them."""

    def product(self, seed: bytes, n: int) -> Product:
        """Return the product of n rows that repeat every 64: n * 64^2 steps."""
        if not self.active():
            return super().product(seed, n)
        keys = reference.product_keys(seed)
        a = reference.expand(keys.a, n, 0, TILE)
        b = reference.expand(keys.b, n, 0, TILE)
        tile = a @ b.T
        digests = [
            reference.digest_tile(keys.mix, tile, row, column)
            for row in range(0, n, TILE)
            for column in range(0, n, TILE)
        ]
        return _product(np.array(digests, dtype=np.uint64))


class LinearFold(Disguise):
    """Takes each tile's sum from row and column sums: n^2 steps instead of n^3."""

    def product(self, seed: bytes, n: int) -> Product:
        """Return digests of what a linear fold of each tile would be."""
        if not self.active():
            return super().product(seed, n)
        keys = reference.product_keys(seed)
        rows, columns = (
            reference.expand(key, n, 0, n).reshape(n // TILE, TILE, n).sum(axis=1)
            for key in (keys.a, keys.b)
        )
        sums = (rows @ columns.T).reshape(-1, 1).astype(np.uint64)
        return _product(np.repeat(sums, 2, axis=1))


class Garbage(Disguise):
    """Invents ``share`` of its tiles, of its lanes and of its nonces."""

    share = 0.3

    def product(self, seed: bytes, n: int) -> Product:
        """Return a product of which that share of the digests is invented."""
        product = super().product(seed, n)
        if not self.active():
            return product
        return _product(self.spoiled(product.digests))

    def search(self, seed: bytes, difficulty: int, start: int, count: int) -> Words:
        """Return the solutions, and invented ones beside them."""
        found = super().search(seed, difficulty, start, count)
        if not self.active():
            return found
        extra = int(self.share * len(found)) + 1
        invented = [start + self.rng.randrange(count) for _ in range(extra)]
        return np.union1d(found, np.array(invented, dtype=np.uint64))

    def memory(self, seed: bytes, permutations: int, most: int) -> Memory:
        """Return a memory whose walks end, in that share of the lanes, anywhere."""
        return GarbageMemory(super().memory(seed, permutations, most), self)

    def spoiled(self, words: Words) -> Words:
        """Return a copy of which that share of the rows, one at least, is wrong."""
        copy = words.copy()
        count = max(1, round(self.share * len(copy)))
        copy[self.rng.sample(range(len(copy)), count)] += np.uint64(1)
        return copy


class Garbage10(Garbage):
    """One tile in ten."""

    share = 0.1


class Garbage25(Garbage):
    """One tile in four."""

    share = 0.25


class Garbage50(Garbage):
    """Every other tile."""

    share = 0.5


class MemoryInDisguise:
    """A memory that is what another one is."""

    def __init__(self, honest: Memory) -> None:
        self.honest = honest

    @property
    def items(self) -> int:
        """See ``Memory``."""
        return self.honest.items

    def spare(self, share: float) -> int:
        """See ``Memory``."""
        return self.honest.spare(share)

    def fill(self, count: int) -> None:
        """See ``Memory``."""
        self.honest.fill(count)

    def walk_items(self, seconds: float) -> int:
        """See ``Memory``."""
        return self.honest.walk_items(seconds)

    def walk(self, seed: bytes, items: int) -> Walk:
        """See ``Memory``."""
        return self.honest.walk(seed, items)


class GarbageMemory(MemoryInDisguise):
    """What a ``Garbage`` card holds."""

    def __init__(self, honest: Memory, card: Garbage) -> None:
        super().__init__(honest)
        self._card = card

    def walk(self, seed: bytes, items: int) -> Walk:
        """Return a walk of which the card's share of the ends is invented."""
        walk = super().walk(seed, items)
        return made_up(self._card.spoiled(walk.ends)) if self._card.active() else walk


def made_up(ends: Words) -> Walk:
    """Return the walk that is claimed to end so."""
    return Walk(Tree(ends[:, None]).root, ends)


def _product(digests: Words) -> Product:
    return Product(Tree(digests).root, digests)
