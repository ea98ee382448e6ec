"""How much of an hour cards work: as it was, and as the timetable has it."""

import json
import random

import pytest

from edgeproof.agent import load
from edgeproof.agent.load import Load
from edgeproof.agent.options import COMMIT_MARGIN_MS
from edgeproof.proofs import timetable
from edgeproof.proofs.parameters import Parameters, demo

START = 1_000_000.0


def test_the_work_of_the_last_hour_is_added_up() -> None:
    one = Load()
    for hour, seconds in enumerate([9.0, 2.5]):
        began = START + hour * load.HOUR
        one.begins(0, 1, began)
        one.ends(0, 1, began + seconds)
    one.begins(1, 1, began)
    one.ends(1, 1, began + 4)
    now = began + 60
    memory = json.loads(json.dumps(one.memory(now)))
    assert load.per_hour(memory, [0, 1, 2], 29, now) == {0: 2.5, 1: 4.0, 2: 0.0}
    assert load.per_hour(memory, [0], 29, now + load.HOUR) == {0: 0.0}
    again = Load()
    again.remember(memory)
    assert again.memory(now) == memory


def test_before_an_hour_has_passed_the_timetable_says_it() -> None:
    one = Load()
    assert load.per_hour({}, [0], 29, START) == {0: 29}
    one.begins(0, 1, START)
    one.ends(0, 1, START + 5)
    assert load.per_hour(one.memory(START + 5), [0], 29, START + 3599) == {0: 29}
    assert load.per_hour(one.memory(START + 5), [0], 29, START + 3600) == {0: 0.0}


def test_pieces_that_wait_for_each_other_count_once() -> None:
    one = Load()
    one.begins(0, 1, START)
    one.begins(0, 2, START + 1)
    one.ends(0, 1, START + 3)
    one.ends(0, 2, START + 4)
    one.ends(0, 3, START + 9)  # never begun
    assert one.changed
    (entry,) = one.memory(START + 10)["minutes"]
    assert entry[2] == 4.0
    assert not one.changed


@pytest.mark.parametrize("step", [-5000, 5000])
def test_a_clock_that_is_set_does_no_harm(step: float) -> None:
    one = Load()
    one.begins(0, 1, START)
    one.ends(0, 1, START + step)
    now = START + step
    (entry,) = one.memory(now)["minutes"]
    assert 0 <= entry[2] <= load.LONGEST_S


def test_a_network_of_usual_parameters_takes_less_than_half_a_minute_an_hour() -> None:
    assert 29 < timetable.expected_load(Parameters(genesis=1)) < 30
    worked = timetable.expected_load(Parameters(genesis=1), COMMIT_MARGIN_MS)
    assert 29 < worked < 29.2


@pytest.mark.parametrize("network", [Parameters(genesis=1), demo(1)])
def test_the_expected_load_is_what_draws_come_to(network: Parameters) -> None:
    rng, slots = random.Random(1), 100_000  # noqa: S311 - a test repeats itself
    entropies = {slot: rng.randbytes(32) for slot in range(slots)}
    opened = sum(1 for _ in timetable.rounds(network, entropies, timetable.NO_ROUND))
    found = opened * network.round_ms * 3600 / (slots * network.slot_ms)
    assert found == pytest.approx(timetable.expected_load(network), rel=0.05)
