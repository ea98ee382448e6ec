"""A memory that is filled, walked over, and checked in a few lanes of the walk.

A card makes as many items as the fill allows, 128 bytes each, every one at the cost of
``permutations`` times Keccak-f.  Then a seed is released, and it walks: in lanes of 256
reads, each at a place that the one before decides, four reads for every item that it
claims.  It commits to the root of the states in which the lanes end; the network draws
``openings`` of them, and whoever checks them makes again the items that those read.

An item that is missing when the walk begins must be made at the cost of the fill.  One
in a hundred spoils nine lanes in ten, since each reads 256 items; and nothing shorter
than an item can stand for it, since the fold is not affine in what it reads.  The
second walk, after the matrix products, shows that the memory was held meanwhile.

It cannot be seen when an item was made: see ``unheld``.
"""

import io
from collections.abc import Mapping

import numpy as np

from edgeproof.kernels.cpu.memories import lane_ends
from edgeproof.kernels.cpu.trees import Tree
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.shapes import FEWEST_ITEMS, ITEM_BYTES, MOST_ITEMS, lanes
from edgeproof.proofs import challenge, merkle
from edgeproof.proofs.reasons import Reason

OPENINGS = 32
"""Lanes drawn from one card's walk."""

STATE_BYTES = 8
"""The state in which a lane ends: one 64-bit word, big-endian."""


def work(items: int) -> int:
    """Return the bytes that a walk over ``items`` proves."""
    return items * ITEM_BYTES


def unheld(fill_ms: int, walk_ms: int) -> float:
    """Return the most that a card can claim beyond what it holds, as a share of it.

    In a walk's time it makes ``walk_ms / fill_ms`` of what it made in the fill's: so
    much, and no more, can it put in the place of what it has walked over already.
    That bounds what one card gains under many identities too: each has items of its
    own.  A card without any memory makes each item for every read, four times.
    """
    return walk_ms / fill_ms


def pass_probability(wrong: float, openings: int = OPENINGS) -> float:
    """Return the chance that a fraction ``wrong`` of the lanes goes unnoticed."""
    return (1.0 - wrong) ** openings


def opening_bytes(drawn: list[int], count: int) -> int:
    """Return the one size that an opening of the ``drawn`` of ``count`` lanes has."""
    siblings = sum(merkle.path_length(lane, count) for lane in drawn)
    return STATE_BYTES * len(drawn) + merkle.HASH_BYTES * siblings


def open_walk(draw: bytes, ends: Words, items: int, count: int = OPENINGS) -> bytes:
    """Return the opening that ``draw`` asks for, of a walk over ``items``.

    For each drawn lane, in order, the state in which it ends and its path, the leaf's
    sibling first.  ``ends`` are those of all lanes.

    Raises:
        ValueError: there are not as many ends as such a walk has lanes.

    """
    if len(ends) != lanes(items):
        msg = f"a walk over {items} items has {lanes(items)} lanes, not {len(ends)}"
        raise ValueError(msg)
    tree = Tree(ends[:, None])
    parts: list[bytes] = []
    for lane in challenge.opened_lanes(draw, len(ends), count):
        parts += [int(ends[lane]).to_bytes(STATE_BYTES, "big"), *tree.path(lane)]
    return b"".join(parts)


def verify(  # noqa: PLR0913, PLR0917 - a proof is checked against all of these
    fill_seed: bytes,
    walk_seed: bytes,
    items: int,
    root: bytes,
    draw: bytes,
    opening: bytes,
    permutations: int,
    openings: int = OPENINGS,
) -> Reason:
    """Return ``Reason.NONE`` if the walk holds, else why it does not.

    A right walk always holds; one with a fraction f of wrong lanes holds with
    probability (1 - f)^openings at most.  Checked, in this order:

    1. The items are ``FEWEST_ITEMS`` to ``MOST_ITEMS``: else ``WRONG_SIZE``.
    2. There is a root (``NO_COMMITMENT``), of 32 bytes (``MALFORMED``).
    3. The opening has the one size that draw and items give it: else ``BAD_OPENING``.
    4. Every opened state is under the root: else ``BAD_PATH``.
    5. Every opened lane ends in that state, over items made again: else
       ``WRONG_LANE``.

    It costs ``openings * 256 * permutations`` times Keccak-f and a few kilobytes at
    most: nothing that was sent decides how much memory is used.

    Args:
        fill_seed: the card's seed in the fill, 32 bytes.
        walk_seed: the card's seed in the walk, 32 bytes.
        items: how many items the device claims.
        root: of the states in which all lanes end.
        draw: 32 bytes, drawn after the root was committed.
        opening: what the device sent.
        permutations: how many times Keccak-f makes an item.
        openings: how many lanes the network draws.

    """
    # (1) What 32 bits of index reach, and at least one lane.
    if not FEWEST_ITEMS <= items <= MOST_ITEMS:
        return Reason.WRONG_SIZE

    # (2) One root.
    if not root:
        return Reason.NO_COMMITMENT
    if len(root) != merkle.HASH_BYTES:
        return Reason.MALFORMED

    # (3) One size, one order: there is nothing to parse, so nothing to disagree on.
    count = lanes(items)
    drawn = challenge.opened_lanes(draw, count, openings)
    if len(opening) != opening_bytes(drawn, count):
        return Reason.BAD_OPENING

    # (4) All paths before any lane: they are cheap, and bind what follows.
    parts = io.BytesIO(opening)
    opened: dict[int, bytes] = {}
    for lane in drawn:
        opened[lane] = parts.read(STATE_BYTES)
        siblings = range(merkle.path_length(lane, count))
        path = [parts.read(merkle.HASH_BYTES) for _ in siblings]
        if not merkle.check_path(opened[lane], lane, count, path, root):
            return Reason.BAD_PATH

    # (5) The lanes themselves, each drawn one once.
    wrong = _wrong(opened, fill_seed, walk_seed, items, permutations)
    return Reason.WRONG_LANE if wrong else Reason.NONE


def _wrong(
    opened: Mapping[int, bytes],
    fill_seed: bytes,
    walk_seed: bytes,
    items: int,
    permutations: int,
) -> bool:
    chosen = np.array(list(opened), dtype=np.uint64)
    ends = lane_ends(fill_seed, permutations, walk_seed, items, chosen)
    return ends.astype(">u8").tobytes() != b"".join(opened.values())
