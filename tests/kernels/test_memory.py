"""A memory on the CPU against the reference, and what its fold must withstand."""

import json
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeproof.errors import EdgeproofError
from edgeproof.kernels import reference, scalar
from edgeproof.kernels.cpu import memories, selfcheck, spread
from edgeproof.kernels.cpu.memories import CpuMemory, lane_ends, walkable
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.shapes import MOST_ITEMS, lanes, walk_bytes

VECTOR = json.loads(
    (Path(__file__).parents[1] / "vectors" / "memory.json").read_text(encoding="utf-8")
)
SEED, WALK = bytes(range(32)), bytes(range(32, 64))


@pytest.fixture(autouse=True)
def warm() -> None:
    selfcheck.warm()


def filled(count: int, permutations: int = 1, *parts: int) -> CpuMemory:
    """Return a memory of ``count`` items, made in the given parts and the rest."""
    memory = CpuMemory(SEED, permutations, count)
    for part in (*parts, count - sum(parts)):
        memory.fill(part)
    return memory


def content(memory: CpuMemory) -> list[list[int]]:
    found: list[list[int]] = memory._items.tolist()
    return found


@cache
def wanted(permutations: int) -> list[list[int]]:
    found: list[list[int]] = reference.items(SEED, permutations, 0, 70).tolist()
    return found


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("permutations", [1, 2, 3])
@pytest.mark.parametrize("parts", [(), (1,), (4, 30), (0, 63, 2)])
def test_items_are_the_references_however_they_are_made(
    monkeypatch: pytest.MonkeyPatch,
    parts: tuple[int, ...],
    permutations: int,
    threads: int,
) -> None:
    monkeypatch.setattr(spread, "threads", lambda: threads)
    memory = filled(70, permutations, *parts)
    assert content(memory) == wanted(permutations)
    assert memory.items == 70


ITEMS = reference.items(SEED, 1, 0, 1100)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("count", [64, 65, 100, 1024, 1090])
def test_a_walk_is_the_references(
    monkeypatch: pytest.MonkeyPatch, count: int, threads: int
) -> None:
    monkeypatch.setattr(spread, "threads", lambda: threads)
    found = filled(1100).walk(WALK, count)
    want = reference.walk(ITEMS[:count], WALK, 0, lanes(count))
    assert found.ends.tolist() == want.tolist()
    assert found.root == reference.tree_root(want[:, None])


@settings(max_examples=6, deadline=None)
@given(
    seed=st.binary(min_size=32, max_size=32),
    permutations=st.integers(1, 2),
    count=st.integers(64, 140),
    data=st.data(),
)
def test_any_lane_can_be_had_without_the_memory(
    seed: bytes, permutations: int, count: int, data: st.DataObject
) -> None:
    items = reference.items(SEED, permutations, 0, count)
    ends = reference.walk(items, seed, 0, lanes(count))
    chosen = data.draw(st.lists(st.integers(0, len(ends) - 1), max_size=9))
    asked = np.array(chosen, dtype=np.uint64)
    found = lane_ends(SEED, permutations, seed, count, asked)
    assert found.tolist() == ends[chosen].tolist()


def test_the_vector_holds() -> None:
    seed, walk = bytes.fromhex(VECTOR["fill_seed"]), VECTOR["walk"]
    memory = CpuMemory(seed, VECTOR["permutations"], walk["items"])
    memory.fill(walk["items"])
    rows = [" ".join(f"{word:016x}" for word in row) for row in content(memory)[:3]]
    assert rows == VECTOR["items"]
    found = memory.walk(bytes.fromhex(walk["seed"]), walk["items"])
    assert [f"{end:016x}" for end in found.ends.tolist()] == walk["ends"]
    assert found.root.hex() == VECTOR["root"]


@pytest.mark.parametrize("count", [-1, 0, 63, MOST_ITEMS + 1])
def test_a_memory_of_another_size_is_refused_with_a_hint(count: int) -> None:
    with pytest.raises(EdgeproofError, match=f"{count} items") as refused:
        CpuMemory(SEED, 1, count)
    assert "from 64" in refused.value.hint


def test_a_memory_that_does_not_fit_is_refused_with_a_hint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(_shape: object, **_more: object) -> Words:
        raise MemoryError

    monkeypatch.setattr(np, "empty", full)
    with pytest.raises(EdgeproofError, match="128000 bytes do not fit") as refused:
        CpuMemory(SEED, 1, 1000)
    assert "share" in refused.value.hint


def test_nothing_is_made_beyond_the_room_or_walked_over_before_it_is_there() -> None:
    memory = CpuMemory(SEED, 1, 100)
    memory.fill(80)
    for count in (21, -1):
        with pytest.raises(ValueError, match="20 places left"):
            memory.fill(count)
    for count in (81, 63, 0):
        with pytest.raises(ValueError, match="80 items"):
            memory.walk(WALK, count)
    assert memory.items == 80


def test_a_seed_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        CpuMemory(b"short", 1, 64)
    with pytest.raises(ValueError, match="32 bytes"):
        filled(64).walk(b"short", 64)


def test_what_can_be_walked_follows_from_what_was_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moments = iter([4.0, 4.5])
    monkeypatch.setattr(time, "perf_counter", lambda: next(moments))
    monkeypatch.setattr(memories, "threads", lambda: 1)
    # 1024 lanes of 256 reads in half a second, four reads an item.
    assert walkable(ITEMS, 1100, 3.0) == 6 * 1024 * 256 // 4


def test_no_more_is_walked_than_there_is() -> None:
    memory = CpuMemory(SEED, 1, 1000)
    assert memory.walk_items(100.0) == 0
    memory.fill(700)
    assert memory.walk_items(100.0) == 700
    assert memory.walk_items(0.0) == 0
    assert memory.walk_items(-1.0) == 0


@pytest.mark.parametrize(
    ("items", "want"), [(64, 1), (65, 2), (128, 2), (1000, 16), (MOST_ITEMS, 2**26)]
)
def test_a_walk_covers_every_item_four_times(items: int, want: int) -> None:
    assert lanes(items) == want
    assert walk_bytes(items) == want * 256 * 128 >= 4 * items * 128


# What follows is why the fold is what it is: see `scalar.fold`.

item = st.lists(st.integers(0, 2**64 - 1), min_size=16, max_size=16)
MULTIPLIER = 0xD6E8FEB86659FD93
MASK = 2**64 - 1


def ours(state: int, words: list[int]) -> int:
    for word in words:
        one = np.array([state], dtype=np.uint64), np.array([word], dtype=np.uint64)
        state = int(scalar.fold(*one)[0])
    return state


def affine(state: int, words: list[int]) -> int:
    for word in words:
        state = (state + word) * MULTIPLIER & MASK
    return state


@given(state=st.integers(0, MASK), words=item)
def test_eight_bytes_would_stand_for_an_item_of_an_affine_fold(
    state: int, words: list[int]
) -> None:
    digest = affine(0, words)  # all that a cheater would keep of 128 bytes
    assert affine(state, words) == state * pow(MULTIPLIER, 16, 2**64) + digest & MASK


def twin(state: int, words: list[int], change: int) -> list[int]:
    """Return another item that leads ours from ``state`` to the same end.

    It differs in its first word; the second one makes up for it.
    """
    first = words[0] ^ change
    before = ours(state, words[:1]) ^ ours(state, [first])
    return [first, words[1] ^ before, *words[2:]]


@given(
    state=st.integers(0, MASK),
    other=st.integers(0, MASK),
    words=item,
    change=st.integers(1, MASK),
)
def test_what_an_item_does_to_one_state_does_not_tell_what_it_does_to_another(
    state: int, other: int, words: list[int], change: int
) -> None:
    again = twin(state, words, change)
    assert ours(state, again) == ours(state, words)
    # In an affine fold such a pair would agree from every state.  In ours they part
    # from all but the few states that differ where the shift does not reach.
    ends = {
        ours((other + step * MULTIPLIER) & MASK, again)
        == ours((other + step * MULTIPLIER) & MASK, words)
        for step in range(64)
    }
    assert False in ends


@given(words=item, state=st.integers(0, MASK), other=st.integers(0, MASK))
def test_lanes_that_read_the_same_item_never_run_together(
    words: list[int], state: int, other: int
) -> None:
    assert (ours(state, words) == ours(other, words)) == (state == other)
