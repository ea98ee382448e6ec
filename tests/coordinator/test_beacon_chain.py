"""Values that nobody can foretell, and that everybody can check backwards."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.coordinator.beacon_chain import BeaconChain
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.parameters import Phase, demo

LENGTH = 5
PARAMETERS = replace(demo(1_700_000_000), chain_slots=LENGTH)
CHAIN = BeaconChain(b"\x01" * 32, PARAMETERS)

slots = st.integers(0, 2**40)


@given(slot=slots)
def test_every_value_hashes_to_the_one_before_it(slot: int) -> None:
    before = CHAIN.value(slot - 1) if slot % LENGTH else CHAIN.anchor(slot // LENGTH)
    assert keccak(CHAIN.value(slot)) == before


@given(slot=slots)
def test_every_slot_announces_what_stands_before_the_next_chain(slot: int) -> None:
    first_of_next = (slot // LENGTH + 1) * LENGTH
    assert keccak(CHAIN.value(first_of_next)) == CHAIN.next_anchor(slot)


@given(slot=slots)
def test_phase_values_hash_back_to_the_anchor_of_their_round(slot: int) -> None:
    values = CHAIN.phase_values(slot)
    assert len(values) == len(Phase)
    known = CHAIN.round_anchor(slot)
    for value in values:
        assert keccak(value) == known
        known = value


@given(slot=slots)
def test_a_restart_says_the_same(slot: int) -> None:
    again = BeaconChain(b"\x01" * 32, PARAMETERS)
    assert again.value(slot) == CHAIN.value(slot)
    assert again.phase_values(slot) == CHAIN.phase_values(slot)
    assert again.anchor(slot) == CHAIN.anchor(slot)


def test_no_value_is_ever_used_twice() -> None:
    other = BeaconChain(b"\x02" * 32, PARAMETERS)
    said = [
        value
        for chain in (CHAIN, other)
        for slot in range(4 * LENGTH)
        for value in (chain.value(slot), *chain.phase_values(slot))
    ]
    assert len(set(said)) == len(said)


def test_a_value_does_not_reveal_the_ones_after_it() -> None:
    said = CHAIN.value(2)
    hashed = [said]
    while len(hashed) < 3 * LENGTH:
        hashed.append(keccak(hashed[-1]))
    assert not {CHAIN.value(slot) for slot in range(3, 3 * LENGTH)} & set(hashed)


@pytest.mark.parametrize("chain", range(3))
def test_the_values_are_those_of_the_specification(chain: int) -> None:
    seed = keccak(b"edgeproof/v1/beacon-chain", b"\x01" * 32, chain.to_bytes(8, "big"))
    assert CHAIN.value(chain * LENGTH + LENGTH - 1) == seed
