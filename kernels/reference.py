"""The meaning of each kernel, in NumPy: slow, plain, and right.

Every faster kernel must give the same bits.  Keccak is written here in the textbook's
loops, apart from the unrolled round that the kernels use.  Integers in bytes are
big-endian throughout.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeproof.kernels.scalar import (
    ROUND_CONSTANTS,
    Words,
    cell,
    entry,
    fold,
    item_index,
    mix64,
    stream_state,
)
from edgeproof.kernels.shapes import ITEM_WORDS, TILE, WALK_READS

Matrix = NDArray[np.int64]

RATE = 136
"""Bytes that Keccak-256 absorbs at a time."""

PRODUCT_DOMAIN = b"edgeproof/v1/product"
"""Follows the seed where the keys of a product are hashed from it."""


class Keys(NamedTuple):
    """What a product's seed stands for: one 64-bit key for each use."""

    a: np.uint64
    b: np.uint64
    mix: np.uint64


def keccak_f(state: Words) -> Words:
    """Return Keccak-f[1600] of a (25,) state, lane (x, y) at ``x + 5 * y``."""
    lanes = state.reshape(5, 5).T.copy()  # [x, y], as FIPS 202 writes it
    for constant in ROUND_CONSTANTS:
        parity = np.bitwise_xor.reduce(lanes, axis=1)
        around = np.roll(parity, 1) ^ _rotate(np.roll(parity, -1), 1)
        lanes ^= around[:, None]
        moved = np.empty_like(lanes)
        moved[0, 0] = lanes[0, 0]
        x, y = 1, 0
        for step in range(24):
            turn = (step + 1) * (step + 2) // 2 % 64
            moved[y, (2 * x + 3 * y) % 5] = _rotate(lanes[x, y : y + 1], turn)[0]
            x, y = y, (2 * x + 3 * y) % 5
        lanes = moved ^ (~np.roll(moved, -1, axis=0) & np.roll(moved, -2, axis=0))
        lanes[0, 0] ^= constant
    flat: Words = lanes.T.reshape(25)
    return flat


def keccak256(message: bytes) -> bytes:
    """Return the 32-byte Keccak-256 digest (Ethereum's padding) of ``message``."""
    padded = bytearray(message + bytes(RATE - len(message) % RATE))
    padded[len(message)] ^= 0x01
    padded[-1] ^= 0x80
    state = np.zeros(25, dtype=np.uint64)
    for block in range(0, len(padded), RATE):
        words = np.frombuffer(padded, dtype="<u8", count=RATE // 8, offset=block)
        state[: RATE // 8] ^= words
        state = keccak_f(state)
    return state[:4].astype("<u8").tobytes()


def product_keys(seed: bytes) -> Keys:
    """Return the keys of the product with this 32-byte seed."""
    digest = keccak256(seed + PRODUCT_DOMAIN)
    a, b, mix, _ = np.frombuffer(digest, dtype=">u8").astype(np.uint64)
    return Keys(a, b, mix)


def expand(key: np.uint64, n: int, first: int, rows: int) -> Matrix:
    """Return rows ``first`` to ``first + rows`` of the n by n matrix of ``key``.

    (rows, n) integers in [-32, 31].  Entry (i, j) is in output ``i * n / 8 + j // 8``
    of the key's splitmix64 stream: the low six bits of byte ``j % 8``, counted from
    the least significant one, minus 32.
    """
    places = np.arange(n, dtype=np.uint64)
    lines = np.arange(first, first + rows, dtype=np.uint64)
    index = (lines[:, None] * np.uint64(n) + places) >> np.uint64(3)
    word = mix64(stream_state(key, index))
    return entry(word, places & np.uint64(7)).astype(np.int64) - 32


def digest_tile(key: np.uint64, values: Matrix, row: int, column: int) -> Words:
    """Return the (2,) digest of the (64, 64) tile at ``row``, ``column`` of a product.

    Word 0 is the sum of the mixes of the entries in even columns, word 1 of those in
    odd columns, modulo 2^64; an entry's mix is ``mix64(cell(i, j, value) ^ key)``
    with its row and column in the whole product.
    """
    rows = np.arange(row, row + TILE, dtype=np.uint64)[:, None]
    columns = np.arange(column, column + TILE, dtype=np.uint64)
    mixed = mix64(cell(rows, columns, values.astype(np.uint64)) ^ key)
    sums: Words = mixed.reshape(-1, 2).sum(axis=0, dtype=np.uint64)
    return sums


def digests(seed: bytes, n: int) -> Words:
    """Return the (tiles, 2) digests of the product of ``seed``, tile rows first."""
    keys = product_keys(seed)
    product = expand(keys.a, n, 0, n) @ expand(keys.b, n, 0, n).T
    found = [
        digest_tile(keys.mix, product[i : i + TILE, j : j + TILE], i, j)
        for i in range(0, n, TILE)
        for j in range(0, n, TILE)
    ]
    return np.array(found, dtype=np.uint64)


def tree_root(leaves: Words) -> bytes:
    """Return the Keccak root, RFC 6962's shape, of (m, w) leaves of w words each."""
    data = leaves.astype(">u8")
    level = [keccak256(b"\x00" + leaf.tobytes()) for leaf in data]
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        parents = [keccak256(b"\x01" + left + right) for left, right in pairs]
        level = parents + level[len(level) & ~1 :]
    return level[0]


def items(seed: bytes, permutations: int, first: int, count: int) -> Words:
    """Return items ``first`` and on of a memory, (count, 16) words.

    Item i is the first 16 lanes of ``permutations`` times Keccak-f[1600] over the
    seed's 32 bytes in lanes 0 to 3 (little-endian, as Keccak reads bytes), i in lane
    4, and zeros.
    """
    filled = np.zeros((count, ITEM_WORDS), dtype=np.uint64)
    for place in range(count):
        state = np.zeros(25, dtype=np.uint64)
        state[:4] = np.frombuffer(seed, dtype="<u8")
        state[4] = first + place
        for _ in range(permutations):
            state = keccak_f(state)
        filled[place] = state[:ITEM_WORDS]
    return filled


def walk(memory: Words, seed: bytes, first: int, count: int) -> Words:
    """Return the states in which lanes ``first`` and on of a walk end, (count,).

    ``memory`` is (N, 16).  Lane l starts in output l of the splitmix64 stream whose
    key is the seed's first 8 bytes; ``WALK_READS`` times it reads item
    ``item_index(state, N)`` and folds its words in, the first one first.
    """
    key = np.uint64(int.from_bytes(seed[:8], "big"))
    lanes = np.arange(first, first + count, dtype=np.uint64)
    states: Words = mix64(stream_state(key, lanes))
    for _ in range(WALK_READS):
        read = memory[item_index(states, np.uint64(len(memory))).astype(np.int64)]
        for word in range(ITEM_WORDS):
            states = fold(states, read[:, word])
    return states


def search(seed: bytes, difficulty: int, start: int, count: int) -> Words:
    """Return the nonces in [start, start + count) that meet the target, in order.

    A nonce meets it if the first ``difficulty`` bits of
    ``keccak256(seed || nonce as 8 bytes)`` are zero.
    """
    found = [
        nonce
        for nonce in range(start, start + count)
        if int.from_bytes(keccak256(seed + nonce.to_bytes(8, "big")), "big")
        < 1 << (256 - difficulty)
    ]
    return np.array(found, dtype=np.uint64)


def _rotate(words: Words, turn: int) -> Words:
    if turn == 0:
        return words
    return (words << np.uint64(turn)) | (words >> np.uint64(64 - turn))
