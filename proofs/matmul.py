"""A chain of matrix products, committed by their roots and checked in a few tiles.

A device multiplies as many n by n matrices as a phase allows.  Each product's seed
depends on the root of the one before, so they cannot be shared out or begun early.
The network draws ``openings`` tiles once nothing can be changed any more; whoever
checks them regenerates 64 rows and 64 columns for each, some thousand times less than
the work.

The cost that cannot be saved is that of every entry of the product: a tile's digest
sums a non-linear mix of each, and no sum of linear ones (that would be had from the
matrices' row and column sums in O(n^2)).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edgeproof.kernels.cpu import products
from edgeproof.kernels.cpu.trees import Tree
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.shapes import MAX_PRODUCTS, SIZES, TILE
from edgeproof.proofs import challenge, merkle
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.reasons import Reason

OPENINGS = 64
"""Tiles drawn from one card's phase."""

DIGEST_BYTES = 16
"""A tile's digest: two 64-bit words, big-endian."""


@dataclass(frozen=True)
class Opening:
    """One opened tile: its digest (16 bytes) and its path, leaf's sibling first."""

    digest: bytes
    path: tuple[bytes, ...]


def chain_seeds(seed: bytes, roots: Sequence[bytes]) -> list[bytes]:
    """Return the seed of each product, and last that of the one after them."""
    seeds = [seed]
    for number, root in enumerate(roots):
        seeds.append(next_seed(seeds[-1], root, number))
    return seeds


def next_seed(seed: bytes, root: bytes, number: int) -> bytes:
    """Return the seed after product ``number``, whose seed and root these are.

    ``seed[t + 1] = keccak(seed[t] || root[t] || t as 8 big-endian bytes)``.
    """
    return keccak(seed, root, number.to_bytes(8, "big"))


def work(count: int, n: int) -> int:
    """Return the multiplications that ``count`` products of size ``n`` stand for."""
    return count * n**3


def pass_probability(wrong: float, openings: int = OPENINGS) -> float:
    """Return the chance that a fraction ``wrong`` of the tiles goes unnoticed."""
    return (1.0 - wrong) ** openings


def tiles(n: int) -> int:
    """Return how many tiles a product of size ``n`` has."""
    return (n // TILE) ** 2


def depth(n: int) -> int:
    """Return the length of every path; ``n`` is a power of two from 64."""
    return (tiles(n) - 1).bit_length()


def opening_bytes(n: int, openings: int = OPENINGS) -> int:
    """Return the one size that an opening may have."""
    return openings * (DIGEST_BYTES + depth(n) * merkle.HASH_BYTES)


def encode(opened: Sequence[Opening]) -> bytes:
    """Return the openings as bytes, in the order of the draw: digest, then path."""
    return b"".join(part for one in opened for part in (one.digest, *one.path))


def decode(data: bytes, n: int, openings: int = OPENINGS) -> list[Opening] | None:
    """Return the openings that ``encode`` wrote, or None if the size is not theirs.

    Every sequence of bytes of the right size decodes, and encodes to itself.
    """
    if len(data) != opening_bytes(n, openings):
        return None
    step = DIGEST_BYTES + depth(n) * merkle.HASH_BYTES
    return [
        Opening(
            data[start : start + DIGEST_BYTES],
            tuple(
                data[at : at + merkle.HASH_BYTES]
                for at in range(start + DIGEST_BYTES, start + step, merkle.HASH_BYTES)
            ),
        )
        for start in range(0, len(data), step)
    ]


def open_products(
    draw: bytes, digests: Sequence[Words], n: int, openings: int = OPENINGS
) -> bytes:
    """Return the encoded openings that ``draw`` asks for.

    ``digests`` holds the (tiles, 2) digests of every committed product, in order; only
    those drawn are read, each once, and their trees hashed again.

    Raises:
        IndexError: there are no products.

    """
    if not digests:
        msg = "nothing was committed, so nothing can be opened"
        raise IndexError(msg)
    drawn = challenge.opened_tiles(draw, len(digests), tiles(n), openings)
    opened: dict[int, Opening] = {}
    for product in sorted({product for product, _ in drawn}):
        words = digests[product]
        tree = Tree(words)
        for place, (owner, tile) in enumerate(drawn):
            if owner == product:
                digest = words[tile].astype(">u8").tobytes()
                opened[place] = Opening(digest, tuple(tree.path(tile)))
    return encode([opened[place] for place in range(len(drawn))])


def verify(  # noqa: PLR0913, PLR0917 - a proof is checked against all of these
    seed: bytes,
    n: int,
    roots: Sequence[bytes],
    draw: bytes,
    opening: bytes,
    openings: int = OPENINGS,
) -> Reason:
    """Return ``Reason.NONE`` if the chain holds, else why it does not.

    A right chain always holds; one with a fraction f of wrong tiles holds with
    probability (1 - f)^openings at most.  Checked, in this order:

    1. The size is one of ``SIZES``: else ``WRONG_SIZE``.
    2. There is a product (``NO_COMMITMENT``), and no more than ``MAX_PRODUCTS``
       (``TOO_MUCH_WORK``), each with a 32-byte root (``MALFORMED``).
    3. The opening has the one size that n gives it: else ``BAD_OPENING``.
    4. Every opened digest is under the root of its product: else ``BAD_PATH``.
    5. Every opened digest is that of the regenerated tile, whose product's seed
       follows from the roots before it: else ``WRONG_TILE``.

    Nothing that was sent decides how much memory is used or which tile is looked at.

    Args:
        seed: the card's seed in this phase, 32 bytes.
        n: the size that the device chose.
        roots: the root of each product that counts, in order.
        draw: 32 bytes, drawn after the roots were committed.
        opening: what the device sent.
        openings: how many tiles the network draws.

    """
    fault = check_commitment(n, roots)
    if fault is not Reason.NONE:
        return fault

    # (3) One size, one order: there is nothing to parse, so nothing to disagree on.
    opened = decode(opening, n, openings)
    if opened is None:
        return Reason.BAD_OPENING
    count = tiles(n)
    drawn = challenge.opened_tiles(draw, len(roots), count, openings)

    # (4) All paths before any tile: they are cheap, and bind what follows.
    for (product, tile), one in zip(drawn, opened, strict=True):
        root = roots[product]
        if not merkle.check_path(one.digest, tile, count, one.path, root):
            return Reason.BAD_PATH

    # (5) The tiles themselves, each from 64 rows of A and 64 of B transposed.
    seeds = chain_seeds(seed, roots)
    for (product, tile), one in zip(drawn, opened, strict=True):
        words = products.tile_digest(seeds[product], n, tile)
        if one.digest != b"".join(word.to_bytes(8, "big") for word in words):
            return Reason.WRONG_TILE
    return Reason.NONE


def check_commitment(n: int, roots: Sequence[bytes]) -> Reason:
    """Make checks 1 and 2 of ``verify``, which need no opening."""
    # (1) Only allowed sizes, so that n bounds what is computed later.
    if n not in SIZES:
        return Reason.WRONG_SIZE

    # (2) A chain of the allowed length.
    if not roots:
        return Reason.NO_COMMITMENT
    if len(roots) > MAX_PRODUCTS:
        return Reason.TOO_MUCH_WORK
    if any(len(root) != merkle.HASH_BYTES for root in roots):
        return Reason.MALFORMED
    return Reason.NONE
