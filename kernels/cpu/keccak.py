"""Keccak for a CPU, four states at a time, and what hashes with it.

Each kernel runs on one thread without the GIL, and allocates no more than a few
hundred bytes; whoever calls it brings the arrays and shares out the work.
"""

import numpy as np

from edgeproof.kernels import scalar
from edgeproof.kernels.cpu.compiler import compiled, inlined
from edgeproof.kernels.scalar import Words

LANES = 4
"""States per permutation: as many 64-bit words as an AVX2 register holds."""

ROUND_CONSTANTS = scalar.ROUND_CONSTANTS  # Numba freezes a global into the kernel

after_prefix = inlined(scalar.after_prefix)
keccak_round = inlined(scalar.keccak_round)
swap64 = inlined(scalar.swap64)


@compiled
def permute(states: Words) -> None:
    """Apply Keccak-f[1600] in place to four states; word i of state k at 4 i + k."""
    for number in range(24):
        constant = ROUND_CONSTANTS[number]
        for lane in range(4):
            keccak_round(states, lane, 4, constant)


@compiled
def hash_nonces(states: Words, seed: Words, nonces: Words) -> None:
    """Hash seed and nonce, 40 bytes, for four nonces; digests start at lane 0.

    ``seed`` is (4,) little-endian words of the seed's bytes, ``states`` (100,).
    """
    states[:] = np.uint64(0)
    for lane in range(4):
        for word in range(4):
            states[word * 4 + lane] = seed[word]
        states[16 + lane] = swap64(nonces[lane])
        states[20 + lane] = np.uint64(0x01)
        states[64 + lane] = np.uint64(0x8000000000000000)
    permute(states)


@compiled
def search(
    seed: Words, limit: np.uint64, start: np.uint64, count: int, found: Words
) -> int:
    """Write the nonces whose digest's first word is at most ``limit``; say how many.

    Searches [start, start + count) in order, and stops early when ``found`` is full.
    """
    states = np.zeros(100, dtype=np.uint64)
    nonces = np.zeros(4, dtype=np.uint64)
    hits = 0
    for base in range(0, count, 4):
        for lane in range(4):
            nonces[lane] = start + np.uint64(base + lane)
        hash_nonces(states, seed, nonces)
        for lane in range(min(4, count - base)):
            if swap64(states[lane]) <= limit:
                if hits == found.size:
                    return hits
                found[hits] = nonces[lane]
                hits += 1
    return hits


@compiled
def meet(seed: Words, limit: np.uint64, nonces: Words) -> bool:
    """Tell whether the digest's first word is at most ``limit`` for every nonce."""
    states = np.zeros(100, dtype=np.uint64)
    four = np.zeros(4, dtype=np.uint64)
    for base in range(0, nonces.size, 4):
        here = min(4, nonces.size - base)
        for lane in range(here):
            four[lane] = nonces[base + lane]
        hash_nonces(states, seed, four)
        for lane in range(here):
            if swap64(states[lane]) > limit:
                return False
    return True


@compiled
def hash_leaves(leaves: Words, nodes: Words) -> None:
    """Write the hashes of (m, w) leaves, prefix 0x00, to the (m, 4) ``nodes``.

    A leaf is w words, up to 15, as big-endian bytes.
    """
    states = np.zeros(100, dtype=np.uint64)
    count, width = leaves.shape
    for base in range(0, count, 4):
        here = min(4, count - base)
        states[:] = np.uint64(0)
        for lane in range(here):
            before = np.uint64(0)  # its top byte is the prefix
            for word in range(width):
                data = swap64(leaves[base + lane, word])
                states[word * 4 + lane] = after_prefix(before, data)
                before = data
            states[width * 4 + lane] = after_prefix(before, np.uint64(0x01))
            states[64 + lane] = np.uint64(0x8000000000000000)
        permute(states)
        for lane in range(here):
            for word in range(4):
                nodes[base + lane, word] = states[word * 4 + lane]


@compiled
def hash_pairs(below: Words, above: Words) -> None:
    """Write the hashes of each two of (m, 4) nodes, prefix 0x01; a lone last moves up.

    Nodes are little-endian words of their bytes, as in Keccak's state.
    """
    states = np.zeros(100, dtype=np.uint64)
    pairs = below.shape[0] // 2
    for base in range(0, pairs, 4):
        here = min(4, pairs - base)
        states[:] = np.uint64(0)
        for lane in range(here):
            before = np.uint64(0x0100000000000000)  # its top byte is the prefix
            for word in range(8):
                node = below[2 * (base + lane) + word // 4, word % 4]
                states[word * 4 + lane] = after_prefix(before, node)
                before = node
            states[32 + lane] = after_prefix(before, np.uint64(0x01))
            states[64 + lane] = np.uint64(0x8000000000000000)
        permute(states)
        for lane in range(here):
            for word in range(4):
                above[base + lane, word] = states[word * 4 + lane]
    if below.shape[0] % 2:
        above[pairs] = below[2 * pairs]
