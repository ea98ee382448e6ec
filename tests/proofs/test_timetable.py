"""The timetable: rounds never overlap, never stay away, and are decided in time."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.proofs import outside, timetable
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.parameters import (
    DRAW_SLOTS,
    LATEST_DRAW,
    EntropySource,
    Parameters,
    Phase,
    demo,
)
from edgeproof.proofs.timetable import NO_ROUND

REAL = Parameters(genesis=1_700_000_000)
DEMO = demo(1_700_000_000)
NETWORKS = st.sampled_from(
    [
        REAL,
        DEMO,
        replace(DEMO, round_gap=9, round_one_in=50),
        outside.with_source(REAL, EntropySource.DRAND),
        outside.with_source(DEMO, EntropySource.CHAIN),
    ]
)


def entropies(seed: int, slots: range) -> dict[int, bytes]:
    return {slot: keccak(f"{seed} {slot}".encode()) for slot in slots}


@given(network=NETWORKS, slot=st.integers(0, 10**6), into=st.integers(0))
def test_every_moment_lies_in_one_slot(
    network: Parameters, slot: int, into: int
) -> None:
    start = timetable.slot_start(network, slot)
    assert timetable.slot_at(network, start + into % network.slot_ms) == slot
    assert timetable.slot_at(network, start - 1) == slot - 1
    epoch = timetable.epoch_of(network, slot)
    assert timetable.first_slot(network, epoch) <= slot
    assert slot < timetable.first_slot(network, epoch + 1)


def test_before_genesis_slots_are_negative() -> None:
    assert timetable.slot_at(DEMO, DEMO.genesis * 1000 - 1) == -1


@given(network=NETWORKS, seed=st.integers(0, 1000), last=st.integers(-1, 5))
def test_rounds_neither_overlap_nor_stay_away_longer_than_the_gap(
    network: Parameters, seed: int, last: int
) -> None:
    slots = range(last + 1, last + 400)
    opened = list(timetable.rounds(network, entropies(seed, slots), last))
    before = last
    for slot in opened:
        if before != NO_ROUND:
            assert slot - before >= network.round_slots
        assert slot - before <= network.round_gap
        before = slot
    assert slots[-1] - before < network.round_gap


@given(network=NETWORKS, seed=st.integers(0, 1000), cut=st.integers(1, 399))
def test_rounds_can_be_followed_slot_by_slot(
    network: Parameters, seed: int, cut: int
) -> None:
    known = entropies(seed, range(400))
    whole = list(timetable.rounds(network, known, NO_ROUND))
    early = {slot: value for slot, value in known.items() if slot < cut}
    first = list(timetable.rounds(network, early, NO_ROUND))
    rest = {slot: value for slot, value in known.items() if slot >= cut}
    last = first[-1] if first else NO_ROUND
    assert first + list(timetable.rounds(network, rest, last)) == whole


def test_about_one_slot_in_so_many_opens_a_round() -> None:
    network = replace(REAL, round_gap=10**6, round_one_in=10)
    opened = list(timetable.rounds(network, entropies(1, range(5000)), NO_ROUND))
    assert 400 < len(opened) < 600


def test_a_slot_without_entropy_opens_no_round() -> None:
    known = entropies(1, range(400))
    opened = list(timetable.rounds(DEMO, known, NO_ROUND))
    del known[opened[0]]
    assert opened[0] not in set(timetable.rounds(DEMO, known, NO_ROUND))


@given(network=NETWORKS, opened=st.integers(0, 10**4))
def test_phases_follow_each_other_and_end_before_the_next_round_may_open(
    network: Parameters, opened: int
) -> None:
    at = timetable.slot_start(network, opened) + network.entropy_ms
    for phase in Phase:
        start, end = timetable.phase_bounds(network, opened, phase)
        assert (start, end - start) == (at, network.phase_ms[phase])
        at = end
    following = timetable.phase_bounds(network, opened + network.round_slots, Phase(0))
    assert at + network.commit_grace_ms <= following[0]
    last = timetable.commit_slot(network, opened, Phase.POW)
    assert last < opened + network.round_slots + bool(network.entropy_ms)


@given(
    network=NETWORKS,
    opened=st.integers(0, 10**4),
    phase=st.sampled_from(Phase),
    late=st.integers(0, LATEST_DRAW),
)
def test_every_phase_is_decided_before_its_epoch_closes(
    network: Parameters, opened: int, phase: Phase, late: int
) -> None:
    committed = timetable.commit_slot(network, opened, phase)
    earliest = committed + DRAW_SLOTS
    close = timetable.close_of(network, timetable.epoch_of(network, opened))
    everything = range(opened, close + 10)
    on_time = timetable.draw_slot(network, opened, phase, everything)
    # With all published on time, each phase has its draw, and it is the earliest.
    assert on_time == earliest
    draw = timetable.draw_slot(network, opened, phase, {earliest + late})
    if draw is not None:
        assert draw == earliest + late
        assert timetable.opening_deadline(network, draw) < close


@pytest.mark.parametrize("phase", Phase)
def test_a_draw_later_than_one_slot_is_none(phase: Phase) -> None:
    earliest = timetable.commit_slot(DEMO, 0, phase) + DRAW_SLOTS
    draw = timetable.draw_slot
    assert draw(DEMO, 0, phase, {earliest}) == earliest
    assert draw(DEMO, 0, phase, {earliest + 1}) == earliest + 1
    assert draw(DEMO, 0, phase, {earliest + 2}) is None
    assert draw(DEMO, 0, phase, {earliest - 1}) is None
    assert draw(DEMO, 0, phase, set()) is None


def test_a_draw_whose_openings_would_be_due_after_the_close_is_none() -> None:
    # The last slot of epoch 0 opens a round; its pow ends as late as any phase.
    earliest = timetable.commit_slot(DEMO, 14, Phase.POW) + DRAW_SLOTS
    assert timetable.opening_deadline(DEMO, earliest) == timetable.close_of(DEMO, 0) - 1
    assert timetable.draw_slot(DEMO, 14, Phase.POW, {earliest + 1}) is None


def test_a_root_ends_with_the_last_epoch_of_its_group() -> None:
    network = replace(demo(1), epochs_per_root=4)
    assert [e for e in range(9) if timetable.ends_root(network, e)] == [3, 7]
    assert timetable.ends_root(demo(1), 0)
