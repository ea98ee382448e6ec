"""Scores: a slot earns the lower of the figures around it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.proofs import scores
from edgeproof.proofs.parameters import Bucket, Parameters, demo

OPENED, FIGURES = [10, 20, 30], [5, 3, 8]


@pytest.mark.parametrize(
    ("slot", "figure", "why"),
    [
        (0, 0, "nothing is proven before the first round"),
        (9, 0, "nor in the slot before it"),
        (10, 0, "a round's own slot belongs to the interval before it"),
        (11, 3, "the round after is lower"),
        (19, 3, "up to its slot"),
        (20, 3, "and in it"),
        (21, 3, "the round before is lower"),
        (30, 3, "up to the slot of the last round"),
        (31, 3, "after the last decided round the lower of the last two stands"),
        (1000, 3, "for as long as none follows"),
    ],
)
def test_the_lower_of_the_rounds_around_a_slot(
    slot: int, figure: int, why: str
) -> None:
    assert scores.slot_figure(slot, OPENED, FIGURES) == figure, why


def test_a_failed_round_costs_the_slots_on_both_sides() -> None:
    failed = [scores.slot_figure(slot, OPENED, [5, 0, 8]) for slot in range(40)]
    assert failed == [0] * 40


def test_taking_part_in_every_other_round_earns_nothing() -> None:
    for figures in ([5, 0, 8], [0, 5, 0]):
        assert not any(scores.slot_figure(s, OPENED, figures) for s in range(40))
    assert scores.slot_figure(40, OPENED, [0, 5, 8]) == 5


def test_a_networks_first_round_stands_alone() -> None:
    assert scores.slot_figure(40, [10], [5]) == 5


def test_without_rounds_nothing_is_earned() -> None:
    assert scores.slot_figure(5, [], []) == 0
    assert scores.weight(0b1111, 0, [], []) == 0


rounds = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 2**80)),
    max_size=6,
    unique_by=lambda pair: pair[0],
).map(sorted)
slot_sets = st.integers(0, 2**60 - 1)


@given(pairs=rounds, accepted=slot_sets, first=st.integers(0, 30))
def test_weight_is_the_sum_over_accepted_slots(
    pairs: list[tuple[int, int]], accepted: int, first: int
) -> None:
    opened, figures = [slot for slot, _ in pairs], [figure for _, figure in pairs]
    want = 0
    for i in range(60):
        if accepted >> i & 1:
            before = [figure for slot, figure in pairs if slot < first + i]
            after = [figure for slot, figure in pairs if slot >= first + i]
            around = [before[-1], after[0]] if before and after else before[-2:]
            want += min(around) if before else 0
    assert scores.weight(accepted, first, opened, figures) == want


@given(pairs=rounds, one=slot_sets, other=slot_sets)
def test_more_uptime_never_weighs_less(
    pairs: list[tuple[int, int]], one: int, other: int
) -> None:
    opened, figures = [slot for slot, _ in pairs], [figure for _, figure in pairs]
    both = scores.weight(one | other, 0, opened, figures)
    assert both >= scores.weight(one, 0, opened, figures)
    shared = scores.weight(one & other, 0, opened, figures)
    assert both + shared == scores.weight(one, 0, opened, figures) + scores.weight(
        other, 0, opened, figures
    )


@given(pairs=rounds, accepted=slot_sets, share=st.integers(0, 100))
def test_splitting_a_card_never_raises_its_weight(
    pairs: list[tuple[int, int]], accepted: int, share: int
) -> None:
    # Law 3: each part's lower-of is at most its part of the whole's lower-of.
    opened = [slot for slot, _ in pairs]
    whole = [figure for _, figure in pairs]
    one = [figure * share // 100 for figure in whole]
    other = [figure - part for figure, part in zip(whole, one, strict=True)]
    assert scores.weight(accepted, 0, opened, one) + scores.weight(
        accepted, 0, opened, other
    ) <= scores.weight(accepted, 0, opened, whole)


@given(work=st.integers(0, 2**100), phase_ms=st.integers(1, 10_000))
def test_a_rate_is_work_per_second_rounded_down(work: int, phase_ms: int) -> None:
    network = replace(
        Parameters(genesis=1), phase_ms=(10_000, 1_500, phase_ms, 1_500, 3_000)
    )
    figure = scores.figure(network, Bucket.COMPUTE, work)
    assert figure * phase_ms <= work * 1000 < (figure + 1) * phase_ms
    assert scores.figure(network, Bucket.HASH, work) == work // 3


@given(work=st.integers(0, 2**40))
def test_memory_counts_the_bytes_however_long_the_walk_may_take(work: int) -> None:
    for network in (Parameters(genesis=1), demo(1)):
        assert scores.figure(network, Bucket.MEMORY, work) == work
