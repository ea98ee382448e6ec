"""Each way in which a demo can differ from what must happen is named."""

from dataclasses import replace

import pytest

from edgeproof.proofs.reasons import Reason
from edgeproof.simulator.cheats.catalogue import by_kind
from edgeproof.simulator.expectations import Seen, problems
from edgeproof.simulator.snapshot import EpochNow, Reward

HONEST, CHEATER = "0xaa", "0xbb"


def reward(device: str, amount: int, reason: str = "", accepted: int = 15) -> Reward:
    owner = f"owner of {device}"
    return Reward(device, owner, accepted, 15, 1, 1, 1, amount, reason)


def epoch(number: int, *rewards: Reward, state: str = "finalised") -> EpochNow:
    return EpochNow(number, state, "0x00", 0, 0, rewards)


FIRST = epoch(0, reward(HONEST, 10), reward(CHEATER, 5))
WHY = "; ".join(
    f"{bucket}: {reason.text}"
    for bucket, reason in (
        ("compute", Reason.WRONG_TILE),
        ("hash", Reason.BAD_NONCE),
        ("memory", Reason.WRONG_LANE),
    )
)
LAST = epoch(1, reward(HONEST, 20), reward(CHEATER, 0, WHY))
GOOD = Seen(
    first=0,
    last=1,
    epochs=[FIRST, LAST],
    agents={
        HONEST: (f"owner of {HONEST}", False),
        CHEATER: (f"owner of {CHEATER}", True),
    },
    balances={f"owner of {HONEST}": (30, 30), f"owner of {CHEATER}": (5, 5)},
    audited={0: "", 1: ""},
    cheat=by_kind("garbage"),
)
LATE = by_kind("late-commitment")
NOTHING = f"{Reason.NO_COMMITMENT.text}"
NOT_COMMITTED = "; ".join(
    f"{name}: {NOTHING}" for name in ("compute", "hash", "memory")
)
LATE_LAST = epoch(1, reward(HONEST, 20), reward(CHEATER, 0, NOT_COMMITTED))
CLOCK = epoch(
    1,
    reward(HONEST, 20),
    reward(CHEATER, 0, NOT_COMMITTED.replace(NOTHING, Reason.NO_UPTIME.text), 0),
)


@pytest.mark.parametrize(
    "seen",
    [
        GOOD,
        replace(
            GOOD,
            cheat=LATE,
            epochs=[FIRST, LATE_LAST],
            refused=frozenset({Reason.LATE}),
        ),
        replace(
            GOOD,
            cheat=by_kind("lying-clock"),
            epochs=[FIRST, CLOCK],
            refused=frozenset({Reason.WRONG_BEACON}),
        ),
    ],
    ids=lambda seen: seen.cheat.kind,
)
def test_the_expected_outcome_has_no_problem(seen: Seen) -> None:
    assert problems(seen) == []


@pytest.mark.parametrize(
    ("seen", "named"),
    [
        (replace(GOOD, epochs=[FIRST]), "epoch 1 was not closed"),
        (
            replace(GOOD, epochs=[FIRST, replace(LAST, state="posted")]),
            "epoch 1 is posted, not finalised",
        ),
        (replace(GOOD, audited={0: ""}), "audit of epoch 1 found nothing"),
        (replace(GOOD, audited={0: "", 1: "row 3"}), "audit of epoch 1 found row 3"),
        (
            replace(GOOD, epochs=[epoch(0, reward(HONEST, 10)), LAST]),
            "no accepted slot in epoch 0",
        ),
        (
            replace(
                GOOD,
                epochs=[
                    FIRST,
                    epoch(1, reward(HONEST, 20, accepted=0), *LAST.rewards[1:]),
                ],
            ),
            "no accepted slot in epoch 1",
        ),
        (
            replace(GOOD, epochs=[FIRST, epoch(1, reward(HONEST, 0, "late"))]),
            "earned nothing in epoch 1: late",
        ),
        (
            replace(
                GOOD, epochs=[FIRST, epoch(1, reward(HONEST, 20), reward(CHEATER, 1))]
            ),
            "the cheater 0xbb was paid 1",
        ),
        (
            replace(
                GOOD, epochs=[FIRST, epoch(1, reward(HONEST, 20), reward(CHEATER, 0))]
            ),
            "the cheater 0xbb was given no reason for compute",
        ),
        (
            replace(
                GOOD,
                epochs=[
                    FIRST,
                    epoch(1, reward(HONEST, 20), reward(CHEATER, 0, WHY[:40])),
                ],
            ),
            "the cheater 0xbb was given no reason for memory",
        ),
        (
            replace(GOOD, cheat=by_kind("no-opening")),
            "given no reason for compute that no-opening must have: compute: the drawn",
        ),
        (
            replace(GOOD, cheat=LATE, epochs=[FIRST, LATE_LAST]),
            "no message of late-commitment was refused as LATE",
        ),
        (replace(GOOD, epochs=[FIRST, CLOCK]), "no accepted slot in epoch 1"),
        (
            replace(GOOD, balances={**GOOD.balances, f"owner of {HONEST}": (30, 29)}),
            "earned 30, is owed 30 and holds 29",
        ),
    ],
)
def test_each_difference_is_named(seen: Seen, named: str) -> None:
    assert any(named in problem for problem in problems(seen))


def test_what_was_earned_before_all_had_enrolled_counts_as_money_only() -> None:
    early = epoch(0, reward(HONEST, 10), reward(CHEATER, 5))
    late = replace(GOOD, first=1, epochs=[early, LAST], audited={1: ""})
    assert problems(late) == []


def test_whose_nonces_failed_amid_a_round_may_miss_the_next_difficulty() -> None:
    why = WHY.replace(Reason.BAD_NONCE.text, Reason.WRONG_DIFFICULTY.text)
    assert why != WHY
    other = epoch(1, reward(HONEST, 20), reward(CHEATER, 0, why))
    assert problems(replace(GOOD, epochs=[FIRST, other])) == []
    # Nobody else has that excuse.
    found = problems(replace(GOOD, cheat=by_kind("no-opening"), epochs=[FIRST, other]))
    assert any("no reason for hash" in problem for problem in found)
