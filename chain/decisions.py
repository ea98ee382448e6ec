"""What the poster should do next: a pure function of chain, outbox and wishes.

The chain comes first.  What it already holds is never sent again, whoever sent it; what
the outbox left open is settled before anything new begins.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edgeproof.chain.outbox import Intent, Status
from edgeproof.chain.roots import RootToPost
from edgeproof.chain.state import DistributorState, PendingRoot, Range

TRIES = 3
"""Reverted or lost transactions for one purpose before a person is asked."""


@dataclass(frozen=True, slots=True)
class Settle:
    """Bring this intent to its end first."""

    intent: Intent


@dataclass(frozen=True, slots=True)
class Post:
    """Send ``post`` with this root."""

    purpose: str
    root: RootToPost


@dataclass(frozen=True, slots=True)
class Finalise:
    """Send ``finalise`` for the pending root."""

    purpose: str


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to do before ``until`` (unix seconds on the chain's clock), if known."""

    why: str
    until: int | None = None


@dataclass(frozen=True, slots=True)
class AskPerson:
    """The chain and our wishes contradict each other; do nothing, and say so."""

    problem: str
    hint: str


Action = Settle | Post | Finalise | Rest | AskPerson


def decide(
    state: DistributorState, intents: Sequence[Intent], wanted: Sequence[RootToPost]
) -> Action:
    """Return the next step towards having ``wanted`` finalised, in epoch order.

    ``state.vetoes`` must cover the epochs of every wanted root that is not settled.
    """
    # 1. What is open is settled first: one nonce at a time.
    for intent in intents:
        if intent.status is Status.OPEN:
            return Settle(intent)
    # 2. A pending root is seen through, if it is ours.
    if state.pending is not None:
        return _see_through(state, state.pending, intents, wanted)
    # 3. What the chain finalised must be what we wanted.
    for root in wanted:
        settled = state.finalised
        if settled and settled.epochs == root.epochs and settled.body != root.body:
            problem = f"epochs {_range(root.epochs)} were finalised with another root"
            return AskPerson(problem, "compare both bundles; claims follow the chain")
    # 4. The first wanted root that the chain does not have.
    for root in sorted(wanted, key=lambda one: one.epochs):
        if root.last_epoch >= state.next_epoch:
            return _offer(state, root, intents)
    return Rest("every wanted root is final")


def unsettled(next_epoch: int, wanted: Sequence[RootToPost]) -> list[Range]:
    """Return the epochs of the wanted roots that the chain has not settled."""
    return [root.epochs for root in wanted if root.last_epoch >= next_epoch]


def _see_through(
    state: DistributorState,
    pending: PendingRoot,
    intents: Sequence[Intent],
    wanted: Sequence[RootToPost],
) -> Action:
    epochs = pending.body.epochs
    if all(root.body != pending.body.body for root in wanted):
        problem = f"a root for epochs {_range(epochs)} is pending that we don't want"
        return AskPerson(
            problem, "recompute it from its bundle; the guardian can veto a wrong one"
        )
    if state.time < pending.challenge_ends_at:
        return Rest("the challenge window is open", pending.challenge_ends_at)
    base = f"finalise {_range(epochs)} after {state.vetoes[epochs]} vetoes"
    return _unless_tried(base, intents) or Finalise(_next_try(base, intents))


def _offer(
    state: DistributorState, root: RootToPost, intents: Sequence[Intent]
) -> Action:
    if root.first_epoch < state.next_epoch:
        problem = (
            f"epochs {_range(root.epochs)} overlap with settled ones"
            f" (the next is {state.next_epoch})"
        )
        return AskPerson(problem, "make a root for later epochs only")
    end = state.terms.end_of(root.last_epoch)
    if state.time < end:
        return Rest(f"epoch {root.last_epoch} has not ended", end)
    vetoes = state.vetoes[root.epochs]
    if vetoes > root.answers_vetoes:
        problem = f"the root for epochs {_range(root.epochs)} was vetoed ({vetoes})"
        return AskPerson(
            problem, "ask the guardian why; post a corrected root that answers the veto"
        )
    base = f"post {_range(root.epochs)} after {vetoes} vetoes"
    return _unless_tried(base, intents) or Post(_next_try(base, intents), root)


def _unless_tried(base: str, intents: Sequence[Intent]) -> Action | None:
    """Return what must come before a (new) try, or None."""
    tried = [intent for intent in intents if intent.purpose.startswith(f"{base}, try")]
    for intent in tried:
        if intent.status is Status.DONE:
            # The chain does not show what we saw final: its block may have vanished.
            return Settle(intent)
    if len(tried) >= TRIES:
        problem = f"{base}: {len(tried)} transactions failed"
        return AskPerson(problem, "look at their reverts, and at who else uses the key")
    return None


def _next_try(base: str, intents: Sequence[Intent]) -> str:
    tried = sum(intent.purpose.startswith(f"{base}, try") for intent in intents)
    return f"{base}, try {tried + 1}"


def _range(epochs: Range) -> str:
    return f"{epochs[0]}-{epochs[1]}"
