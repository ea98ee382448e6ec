"""Nonces whose Keccak-256 is small: what they prove, and how they are checked.

A solution is ``keccak256(seed || nonce) < 2^(256 - difficulty)``, in Solidity
``keccak256(abi.encodePacked(bytes32 seed, uint64 nonce))``.
"""

import math

import numpy as np

from edgeproof.kernels.cpu import nonces as kernel
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.shapes import MAX_DIFFICULTY, MAX_SOLUTIONS
from edgeproof.proofs.reasons import Reason

NONCE_BYTES = 8
"""A nonce on the wire: 64 bits, big-endian."""

FEWEST_EXPECTED = 512
"""Difficulty is set so that this many solutions, up to twice as many, are expected."""


def encode(nonces: Words) -> bytes:
    """Return the nonces as bytes, in the order given."""
    return nonces.astype(">u8").tobytes()


def work(count: int, difficulty: int) -> int:
    """Return the hashes that ``count`` solutions stand for."""
    return count << difficulty


def relative_error(solutions: float) -> float:
    """Return the standard deviation of ``work`` as a share of the hashes made.

    Each hash is a solution with probability p = 2^-difficulty, whatever was found
    before, so their number is binomial: ``work`` is h on average after h hashes, and
    strays by sqrt(h (1 - p) / p), at most this share of h where ``solutions`` = h p
    are expected.  4.4 % at 512, 3.1 % at 1024; luck that no device can choose.
    """
    return 1.0 / math.sqrt(solutions)


def next_difficulty(hashes: int) -> int:
    """Return the difficulty after a round that proved this many hashes.

    The largest at which as many hashes again give ``FEWEST_EXPECTED`` solutions: up
    to twice as many are expected, and 0 if there were fewer hashes than that.
    """
    return min(MAX_DIFFICULTY, max(0, (hashes // FEWEST_EXPECTED).bit_length() - 1))


def verify(seed: bytes, difficulty: int, nonces: bytes) -> Reason:
    """Return ``Reason.NONE`` if every nonce is a solution, else why not.

    Checked, in this order:

    1. The difficulty is 0 to 63: else ``WRONG_DIFFICULTY``.
    2. Whole nonces (``MALFORMED``), at least one (``NO_COMMITMENT``) and no more than
       ``MAX_SOLUTIONS`` (``TOO_MUCH_WORK``).
    3. Strictly increasing, so that none counts twice: else ``NONCE_ORDER``.
    4. Each meets the target: else ``BAD_NONCE``.

    Whether the difficulty is the one that the card's last figure sets is for the
    caller to compare, with ``next_difficulty``.

    Args:
        seed: the card's seed in this phase, 32 bytes.
        difficulty: leading zero bits, set by the network.
        nonces: the solutions as ``encode`` writes them.

    """
    # (1) A target that the kernel can compare in one word.
    if not 0 <= difficulty <= MAX_DIFFICULTY:
        return Reason.WRONG_DIFFICULTY

    # (2) Bounded before anything is read.
    if len(nonces) > MAX_SOLUTIONS * NONCE_BYTES:
        return Reason.TOO_MUCH_WORK
    if len(nonces) % NONCE_BYTES:
        return Reason.MALFORMED
    if not nonces:
        return Reason.NO_COMMITMENT
    values = np.frombuffer(nonces, dtype=">u8").astype(np.uint64)

    # (3) An order leaves no room for duplicates.
    if not bool(np.all(values[1:] > values[:-1])):
        return Reason.NONCE_ORDER

    # (4) At 4096 nonces about a millisecond.
    return Reason.NONE if kernel.meet(seed, difficulty, values) else Reason.BAD_NONCE
