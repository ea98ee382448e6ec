"""What every card can do, whatever it is made of."""

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
