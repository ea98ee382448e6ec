"""The search for nonces on the CPU, and the check of those that were found."""

import numpy as np

from edgeproof.kernels.cpu import keccak
from edgeproof.kernels.cpu.spread import spread
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.seeds import seed_words
from edgeproof.kernels.shapes import MAX_DIFFICULTY


def search(seed: bytes, difficulty: int, start: int, count: int) -> Words:
    """Return the nonces in [start, start + count) that meet the target, in order.

    A nonce meets it if the first ``difficulty`` bits (0 to 63) of
    ``keccak256(seed || nonce as 8 big-endian bytes)`` are zero; the seed is 32 bytes.
    """
    if not 0 <= start <= start + count <= 2**64:
        msg = "nonces are 64-bit integers"
        raise ValueError(msg)
    words, limit = seed_words(seed), _limit(difficulty)

    def part(first: int, stop: int) -> Words:
        # Four times the expected number, and never so few that chance fills it.
        room = min(stop - first, 64 + 4 * ((stop - first) >> difficulty))
        found = np.empty(room, dtype=np.uint64)
        begin = np.uint64(start + first)
        return found[: keccak.search(words, limit, begin, stop - first, found)]

    return np.concatenate(
        [np.empty(0, dtype=np.uint64), *spread(part, count, keccak.LANES)]
    )


def meet(seed: bytes, difficulty: int, nonces: Words) -> bool:
    """Tell whether every one of ``nonces`` meets the target of ``search``."""
    writable = np.array(nonces, dtype=np.uint64)  # Numba compiles read-only anew
    return keccak.meet(seed_words(seed), _limit(difficulty), writable)


def _limit(difficulty: int) -> np.uint64:
    if not 0 <= difficulty <= MAX_DIFFICULTY:
        msg = f"a difficulty is 0 to {MAX_DIFFICULTY}, not {difficulty}"
        raise ValueError(msg)
    return np.uint64((1 << (64 - difficulty)) - 1)
