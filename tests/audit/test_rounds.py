"""What a card's work in a round is worth: a case for each reason, then laws."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeproof.audit.model import Arrived, EpochRecord, Verdict
from edgeproof.audit.replay import replay
from edgeproof.audit.rounds import (
    BucketRound,
    ProofCase,
    RoundJudge,
    Schedule,
    difficulty,
    prefix_of,
    work_of,
)
from edgeproof.kernels.shapes import MAX_PRODUCTS, MAX_SOLUTIONS
from edgeproof.proofs import timetable
from edgeproof.proofs.parameters import BUCKET_PHASES, Bucket, Phase, demo
from edgeproof.proofs.reasons import SKIPS, Reason
from edgeproof.simulator.epochs import (
    GENESIS_TIME,
    HONEST,
    Behaviour,
    SimulatedNetwork,
    judge_stand_ins,
)
from edgeproof.telemetry.messages import ZERO, Commitment, Opening
from edgeproof.telemetry.signing import sign

# A round opens as soon as the one before is over, and the close comes late enough, so
# that some are decided in both epochs, the memory of them too.
EAGER = replace(demo(GENESIS_TIME), first_difficulty=3, round_one_in=1, close_slot=8)
NETWORK = SimulatedNetwork(count=1, parameters=EAGER)
PAIR = SimulatedNetwork(count=2, parameters=EAGER)
RECORD = NETWORK.epoch(0)
DEVICE = NETWORK.devices[0].key
DOMAIN = NETWORK.description.domain
OPENED = Schedule.of(RECORD).rounds()[1]
LAST = timetable.commit_slot(EAGER, OPENED, Phase.MATMUL)
DRAW = LAST + 2
DUE = timetable.opening_deadline(EAGER, DRAW)


def commitment(
    sequence: int = 0,
    previous: Commitment | None = None,
    *,
    size: int = 512,
    payload: bytes = bytes(32),
    phase: Phase = Phase.MATMUL,
    slot: int | None = None,
) -> Arrived[Commitment]:
    before = previous.digest(DOMAIN) if previous else ZERO
    message = Commitment(
        DEVICE.address, OPENED, 0, phase, sequence, size, before, payload
    )
    last = timetable.commit_slot(EAGER, OPENED, phase)
    return Arrived(last if slot is None else slot, sign(message, DOMAIN, DEVICE))


def opening(
    answered: Commitment, payload: bytes = HONEST, slot: int | None = None
) -> Arrived[Opening]:
    digest = answered.digest(DOMAIN)
    message = Opening(DEVICE.address, OPENED, 0, answered.phase, digest, payload)
    last = timetable.commit_slot(EAGER, OPENED, Phase(answered.phase))
    due = timetable.opening_deadline(EAGER, last + 2)
    return Arrived(due if slot is None else slot, sign(message, DOMAIN, DEVICE))


FIRST = commitment()
SECOND = commitment(1, FIRST.signed.message)
THIRD = commitment(2, SECOND.signed.message)
ANSWER = opening(FIRST.signed.message)
UNCHAINED = commitment(1)
OTHER_FIRST = commitment(payload=bytes(64))
NEXT_SIZE = commitment(1, FIRST.signed.message, size=1024)
WRONG_SIZE = commitment(size=513)
TOO_MANY = [commitment(payload=bytes(32 * (MAX_PRODUCTS - 1)))]
TOO_MANY.append(commitment(1, TOO_MANY[0].signed.message, payload=bytes(64)))
LATE = commitment(slot=LAST + 1)
RAGGED = commitment(payload=bytes(33))


@dataclass(frozen=True)
class Case:
    """What arrived of one card in the matmul phase, and what counts of it."""

    commitments: Iterable[Arrived[Commitment]]
    openings: Iterable[Arrived[Opening]]
    reason: Reason
    products: int = 0


CASES = {
    "one product": Case([FIRST], [ANSWER], Reason.NONE, 1),
    "two messages": Case(
        [FIRST, SECOND], [opening(SECOND.signed.message)], Reason.NONE, 2
    ),
    "a gap: what is before it counts": Case([FIRST, THIRD], [ANSWER], Reason.NONE, 1),
    "a late second message: the first one counts": Case(
        [FIRST, replace(SECOND, slot=LAST + 1)], [ANSWER], Reason.NONE, 1
    ),
    "the first message is missing": Case([SECOND], [ANSWER], Reason.NO_COMMITMENT),
    "a commitment after its last slot": Case(
        [LATE], [opening(LATE.signed.message)], Reason.NO_COMMITMENT
    ),
    "two messages with one number": Case(
        [FIRST, OTHER_FIRST], [ANSWER], Reason.CONTRADICTION
    ),
    "one message twice": Case(
        [FIRST, replace(FIRST, slot=LAST - 1)], [ANSWER], Reason.NONE, 1
    ),
    "a message that names no predecessor": Case(
        [FIRST, UNCHAINED], [ANSWER], Reason.BROKEN_CHAIN
    ),
    "a size that is not allowed": Case(
        [WRONG_SIZE], [opening(WRONG_SIZE.signed.message)], Reason.WRONG_SIZE
    ),
    "a size that changes": Case(
        [FIRST, NEXT_SIZE], [opening(NEXT_SIZE.signed.message)], Reason.WRONG_SIZE
    ),
    "part of a root": Case(
        [RAGGED], [opening(RAGGED.signed.message)], Reason.MALFORMED
    ),
    "no root": Case([commitment(payload=b"")], [], Reason.MALFORMED),
    "too many products": Case(
        TOO_MANY, [opening(TOO_MANY[1].signed.message)], Reason.TOO_MUCH_WORK
    ),
    "no opening": Case([FIRST], [], Reason.NO_OPENING),
    "an opening after its deadline": Case(
        [FIRST], [opening(FIRST.signed.message, slot=DUE + 1)], Reason.NO_OPENING
    ),
    "an opening of a shorter prefix": Case(
        [FIRST, SECOND], [ANSWER], Reason.NO_OPENING
    ),
    "two openings": Case(
        [FIRST],
        [ANSWER, opening(FIRST.signed.message, b"other")],
        Reason.CONTRADICTION,
    ),
    "one opening twice": Case(
        [FIRST], [ANSWER, replace(ANSWER, slot=DUE - 1)], Reason.NONE, 1
    ),
    "a late contradiction changes nothing": Case(
        [FIRST],
        [ANSWER, opening(FIRST.signed.message, b"other", DUE + 1)],
        Reason.NONE,
        1,
    ),
    "wrong products": Case(
        [FIRST], [opening(FIRST.signed.message, b"garbage")], Reason.WRONG_TILE
    ),
}


def judged(
    record: EpochRecord,
    bucket: Bucket,
    verify: Callable[[ProofCase], Reason] = judge_stand_ins,
) -> list[Verdict]:
    """Return the verdicts of the second round on one bucket."""
    schedule = Schedule.of(record)
    name = (OPENED, bucket)
    (place,) = [p for p in schedule.decided() if (p.opened, p.bucket) == name]
    assert not place.void
    return RoundJudge(record, schedule, verify).judge(place)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_each_fault_has_its_reason(case: Case) -> None:
    record = replace(
        RECORD,
        commitments=tuple(case.commitments),
        openings=tuple(case.openings),
    )
    (verdict,) = judged(record, Bucket.COMPUTE)
    work = case.products * 512**3
    phase_ms = EAGER.phase_ms[Phase.MATMUL]
    assert verdict == Verdict(
        OPENED,
        Bucket.COMPUTE,
        DEVICE.address,
        0,
        work,
        work * 1000 // phase_ms,
        case.reason,
    )


def walk(
    items: int, phase: Phase = Phase.WALK, payload: bytes = bytes(32)
) -> Arrived[Commitment]:
    return commitment(size=items, phase=phase, payload=payload)


def again(items: int, payload: bytes = bytes(32)) -> Arrived[Commitment]:
    return walk(items, Phase.SECOND_WALK, payload)


def answers(
    *commitments: Arrived[Commitment], payload: bytes = HONEST
) -> list[Arrived[Opening]]:
    return [opening(each.signed.message, payload) for each in commitments]


BOTH = [walk(1000), again(900)]

NONCES = b"".join(n.to_bytes(8, "big") for n in range(MAX_SOLUTIONS + 1))


@pytest.mark.parametrize(
    ("size", "payload", "reason", "count"),
    [
        pytest.param(3, NONCES[:16], Reason.NONE, 2, id="as the network sets it"),
        pytest.param(4, NONCES[:16], Reason.WRONG_DIFFICULTY, 0, id="harder"),
        pytest.param(2, NONCES[:16], Reason.WRONG_DIFFICULTY, 0, id="easier"),
        pytest.param(3, NONCES[:15], Reason.MALFORMED, 0, id="part of a nonce"),
        pytest.param(3, b"", Reason.MALFORMED, 0, id="no nonce"),
        pytest.param(3, NONCES, Reason.NONE, MAX_SOLUTIONS, id="more than are paid"),
    ],
)
def test_hashes_are_paid_at_the_difficulty_of_the_card(
    size: int, payload: bytes, reason: Reason, count: int
) -> None:
    row = commitment(size=size, payload=payload, phase=Phase.POW)
    record = replace(RECORD, commitments=(row,), openings=())
    asked: list[ProofCase] = []

    def believe(case: ProofCase) -> Reason:
        asked.append(case)
        return Reason.NONE

    (verdict,) = judged(record, Bucket.HASH, believe)
    assert (verdict.reason, verdict.work) == (reason, count << 3)
    assert [len(case.items) for case in asked] == ([8 * count] if count else [])
    assert all(not case.draw and not case.opening for case in asked)


def test_the_difficulty_follows_the_last_work_above_zero() -> None:
    schedule = Schedule.of(RECORD)
    judge = RoundJudge(RECORD, schedule, judge_stand_ins)
    name = (DEVICE.address, 0)
    assert judge.difficulty(*name) == EAGER.first_difficulty
    for place in schedule.decided():
        for verdict in judge.judge(place):
            if verdict.bucket is Bucket.HASH:
                assert judge.difficulty(*name) == difficulty(EAGER, verdict.work)
    empty = RoundJudge(
        replace(RECORD, commitments=()), schedule, lambda _: Reason.BAD_NONCE
    )
    assert all(not empty.judge(place) for place in schedule.decided())
    assert empty.difficulty(*name) == EAGER.first_difficulty


@pytest.mark.parametrize("reason", [Reason.WRONG_TILE, Reason.BAD_PATH])
def test_a_proof_that_fails_is_worth_nothing_for_the_reason_it_fails(
    reason: Reason,
) -> None:
    nonces = commitment(size=3, payload=NONCES[:16], phase=Phase.POW)
    record = replace(
        RECORD,
        commitments=(FIRST, nonces, *BOTH),
        openings=(ANSWER, *answers(*BOTH)),
    )
    for bucket in BUCKET_PHASES:
        (verdict,) = judged(record, bucket, lambda _: reason)
        assert (verdict.work, verdict.figure, verdict.reason) == (0, 0, reason)


def test_the_chain_may_hold_any_number_of_messages() -> None:
    rows = [FIRST, SECOND, THIRD]
    for order in (rows, rows[::-1], [*rows, *rows]):
        assert prefix_of(order, DOMAIN) == (
            [row.signed.message for row in rows],
            Reason.NONE,
        )
    assert prefix_of([], DOMAIN) == ([], Reason.NO_COMMITMENT)


def decided_of(record: EpochRecord) -> dict[Bucket, BucketRound]:
    """Return what is decided of the second round, by bucket."""
    decided = Schedule.of(record).decided()
    return {p.bucket: p for p in decided if p.opened == OPENED}


def without_root(slot: int) -> EpochRecord:
    heard = tuple(h for h in RECORD.intake if h.signed.message.slot != slot)
    return replace(RECORD, intake=heard)


def without_entropy(*slots: int) -> EpochRecord:
    drawn = tuple(e for e in RECORD.entropies if e.message.slot not in slots)
    return replace(RECORD, entropies=drawn)


def without_phase(phase: Phase) -> EpochRecord:
    published = tuple(p for p in RECORD.phases if (p.round, p.phase) != (OPENED, phase))
    return replace(RECORD, phases=published)


@pytest.mark.parametrize(
    ("record", "void"),
    [
        pytest.param(RECORD, set(), id="all is published"),
        pytest.param(
            without_phase(Phase.MATMUL), {Bucket.COMPUTE}, id="no value of the phase"
        ),
        pytest.param(
            without_phase(Phase.FILL), {Bucket.MEMORY}, id="no value of the fill"
        ),
        pytest.param(
            without_phase(Phase.WALK), {Bucket.MEMORY}, id="no value of the first walk"
        ),
        pytest.param(
            without_phase(Phase.SECOND_WALK),
            {Bucket.MEMORY},
            id="no value of the second walk",
        ),
        pytest.param(without_root(LAST), {*BUCKET_PHASES}, id="no root of commitments"),
        pytest.param(
            without_root(DUE), {Bucket.COMPUTE, Bucket.MEMORY}, id="no root of openings"
        ),
        pytest.param(
            without_root(DUE + 1), {Bucket.MEMORY}, id="no root of the last openings"
        ),
        pytest.param(without_root(DUE + 2), set(), id="no root later"),
        pytest.param(without_root(OPENED - 1), set(), id="no root before"),
        pytest.param(
            without_entropy(*range(DRAW, 20)),
            {Bucket.COMPUTE, Bucket.MEMORY},
            id="never drawn",
        ),
        pytest.param(
            without_entropy(DRAW + 1, DRAW + 2),
            {Bucket.MEMORY},
            id="only the second walk never drawn",
        ),
    ],
)
def test_what_the_network_did_not_publish_voids_the_round_for_all(
    record: EpochRecord, void: set[Bucket]
) -> None:
    found = decided_of(record)
    assert set(found) == set(BUCKET_PHASES)
    assert {bucket for bucket, place in found.items() if place.void} == void


def test_a_draw_that_comes_late_but_in_time_still_draws() -> None:
    found = decided_of(without_entropy(DRAW))[Bucket.COMPUTE]
    assert not found.void
    assert [part.draw for part in found.parts] == [DRAW + 1]


def test_a_void_phase_is_void_for_the_payout_too() -> None:
    outcome = replay(without_phase(Phase.MATMUL), judge_stand_ins)
    assert (OPENED, Bucket.COMPUTE) in outcome.voids
    assert not [
        v for v in outcome.verdicts if (v.round, v.bucket) == (OPENED, Bucket.COMPUTE)
    ]


def test_work_is_what_the_kernels_say() -> None:
    assert work_of(Bucket.COMPUTE, 3, 512) == 3 * 512**3
    assert work_of(Bucket.MEMORY, 1, 512) == 512 * 128
    assert work_of(Bucket.HASH, 3, 11) == 3 * 2**11


behaviours = st.dictionaries(
    st.integers(0, 1),
    st.builds(
        Behaviour,
        skips=st.frozensets(st.sampled_from(list(BUCKET_PHASES))),
        said=st.dictionaries(st.sampled_from(Phase), st.sampled_from(sorted(SKIPS))),
        withholds=st.booleans(),
        garbage=st.booleans(),
    ),
)
laws = settings(max_examples=10, deadline=None)


def until(record: EpochRecord, slot: int) -> EpochRecord:
    """Return the record as it stands when ``slot`` begins."""
    return replace(
        record,
        beacons=tuple(b for b in record.beacons if b.message.slot < slot),
        entropies=tuple(e for e in record.entropies if e.message.slot < slot),
        phases=tuple(p for p in record.phases if p.round < slot),
        intake=tuple(h for h in record.intake if h.signed.message.slot < slot),
        seals=tuple(a for a in record.seals if a.slot < slot),
        commitments=tuple(a for a in record.commitments if a.slot < slot),
        openings=tuple(a for a in record.openings if a.slot < slot),
        skips=tuple(a for a in record.skips if a.slot < slot),
    )


def verdicts(record: EpochRecord, close: int | None = None) -> set[Verdict]:
    schedule = Schedule.of(record, close)
    judge = RoundJudge(record, schedule, judge_stand_ins)
    return {
        verdict
        for place in schedule.decided()
        if not place.void
        for verdict in judge.judge(place)
    }


@laws
@given(chosen=behaviours, data=st.data())
def test_a_verdict_once_shown_is_the_verdict_at_the_close(
    chosen: dict[int, Behaviour], data: st.DataObject
) -> None:
    record = PAIR.epoch(0, chosen)
    missing = data.draw(st.frozensets(st.integers(0, 19), max_size=2))
    heard = tuple(h for h in record.intake if h.signed.message.slot not in missing)
    record = replace(record, intake=heard)
    final = verdicts(record)
    shown: set[Verdict] = set()
    for slot in range(timetable.close_of(EAGER, 0) + 1):
        now = verdicts(until(record, slot), slot)
        assert shown <= now <= final
        shown = now
    assert shown == final


@laws
@given(first=behaviours, second=behaviours)
def test_both_epochs_decide_a_round_between_them_alike(
    first: dict[int, Behaviour], second: dict[int, Behaviour]
) -> None:
    earlier = PAIR.epoch(0, first)
    outcome = replay(earlier, judge_stand_ins)
    # What was said before the close stands in both records.
    later = PAIR.epoch(1, second, outcome.carried)
    close, begin = timetable.close_of(EAGER, 0), timetable.first_slot(EAGER, 1)
    later = replace(
        later,
        commitments=(
            *(a for a in earlier.commitments if a.slot >= begin),
            *(a for a in later.commitments if a.slot >= close),
        ),
        openings=(
            *(a for a in earlier.openings if a.slot >= begin),
            *(a for a in later.openings if a.slot >= close),
        ),
        skips=(
            *(a for a in earlier.skips if a.slot >= begin),
            *(a for a in later.skips if a.slot >= close),
        ),
    )
    shared = {v for v in outcome.verdicts if v.round >= begin}
    again = set(replay(later, judge_stand_ins).verdicts)
    assert shared <= again
    places = {(v.round, v.bucket) for v in shared}
    assert {v for v in again if (v.round, v.bucket) in places} == shared


def test_some_rounds_do_lie_between_two_epochs() -> None:
    outcome = replay(PAIR.epoch(0), judge_stand_ins)
    begin = timetable.first_slot(EAGER, 1)
    found = {v.bucket for v in outcome.verdicts if v.round >= begin}
    assert found == {*BUCKET_PHASES}


def test_what_is_due_at_the_close_is_left_to_the_next_epoch() -> None:
    schedule, close = Schedule.of(RECORD), timetable.close_of(EAGER, 0)
    due_then = [
        opened
        for opened in schedule.rounds()
        if timetable.commit_slot(EAGER, opened, Phase.POW) == close
    ]
    assert due_then
    decided = {(place.opened, place.bucket) for place in schedule.decided()}
    assert not decided & {(opened, Bucket.HASH) for opened in due_then}
    assert replay(RECORD, judge_stand_ins).voids == ()
