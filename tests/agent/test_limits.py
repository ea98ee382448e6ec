"""When cards rest: every limit, its two ends, and readings that say nothing."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.agent import limits
from edgeproof.agent.limits import Heat, Judge, Limits, Readings, Span
from edgeproof.proofs.reasons import Reason

NOON = Readings(minute=12 * 60)


def heat(celsius: float | None = None, watts: float | None = None) -> Readings:
    return replace(NOON, cards={0: Heat(celsius, watts)})


def verdicts(judge: Judge, readings: list[Readings]) -> list[Reason]:
    return [judge.resting([0], now).get(0, Reason.NONE) for now in readings]


def test_without_limits_nothing_rests() -> None:
    busy = replace(heat(150, 5000), others=1.0)
    assert Judge(Limits()).resting([0, 1], busy) == {}
    assert not Limits(hours=(Span(0, 1),)).sensed
    assert Limits(max_watts=1).sensed


@pytest.mark.parametrize(
    ("allowed", "values", "reason"),
    [
        pytest.param(
            Limits(max_celsius=80),
            [heat(80), heat(80.5), heat(80), heat(75), heat(74.9), heat(79)],
            Reason.SKIPPED_HOT,
            id="heat",
        ),
        pytest.param(
            Limits(max_watts=200),
            [heat(watts=w) for w in (200, 201, 200, 180, 179, 199)],
            Reason.SKIPPED_POWER,
            id="power",
        ),
        pytest.param(
            Limits(only_when_idle=True),
            [replace(NOON, others=o) for o in (0.25, 0.26, 0.25, 0.1, 0.09, 0.2)],
            Reason.SKIPPED_IN_USE,
            id="in-use",
        ),
    ],
)
def test_what_exceeds_a_limit_rests_until_it_is_well_below(
    allowed: Limits, values: list[Readings], reason: Reason
) -> None:
    no = Reason.NONE
    expected = [no, reason, reason, reason, no, no]
    assert verdicts(Judge(allowed), values) == expected


@pytest.mark.parametrize(
    "nothing",
    [
        pytest.param(heat(None, None), id="missing"),
        pytest.param(replace(NOON, cards={1: Heat(99, 999)}), id="another-card"),
        pytest.param(replace(heat(99, 999), others=1.0, age_s=60.1), id="too-old"),
    ],
)
def test_readings_that_say_nothing_exceed_nothing(nothing: Readings) -> None:
    allowed = Limits(max_celsius=80, max_watts=200, only_when_idle=True)
    hot = replace(heat(99, 999), others=1.0, age_s=60)
    no = Reason.NONE
    found = verdicts(Judge(allowed), [nothing, hot, nothing, heat(78)])
    assert found == [no, Reason.SKIPPED_IN_USE, no, no]


def test_each_card_is_judged_on_its_own() -> None:
    judge = Judge(Limits(max_celsius=80, max_watts=200))
    now = replace(NOON, cards={0: Heat(85, 50), 1: Heat(60, 250), 2: Heat(60, 50)})
    assert judge.resting([0, 1, 2], now) == {
        0: Reason.SKIPPED_HOT,
        1: Reason.SKIPPED_POWER,
    }


def test_a_pause_outweighs_all_and_needs_no_sensors() -> None:
    judge = Judge(Limits(max_celsius=80))
    paused = replace(heat(99), paused=True, age_s=1e9)
    assert judge.resting([0, 1], paused) == dict.fromkeys([0, 1], Reason.SKIPPED_PAUSED)
    assert judge.resting([0], NOON) == {}


@pytest.mark.parametrize(
    ("text", "works", "rests"),
    [
        ("22:00-07:00", ["22:00", "23:59", "00:00", "06:59"], ["07:00", "21:59"]),
        ("9:00-17:30", ["09:00", "17:29"], ["08:59", "17:30", "00:00"]),
        ("00:00-06:00, 12:00-13:00", ["00:00", "12:59"], ["06:00", "13:00"]),
        ("20:00-24:00", ["20:00", "23:59"], ["00:00", "19:59"]),
        ("00:00-24:00", ["00:00", "12:00", "23:59"], []),
        ("", ["00:00", "12:00"], []),
    ],
)
def test_work_is_done_in_the_hours(
    text: str, works: list[str], rests: list[str]
) -> None:
    judge = Judge(Limits(hours=limits.hours(text)))

    def at(time: str) -> Reason:
        hour, minute = map(int, time.split(":"))
        now = Readings(minute=60 * hour + minute)
        return judge.resting([0], now).get(0, Reason.NONE)

    assert {at(time) for time in works} <= {Reason.NONE}
    assert {at(time) for time in rests} <= {Reason.SKIPPED_HOURS}


@pytest.mark.parametrize(
    "text", ["night", "22-7", "22:00", "24:30-07:00", "1:00-2:60", "1:00-2:00,"]
)
def test_hours_of_no_day_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"hours are written|no time of a day"):
        limits.hours(text)


@given(begin=st.integers(0, 1439), end=st.integers(0, 1439), at=st.integers(0, 1439))
def test_a_span_and_its_rest_make_a_day(begin: int, end: int, at: int) -> None:
    assert begin == end or Span(begin, end).holds(at) != Span(end, begin).holds(at)
