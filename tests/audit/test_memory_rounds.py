"""The verdict on both walks of a round: the lower one counts, and each must hold."""

from dataclasses import replace

import numpy as np
import pytest

from edgeproof.audit.model import Arrived, Verdict
from edgeproof.audit.rounds import ProofCase, RoundJudge, verify_proof
from edgeproof.audit.schedule import Schedule
from edgeproof.kernels.cpu.memories import CpuMemory
from edgeproof.kernels.cpu.trees import Tree
from edgeproof.proofs import challenge, memory, timetable
from edgeproof.proofs.parameters import Bucket, Phase
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry.messages import Commitment, Opening

# A round opens as soon as the one before is over, and the close comes late enough, so
# that some are decided in both epochs, the memory of them too.
from tests.audit.test_rounds import (
    BOTH,
    DEVICE,
    DOMAIN,
    EAGER,
    OPENED,
    RECORD,
    again,
    answers,
    commitment,
    judged,
    walk,
)

CHANGED = commitment(1, walk(1000).signed.message, size=999, phase=Phase.WALK)
TWO_ROOTS = walk(1000, payload=bytes(64))
PART_OF_A_ROOT = walk(1000, payload=bytes(31))
TOO_FEW, TOO_MANY_ITEMS = walk(63), walk(2**32 + 1)

MEMORY_CASES = {
    "two walks: the lower one counts": (BOTH, answers(*BOTH), Reason.NONE, 900),
    "the second one is larger": (
        [walk(900), again(1000)],
        answers(walk(900), again(1000)),
        Reason.NONE,
        900,
    ),
    "as large as can be": (
        [walk(2**32), again(2**32)],
        answers(walk(2**32), again(2**32)),
        Reason.NONE,
        2**32,
    ),
    "no second walk": (BOTH[:1], answers(BOTH[0]), Reason.NO_COMMITMENT, 0),
    "no first walk": (BOTH[1:], answers(BOTH[1]), Reason.NO_COMMITMENT, 0),
    "the second one is not opened": (BOTH, answers(BOTH[0]), Reason.NO_OPENING, 0),
    "the second one is wrong": (
        BOTH,
        [*answers(BOTH[0]), *answers(BOTH[1], payload=b"garbage")],
        Reason.WRONG_LANE,
        0,
    ),
    "the first one is wrong, the second not opened": (
        BOTH,
        answers(BOTH[0], payload=b"garbage"),
        Reason.WRONG_LANE,
        0,
    ),
    "too few items": (
        [TOO_FEW, BOTH[1]],
        answers(TOO_FEW, BOTH[1]),
        Reason.WRONG_SIZE,
        0,
    ),
    "more items than an index reaches": (
        [TOO_MANY_ITEMS, BOTH[1]],
        answers(TOO_MANY_ITEMS, BOTH[1]),
        Reason.WRONG_SIZE,
        0,
    ),
    "a number of items that changes": (
        [BOTH[0], CHANGED, BOTH[1]],
        answers(CHANGED, BOTH[1]),
        Reason.WRONG_SIZE,
        0,
    ),
    "two roots": (
        [TWO_ROOTS, BOTH[1]],
        answers(TWO_ROOTS, BOTH[1]),
        Reason.TOO_MUCH_WORK,
        0,
    ),
    "part of a root": (
        [PART_OF_A_ROOT, BOTH[1]],
        answers(PART_OF_A_ROOT, BOTH[1]),
        Reason.MALFORMED,
        0,
    ),
}


@pytest.mark.parametrize(
    ("commitments", "openings", "reason", "items"),
    MEMORY_CASES.values(),
    ids=MEMORY_CASES.keys(),
)
def test_memory_is_worth_the_lower_of_both_walks_and_nothing_if_one_fails(
    commitments: list[Arrived[Commitment]],
    openings: list[Arrived[Opening]],
    reason: Reason,
    items: int,
) -> None:
    record = replace(RECORD, commitments=tuple(commitments), openings=tuple(openings))
    (verdict,) = judged(record, Bucket.MEMORY)
    held = 128 * items
    assert verdict == Verdict(
        OPENED, Bucket.MEMORY, DEVICE.address, 0, held, held, reason
    )


def test_a_walk_is_judged_by_the_seeds_of_its_fill_and_of_its_own_phase() -> None:
    asked: list[ProofCase] = []

    def believe(case: ProofCase) -> Reason:
        asked.append(case)
        return Reason.NONE

    judged(
        replace(RECORD, commitments=tuple(BOTH), openings=tuple(answers(*BOTH))),
        Bucket.MEMORY,
        believe,
    )
    judge = RoundJudge(RECORD, Schedule.of(RECORD), believe)
    fill = judge.seed(OPENED, Phase.FILL, DEVICE.address, 0)
    for case, phase, items in zip(
        asked, (Phase.WALK, Phase.SECOND_WALK), (1000, 900), strict=True
    ):
        assert case.seed == judge.seed(OPENED, phase, DEVICE.address, 0)
        assert (case.fill_seed, case.size) == (fill, items)
        assert (case.permutations, case.opened) == (2, EAGER.opened_lanes)
    assert len({fill, *(case.seed for case in asked)}) == 3


@pytest.mark.parametrize(
    ("spoiled", "reason"), [(0, Reason.NONE), (1, Reason.WRONG_LANE)]
)
def test_a_real_memory_is_judged_by_its_real_walks(
    spoiled: int, reason: Reason
) -> None:
    judge = RoundJudge(RECORD, Schedule.of(RECORD), verify_proof)
    fill = judge.seed(OPENED, Phase.FILL, DEVICE.address, 0)
    held = CpuMemory(fill, EAGER.fill_permutations, 1000)
    held.fill(1000)
    commitments, openings = [], []
    for phase, items in ((Phase.WALK, 1000), (Phase.SECOND_WALK, 900)):
        made = held.walk(judge.seed(OPENED, phase, DEVICE.address, 0), items)
        ends = made.ends + np.uint64(spoiled)
        row = walk(items, phase, Tree(ends[:, None]).root)
        last = timetable.commit_slot(EAGER, OPENED, phase)
        entropy = Schedule.of(RECORD).entropies[last + 2]
        draw = challenge.draw(row.signed.message.digest(DOMAIN), entropy)
        payload = memory.open_walk(draw, ends, items, EAGER.opened_lanes)
        commitments.append(row)
        openings += answers(row, payload=payload)
    record = replace(RECORD, commitments=tuple(commitments), openings=tuple(openings))
    (verdict,) = judged(record, Bucket.MEMORY, verify_proof)
    assert (verdict.reason, verdict.figure) == (reason, 0 if reason else 900 * 128)
