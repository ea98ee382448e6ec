"""Parameters: those that contradict each other are refused, by name."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.proofs import outside
from edgeproof.proofs.parameters import (
    BUCKET_PHASES,
    PHASE_BUCKET,
    BadParameters,
    Bucket,
    EntropySource,
    Parameters,
    Phase,
    demo,
)

REAL = Parameters(genesis=1_700_000_000)
DEMO = demo(1_700_000_000)


def test_the_default_network_is_that_of_the_protocol() -> None:
    assert REAL.epoch_ms == 3_600_000
    assert REAL.round_ms == 26_000
    assert REAL.round_slots == 1
    assert sum(REAL.bucket_shares) == 10
    assert REAL.challenge_s < REAL.epochs_per_root * REAL.epoch_ms // 1000


def test_the_demo_is_an_epoch_of_30_seconds_with_rounds_of_5() -> None:
    assert DEMO.epoch_ms == 30_000
    assert DEMO.round_ms == 5_000
    assert DEMO.round_slots == 3
    assert DEMO.close_slot == 5


def test_only_measured_phases_have_a_bucket() -> None:
    assert set(Phase) - set(PHASE_BUCKET) == {Phase.FILL}
    assert set(Bucket) - set(BUCKET_PHASES) == {Bucket.BANDWIDTH}
    assert BUCKET_PHASES[Bucket.MEMORY] == (Phase.WALK, Phase.SECOND_WALK)
    for phase, bucket in PHASE_BUCKET.items():
        assert phase in BUCKET_PHASES[bucket]
    assert len({bucket.unit for bucket in Bucket}) == len(Bucket)


REFUSED: list[tuple[str, Any, str]] = [
    ("genesis", 0, "above zero"),
    ("genesis", -1, "whole numbers"),
    ("genesis", 1.5, "whole numbers"),
    ("genesis", True, "whole numbers"),
    ("genesis", "1", "whole numbers"),
    ("genesis", None, "whole numbers"),
    ("genesis", 2**64, "at most"),
    ("slot_ms", 0, "above zero"),
    ("slot_ms", 10_000, "shorter than a slot"),  # beat_grace_ms is as long
    ("slot_ms", 60_001, "whole seconds"),
    ("slots_per_epoch", 0, "above zero"),
    ("slots_per_epoch", 8193, "at most 8192"),
    ("close_slot", 5, "rounds are decided by then"),
    ("close_slot", 61, "within the next epoch"),
    ("commit_grace_ms", 40_000, "before the next round"),
    ("seal_slots", 0, "above zero"),
    ("fill_permutations", 0, "above zero"),
    ("opened_lanes", 0, "above zero"),
    ("chain_slots", 0, "above zero"),
    ("chain_slots", 2**41, "at most"),
    ("round_one_in", 0, "above zero"),
    ("round_gap", 0, "above zero"),
    ("phase_ms", (1, 2, 3, 4), "5 entries"),
    ("phase_ms", (0, 1, 1, 1, 1), "at least 1"),
    ("phase_ms", (-1, 1, 1, 1, 1), "whole numbers"),
    ("phase_ms", [1, 1, 1, 1, 1], "whole numbers"),
    ("bucket_shares", (1, 2, 3), "4 entries"),
    ("bucket_shares", (0, 0, 0, 0), "not all be zero"),
    ("floor_weights", (1, 1, 1), "4 entries"),
    ("floor_weights", (1, 1, 1, 0), "at least 1"),
    ("floor_weights", (2**193, 1, 1, 1), "at most"),
    ("opened_tiles", 0, "above zero"),
    ("epoch_cap", 0, "above zero"),
    ("epoch_cap", 2**193, "at most"),
    ("halving_epochs", 0, "above zero"),
    ("epochs_per_root", 0, "above zero"),
    ("challenge_s", 24 * 3600, "shorter than 86400 s"),
    ("entropy_source", "dice", "one of none, chain, drand"),
    ("entropy_source", 1, "must be a text"),
    ("entropy_source", ["none"], "must be a text"),
    ("drand_key", None, "must be a text"),
    ("entropy_source", "chain", "outside source only"),
    ("entropy_ms", 1, "outside source only"),
    ("drand_key", "0x00", "without drand"),
    ("drand_genesis", 1, "without drand"),
    ("drand_period", 3, "without drand"),
]


@pytest.mark.parametrize(("name", "value", "match"), REFUSED)
def test_what_contradicts_is_refused(name: str, value: Any, match: str) -> None:
    with pytest.raises(BadParameters, match=match):
        replace(REAL, **{name: value})


DRAND = outside.with_source(REAL, EntropySource.DRAND)


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("entropy_ms", 0, "outside source only"),
        ("entropy_ms", 60_001, "longer than a slot"),
        ("entropy_ms", 3_000, "within entropy_ms"),
        ("drand_key", "", "192 lower-case"),
        ("drand_key", DRAND.drand_key.upper(), "192 lower-case"),
        ("drand_key", DRAND.drand_key[:-2], "192 lower-case"),
        ("drand_key", 5, "must be a text"),
        ("drand_genesis", 0, "before the network's genesis"),
        ("drand_genesis", DRAND.genesis + 1, "before the network's genesis"),
        ("drand_period", 0, "above zero"),
        ("drand_period", 10, "within entropy_ms"),
    ],
)
def test_what_contradicts_drand_is_refused(name: str, value: Any, match: str) -> None:
    with pytest.raises(BadParameters, match=match):
        replace(DRAND, **{name: value})


def test_a_gap_shorter_than_a_round_is_refused() -> None:
    with pytest.raises(BadParameters, match="longer than a round"):
        replace(DEMO, round_gap=2)


@pytest.mark.parametrize(
    "network", [REAL, DEMO, DRAND, replace(REAL, epoch_cap=2**192)]
)
def test_parameters_read_back_from_json(network: Parameters) -> None:
    assert Parameters.from_json(network.as_json()) == network


@pytest.mark.parametrize("name", REAL.as_json())
def test_a_missing_or_unknown_name_is_refused(name: str) -> None:
    values = REAL.as_json()
    del values[name]
    with pytest.raises(BadParameters, match=name):
        Parameters.from_json(values)
    with pytest.raises(BadParameters, match="unknown_one"):
        Parameters.from_json({**REAL.as_json(), "unknown_one": 1})


@pytest.mark.parametrize(
    "change",
    [
        {"epoch_cap": "much"},
        {"epoch_cap": None},
        {"floor_weights": 5},
        {"phase_ms": 5},
        {"phase_ms": "12345"},
        {"slot_ms": "60000"},
        {"slot_ms": [1]},
        {"slot_ms": {}},
    ],
    ids=repr,
)
def test_other_types_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadParameters):
        Parameters.from_json({**REAL.as_json(), **change})


@given(epoch=st.integers(0, 10**7))
def test_the_cap_halves_and_never_grows(epoch: int) -> None:
    assert REAL.cap(epoch) == REAL.epoch_cap >> epoch // REAL.halving_epochs
    assert REAL.cap(epoch + 1) <= REAL.cap(epoch)
    assert REAL.cap(epoch + REAL.halving_epochs) == REAL.cap(epoch) // 2
