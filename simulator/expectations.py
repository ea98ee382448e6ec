"""What must have happened in a demo, and how it differs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgeproof.simulator.snapshot import MEASURED, EpochNow, Reward


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Everything that the demo saw; all agents take part from epoch ``first`` on.

    ``agents``: (owner, whether it cheats in epoch ``last``) by device; ``balances``:
    (owed, held) by owner; ``audited``: by epoch what the audit found wrong, if any.
    """

    first: int
    last: int
    epochs: Sequence[EpochNow]
    agents: Mapping[str, tuple[str, bool]]
    balances: Mapping[str, tuple[int, int]]
    audited: Mapping[int, str]


def problems(seen: Seen) -> list[str]:
    """Return every difference from the expected outcome, in words; none is success.

    1. Every epoch was closed, finalised, and audited without fault.
    2. Every agent stood in every epoch with accepted slots.
    3. Every agent was paid in every epoch, but the cheater in the last one.
    4. There it got nothing, and was told why for everything that is measured.
    5. What each owner holds on chain is what the rewards of its device add up to.
    """
    return [*_epochs(seen), *_rewards(seen), *_money(seen)]


def _epochs(seen: Seen) -> Iterator[str]:
    # (1) The epochs.
    closed = {epoch.epoch: epoch for epoch in seen.epochs}
    for number in range(seen.first, seen.last + 1):
        epoch = closed.get(number)
        if epoch is None:
            yield f"epoch {number} was not closed"
        elif epoch.state != "finalised":
            yield f"the root of epoch {number} is {epoch.state}, not finalised"
        wrong = seen.audited.get(number, "nothing: it was not audited")
        if wrong:
            yield f"the audit of epoch {number} found {wrong}"


def _rewards(seen: Seen) -> Iterator[str]:
    for epoch in seen.epochs:
        if epoch.epoch < seen.first:
            continue
        rows = {row.device: row for row in epoch.rewards}
        for device, (_, cheats) in seen.agents.items():
            row = rows.get(device)
            # (2) Attendance.
            if row is None or not row.accepted:
                yield f"{device} has no accepted slot in epoch {epoch.epoch}"
            else:
                caught = cheats and epoch.epoch == seen.last
                yield from _reward(row, epoch.epoch, caught=caught)


def _reward(row: Reward, epoch: int, *, caught: bool) -> Iterator[str]:
    # (3) Work is paid.
    if not caught and not row.reward:
        yield f"{row.device} earned nothing in epoch {epoch}: {row.reason}"
    # (4) Cheating is not.
    if caught and row.reward:
        yield f"the cheater {row.device} was paid {row.reward}"
    for bucket in MEASURED:
        if caught and f"{bucket}: " not in row.reason:
            yield f"the cheater {row.device} was given no reason for {bucket}"


def _money(seen: Seen) -> Iterator[str]:
    # (5) The money.
    earned = {owner: 0 for owner, _ in seen.agents.values()}
    for epoch in seen.epochs:
        for row in epoch.rewards:
            if row.device in seen.agents:
                earned[row.owner] += row.reward
    for owner, amount in earned.items():
        owed, held = seen.balances.get(owner, (0, 0))
        if not amount == owed == held:
            yield f"{owner} earned {amount}, is owed {owed} and holds {held}"
