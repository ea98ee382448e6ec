"""How long to wait before trying again, so that a fleet does not return at once."""

from typing import Protocol

FIRST_WAIT = 0.5
"""Seconds: the longest wait after the first failure."""

LONGEST_WAIT = 60.0
"""Seconds: no wait is ever longer."""


class Random(Protocol):
    """The one thing needed of ``random.Random``."""

    def random(self) -> float:
        """Return a number in [0, 1)."""
        ...


def full_jitter(
    failures: int,
    rng: Random,
    *,
    first: float = FIRST_WAIT,
    longest: float = LONGEST_WAIT,
) -> float:
    """Return the seconds to wait after ``failures`` (at least 1) in a row.

    Uniform in [0, min(longest, first * 2^(failures - 1))): "full jitter", which
    spreads a crowd best (Brooker, "Exponential Backoff And Jitter", 2015).
    """
    doublings = min(max(failures - 1, 0), 64)  # a float overflows near 2^1024
    return rng.random() * float(min(longest, first * 2**doublings))
