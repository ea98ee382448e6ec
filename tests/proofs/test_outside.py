"""What entropy takes from outside: one thing for each slot, chosen by nobody."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.proofs import outside, timetable
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.outside import Block
from edgeproof.proofs.parameters import (
    SECOND,
    BadParameters,
    EntropySource,
    Parameters,
    demo,
)

REAL = Parameters(genesis=1_700_000_000)
NETWORKS = {source: outside.with_source(REAL, source) for source in EntropySource}
DRAND = NETWORKS[EntropySource.DRAND]
CHAIN = NETWORKS[EntropySource.CHAIN]


def test_without_source_nothing_changes() -> None:
    assert NETWORKS[EntropySource.NONE] == REAL
    assert outside.entropy(b"\x01" * 32, b"") == keccak(b"\x01" * 32)


@pytest.mark.parametrize(
    ("source", "size"),
    [(EntropySource.NONE, 0), (EntropySource.CHAIN, 40), (EntropySource.DRAND, 48)],
)
def test_each_source_has_one_layout(source: EntropySource, size: int) -> None:
    fine = [n for n in range(129) if outside.well_formed(NETWORKS[source], bytes(n))]
    assert fine == [size]


@given(slot=st.integers(0, 2**40))
def test_the_round_of_a_slot_is_the_first_that_is_not_before_it(slot: int) -> None:
    number = outside.drand_round(DRAND, slot)
    start = timetable.slot_start(DRAND, slot)
    assert outside.drand_time(DRAND, number) >= start
    assert outside.drand_time(DRAND, number - 1) < start
    assert outside.drand_time(DRAND, number) < start + DRAND.entropy_ms


@pytest.mark.parametrize(
    ("at", "number"), [(0, 1), (1, 2), (3, 2), (4, 3), (2997, 1000)]
)
def test_rounds_are_counted_from_one(at: int, number: int) -> None:
    network = replace(DRAND, genesis=outside.QUICKNET_GENESIS + at)
    assert outside.drand_round(network, 0) == number


@given(slot=st.integers(0, 10**6), times=st.lists(st.integers(0, 20), max_size=20))
def test_a_slot_has_one_block_among_all_and_it_is_the_first(
    slot: int, times: list[int]
) -> None:
    stamp = timetable.slot_start(CHAIN, slot) // SECOND - 10
    chain = []
    for number, step in enumerate(times):
        stamp += step
        chain.append(Block(number, keccak(bytes([number])), stamp))
    before = [None, *chain]
    first = [
        block
        for earlier, block in zip(before, chain, strict=False)
        if outside.is_first(CHAIN, slot, block, earlier)
    ]
    late = [block for block in chain if outside.reached(CHAIN, slot, block)]
    assert first == late[:1]


def test_a_block_reads_back_from_its_bytes() -> None:
    block = Block(2**40 + 7, keccak(b"block"), 5)
    assert outside.well_formed(CHAIN, block.outside)
    assert outside.block_in(block.outside) == (block.number, block.hash)


@pytest.mark.parametrize("source", [EntropySource.CHAIN, EntropySource.DRAND])
def test_rounds_wait_for_entropy_and_are_decided_before_the_close(
    source: EntropySource,
) -> None:
    network = NETWORKS[source]
    assert 0 < network.entropy_ms <= network.slot_ms
    assert network.close_slot >= network.decided_after >= REAL.decided_after


def test_the_demo_moves_its_close_for_a_chain() -> None:
    network = outside.with_source(demo(1_700_000_000), EntropySource.CHAIN)
    assert network.close_slot == network.decided_after == 6


def test_slots_of_the_demo_are_too_short_for_drand() -> None:
    with pytest.raises(BadParameters, match="drand_period"):
        outside.with_source(demo(1_700_000_000), EntropySource.DRAND)
