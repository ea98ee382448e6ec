"""Verifying a share of the rounds: who is drawn, and what rests on them."""

import math
from collections import Counter
from dataclasses import replace

import pytest

from edgeproof.audit import layout, sampling
from edgeproof.audit.model import Carried, EpochRecord, Outcome, Verdict
from edgeproof.audit.replay import replay
from edgeproof.audit.rounds import ProofCase
from edgeproof.audit.sampling import Ledger
from edgeproof.coordinator import carried as carried_json
from edgeproof.coordinator.carried import GENESIS
from edgeproof.proofs import challenge, timetable
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.parameters import (
    BUCKET_PHASES,
    BadParameters,
    Bucket,
    Parameters,
    demo,
)
from edgeproof.proofs.reasons import Reason
from edgeproof.simulator.epochs import (
    GENESIS_TIME,
    Behaviour,
    SimulatedNetwork,
    judge_stand_ins,
)

DEVICE = bytes(range(20))
QUARTER = replace(
    demo(GENESIS_TIME),
    first_difficulty=3,
    round_one_in=1,
    close_slot=8,
    verified_share=2500,
    record_epochs=2,
)
NETWORK = SimulatedNetwork(count=2, parameters=QUARTER)
CHEATER = NETWORK.devices[1].key.address


def known(network: SimulatedNetwork) -> Carried:
    """Return the state after an epoch, with a record for every device."""
    carried = replay(network.epoch(0), judge_stand_ins).carried
    records = {device.key.address: 2 for device in network.devices}
    return replace(carried, records=records)


START = known(NETWORK)


def with_record(behaviours: dict[int, Behaviour] | None = None) -> EpochRecord:
    return NETWORK.epoch(1, behaviours, START)


def counted(record: EpochRecord) -> tuple[Outcome, Counter[Bucket]]:
    """Return the outcome, and how many proofs of each bucket were verified for it."""
    verified: Counter[Bucket] = Counter()

    def verify(case: ProofCase) -> Reason:
        verified[case.bucket] += 1
        return judge_stand_ins(case)

    return replay(record, verify), verified


def test_by_default_everything_is_verified() -> None:
    assert Parameters(genesis=1).verified_share == demo(1).verified_share == 10_000
    network = SimulatedNetwork(
        count=1, parameters=replace(QUARTER, verified_share=10_000)
    )
    records = {network.devices[0].key.address: 99}
    outcome, verified = counted(
        network.epoch(0, carried=replace(GENESIS, records=records))
    )
    proven = Counter(v.bucket for v in outcome.verdicts)
    assert verified == Counter(
        {bucket: n * len(BUCKET_PHASES[bucket]) for bucket, n in proven.items()}
    )
    assert all(verdict.verified for verdict in outcome.verdicts)
    assert outcome.carried.records == {}


@pytest.mark.parametrize("share", [0, 10_001])
def test_a_share_is_some_of_it_and_never_more_than_all(share: int) -> None:
    with pytest.raises(BadParameters, match=f"verified_share is {share}"):
        replace(QUARTER, verified_share=share)


def test_the_share_that_is_drawn_is_the_share() -> None:
    tries = 20_000
    hits = sum(
        sampling.drawn(
            QUARTER, 2, Bucket.COMPUTE, keccak(number.to_bytes(4, "big")), DEVICE
        )
        for number in range(tries)
    )
    error = math.sqrt(tries * 0.25 * 0.75)
    assert abs(hits - tries / 4) < 4 * error
    assert challenge.share_draw(bytes(32), DEVICE) < 10_000


def test_without_a_record_or_for_nonces_there_is_no_luck() -> None:
    entropies = [keccak(number.to_bytes(4, "big")) for number in range(100)]
    for entropy in entropies:
        assert sampling.drawn(QUARTER, 1, Bucket.COMPUTE, entropy, DEVICE)
        assert sampling.drawn(QUARTER, 2, Bucket.HASH, entropy, DEVICE)
    drawn = {sampling.drawn(QUARTER, 2, Bucket.MEMORY, e, DEVICE) for e in entropies}
    assert drawn == {True, False}


def test_an_honest_device_with_a_record_costs_about_its_share_and_earns_the_same() -> (
    None
):
    unknown = replace(START, records={})
    everything = replay(NETWORK.epoch(1, carried=unknown), judge_stand_ins)
    outcome, verified = counted(with_record())
    assert outcome.payouts == everything.payouts
    assert outcome.root == everything.root
    rounds = Counter(v.bucket for v in outcome.verdicts)
    looked_at = Counter(v.bucket for v in outcome.verdicts if v.verified)
    assert looked_at[Bucket.HASH] == rounds[Bucket.HASH]
    for bucket in (Bucket.COMPUTE, Bucket.MEMORY):
        assert 0 < looked_at[bucket] < rounds[bucket] * 0.6
        assert verified[bucket] == looked_at[bucket] * len(BUCKET_PHASES[bucket])


def test_over_many_epochs_a_quarter_is_verified_beside_each_epochs_last() -> None:
    rounds = looked_at = forced = 0
    for seed in range(12):
        network = SimulatedNetwork(count=2, name=f"{seed}", parameters=QUARTER)
        start = known(network)
        outcome, _ = counted(network.epoch(1, carried=start))
        for device in start.records:
            mine = [
                v
                for v in outcome.verdicts
                if (v.device, v.bucket) == (device, Bucket.COMPUTE)
                and timetable.epoch_of(QUARTER, v.round) == 1
            ]
            rounds += len(mine) - 1
            looked_at += sum(verdict.verified for verdict in mine[:-1])
            forced += mine[-1].verified
    assert forced == 24  # the last one always is
    error = math.sqrt(rounds * 0.25 * 0.75)
    assert abs(looked_at - rounds / 4) < 4 * error


def test_who_cheats_in_every_round_is_paid_for_none() -> None:
    outcome, _ = counted(with_record({1: Behaviour(garbage=True)}))
    mine = [v for v in outcome.verdicts if v.device == CHEATER]
    own = [v for v in mine if timetable.epoch_of(QUARTER, v.round) == 1]
    assert all(not verdict.figure and verdict.reason for verdict in own)
    assert Reason.VOID_UNVERIFIED in {verdict.reason for verdict in own}
    assert not any(p.reward for p in outcome.payouts if p.device == CHEATER)
    assert outcome.carried.records == {NETWORK.devices[0].key.address: 2}


def verdict(opened: int, reason: Reason = Reason.NONE, figure: int = 7) -> Verdict:
    worth = 0 if reason else figure
    return Verdict(opened, Bucket.COMPUTE, DEVICE, 0, worth, worth, reason)


def told(*rounds: tuple[Reason, bool], last: Reason = Reason.NONE) -> list[str]:
    """Return what becomes of rounds of (what is found at once, whether it is left)."""
    ledger = Ledger(QUARTER)
    for opened, (reason, left) in enumerate(rounds):
        ledger.note(verdict(opened, reason), ["case"] if left else [])
    ledger.settle(0, lambda case: last if case == "case" else Reason.MALFORMED)
    found = ledger.verdicts
    assert all(bool(v.figure) is not bool(v.reason) for v in found)
    return [("" if v.verified else "unchecked ") + v.reason.name for v in found]


GOOD, LEFT = (Reason.NONE, False), (Reason.NONE, True)
WRONG, SKIPPED = (Reason.WRONG_TILE, False), (Reason.SKIPPED_HOT, False)


@pytest.mark.parametrize(
    ("rounds", "last", "found"),
    [
        pytest.param(
            [LEFT, LEFT, GOOD],
            Reason.NONE,
            ["unchecked NONE", "unchecked NONE", "NONE"],
            id="a later one that holds",
        ),
        pytest.param(
            [LEFT, GOOD, LEFT, LEFT, WRONG],
            Reason.NONE,
            [
                "unchecked NONE",
                "NONE",
                "unchecked VOID_UNVERIFIED",
                "unchecked VOID_UNVERIFIED",
                "WRONG_TILE",
            ],
            id="a failure voids back to the last that was verified",
        ),
        pytest.param(
            [LEFT, LEFT],
            Reason.NONE,
            ["unchecked NONE", "NONE"],
            id="the close verifies the last one",
        ),
        pytest.param(
            [LEFT, LEFT],
            Reason.WRONG_TILE,
            ["unchecked VOID_UNVERIFIED", "WRONG_TILE"],
            id="and all hangs on it",
        ),
        pytest.param(
            [LEFT, SKIPPED, LEFT],
            Reason.NONE,
            ["unchecked NONE", "SKIPPED_HOT", "NONE"],
            id="a skip is neither",
        ),
        pytest.param([LEFT, (Reason.NO_OPENING, False)], Reason.NONE,
            ["unchecked VOID_UNVERIFIED", "NO_OPENING"],
            id="a failure that needs no verifying"),
    ],
)  # fmt: skip
def test_what_rests_on_what(
    rounds: list[tuple[Reason, bool]], last: Reason, found: list[str]
) -> None:
    assert told(*rounds, last=last) == found


def test_an_epoch_that_is_not_over_forces_nothing() -> None:
    ledger = Ledger(QUARTER)
    ledger.note(verdict(QUARTER.slots_per_epoch), ["case"])  # a round of epoch 1
    ledger.settle(0, lambda _case: Reason.WRONG_TILE)
    assert [v.verified for v in ledger.verdicts] == [False]


@pytest.mark.parametrize(
    ("verdicts", "before", "after"),
    [
        ([verdict(1)], {}, {DEVICE: 1}),
        ([verdict(1)], {DEVICE: 1}, {DEVICE: 2}),
        ([verdict(1)], {DEVICE: 2}, {DEVICE: 2}),
        ([verdict(1), verdict(2, Reason.WRONG_TILE)], {DEVICE: 2}, {}),
        ([verdict(1, Reason.SKIPPED_HOURS)], {DEVICE: 1}, {DEVICE: 1}),
        ([replace(verdict(1), verified=False)], {DEVICE: 1}, {DEVICE: 1}),
        ([], {DEVICE: 1}, {DEVICE: 1}),
    ],
)
def test_a_record_is_made_of_clean_epochs(
    verdicts: list[Verdict], before: dict[bytes, int], after: dict[bytes, int]
) -> None:
    assert sampling.records(QUARTER, before, verdicts, 15) == after


def test_records_grow_from_epoch_to_epoch_and_survive_store_and_bundle() -> None:
    state: Carried = GENESIS
    for epoch in range(3):
        record = NETWORK.epoch(epoch, carried=state)
        outcome = replay(record, judge_stand_ins)
        rows = layout.input_rows(record) | layout.output_rows(record, outcome)
        assert layout.outcome_from(rows, epoch).verdicts == outcome.verdicts
        again = layout.record_from(rows, epoch, state.previous_bundle)
        assert again.carried == state
        assert replay(again, judge_stand_ins) == outcome
        state = replace(outcome.carried, previous_bundle=keccak(bytes([epoch])))
        assert carried_json.load(carried_json.dump(state)) == state
        assert set(state.records.values()) == {min(2, epoch + 1)}
    # By now some rounds go unverified, and an audit says the same of which.
    assert not all(verdict.verified for verdict in outcome.verdicts)
