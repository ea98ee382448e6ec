"""Timing in turn: the order of sides, the warm-up, medians and ratios."""

from functools import partial

import pytest

from bench.measure import Timings, interleave
from bench.steps import Steps


def test_sides_take_turns_and_the_first_round_only_warms_up(steps: Steps) -> None:
    now, order, costs = [0.0], [], {"slow": [9.0, 4.0, 6.0], "fast": [9.0, 1.0, 2.0]}

    def side(name: str) -> None:
        order.append(name)
        now[0] += costs[name].pop(0)

    sides = {name: partial(side, name) for name in costs}
    timings = interleave(sides, 2, steps, lambda: now[0])
    assert order == ["slow", "fast"] * 3
    assert timings.seconds == {"slow": [4.0, 6.0], "fast": [1.0, 2.0]}


def test_ratios_are_those_within_a_round() -> None:
    timings = Timings({"one": [2.0, 200.0, 3.0], "two": [1.0, 100.0, 1.0]})
    assert timings.median("one") == 3.0
    assert timings.ratio("one", "two") == 2.0
    assert timings.ratio("two", "one") == pytest.approx(0.5)


def test_a_disturbance_of_a_whole_round_changes_no_ratio() -> None:
    calm = Timings({"one": [2.0] * 4, "two": [1.0] * 4})
    disturbed = Timings({"one": [2.0, 20.0, 14.0, 2.0], "two": [1.0, 10.0, 7.0, 1.0]})
    assert calm.ratio("one", "two") == disturbed.ratio("one", "two")
