"""What every card can do, whatever it is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edgeproof.kernels.scalar import Words


@dataclass(frozen=True)
class Product:
    """One finished product: what is committed, and what openings are made from.

    ``root`` is 32 bytes, ``digests`` (tiles, 2) words, tile rows first.
    """

    root: bytes
    digests: Words


@dataclass(frozen=True)
class Walk:
    """One walk over a memory: what is committed, and what openings are made from.

    ``root`` is 32 bytes, ``ends`` (lanes,) words: the state in which each lane ends.
    """

    root: bytes
    ends: Words


class Memory(Protocol):
    """A card's memory for one round; dropping it gives its room back."""

    @property
    def items(self) -> int:
        """How many items it holds: the first ones, without a gap."""
        ...

    def spare(self, share: float) -> int:
        """Return how many more items fit: of its room, what that share still has."""
        ...

    def fill(self, count: int) -> None:
        """Make ``count`` more items; raise ``ValueError`` beyond its room."""
        ...

    def walk(self, seed: bytes, items: int) -> Walk:
        """Walk over the first ``items`` of those that it holds, from a 32-byte seed.

        Raises ``ValueError`` unless they are ``FEWEST_ITEMS`` or more, and there.
        """
        ...

    def walk_items(self, seconds: float) -> int:
        """Measure, and return over how many of its items a walk takes so long."""
        ...


class Card(Protocol):
    """One thing that computes; its results are the reference's, bit for bit."""

    @property
    def index(self) -> int:
        """The number that the card's seeds are derived with."""
        ...

    @property
    def name(self) -> str:
        """What the card calls itself; shown, never paid."""
        ...

    @property
    def kind(self) -> str:
        """``cpu`` or ``cuda``."""
        ...

    @property
    def kernel(self) -> str:
        """The kernel that it multiplies with, empty before ``warm`` has chosen one."""
        ...

    @property
    def notices(self) -> Sequence[str]:
        """What its owner should know: kernels that were wrong, and so are unused."""
        ...

    def warm(self) -> None:
        """Compile and check every kernel; raise ``EdgeproofError`` if one is wrong."""
        ...

    def product(self, seed: bytes, n: int) -> Product:
        """Compute the n by n product of a 32-byte seed."""
        ...

    def search(self, seed: bytes, difficulty: int, start: int, count: int) -> Words:
        """Return the nonces in [start, start + count) meeting the target, in order."""
        ...

    def preferred_size(self, phase_seconds: float) -> int:
        """Measure, and return the size that proves most within a phase."""
        ...

    def room(self, share: float) -> int:
        """Return the items that a memory may have now: that share of what is free."""
        ...

    def walk_items(self, seconds: float) -> int:
        """Measure, and return how many items a walk can cover in so many seconds.

        Before there is a memory; one that is filled measures itself, and better.
        """
        ...

    def memory(self, seed: bytes, permutations: int, most: int) -> Memory:
        """Return an empty memory of a 32-byte seed, with room for ``most`` items.

        Raises ``EdgeproofError`` where the card does not have that room.
        """
        ...
