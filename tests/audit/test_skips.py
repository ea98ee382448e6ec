"""What a device says it skips: unpaid for its own reason, in time, and no failure."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgeproof.audit import layout, published
from edgeproof.audit.bundle import read_bundle, write_bundle
from edgeproof.audit.compare import audit
from edgeproof.audit.errors import BadBundle
from edgeproof.audit.model import Arrived, EpochRecord, Verdict
from edgeproof.audit.replay import replay
from edgeproof.audit.rounds import ProofCase, RoundJudge
from edgeproof.audit.schedule import Schedule
from edgeproof.proofs import timetable
from edgeproof.proofs.parameters import Bucket, Phase, demo
from edgeproof.proofs.reasons import SKIPS, Reason
from edgeproof.simulator.epochs import (
    GENESIS_TIME,
    Behaviour,
    SimulatedNetwork,
    judge_stand_ins,
)
from edgeproof.telemetry.messages import Skip
from edgeproof.telemetry.signing import sign

NETWORK = SimulatedNetwork(
    count=1, parameters=replace(demo(GENESIS_TIME), first_difficulty=3)
)
PARAMETERS, DOMAIN = NETWORK.parameters, NETWORK.description.domain
DEVICE = NETWORK.devices[0].key
RECORD = NETWORK.epoch(0)
SCHEDULE = Schedule.of(RECORD)
OPENED = SCHEDULE.rounds()[0]
HOT, PAUSED = Reason.SKIPPED_HOT, Reason.SKIPPED_PAUSED


def skip(phase: Phase, reason: int = HOT, *, late: int = 0) -> Arrived[Skip]:
    message = Skip(DEVICE.address, OPENED, 0, int(phase), int(reason))
    slot = timetable.commit_slot(PARAMETERS, OPENED, phase) + late
    return Arrived(slot, sign(message, DOMAIN, DEVICE))


def judged(record: EpochRecord) -> tuple[dict[Bucket, Verdict], set[Bucket]]:
    """Return the verdicts of the first round, and the buckets that were verified."""
    verified = set()

    def verify(case: ProofCase) -> Reason:
        verified.add(case.bucket)
        return judge_stand_ins(case)

    judge = RoundJudge(record, SCHEDULE, verify)
    return {
        verdict.bucket: verdict
        for place in SCHEDULE.decided()
        if place.opened == OPENED
        for verdict in judge.judge(place)
    }, verified


@pytest.mark.parametrize(
    ("phase", "skipped"),
    [
        (Phase.FILL, Bucket.MEMORY),
        (Phase.WALK, Bucket.MEMORY),
        (Phase.MATMUL, Bucket.COMPUTE),
        (Phase.SECOND_WALK, Bucket.MEMORY),
        (Phase.POW, Bucket.HASH),
    ],
)
def test_a_skipped_phase_costs_its_bucket_alone_whatever_was_committed(
    phase: Phase, skipped: Bucket
) -> None:
    verdicts, verified = judged(replace(RECORD, skips=(skip(phase),)))
    assert set(verdicts) == {Bucket.COMPUTE, Bucket.MEMORY, Bucket.HASH}
    for bucket, verdict in verdicts.items():
        if bucket is skipped:
            assert (verdict.work, verdict.figure, verdict.reason) == (0, 0, HOT)
        else:
            assert verdict.figure > 0
    assert verified == set(verdicts) - {skipped}


@pytest.mark.parametrize("phase", [Phase.FILL, Phase.MATMUL, Phase.POW])
def test_who_skips_and_does_nothing_has_a_verdict_too(phase: Phase) -> None:
    idle = replace(RECORD, commitments=(), openings=(), skips=(skip(phase),))
    verdicts, verified = judged(idle)
    assert {verdict.reason for verdict in verdicts.values()} == {HOT}
    assert not verified


def test_once_the_phase_is_over_nobody_can_skip_it() -> None:
    late = replace(RECORD, skips=(skip(Phase.MATMUL, late=1),))
    assert judged(late) == judged(RECORD)
    idle = replace(late, commitments=(), openings=())
    assert judged(idle) == ({}, set())


def test_of_several_reasons_the_lowest_counts() -> None:
    for order in ([HOT, PAUSED], [PAUSED, HOT]):
        rows = tuple(skip(Phase.POW, reason) for reason in order)
        verdicts, _ = judged(replace(RECORD, skips=rows))
        assert verdicts[Bucket.HASH].reason is PAUSED


def test_a_reason_that_is_none_to_skip_for_is_passed_over() -> None:
    rows = tuple(skip(Phase.POW, reason) for reason in (0, Reason.WRONG_TILE, 999))
    assert judged(replace(RECORD, skips=rows)) == judged(RECORD)


def test_a_skipped_pow_leaves_the_difficulty_as_it_was() -> None:
    without = judged(RECORD)[0][Bucket.HASH]
    judge = RoundJudge(
        replace(RECORD, skips=(skip(Phase.POW),)), SCHEDULE, judge_stand_ins
    )
    for place in SCHEDULE.decided():
        if place.opened == OPENED:
            judge.judge(place)
    assert without.work > 0
    assert judge.difficulty(DEVICE.address, 0) == PARAMETERS.first_difficulty


ALL = dict.fromkeys((Phase.FILL, Phase.MATMUL, Phase.POW), HOT)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        pytest.param(Behaviour(said=ALL), HOT, id="its own reason"),
        pytest.param(
            Behaviour(said=ALL, absent=frozenset(range(15))),
            Reason.NO_UPTIME,
            id="absence comes first",
        ),
        pytest.param(
            Behaviour(said={Phase.FILL: HOT}, withholds=True),
            Reason.NO_OPENING,
            id="a failure comes first",
        ),
    ],
)
def test_the_payout_says_why(behaviour: Behaviour, reason: Reason) -> None:
    outcome = replay(NETWORK.epoch(0, {0: behaviour}), judge_stand_ins)
    (payout,) = [p for p in outcome.payouts if p.bucket is Bucket.COMPUTE]
    assert (payout.reward, payout.reason) == (0, reason)


def test_to_skip_is_worth_what_silence_is_worth() -> None:
    said = replay(NETWORK.epoch(0, {0: Behaviour(said=ALL)}), judge_stand_ins)
    every = frozenset({Bucket.COMPUTE, Bucket.MEMORY, Bucket.HASH})
    silent = replay(NETWORK.epoch(0, {0: Behaviour(skips=every)}), judge_stand_ins)
    assert [p.weight for p in said.payouts] == [p.weight for p in silent.payouts]
    assert said.root == silent.root
    assert said.carried == silent.carried


def test_every_reason_to_skip_is_told_from_a_failure() -> None:
    assert {reason // 10 for reason in SKIPS} == {5, 7}
    assert all(reason.text for reason in SKIPS)


@pytest.mark.parametrize(
    ("change", "file"),
    [
        (lambda rows: rows[1:], "intake.parquet"),
        (lambda rows: (replace(rows[0], slot=rows[0].slot + 1), *rows[1:]), "intake"),
        (
            lambda rows: (
                replace(
                    rows[0],
                    signed=replace(
                        rows[0].signed,
                        message=replace(rows[0].signed.message, reason=int(PAUSED)),
                    ),
                ),
                *rows[1:],
            ),
            "skips.parquet",
        ),
    ],
    ids=["dropped", "moved", "altered"],
)
def test_an_audit_sees_every_change(change: Any, file: str) -> None:
    record = NETWORK.epoch(0, {0: Behaviour(said=ALL)})
    published.check(record)
    with pytest.raises(BadBundle, match=file):
        published.check(replace(record, skips=change(record.skips)))


def test_a_bundle_with_skips_reads_back_and_its_audit_agrees(tmp_path: Path) -> None:
    record = NETWORK.epoch(0, {0: Behaviour(said=ALL)})
    outcome = replay(record, judge_stand_ins)
    write_bundle(tmp_path / "0", record, outcome)
    found = read_bundle(tmp_path / "0")
    assert record.skips
    assert set(found.record.skips) == set(record.skips)
    assert layout.input_rows(found.record) == layout.input_rows(record)
    assert replay(found.record, judge_stand_ins) == found.outcome
    report = audit(tmp_path / "0", verify=judge_stand_ins, attested=False)
    assert report.agrees, report.failure
    assert report.root == outcome.root


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows[1:],
        lambda rows: (replace(rows[0], slot=rows[0].slot + 1), *rows[1:]),
    ],
    ids=["dropped", "moved"],
)
def test_the_audit_of_a_bundle_sees_a_changed_row(tmp_path: Path, change: Any) -> None:
    record = NETWORK.epoch(0, {0: Behaviour(said=ALL)})
    lie = replace(record, skips=change(record.skips))
    write_bundle(tmp_path / "0", lie, replay(lie, judge_stand_ins))
    report = audit(tmp_path / "0", verify=judge_stand_ins, attested=False)
    assert report.difference is not None
    assert report.difference.file == "intake.parquet"
