"""Rounds in which cards rest or fail: what is said, kept, and opened all the same."""

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from edgeproof.agent.orders import (
    Cease,
    Ended,
    Fill,
    Multiply,
    Open,
    Order,
    Release,
    Search,
    Send,
    Walk,
)
from edgeproof.agent.rounds import Rounds
from edgeproof.agent.work import Job
from edgeproof.proofs.parameters import Phase
from edgeproof.proofs.reasons import SKIPS, Reason
from edgeproof.telemetry.messages import Commitment, Receipt, Skip
from edgeproof.telemetry.messages import Phase as PhaseValue
from edgeproof.telemetry.signing import Key

if TYPE_CHECKING:
    from tests.agent.conftest import Coordinator

HOT, PAUSED = Reason.SKIPPED_HOT, Reason.SKIPPED_PAUSED
FAILED = Reason.PROVER_FAILED
FILL, WALK = Job(0, Phase.FILL, 0), Job(0, Phase.WALK, 0)
PRODUCTS, POW = Job(0, Phase.MATMUL, 0), Job(0, Phase.POW, 0)
SECOND = Job(0, Phase.SECOND_WALK, 0)


@pytest.fixture
def rounds(coordinator: "Coordinator", device: Key, rng: random.Random) -> Rounds:
    made = Rounds(coordinator.description, device, margin_ms=100, rng=rng)
    made.sizes = {0: 1024}
    return made


def start(rounds: Rounds, phase: Phase, now: int = 0) -> list[Order]:
    return rounds.phase(PhaseValue(0, phase, b"\x0f" * 32), b"\x0e" * 32, now)


def told(orders: list[Order]) -> list[tuple[Phase, int, Reason]]:
    """Return phase, card and reason of each skip; each is one of those allowed."""
    skips = [
        order.signed.message
        for order in orders
        if isinstance(order, Send) and isinstance(order.signed.message, Skip)
    ]
    assert all(skip.reason in SKIPS for skip in skips)
    return [(Phase(s.phase), s.card, Reason(s.reason)) for s in skips]


def kinds(orders: list[Order]) -> list[type]:
    return [type(order) for order in orders]


def test_a_card_that_rests_says_so_and_the_others_work(rounds: Rounds) -> None:
    rounds.sizes = {0: 1024, 1: 1024}
    assert rounds.rest({0: HOT}, 0) == []
    orders = start(rounds, Phase.MATMUL)
    assert told(orders) == [(Phase.MATMUL, 0, HOT)]
    assert [o.job.card for o in orders if isinstance(o, Multiply)] == [1]
    assert start(rounds, Phase.MATMUL) == []  # the same value again
    assert not rounds.wants(PRODUCTS)
    rounds.rest({}, 600)
    assert kinds(start(rounds, Phase.POW, 600)) == [Search, Search]


def test_a_round_at_rest_says_so_once_for_all_of_memory(rounds: Rounds) -> None:
    rounds.rest({0: PAUSED}, 0)
    said = [told(start(rounds, phase)) for phase in Phase]
    fill, products, search = (
        [(phase, 0, PAUSED)] for phase in (Phase.FILL, Phase.MATMUL, Phase.POW)
    )
    assert said == [fill, [], products, [], search]
    assert not rounds.busy
    assert rounds.beacon(1) == []


@pytest.mark.parametrize(
    ("phase", "before"),
    [
        (Phase.FILL, []),
        (Phase.WALK, [Phase.FILL]),
        (Phase.MATMUL, []),
        (Phase.SECOND_WALK, [Phase.FILL, Phase.WALK]),
        (Phase.POW, []),
    ],
)
def test_work_is_cut_short_at_once(
    rounds: Rounds, phase: Phase, before: list[Phase]
) -> None:
    for earlier in before:
        start(rounds, earlier)
        rounds.found(Job(0, earlier, 0), 1000, [bytes(32)])
        rounds.finished(Job(0, earlier, 0), 50)
        rounds.due(100)
    start(rounds, phase, 200)
    orders = rounds.rest({0: HOT}, 250)
    job = Job(0, phase, 0)
    assert orders[:2] == [Cease(job), Ended(job, HOT)]
    assert told(orders) == [(phase, 0, HOT)]
    holds = phase not in (Phase.MATMUL, Phase.POW)
    assert (Release(FILL) in orders) == holds
    assert rounds.rest({0: HOT}, 251) == []  # once is enough
    rounds.found(job, 1000, [bytes(32)])  # what was on its way
    assert rounds.finished(job, 260) == []
    assert rounds.failed(job, FAILED, 270) == []
    assert rounds.due(10_000) == []


def test_what_was_cut_short_is_not_opened_and_what_was_complete_is(
    rounds: Rounds, coordinator: "Coordinator"
) -> None:
    domain = coordinator.description.domain
    start(rounds, Phase.FILL)
    start(rounds, Phase.WALK, 100)
    rounds.found(WALK, 1000, [bytes(32)])
    rounds.finished(WALK, 140)
    start(rounds, Phase.MATMUL, 200)
    rounds.found(PRODUCTS, 1024, [bytes(32)])
    said = [o.signed.message for o in rounds.due(500) if isinstance(o, Send)]
    assert [m.phase for m in said] == [Phase.WALK, Phase.MATMUL]
    orders = rounds.rest({0: PAUSED}, 510)
    assert told(orders) == [(Phase.MATMUL, 0, PAUSED)]
    assert Release(FILL) in orders
    for message in said:
        digest = message.digest(domain)
        receipt = Receipt(message.device, 0, digest, 0, 1, (), bytes(32))
        rounds.receipt(receipt, 900)
    drawn = rounds.drawn(2, b"\x0d" * 32, 2000)
    assert [o.job for o in drawn if isinstance(o, Open)] == [WALK]
    assert set(rounds.work) == {WALK}
    # The memory is gone, so the second walk is left out, and for the same reason.
    rounds.rest({}, 600)
    assert told(start(rounds, Phase.SECOND_WALK, 700)) == [
        (Phase.SECOND_WALK, 0, PAUSED)
    ]


def test_a_pow_that_was_cut_short_sets_no_difficulty(
    coordinator: "Coordinator", device: Key, rng: random.Random
) -> None:
    long = replace(coordinator.parameters, phase_ms=(1, 1, 1, 1, 3000), slot_ms=4000)
    description = replace(coordinator, parameters=long).description
    rounds = Rounds(description, device, margin_ms=100, rng=rng)
    rounds.sizes = {0: 1024}
    start(rounds, Phase.POW)
    rounds.found(POW, 8, [bytes(8)])
    (order,) = rounds.due(500)
    assert isinstance(order, Send)
    assert isinstance(order.signed.message, Commitment)
    digest = order.signed.message.digest(coordinator.description.domain)
    receipt = Receipt(order.signed.message.device, 0, digest, 0, 1, (), bytes(32))
    rounds.receipt(receipt, 550)
    assert rounds.difficulty(0) == (None, 1 << 8)
    rounds.rest({0: HOT}, 600)
    assert rounds.difficulty(0) == (8, 0)


@pytest.mark.parametrize("phase", [Phase.FILL, Phase.MATMUL, Phase.POW])
def test_what_fails_is_told_in_time_or_not_at_all(rounds: Rounds, phase: Phase) -> None:
    job = Job(0, phase, 0)
    length = rounds._network.phase_ms[phase]
    start(rounds, phase)
    # 200 ms after the phase a message still counts.
    orders = rounds.failed(job, FAILED, length + 200)
    assert told(orders) == [(phase, 0, FAILED)]
    assert Ended(job, FAILED) in orders
    again = Job(1, phase, 0)
    rounds.phase(PhaseValue(1, phase, b"\x0f" * 32), b"\x0e" * 32, 1000)
    orders = rounds.failed(again, FAILED, 1000 + length + 201)
    assert told(orders) == []
    assert Ended(again, FAILED) in orders


def test_memory_that_fails_is_told_once(rounds: Rounds) -> None:
    start(rounds, Phase.FILL)
    start(rounds, Phase.WALK, 100)
    orders = rounds.failed(WALK, FAILED, 120)
    assert orders[:2] == [Ended(WALK, FAILED), Release(FILL)]
    assert told(orders) == [(Phase.WALK, 0, FAILED)]
    assert start(rounds, Phase.SECOND_WALK, 700) == []


def test_memory_that_went_with_the_prover_is_told_at_the_next_walk(
    rounds: Rounds,
) -> None:
    start(rounds, Phase.FILL)
    rounds.due(100)
    rounds.gone(Reason.PROVER_KILLED)
    assert not rounds.busy
    skip = (Phase.WALK, 0, Reason.PROVER_KILLED)
    assert told(start(rounds, Phase.WALK, 150)) == [skip]
    assert start(rounds, Phase.SECOND_WALK, 700) == []
    rounds.gone(Reason.PROVER_KILLED)  # nothing was held any more
    assert start(rounds, Phase.SECOND_WALK, 700) == []


def test_nonces_that_were_found_count_though_the_search_failed(rounds: Rounds) -> None:
    start(rounds, Phase.POW)
    rounds.found(POW, 8, [bytes(8)])
    assert rounds.failed(POW, FAILED, 50) == [Ended(POW, FAILED)]
    (order,) = rounds.due(110)
    assert isinstance(order, Send)
    assert isinstance(order.signed.message, Commitment)


def test_an_opening_that_fails_is_remembered_and_changes_nothing(
    rounds: Rounds,
) -> None:
    start(rounds, Phase.MATMUL)
    rounds.found(PRODUCTS, 1024, [bytes(32)])
    rounds.finished(PRODUCTS, 300)
    rounds.due(450)
    assert rounds.failed(PRODUCTS, FAILED, 2000) == [Ended(PRODUCTS, FAILED)]


@pytest.mark.parametrize(
    ("phase", "reason"),
    [
        pytest.param(Phase.MATMUL, Reason.PROVER_HUNG, id="no-product"),
        pytest.param(Phase.POW, Reason.PROVER_HUNG, id="no-answer"),
        pytest.param(Phase.FILL, None, id="nothing-is-asked"),
    ],
)
def test_work_without_an_answer_at_its_end_is_late(
    rounds: Rounds, phase: Phase, reason: Reason | None
) -> None:
    start(rounds, phase)
    orders = [order for now in range(0, 600, 10) for order in rounds.due(now)]
    assert told(orders) == ([(phase, 0, reason)] if reason else [])


def test_a_search_without_luck_is_not_late(rounds: Rounds) -> None:
    start(rounds, Phase.POW)
    rounds.finished(POW, 190)
    assert rounds.due(1000) == []


def test_a_late_walk_gives_its_memory_back(rounds: Rounds) -> None:
    start(rounds, Phase.FILL)
    start(rounds, Phase.WALK, 100)
    orders = rounds.due(200)
    assert Release(FILL) in orders
    assert told(orders) == [(Phase.WALK, 0, Reason.PROVER_HUNG)]
    assert rounds.finished(WALK, 201) == []
    assert start(rounds, Phase.SECOND_WALK, 1100) == []


def test_a_card_that_lends_no_memory_is_silent_about_it(rounds: Rounds) -> None:
    rounds.unfilled = {0}
    assert [start(rounds, phase) for phase in (Phase.FILL, Phase.WALK)] == [[], []]
    assert kinds(start(rounds, Phase.MATMUL)) == [Multiply]


def test_only_what_was_not_begun_can_be_begun_by_another_prover(
    rounds: Rounds,
) -> None:
    start(rounds, Phase.MATMUL)
    assert rounds.untouched(PRODUCTS)
    rounds.found(PRODUCTS, 1024, [bytes(32)])
    assert not rounds.untouched(PRODUCTS)
    assert not rounds.untouched(POW)


def test_a_whole_round_without_limits_is_as_ever(rounds: Rounds) -> None:
    rounds.rest({}, 0)
    assert kinds(start(rounds, Phase.FILL)) == [Fill]
    assert kinds(start(rounds, Phase.WALK, 100)) == [Walk]
    assert SECOND not in rounds.work
