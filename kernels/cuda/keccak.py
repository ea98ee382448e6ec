"""Keccak on CUDA: the search for nonces, and trees of hashes; one state a thread."""

import numpy as np

from edgeproof.kernels.cuda.compiler import (
    Halves,
    cuda,
    half,
    halves,
    kernel,
    types,
    word,
    words,
)
from edgeproof.kernels.cuda.steps import (
    ROUND_CONSTANTS,
    after_prefix,
    keccak_first_word,
    keccak_round,
    swap64,
)
from edgeproof.kernels.scalar import Words

BLOCK = 128
"""Threads of a block: enough to hide latencies with the registers that each needs."""

SUBTREE = 2 * BLOCK
"""Nodes that one block of ``reduce_nodes`` brings down to one."""

SUBTREE_WORDS = 4 * SUBTREE


@kernel(words, word, word, word, words, halves, block=BLOCK)
def search(
    seed: Words,
    limit: np.uint64,
    start: np.uint64,
    count: np.uint64,
    found: Words,
    hits: Halves,
) -> None:
    """Write the nonces whose digest's first word is at most ``limit``, in no order.

    Searches [start, start + count).  ``seed`` is (4,) little-endian words; ``hits[0]``
    counts all, also those for which ``found`` has no room.
    """
    constants = cuda.const.array_like(ROUND_CONSTANTS)
    state = cuda.local.array(25, types.uint64)
    step = np.uint64(cuda.gridsize(1))
    at = np.uint64(cuda.grid(1))
    while at < count:
        nonce = start + at
        for place in range(25):
            state[place] = np.uint64(0)
        for place in range(4):
            state[place] = seed[place]
        state[4] = swap64(nonce)
        state[5] = np.uint64(0x01)
        state[16] = np.uint64(0x8000000000000000)
        for number in range(np.uint32(23)):
            keccak_round(state, 0, 1, constants[number])
        first_word = keccak_first_word(state, 0, 1, constants[23])
        if swap64(first_word) <= limit:
            place = cuda.atomic.add(hits, 0, np.uint32(1))
            if place < found.size:
                found[place] = nonce
        at += step


@kernel(words, half, words, word, block=BLOCK)
def hash_leaves(
    leaves: Words, width: np.uint32, nodes: Words, count: np.uint64
) -> None:
    """Write the hashes of ``count`` leaves of ``width`` words, prefix 0x00.

    ``leaves`` is (count * width,) words, hashed as big-endian bytes; ``nodes``
    (count * 4,) little-endian words of the hashes.  A width is 1 or 2.
    """
    constants = cuda.const.array_like(ROUND_CONSTANTS)
    state = cuda.local.array(25, types.uint64)
    leaf = np.uint64(cuda.grid(1))
    if leaf < count:
        for place in range(25):
            state[place] = np.uint64(0)
        first = swap64(leaves[leaf * np.uint64(width)])
        state[0] = after_prefix(np.uint64(0), first)
        state[1] = after_prefix(first, np.uint64(0x01))
        if width == np.uint32(2):
            second = swap64(leaves[leaf * np.uint64(2) + np.uint64(1)])
            state[1] = after_prefix(first, second)
            state[2] = after_prefix(second, np.uint64(0x01))
        state[16] = np.uint64(0x8000000000000000)
        for number in range(np.uint32(24)):
            keccak_round(state, 0, 1, constants[number])
        for place in range(4):
            nodes[leaf * np.uint64(4) + np.uint64(place)] = state[place]


@kernel(words, word, words, block=BLOCK)
def reduce_nodes(below: Words, count: np.uint64, above: Words) -> None:
    """Hash each ``SUBTREE`` of ``count`` nodes, (4 * count,) words, down to one node.

    Prefix 0x01; a lone last node of a level moves up unchanged.  Subtrees of a power
    of two are whole subtrees of the tree, so their shape is that of RFC 6962.
    """
    constants = cuda.const.array_like(ROUND_CONSTANTS)
    state = cuda.local.array(25, types.uint64)
    nodes = cuda.shared.array(SUBTREE_WORDS, types.uint64)
    thread = cuda.threadIdx.x
    first = np.uint64(cuda.blockIdx.x) * np.uint64(SUBTREE)
    here = min(np.uint64(SUBTREE), count - first)
    for copy in range(SUBTREE_WORDS // BLOCK):
        place = thread + copy * BLOCK
        if np.uint64(place) < here * np.uint64(4):
            nodes[place] = below[first * np.uint64(4) + np.uint64(place)]
    cuda.syncthreads()
    while here > np.uint64(1):
        pairs = here >> np.uint64(1)
        lone = here & np.uint64(1)
        mine = np.uint64(thread)
        for place in range(25):
            state[place] = np.uint64(0)
        if mine < pairs:
            before = np.uint64(0x0100000000000000)  # its top byte is the prefix
            for place in range(8):
                node = nodes[thread * 8 + place]
                state[place] = after_prefix(before, node)
                before = node
            state[8] = after_prefix(before, np.uint64(0x01))
            state[16] = np.uint64(0x8000000000000000)
            for number in range(np.uint32(24)):
                keccak_round(state, 0, 1, constants[number])
        elif mine == pairs and lone:
            for place in range(4):
                state[place] = nodes[thread * 8 + place]
        cuda.syncthreads()  # all have read before any writes
        if mine < pairs + lone:
            for place in range(4):
                nodes[thread * 4 + place] = state[place]
        cuda.syncthreads()
        here = pairs + lone
    if thread < 4:
        above[np.uint64(cuda.blockIdx.x) * np.uint64(4) + np.uint64(thread)] = nodes[
            thread
        ]
