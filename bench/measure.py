"""Several ways to do the same, timed in turn: a noisy machine disturbs them alike."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.steps import Steps


@dataclass(frozen=True)
class Timings:
    """The seconds of each side in each round."""

    seconds: Mapping[str, Sequence[float]]

    def median(self, side: str) -> float:
        """Return a side's median seconds."""
        return median(self.seconds[side])

    def ratio(self, side: str, other: str) -> float:
        """Return how many times as long a side takes as the other one.

        The median over the rounds of the ratio within each: what slows a whole round
        down cancels out.
        """
        pairs = zip(self.seconds[side], self.seconds[other], strict=True)
        return median(one / two for one, two in pairs)


def interleave(
    sides: Mapping[str, Callable[[], object]],
    rounds: int,
    steps: Steps,
    clock: Callable[[], float] = time.perf_counter,
) -> Timings:
    """Time every side once a round, in their order; a first round only warms up."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, side in sides.items():
            started = clock()
            side()
            if turn:
                taken[name].append(clock() - started)
        steps.done()
    return Timings(taken)
