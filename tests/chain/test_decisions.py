"""The poster's decisions: a table of situations, then the law they obey."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.chain.decisions import AskPerson, Finalise, Post, Rest, Settle, decide
from edgeproof.chain.outbox import Intent, Status
from edgeproof.chain.roots import RootToPost
from edgeproof.chain.state import DistributorState, OnChainRoot, PendingRoot, Terms

TERMS = Terms(
    token=b"t" * 20,
    genesis=1000,
    epoch_length=10,
    epochs_per_root=4,
    challenge_window=5,
    halving_interval=100,
    initial_epoch_cap=50,
    guardian=b"g" * 20,
    attestors=(b"a" * 20,),
    threshold=1,
)
LATE = 100_000


def root(
    first: int, last: int | None = None, total: int = 10, answers: int = 0
) -> RootToPost:
    last = first if last is None else last
    return RootToPost(first, last, bytes(32), total, bytes(32), (), answers)


def on_chain(wanted: RootToPost) -> OnChainRoot:
    return OnChainRoot(*wanted.body)


def pending(wanted: RootToPost, ends_at: int = 0) -> PendingRoot:
    return PendingRoot(on_chain(wanted), ends_at, vetoable=True)


def state(
    next_epoch: int = 0,
    *,
    time: int = LATE,
    finalised: OnChainRoot | None = None,
    waiting: PendingRoot | None = None,
    vetoes: dict[tuple[int, int], int] | None = None,
) -> DistributorState:
    every = {(first, last): 0 for first in range(9) for last in range(first, 9)}
    return DistributorState(
        TERMS, 1, time, next_epoch, finalised, waiting, {**every, **(vetoes or {})}
    )


def intent(purpose: str, status: Status, nonce: int = 0) -> Intent:
    return Intent(purpose, nonce, b"d" * 20, b"", 1, (), status)


POST = "post 3-3 after 0 vetoes"
FINALISE = "finalise 3-3 after 0 vetoes"
OPEN = intent("anything", Status.OPEN)
DONE = intent(f"{POST}, try 1", Status.DONE)

CASES = {
    "nothing wanted": (state(), [], [], Rest),
    "wanted and never sent": (state(), [], [root(3)], Post(f"{POST}, try 1", root(3))),
    "an open intent comes first": (state(), [OPEN], [root(3)], Settle(OPEN)),
    "an open intent is settled even if nothing is wanted": (
        state(),
        [OPEN],
        [],
        Settle(OPEN),
    ),
    "the epoch has not ended": (
        state(time=1039),
        [],
        [root(3)],
        Rest("epoch 3 has not ended", 1040),
    ),
    "the epoch has just ended": (
        state(time=1040),
        [],
        [root(3)],
        Post(f"{POST}, try 1", root(3)),
    ),
    "the earliest of several": (
        state(),
        [],
        [root(4), root(3)],
        Post(f"{POST}, try 1", root(3)),
    ),
    "ours is pending in its window": (
        state(time=99, waiting=pending(root(3), ends_at=100)),
        [],
        [root(3)],
        Rest("the challenge window is open", 100),
    ),
    "ours is pending after its window": (
        state(waiting=pending(root(3))),
        [],
        [root(3)],
        Finalise(f"{FINALISE}, try 1"),
    ),
    "posted by somebody else, but it is the one we want": (
        state(waiting=pending(root(3))),
        [intent(f"{POST}, try 1", Status.LOST)],
        [root(3)],
        Finalise(f"{FINALISE}, try 1"),
    ),
    "another root is pending": (
        state(waiting=pending(root(3, total=11))),
        [],
        [root(3)],
        AskPerson,
    ),
    "all is final": (
        state(4, finalised=on_chain(root(3))),
        [],
        [root(3)],
        Rest("every wanted root is final"),
    ),
    "another root was finalised for our epochs": (
        state(4, finalised=on_chain(root(3, total=11))),
        [],
        [root(3)],
        AskPerson,
    ),
    "our root overlaps with settled epochs": (state(4), [], [root(3, 5)], AskPerson),
    "vetoed": (state(vetoes={(3, 3): 1}), [], [root(3)], AskPerson),
    "vetoed and answered": (
        state(vetoes={(3, 3): 1}),
        [],
        [root(3, answers=1)],
        Post("post 3-3 after 1 vetoes, try 1", root(3, answers=1)),
    ),
    "vetoed again after the answer": (
        state(vetoes={(3, 3): 2}),
        [],
        [root(3, answers=1)],
        AskPerson,
    ),
    "reverted once": (
        state(),
        [intent(f"{POST}, try 1", Status.REVERTED)],
        [root(3)],
        Post(f"{POST}, try 2", root(3)),
    ),
    "failed too often": (
        state(),
        [intent(f"{POST}, try {n}", Status.REVERTED, n) for n in (1, 2, 3)],
        [root(3)],
        AskPerson,
    ),
    "seen final, but the chain does not show it": (
        state(),
        [DONE],
        [root(3)],
        Settle(DONE),
    ),
}


@pytest.mark.parametrize(
    ("chain", "intents", "wanted", "expected"), CASES.values(), ids=CASES.keys()
)
def test_the_table_of_situations(
    chain: DistributorState,
    intents: list[Intent],
    wanted: list[RootToPost],
    expected: object,
) -> None:
    action = decide(chain, intents, wanted)
    if isinstance(expected, type):
        assert isinstance(action, expected)
    else:
        assert action == expected


statuses = st.sampled_from(Status)
purposes = st.sampled_from(
    [f"{base}, try {n}" for base in (POST, FINALISE) for n in (1, 2, 3)]
)
histories = st.dictionaries(purposes, statuses, max_size=6).map(
    lambda found: [intent(p, s, n) for n, (p, s) in enumerate(found.items())]
)
states = st.builds(
    state,
    st.integers(0, 6),
    time=st.integers(1000, 1100),
    waiting=st.none() | st.builds(pending, st.just(root(3)), st.integers(1000, 1100)),
    vetoes=st.builds(lambda n: {(3, 3): n}, st.integers(0, 3)),
)


@given(states, histories, st.lists(st.integers(0, 8).map(root), max_size=3))
def test_what_is_sent_is_new_and_allowed(
    chain: DistributorState, intents: list[Intent], wanted: list[RootToPost]
) -> None:
    action = decide(chain, intents, wanted)
    if isinstance(action, Post):
        assert chain.pending is None
        assert action.root.first_epoch >= chain.next_epoch
        assert chain.time >= TERMS.end_of(action.root.last_epoch)
    if isinstance(action, Finalise):
        assert chain.pending is not None
        assert chain.time >= chain.pending.challenge_ends_at
        assert any(one.body == chain.pending.body.body for one in wanted)
    if isinstance(action, Post | Finalise):
        assert all(one.status is not Status.OPEN for one in intents)
        assert action.purpose not in {one.purpose for one in intents} or has_gap(
            intents
        )


def has_gap(intents: list[Intent]) -> bool:
    """Whether a purpose's tries are not numbered 1, 2, 3: no outbox writes that."""
    numbers: dict[str, list[int]] = {}
    for one in intents:
        base, number = one.purpose.rsplit(" ", 1)
        numbers.setdefault(base, []).append(int(number))
    return any(sorted(n) != list(range(1, len(n) + 1)) for n in numbers.values())


@given(states, histories, st.lists(st.integers(0, 8).map(root), max_size=3))
def test_the_order_of_wishes_does_not_matter(
    chain: DistributorState, intents: list[Intent], wanted: list[RootToPost]
) -> None:
    assert decide(chain, intents, wanted) == decide(chain, intents, wanted[::-1])


def test_the_cap_of_a_range_is_the_sum_of_its_halving_caps() -> None:
    terms = replace(TERMS, halving_interval=2)
    assert terms.cap_of_range(0, 5) == 50 + 50 + 25 + 25 + 12 + 12
