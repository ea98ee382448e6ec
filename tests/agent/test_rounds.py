"""Rounds with invented work: what is committed, counted, opened, and set from it."""

import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeproof.agent.orders import (
    Abandon,
    Fill,
    Multiply,
    Open,
    Order,
    Release,
    Search,
    Send,
    Walk,
)
from edgeproof.agent.rounds import Rounds
from edgeproof.agent.work import MOST_MESSAGES, CardWork, Job
from edgeproof.proofs import challenge
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.parameters import Phase
from edgeproof.telemetry.eip712 import Domain
from edgeproof.telemetry.messages import ZERO, Commitment, Opening, Receipt
from edgeproof.telemetry.messages import Phase as PhaseValue
from edgeproof.telemetry.signing import Key

if TYPE_CHECKING:
    from tests.agent.conftest import Coordinator

ENTROPY = b"\x0e" * 32
DRAWING = b"\x0d" * 32
PRODUCTS = Job(0, Phase.MATMUL, 0)
NONCES = Job(0, Phase.POW, 0)
FILLED = Job(0, Phase.FILL, 0)
WALK, SECOND_WALK = Job(0, Phase.WALK, 0), Job(0, Phase.SECOND_WALK, 0)


@pytest.fixture
def rounds(coordinator: "Coordinator", device: Key, rng: random.Random) -> Rounds:
    made = Rounds(coordinator.description, device, margin_ms=100, rng=rng)
    made.sizes = {0: 1024}
    return made


def start(rounds: Rounds, phase: Phase, now: int = 0, opened: int = 0) -> list[Order]:
    return rounds.phase(PhaseValue(opened, phase, b"\x0f" * 32), ENTROPY, now)


def items(count: int, width: int = 32) -> list[bytes]:
    return [keccak(number.to_bytes(4, "big"))[:width] for number in range(count)]


def sent(orders: list[Order]) -> list[Any]:
    return [order.signed.message for order in orders if isinstance(order, Send)]


def work(rounds: Rounds, job: Job, size: int, found: list[bytes]) -> list[Commitment]:
    """Let a prover find things evenly, and return what was committed."""
    messages: list[Commitment] = []
    for now in range(0, 600, 10):
        fresh = found[now * len(found) // 400 : (now + 10) * len(found) // 400]
        if fresh and now < 400:
            rounds.found(job, size, fresh)
        messages += sent(rounds.due(now))
    return messages


def receive(
    rounds: Rounds, domain: Domain, message: Commitment, slot: int, now: int = 900
) -> list[Order]:
    digest = message.digest(domain)
    receipt = Receipt(message.device, slot, digest, 0, 1, (), bytes(32))
    return rounds.receipt(receipt, now)


def test_a_phase_value_starts_every_card_on_its_own_seed(
    rounds: Rounds, device: Key
) -> None:
    rounds.sizes = {0: 1024, 3: 4096}
    orders = start(rounds, Phase.MATMUL, now=50)
    for order, (card, size) in zip(orders, rounds.sizes.items(), strict=True):
        assert isinstance(order, Multiply)
        assert (order.job.card, order.size, order.until) == (card, size, 450)
        assert order.seed == challenge.card_seed(
            challenge.MATMUL, ENTROPY, b"\x0f" * 32, device.address, card
        )
    assert start(rounds, Phase.MATMUL) == []


def test_a_fill_begins_a_memory_of_its_own_seed_and_commits_nothing(
    rounds: Rounds, device: Key
) -> None:
    (order,) = start(rounds, Phase.FILL, now=50)
    seed = challenge.card_seed(challenge.FILL, ENTROPY, b"\x0f" * 32, device.address, 0)
    # Of a phase of 100 ms: half of it, since the margin would take all.
    assert order == Fill(FILLED, seed, 2, 100, 100)
    assert rounds.finished(FILLED, 95) == []
    assert rounds.due(1000) == []
    assert rounds.next_due() is None
    assert rounds.work == {}


@pytest.mark.parametrize("phase", [Phase.WALK, Phase.SECOND_WALK])
def test_a_walk_names_the_fill_and_has_a_seed_of_its_own(
    rounds: Rounds, device: Key, phase: Phase
) -> None:
    start(rounds, Phase.FILL)
    (order,) = start(rounds, phase, now=100)
    value = challenge.card_seed(
        challenge.WALK, ENTROPY, b"\x0f" * 32, device.address, 0
    )
    assert order == Walk(Job(0, phase, 0), FILLED, value, 150)


@pytest.mark.parametrize("phase", [Phase.WALK, Phase.SECOND_WALK])
def test_without_a_fill_there_is_no_walk(rounds: Rounds, phase: Phase) -> None:
    assert start(rounds, phase) == []
    assert rounds.next_due() is None


def walked(rounds: Rounds, job: Job, items: int, now: int) -> list[Commitment]:
    """Let a walk end well, and return what was committed to."""
    start(rounds, job.phase, now)
    rounds.found(job, items, [bytes(32)])
    rounds.finished(job, now + 40)
    return [m for later in range(40, 110, 5) for m in sent(rounds.due(now + later))]


def test_each_walk_is_one_message_and_opened_like_products(
    rounds: Rounds, coordinator: "Coordinator"
) -> None:
    domain = coordinator.description.domain
    start(rounds, Phase.FILL)
    (first,) = walked(rounds, WALK, 1000, now=100)
    (second,) = walked(rounds, SECOND_WALK, 900, now=700)
    for message, items in ((first, 1000), (second, 900)):
        assert (message.size, message.sequence) == (items, 0)
        assert message.payload == bytes(32)
        receive(rounds, domain, message, slot=0)
    count = coordinator.parameters.opened_lanes
    assert rounds.drawn(2, DRAWING, 2000) == [
        Open(job, challenge.draw(message.digest(domain), DRAWING), 1, count)
        for job, message in ((WALK, first), (SECOND_WALK, second))
    ]
    assert rounds.work == {WALK: 128_000, SECOND_WALK: 115_200}


def test_memory_is_released_after_the_second_walk(rounds: Rounds) -> None:
    start(rounds, Phase.FILL)
    start(rounds, Phase.WALK, now=100)
    rounds.found(WALK, 1000, [bytes(32)])
    assert rounds.finished(WALK, 140) == []
    start(rounds, Phase.SECOND_WALK, now=700)
    assert rounds.finished(SECOND_WALK, 740) == [Release(FILLED)]
    assert rounds.finished(SECOND_WALK, 741) == []


def test_memory_is_released_when_the_first_walk_comes_to_nothing(
    rounds: Rounds,
) -> None:
    start(rounds, Phase.FILL)
    start(rounds, Phase.WALK, now=100)
    assert rounds.finished(WALK, 140) == [Release(FILLED)]
    assert start(rounds, Phase.SECOND_WALK, now=700) == []


def test_memory_is_released_when_the_round_is_over(rounds: Rounds) -> None:
    start(rounds, Phase.FILL)
    rounds.due(1000)  # so that nothing is left to abandon
    assert rounds.busy
    assert rounds.beacon(0) == []  # the second walk can still be committed in it
    assert rounds.beacon(1) == [Release(FILLED)]
    assert not rounds.busy
    assert rounds.beacon(2) == []


def test_no_card_holds_two_memories(rounds: Rounds) -> None:
    rounds.sizes = {0: 1024, 1: 1024}
    start(rounds, Phase.FILL)
    later = start(rounds, Phase.FILL, now=5000, opened=5)
    assert [type(order) for order in later] == [Release, Fill, Release, Fill]
    assert [order.fill.card for order in later if isinstance(order, Release)] == [0, 1]
    walks = start(rounds, Phase.WALK, now=5100, opened=5)
    assert [order.fill.round for order in walks if isinstance(order, Walk)] == [5, 5]
    assert start(rounds, Phase.WALK, now=5100, opened=0) == []


def test_what_is_found_is_committed_in_a_chain(
    rounds: Rounds, coordinator: "Coordinator"
) -> None:
    start(rounds, Phase.MATMUL)
    found = items(20)
    messages = work(rounds, PRODUCTS, 1024, found)
    assert b"".join(message.payload for message in messages) == b"".join(found)
    assert [message.sequence for message in messages] == list(range(len(messages)))
    previous = ZERO
    for message in messages:
        assert (message.previous, message.size) == (previous, 1024)
        previous = message.digest(coordinator.description.domain)


def test_the_opening_covers_what_was_received_in_time(
    rounds: Rounds, coordinator: "Coordinator"
) -> None:
    domain = coordinator.description.domain
    start(rounds, Phase.MATMUL)
    messages = work(rounds, PRODUCTS, 1024, items(20))
    for message in messages:
        assert receive(rounds, domain, message, slot=0) == []
    (order,) = rounds.drawn(2, DRAWING, 2000)
    last = messages[-1].digest(domain)
    draw = challenge.draw(last, DRAWING)
    assert order == Open(PRODUCTS, draw, 20, coordinator.parameters.opened_tiles)
    (opening,) = sent(rounds.opened(PRODUCTS, b"payload"))
    assert isinstance(opening, Opening)
    assert (opening.commitment, opening.payload) == (last, b"payload")
    assert rounds.drawn(2, DRAWING, 2001) == []


def test_a_message_that_came_too_late_ends_the_prefix(
    rounds: Rounds, coordinator: "Coordinator"
) -> None:
    domain = coordinator.description.domain
    start(rounds, Phase.MATMUL)
    messages = work(rounds, PRODUCTS, 1024, items(20))
    assert len(messages) == 2
    receive(rounds, domain, messages[0], slot=0)
    receive(rounds, domain, messages[1], slot=1)
    (order,) = rounds.drawn(2, DRAWING, 2000)
    assert isinstance(order, Open)
    assert order.items == len(messages[0].payload) // 32


def test_missing_receipts_are_waited_for_then_acknowledgements_do(
    rounds: Rounds, coordinator: "Coordinator"
) -> None:
    domain = coordinator.description.domain
    start(rounds, Phase.MATMUL)
    wires, messages = [], []
    rounds.found(PRODUCTS, 1024, items(3))
    rounds.finished(PRODUCTS, 300)
    for order in rounds.due(450):
        assert isinstance(order, Send)
        wires.append(keccak(order.signed.encode()))
        messages.append(order.signed.message)
    rounds.stored(wires)
    assert rounds.drawn(2, DRAWING, 2000) == []
    assert rounds.next_due() == 2250
    assert rounds.due(2249) == []
    (opening,) = rounds.due(2250)
    assert isinstance(opening, Open)
    assert opening.draw == challenge.draw(messages[-1].digest(domain), DRAWING)


def test_without_receipt_or_acknowledgement_nothing_is_opened(rounds: Rounds) -> None:
    start(rounds, Phase.MATMUL)
    work(rounds, PRODUCTS, 1024, items(3))
    rounds.drawn(2, DRAWING, 2000)
    assert rounds.due(2250) == []
    assert not rounds.busy


@pytest.mark.parametrize(
    ("slot", "opens"), [(1, False), (2, True), (3, True), (4, False)]
)
def test_only_the_draw_slot_or_the_one_after_it_opens(
    rounds: Rounds,
    coordinator: "Coordinator",
    slot: int,
    opens: bool,  # noqa: FBT001 - a table's column
) -> None:
    start(rounds, Phase.MATMUL)
    for message in work(rounds, PRODUCTS, 1024, items(3)):
        receive(rounds, coordinator.description.domain, message, slot=0)
    assert bool(rounds.drawn(slot, DRAWING, slot * 1000)) == opens


def test_a_prover_that_ends_early_brings_the_last_commitment_forward(
    rounds: Rounds,
) -> None:
    start(rounds, Phase.POW)
    rounds.found(NONCES, 8, items(4, 8))
    rounds.finished(NONCES, 100)
    due = rounds.next_due()
    assert due is not None
    assert due <= 150
    (message,) = sent(rounds.due(due))
    assert message.payload == b"".join(items(4, 8))


def test_work_whose_phase_has_passed_is_abandoned_and_forgotten(
    rounds: Rounds,
) -> None:
    start(rounds, Phase.MATMUL)
    assert rounds.beacon(0) == []
    assert rounds.beacon(1) == [Abandon(PRODUCTS)]
    assert not rounds.wants(PRODUCTS)
    rounds.beacon(9)
    assert rounds.next_due() is None
    assert not rounds.busy


def difficulty_of(orders: list[Order]) -> tuple[int | None, int]:
    (order,) = orders
    assert isinstance(order, Search)
    return order.difficulty, order.hashes


def test_the_first_difficulty_is_the_networks(rounds: Rounds) -> None:
    assert difficulty_of(start(rounds, Phase.POW)) == (8, 0)


def test_a_pow_that_counted_sets_the_next_difficulty(
    rounds: Rounds, coordinator: "Coordinator"
) -> None:
    domain = coordinator.description.domain
    start(rounds, Phase.POW)
    messages = work(rounds, NONCES, 8, items(40, 8))
    for message in messages:
        receive(rounds, domain, message, slot=1)
    hashes = sum(len(message.payload) // 8 for message in messages) << 8
    assert difficulty_of(start(rounds, Phase.POW, 3000, 3)) == (None, hashes)
    # The one of slot 3 counted nothing, so the one of slot 0 still stands.
    assert difficulty_of(start(rounds, Phase.POW, 5000, 5)) == (None, hashes)


def test_a_statement_outweighs_what_came_before_its_close(
    rounds: Rounds, coordinator: "Coordinator", device: Key
) -> None:
    rounds.remember({"hashes": [[0, 3, 40, 8]]})
    rounds.statement(coordinator.statement(device.address, 0, (0, 13)))
    assert rounds.difficulty(0) == (13, 0)
    # Slot 11 is where epoch 0 closes: a pow that ends there is not in its statement.
    rounds.remember({"hashes": [[0, 11, 50, 8]]})
    assert rounds.difficulty(0) == (None, 50 << 8)
    rounds.statement(coordinator.statement(device.address, 1, (0, 14)))
    assert rounds.difficulty(0) == (14, 0)


def test_a_restart_remembers_what_sets_the_difficulty(
    rounds: Rounds, coordinator: "Coordinator", device: Key, rng: random.Random
) -> None:
    rounds.statement(coordinator.statement(device.address, 0, (0, 13)))
    rounds.remember({"hashes": [[1, 11, 50, 8]]})
    again = Rounds(coordinator.description, device, margin_ms=100, rng=rng)
    again.remember(rounds.memory)
    for card in (0, 1, 2):
        assert again.difficulty(card) == rounds.difficulty(card)


@settings(max_examples=50, deadline=None)
@given(
    length=st.integers(50, 20_000),
    margin=st.integers(0, 500),
    seed=st.integers(0, 2**32),
    batches=st.lists(
        st.tuples(st.integers(0, 20_000), st.integers(1, 300)), max_size=30
    ),
    step=st.integers(1, 60),
)
def test_commitments_hold_all_that_was_found_in_time_in_few_messages(
    length: int, margin: int, seed: int, batches: list[tuple[int, int]], step: int
) -> None:
    key, domain = Key(b"\x05" * 32), Domain(1, bytes(32))
    one = CardWork(
        job=PRODUCTS,
        device=key.address,
        begun=0,
        length=length,
        margin=min(margin, length // 2),
        rng=random.Random(seed),  # noqa: S311 - a test repeats itself
    )
    batches = sorted(batches)
    offered, payloads, now = 0, [], 0
    while not one.closed:
        while batches and batches[0][0] <= now:
            at, count = batches.pop(0)
            if at <= one.until:
                one.found(1024, [bytes(32)] * count)
                offered += count
        if signed := one.commit(now, key, domain):
            payloads.append(signed.message.payload)
            assert now < length + step
        now += step
    assert len(payloads) <= MOST_MESSAGES
    committed = sum(len(payload) for payload in payloads) // 32
    assert committed <= min(offered, 4096)
    if one.last_at >= one.until + step:
        assert committed == min(offered, 4096)
