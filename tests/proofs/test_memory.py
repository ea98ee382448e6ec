"""Walks over a memory: honest ones hold, and each defect is found out by its reason."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeproof.kernels.cpu.memories import CpuMemory
from edgeproof.kernels.cpu.trees import Tree
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.shapes import FEWEST_ITEMS, MOST_ITEMS, lanes
from edgeproof.proofs import challenge, memory
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.reasons import Reason

VECTOR = json.loads(
    (Path(__file__).parents[1] / "vectors" / "memory.json").read_text(encoding="utf-8")
)
FILL, WALK, DRAW = bytes(range(32)), b"\x0e" * 32, b"\x0d" * 32
OPENINGS = 8


def ends_of(items: int, permutations: int = 2) -> Words:
    held = CpuMemory(FILL, permutations, items)
    held.fill(items)
    return held.walk(WALK, items).ends


@dataclass(frozen=True)
class Proof:
    """What a device says, and what the verifier knows of it."""

    items: int
    root: bytes
    opening: bytes
    fill: bytes = FILL
    walk: bytes = WALK
    draw: bytes = DRAW
    permutations: int = 2
    openings: int = OPENINGS

    @property
    def verdict(self) -> Reason:
        return memory.verify(
            self.fill,
            self.walk,
            self.items,
            self.root,
            self.draw,
            self.opening,
            self.permutations,
            self.openings,
        )


def proof(items: int, ends: Words | None = None, openings: int = OPENINGS) -> Proof:
    """Return the proof that stands on these ends; honest ones unless given."""
    ends = ends_of(items) if ends is None else ends
    opening = memory.open_walk(DRAW, ends, items, openings)
    return Proof(items, Tree(ends[:, None]).root, opening, openings=openings)


@pytest.mark.parametrize("items", [FEWEST_ITEMS, 65, 128, 1000, 4097])
def test_an_honest_walk_holds(items: int) -> None:
    assert proof(items).verdict is Reason.NONE


RIGHT = proof(1000)
ENDS = ends_of(1000)
DRAWN = challenge.opened_lanes(DRAW, 16, OPENINGS)
FLIPPED = RIGHT.opening[:8] + bytes([RIGHT.opening[8] ^ 1]) + RIGHT.opening[9:]
OTHER_STATE = bytes([RIGHT.opening[0] ^ 1]) + RIGHT.opening[1:]
NEXT = keccak(DRAW)


@pytest.mark.parametrize(
    ("given", "want"),
    [
        pytest.param(replace(RIGHT), Reason.NONE, id="honest"),
        pytest.param(
            replace(RIGHT, items=FEWEST_ITEMS - 1), Reason.WRONG_SIZE, id="too few"
        ),
        pytest.param(replace(RIGHT, items=0), Reason.WRONG_SIZE, id="no items"),
        pytest.param(
            replace(RIGHT, items=MOST_ITEMS + 1), Reason.WRONG_SIZE, id="too many"
        ),
        pytest.param(replace(RIGHT, root=b""), Reason.NO_COMMITMENT, id="no root"),
        pytest.param(
            replace(RIGHT, root=RIGHT.root[1:]), Reason.MALFORMED, id="part of a root"
        ),
        pytest.param(replace(RIGHT, opening=b""), Reason.BAD_OPENING, id="empty"),
        pytest.param(
            replace(RIGHT, opening=RIGHT.opening[:-1]), Reason.BAD_OPENING, id="short"
        ),
        pytest.param(
            replace(RIGHT, opening=RIGHT.opening + b"\0"),
            Reason.BAD_OPENING,
            id="long",
        ),
        pytest.param(
            replace(RIGHT, items=2000), Reason.BAD_OPENING, id="twice the lanes"
        ),
        pytest.param(
            replace(RIGHT, items=MOST_ITEMS), Reason.BAD_OPENING, id="all there can be"
        ),
        pytest.param(replace(RIGHT, opening=FLIPPED), Reason.BAD_PATH, id="wrong path"),
        pytest.param(
            replace(RIGHT, opening=OTHER_STATE), Reason.BAD_PATH, id="wrong state"
        ),
        pytest.param(replace(RIGHT, root=NEXT), Reason.BAD_PATH, id="other root"),
        pytest.param(replace(RIGHT, draw=NEXT), Reason.BAD_PATH, id="other draw"),
        pytest.param(
            replace(RIGHT, items=1001),
            Reason.WRONG_LANE,
            id="more items, no more lanes",
        ),
        pytest.param(replace(RIGHT, fill=NEXT), Reason.WRONG_LANE, id="other fill"),
        pytest.param(replace(RIGHT, walk=NEXT), Reason.WRONG_LANE, id="other walk"),
        pytest.param(
            replace(RIGHT, permutations=1), Reason.WRONG_LANE, id="cheaper items"
        ),
    ],
)
def test_each_defect_has_its_reason(given: Proof, want: Reason) -> None:
    assert given.verdict is want


@pytest.mark.parametrize("lane", range(16))
def test_a_wrong_lane_is_found_where_it_is_drawn_and_only_there(lane: int) -> None:
    wrong = ENDS.copy()
    wrong[lane] ^= np.uint64(1)
    want = Reason.WRONG_LANE if lane in DRAWN else Reason.NONE
    assert proof(1000, wrong).verdict is want


@settings(max_examples=30, deadline=None)
@given(place=st.integers(0, len(RIGHT.opening) - 1), bit=st.integers(0, 7))
def test_every_changed_bit_of_an_opening_is_found(place: int, bit: int) -> None:
    changed = bytearray(RIGHT.opening)
    changed[place] ^= 1 << bit
    assert replace(RIGHT, opening=bytes(changed)).verdict is Reason.BAD_PATH


@settings(max_examples=20, deadline=None)
@given(draw=st.binary(min_size=32, max_size=32), items=st.integers(64, 600))
def test_an_opening_has_the_one_size_that_its_draw_gives(
    draw: bytes, items: int
) -> None:
    ends = np.arange(lanes(items), dtype=np.uint64)
    opening = memory.open_walk(draw, ends, items, 5)
    drawn = challenge.opened_lanes(draw, len(ends), 5)
    assert len(opening) == memory.opening_bytes(drawn, len(ends))


def test_a_missing_item_spoils_every_lane_that_reads_it() -> None:
    held = CpuMemory(FILL, 2, 1000)
    held.fill(1000)
    right = held.walk(WALK, 1000).ends
    held._items[:10] = 0  # one in a hundred
    wrong = held.walk(WALK, 1000).ends
    spoiled = int((right != wrong).sum()) / len(right)
    assert spoiled > 0.6  # 1 - 0.99^256 = 0.92 are expected
    assert proof(1000, wrong).verdict is Reason.WRONG_LANE


def test_a_share_of_wrong_lanes_passes_as_often_as_stated() -> None:
    # 4 of 16 lanes wrong, 4 openings: (12 / 16)^4 = 0.316 of all draws pass.
    wrong = ENDS.copy()
    wrong[[0, 5, 9, 15]] ^= np.uint64(1)
    tree, passed, trials = Tree(wrong[:, None]), 0, 400
    for number in range(trials):
        draw = keccak(number.to_bytes(8, "big"))
        opening = memory.open_walk(draw, wrong, 1000, 4)
        cheat = Proof(1000, tree.root, opening, draw=draw, openings=4)
        passed += cheat.verdict is Reason.NONE
    stated = memory.pass_probability(0.25, 4)
    assert stated == pytest.approx(0.75**4)
    assert abs(passed / trials - stated) < 4 * (stated * (1 - stated) / trials) ** 0.5


def test_the_drawn_lanes_are_those_of_the_vector() -> None:
    draw = bytes.fromhex(VECTOR["draw"])
    drawn = challenge.opened_lanes(draw, VECTOR["lanes"], 10)
    assert " ".join(map(str, drawn)) == VECTOR["opened_lanes"]


def test_the_walk_of_the_vector_holds() -> None:
    ends = np.array([int(end, 16) for end in VECTOR["walk"]["ends"]], dtype=np.uint64)
    items, draw = VECTOR["walk"]["items"], bytes.fromhex(VECTOR["draw"])
    verdict = memory.verify(
        bytes.fromhex(VECTOR["fill_seed"]),
        bytes.fromhex(VECTOR["walk"]["seed"]),
        items,
        bytes.fromhex(VECTOR["root"]),
        draw,
        memory.open_walk(draw, ends, items),
        VECTOR["permutations"],
    )
    assert verdict is Reason.NONE


def test_ends_of_another_walk_cannot_be_opened() -> None:
    with pytest.raises(ValueError, match="16 lanes, not 15"):
        memory.open_walk(DRAW, ENDS[:15], 1000)


def test_work_counts_bytes_and_refilling_is_bounded_by_the_walks_time() -> None:
    assert memory.work(MOST_ITEMS) == 2**39
    assert memory.unheld(10_000, 1_500) == pytest.approx(0.15)


def claimable(identities: int, rate: int, fill_s: float, walk_s: float) -> int:
    """Return what one card can claim under so many identities, in items.

    It fills at ``rate``, its memory holds just what the fill phase makes, and reading
    costs it nothing.  The identities share that memory; in the walk each one that is
    complete walks and makes room, and the others' items are made as far as time goes.
    """
    held = int(rate * fill_s)
    each = -(-held // identities)
    whole, part = divmod(held, each)
    left = int(rate * walk_s) + part  # what can still be made, in the freed room
    return each * (whole + left // each)


@pytest.mark.parametrize("identities", [1, 2, 3, 5, 8, 13, 21, 34, 55, 64])
def test_a_card_under_many_identities_gains_no_more_than_the_walks_share(
    identities: int,
) -> None:
    rate, fill_s, walk_s = 127_000, 10.0, 1.5
    held = rate * fill_s
    gained = claimable(identities, rate, fill_s, walk_s) / held - 1
    assert gained <= memory.unheld(10_000, 1_500) + identities / held
    # It is reached up to one identity's part: the bound is no larger than it must be.
    assert gained >= memory.unheld(10_000, 1_500) - 1 / identities - identities / held


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2, 0.5])
def test_items_that_are_missing_spoil_as_many_lanes_as_stated(share: float) -> None:
    # A lane is right only if none of its 256 reads meets a missing item.
    count = 2000
    held = CpuMemory(FILL, 1, count)
    held.fill(count)
    right = held.walk(WALK, count).ends
    missing = np.random.default_rng(3).choice(count, int(share * count), replace=False)
    held._items[missing] = 0
    spoiled = (held.walk(WALK, count).ends != right).mean()
    stated = 1 - (1 - share) ** 256
    assert (
        abs(spoiled - stated) < 4 * (stated * (1 - stated) / len(right)) ** 0.5 + 0.01
    )
