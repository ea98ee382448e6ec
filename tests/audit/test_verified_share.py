"""A network that verifies a share: who is drawn, and what a failure costs."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from edgeproof.audit.bundle import read_bundle, write_bundle
from edgeproof.audit.compare import audit
from edgeproof.audit.model import Arrived, EpochRecord
from edgeproof.audit.replay import replay
from edgeproof.audit.schedule import BucketRound, Schedule, needed
from edgeproof.proofs import challenge, timetable
from edgeproof.proofs.parameters import PHASE_BUCKET, Bucket, Phase, demo
from edgeproof.proofs.reasons import Reason
from edgeproof.simulator.epochs import (
    GENESIS_TIME,
    HONEST,
    Behaviour,
    SimulatedNetwork,
    judge_stand_ins,
)
from edgeproof.telemetry.messages import Opening

SHARE = 2_500
PARAMETERS = replace(
    demo(GENESIS_TIME),
    first_difficulty=3,
    slots_per_epoch=180,
    round_one_in=1,
    verified_share=SHARE,
    record_epochs=1,
)
"""A round every three slots."""

NETWORK = SimulatedNetwork(count=2, name="a", parameters=PARAMETERS)
DOMAIN = NETWORK.description.domain
DEVICE, OTHER = (device.key.address for device in NETWORK.devices)
FIRST = NETWORK.epoch(0)
BEFORE = replay(FIRST, judge_stand_ins).carried
RECORD = NETWORK.epoch(1, carried=BEFORE)
SCHEDULE = Schedule.of(RECORD)
COMPUTE = [
    place
    for place in SCHEDULE.decided()
    if place.bucket is Bucket.COMPUTE
    and timetable.epoch_of(PARAMETERS, place.opened) == 1
]


def drawn(place: BucketRound, device: bytes = DEVICE) -> bool:
    draw = place.parts[-1].draw
    assert draw is not None
    entropy = SCHEDULE.entropies[draw]
    return challenge.share_draw(entropy, device) < SHARE


DRAWN = [drawn(place) for place in COMPUTE]
LAST = len(COMPUTE) - 1


def gap() -> tuple[int, int]:
    """Return two rounds that are drawn, and none between them, but at least two are."""
    hits = [number for number, hit in enumerate(DRAWN) if hit]
    return next((a, b) for a, b in pairwise(hits) if b - a > 2 and a > 0)


def undrawn_last() -> bytes:
    """Return a device that is not drawn in the last two rounds."""
    return next(
        device
        for device in (DEVICE, OTHER)
        if not any(drawn(place, device) for place in COMPUTE[-2:])
    )


def spoiled(
    *numbers: int,
    device: bytes = DEVICE,
    payload: bytes | None = b"garbage",
    record: EpochRecord = RECORD,
) -> EpochRecord:
    """Return the record with other openings of products in some rounds, or with none.

    ``replay`` takes for granted that what it reads was signed.
    """
    rounds = {COMPUTE[number].opened for number in numbers}
    rows: list[Arrived[Opening]] = []
    for row in record.openings:
        message = row.signed.message
        place = (message.device, message.phase)
        if place == (device, Phase.MATMUL) and message.round in rounds:
            if payload is None:
                continue
            changed = replace(message, payload=payload)
            rows.append(replace(row, signed=replace(row.signed, message=changed)))
        else:
            rows.append(row)
    return replace(record, openings=tuple(rows))


def reasons(
    record: EpochRecord, bucket: Bucket = Bucket.COMPUTE, device: bytes = DEVICE
) -> dict[int, Reason]:
    """Return what failed, by number of the round."""
    rounds = {place.opened: number for number, place in enumerate(COMPUTE)}
    failed = {}
    for verdict in replay(record, judge_stand_ins).verdicts:
        assert bool(verdict.figure) == (not verdict.reason)
        own = timetable.epoch_of(PARAMETERS, verdict.round) == 1
        mine = (verdict.bucket, verdict.device) == (bucket, device)
        if own and mine and verdict.reason:
            failed[rounds[verdict.round]] = verdict.reason
    return failed


def voided(numbers: range) -> dict[int, Reason]:
    return dict.fromkeys(numbers, Reason.VOID_UNVERIFIED)


def test_who_is_caught_loses_back_to_the_last_verified_round() -> None:
    before, caught = gap()
    record = spoiled(caught)
    assert reasons(record) == {
        **voided(range(before + 1, caught)),
        caught: Reason.WRONG_TILE,
    }
    for bucket in (Bucket.MEMORY, Bucket.HASH):
        assert reasons(record, bucket) == {}
    assert reasons(record, device=OTHER) == {}
    assert replay(record, judge_stand_ins).carried.records == {OTHER: 1}


def test_who_failed_has_no_record_in_the_next_round() -> None:
    _, caught = gap()
    after = next(n for n in range(caught + 1, LAST) if not DRAWN[n])
    assert reasons(spoiled(after)) == {}
    assert reasons(spoiled(caught, after))[after] is Reason.WRONG_TILE


def test_what_is_not_drawn_is_believed_until_a_later_round_fails() -> None:
    before, caught = gap()
    assert reasons(spoiled(before + 1)) == {}
    assert reasons(spoiled(before + 1, caught)) == {
        **voided(range(before + 1, caught)),
        caught: Reason.WRONG_TILE,
    }


def test_to_withhold_the_opening_once_drawn_costs_as_much() -> None:
    before, caught = gap()
    assert reasons(spoiled(caught, payload=None)) == {
        **voided(range(before + 1, caught)),
        caught: Reason.NO_OPENING,
    }
    undrawn = before + 2
    assert reasons(spoiled(undrawn, payload=None)) == {
        undrawn - 1: Reason.VOID_UNVERIFIED,
        undrawn: Reason.NO_OPENING,
    }


@pytest.mark.parametrize("phase", [Phase.WALK, Phase.MATMUL, Phase.SECOND_WALK])
def test_a_round_without_an_opening_failed_and_rests_on_nothing_later(
    phase: Phase,
) -> None:
    opened = COMPUTE[DRAWN.index(False)].opened
    place = (DEVICE, opened, phase)
    openings = tuple(
        row
        for row in RECORD.openings
        if (
            row.signed.message.device,
            row.signed.message.round,
            row.signed.message.phase,
        )
        != place
    )
    outcome = replay(replace(RECORD, openings=openings), judge_stand_ins)
    bucket = PHASE_BUCKET[phase]
    (verdict,) = [
        v
        for v in outcome.verdicts
        if (v.device, v.round, v.bucket) == (DEVICE, opened, bucket)
    ]
    assert (verdict.reason, verdict.verified) == (Reason.NO_OPENING, True)


def test_the_last_round_of_an_epoch_is_always_verified() -> None:
    device = undrawn_last()
    draws = [drawn(place, device) for place in COMPUTE]
    before = max(number for number, hit in enumerate(draws) if hit)
    want = {**voided(range(before + 1, LAST)), LAST: Reason.WRONG_TILE}
    assert reasons(spoiled(LAST, device=device), device=device) == want


def test_who_is_silent_in_the_last_round_is_verified_in_the_one_before() -> None:
    device = undrawn_last()
    fewer = tuple(
        row
        for row in RECORD.commitments
        if (row.signed.message.device, row.signed.message.round)
        != (device, COMPUTE[LAST].opened)
    )
    record = replace(RECORD, commitments=fewer)
    assert reasons(record, device=device) == {}
    record = spoiled(LAST - 1, device=device, record=record)
    assert reasons(record, device=device)[LAST - 1] is Reason.WRONG_TILE


def test_more_than_a_card_has_proven_is_not_believed() -> None:
    before, _ = gap()
    place = COMPUTE[before + 1]
    (row,) = [
        row
        for row in RECORD.commitments
        if row.signed.message.device == DEVICE
        and row.signed.message.round == place.opened
        and row.signed.message.phase == Phase.MATMUL
    ]
    message = row.signed.message
    claim = replace(message, payload=message.payload * 2)
    claimed = replace(row, signed=replace(row.signed, message=claim))
    answered = tuple(
        replace(
            each,
            signed=replace(
                each.signed,
                message=replace(each.signed.message, commitment=claim.digest(DOMAIN)),
            ),
        )
        if each.signed.message.payload != HONEST
        else each
        for each in spoiled(before + 1).openings
    )
    assert reasons(spoiled(before + 1)) == {}
    commitments = tuple(claimed if each is row else each for each in RECORD.commitments)
    record = replace(RECORD, commitments=commitments, openings=answered)
    assert reasons(record) == {before + 1: Reason.WRONG_TILE}


def test_a_card_that_never_proved_anything_is_verified() -> None:
    carried = replace(BEFORE, figures=(), records={DEVICE: 1000, OTHER: 1000})
    record = NETWORK.epoch(1, carried=carried)
    assert reasons(spoiled(0, record=record)) == {0: Reason.WRONG_TILE}


def test_who_cheats_in_every_round_earns_nothing_and_hears_why() -> None:
    record = spoiled(*range(len(COMPUTE)))
    outcome = replay(record, judge_stand_ins)
    assert set(reasons(record).values()) <= {
        Reason.WRONG_TILE,
        Reason.VOID_UNVERIFIED,
    }
    assert len(reasons(record)) == len(COMPUTE)
    (payout,) = [
        p for p in outcome.payouts if (p.device, p.bucket) == (DEVICE, Bucket.COMPUTE)
    ]
    # What was proven in the epoch before stands next to a zero: it earns nothing too.
    assert (payout.reward, payout.reason) == (0, Reason.WRONG_TILE)


def test_a_skipped_round_is_neither_verified_nor_a_failure() -> None:
    record = NETWORK.epoch(
        1, {0: Behaviour(said={Phase.MATMUL: Reason.SKIPPED_HOT})}, BEFORE
    )
    assert set(reasons(record).values()) == {Reason.SKIPPED_HOT}
    assert Phase.FILL in needed(Bucket.MEMORY)
    assert reasons(record, Bucket.MEMORY) == {}


def test_the_order_in_which_messages_stand_changes_nothing() -> None:
    _, caught = gap()
    record = spoiled(caught)
    turned = replace(
        record,
        commitments=record.commitments[::-1],
        openings=record.openings[::-1] * 2,
        entropies=record.entropies[::-1],
        carried=replace(BEFORE, figures=BEFORE.figures[::-1]),
    )
    assert replay(turned, judge_stand_ins) == replay(record, judge_stand_ins)


def test_bundles_of_such_a_network_audit(tmp_path: Path) -> None:
    carried = BEFORE
    data_hash = write_bundle(tmp_path / "0", FIRST, replay(FIRST, judge_stand_ins))
    cheated = NETWORK.epoch(1, {1: Behaviour(garbage=True)}, carried)
    record = replace(cheated, carried=replace(carried, previous_bundle=data_hash))
    write_bundle(tmp_path / "1", record, replay(record, judge_stand_ins))
    for name in ("0", "1"):
        report = audit(tmp_path / name, verify=judge_stand_ins, attested=False)
        assert report.agrees, report.failure
    found = read_bundle(tmp_path / "1")
    assert found.record.carried.records == {DEVICE: 1, OTHER: 1}
    assert found.outcome.carried.records == {DEVICE: 1}
    voids = {v.reason for v in found.outcome.verdicts if v.device == OTHER}
    assert Reason.VOID_UNVERIFIED in voids


def test_an_audit_recomputes_what_was_void(tmp_path: Path) -> None:
    carried = replace(BEFORE, previous_bundle=bytes([1] * 32))
    record = NETWORK.epoch(1, {1: Behaviour(garbage=True)}, carried)
    outcome = replay(record, judge_stand_ins)
    lie = tuple(v for v in outcome.verdicts if v.reason is not Reason.VOID_UNVERIFIED)
    write_bundle(tmp_path / "1", record, replace(outcome, verdicts=lie))
    report = audit(tmp_path / "1", verify=judge_stand_ins, attested=False)
    assert report.difference is not None
    assert report.difference.file == "verdicts.parquet"
