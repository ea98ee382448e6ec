"""What must have happened in a demo, and how it differs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgeproof.proofs.parameters import BUCKET_PHASES, Bucket
from edgeproof.proofs.reasons import Reason
from edgeproof.simulator.cheats.cheat import Cheat
from edgeproof.simulator.snapshot import EpochNow, Reward


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Everything that the demo saw; all agents take part from epoch ``first`` on.

    ``agents``: (owner, whether it cheats in epoch ``last``) by device; ``balances``:
    (owed, held) by owner; ``audited``: by epoch what the audit found wrong, if any;
    ``refused``: why messages of the cheater were refused, as far as it was told.
    """

    first: int
    last: int
    epochs: Sequence[EpochNow]
    agents: Mapping[str, tuple[str, bool]]
    balances: Mapping[str, tuple[int, int]]
    audited: Mapping[int, str]
    cheat: Cheat
    refused: frozenset[Reason] = frozenset()

    def last_reward(self, device: str) -> Reward | None:
        """Return what a device got for the last epoch, None if that is not known."""
        for epoch in self.epochs:
            for row in epoch.rewards:
                if (epoch.epoch, row.device) == (self.last, device):
                    return row
        return None


def problems(seen: Seen) -> list[str]:
    """Return every difference from the expected outcome, in words; none is success.

    1. Every epoch was closed, finalised, and audited without fault.
    2. Every agent stood in every epoch with accepted slots, unless it cheats there.
    3. Every agent was paid in every epoch, but the cheater in the last one.
    4. There it got nothing, in each bucket for a reason that its cheat must have, and
       messages that are to be refused were, for the reason that they must be.
    5. What each owner holds on chain is what the rewards of its device add up to.
    """
    return [*_epochs(seen), *_rewards(seen), *_refusals(seen), *_money(seen)]


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
            cheated = cheats and epoch.epoch == seen.last
            # (2) Attendance.
            if row is None or not (row.accepted or (cheated and not seen.cheat.heard)):
                yield f"{device} has no accepted slot in epoch {epoch.epoch}"
            elif cheated:
                yield from _caught(row, seen.cheat)
            elif not row.reward:
                # (3) Work is paid.
                yield f"{device} earned nothing in epoch {epoch.epoch}: {row.reason}"


def _caught(row: Reward, cheat: Cheat) -> Iterator[str]:
    # (4) Cheating is not.
    if row.reward:
        yield f"the cheater {row.device} was paid {row.reward}"
    given = set(row.reason.split("; "))
    for bucket in BUCKET_PHASES:
        name = bucket.name.lower()
        reasons = cheat.reasons(bucket)
        if bucket is Bucket.HASH and bucket in cheat.unpaid:
            # The epoch can begin amid a round.  Whose nonces fail in it takes them for
            # good, and with them another difficulty than the network's for the next.
            reasons |= {Reason.WRONG_DIFFICULTY}
        expected = {f"{name}: {reason.text}" for reason in reasons}
        if not given & expected:
            yield (
                f"the cheater {row.device} was given no reason for {name} that"
                f" {cheat.kind} must have: {' or '.join(sorted(expected))}"
            )


def _refusals(seen: Seen) -> Iterator[str]:
    # (4) What was refused.
    cheated = any(cheats for _, cheats in seen.agents.values())
    wanted = seen.cheat.refused
    if cheated and wanted and seen.cheat.told and wanted not in seen.refused:
        yield f"no message of {seen.cheat.kind} was refused as {wanted.name}"


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
