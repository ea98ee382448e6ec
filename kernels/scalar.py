"""The scalar steps of every kernel, in plain Python.

``numba.njit`` and ``numba.cuda.jit(device=True)`` compile this one source, so the
two targets cannot drift apart.  Hence its manners: no step calls another one, since
each target wraps them for itself; every literal is an ``np.uint64``, since a bare
one turns Numba's arithmetic signed; and there are no loops over lanes of a state,
since only literal offsets let LLVM keep it in registers or vectors.

The steps work on single words and, wherever no memory is touched, on whole NumPy
arrays of them; arithmetic is modulo 2^64.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
"""An array of 64-bit words."""

Word = TypeVar("Word", np.uint64, NDArray[np.uint64])
"""One 64-bit word, or an array of them treated one by one."""

GAMMA = np.uint64(0x9E3779B97F4A7C15)
"""Splitmix64's increment: 2^64 divided by the golden ratio, made odd."""

ROUND_CONSTANTS = np.array(
    [
        0x0000000000000001,
        0x0000000000008082,
        0x800000000000808A,
        0x8000000080008000,
        0x000000000000808B,
        0x0000000080000001,
        0x8000000080008081,
        0x8000000000008009,
        0x000000000000008A,
        0x0000000000000088,
        0x0000000080008009,
        0x000000008000000A,
        0x000000008000808B,
        0x800000000000008B,
        0x8000000000008089,
        0x8000000000008003,
        0x8000000000008002,
        0x8000000000000080,
        0x000000000000800A,
        0x800000008000000A,
        0x8000000080008081,
        0x8000000000008080,
        0x0000000080000001,
        0x8000000080008008,
    ],
    dtype=np.uint64,
)
"""Keccak's iota constants, FIPS 202 section 3.2.5."""


def mix64(word: Word) -> Word:
    """Return splitmix64's output for the state ``word``; a bijection.

    Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
    OOPSLA 2014, with Stafford's variant 13 of the finaliser.
    """
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


def stream_state(key: np.uint64, index: Word) -> Word:
    """Return splitmix64's state before output number ``index`` of stream ``key``.

    ``mix64`` of it is that output, so any entry of a matrix is reached in O(1).
    """
    state: Word = (index + np.uint64(1)) * GAMMA
    return state + key


def entry(word: Word, place: Word) -> Word:
    """Return entry ``place`` (0 to 7) of an output, plus 32: within [0, 63].

    The offset stays on, for unsigned arithmetic, until the entry is stored.
    """
    return (word >> (place << np.uint64(3))) & np.uint64(63)


def fold(state: Word, word: Word) -> Word:
    """Return the state of a walk after one more word of the item that it reads.

    Not affine in the word, so that no digest of an item shorter than the item itself
    can stand for it; a bijection of the state, so that lanes never run together but
    by the words they read.
    """
    state = (state ^ word) * np.uint64(0xD6E8FEB86659FD93)
    return state ^ (state >> np.uint64(32))


def item_index(state: Word, items: np.uint64) -> Word:
    """Return which of up to 2^32 items a walk in that state reads next."""
    scaled: Word = (state >> np.uint64(32)) * items
    return scaled >> np.uint64(32)


def packed_entries(word: Word) -> Word:
    """Return all eight entries of an output as signed bytes, entry 0 the lowest.

    Byte k is ``entry(word, k) - 32`` in two's complement.
    """
    low: Word = (word & np.uint64(0x3F3F3F3F3F3F3F3F)) ^ np.uint64(0x2020202020202020)
    sign = low & np.uint64(0x2020202020202020)
    high: Word = (sign << np.uint64(1)) | (sign << np.uint64(2))
    return low | high


def cell(row: Word, column: Word, value: Word) -> Word:
    """Return one word that names a place in the product and the value that is there.

    Row and column are below 2^16; of the value the low 32 bits count, that is its
    two's complement.
    """
    place: Word = (row << np.uint64(48)) | (column << np.uint64(32))
    return place | (value & np.uint64(0xFFFFFFFF))


def swap64(word: Word) -> Word:
    """Return the word with its eight bytes in reverse order."""
    word = ((word >> np.uint64(8)) & np.uint64(0x00FF00FF00FF00FF)) | (
        (word & np.uint64(0x00FF00FF00FF00FF)) << np.uint64(8)
    )
    word = ((word >> np.uint64(16)) & np.uint64(0x0000FFFF0000FFFF)) | (
        (word & np.uint64(0x0000FFFF0000FFFF)) << np.uint64(16)
    )
    return (word >> np.uint64(32)) | (word << np.uint64(32))


def after_prefix(before: Word, word: Word) -> Word:
    """Return the lane in which ``word`` stands one byte late, behind ``before``."""
    return (before >> np.uint64(56)) | (word << np.uint64(8))


def keccak_first_word(
    state: Words, lane: int, stride: int, constant: np.uint64
) -> np.uint64:
    """Return the first word after one more round, which is not carried out.

    For whoever needs no more of a hash: most of its last round is saved.
    """
    b00 = state[lane]
    c0 = b00 ^ state[5 * stride + lane] ^ state[10 * stride + lane]
    c0 ^= state[15 * stride + lane] ^ state[20 * stride + lane]
    a11 = state[6 * stride + lane]
    c1 = a11 ^ state[stride + lane] ^ state[11 * stride + lane]
    c1 ^= state[16 * stride + lane] ^ state[21 * stride + lane]
    a22 = state[12 * stride + lane]
    c2 = a22 ^ state[2 * stride + lane] ^ state[7 * stride + lane]
    c2 ^= state[17 * stride + lane] ^ state[22 * stride + lane]
    c3 = state[3 * stride + lane] ^ state[8 * stride + lane]
    c3 ^= state[13 * stride + lane] ^ state[18 * stride + lane]
    c3 ^= state[23 * stride + lane]
    c4 = state[4 * stride + lane] ^ state[9 * stride + lane]
    c4 ^= state[14 * stride + lane] ^ state[19 * stride + lane]
    c4 ^= state[24 * stride + lane]
    b00 ^= c4 ^ ((c1 << np.uint64(1)) | (c1 >> np.uint64(63)))
    a11 ^= c0 ^ ((c2 << np.uint64(1)) | (c2 >> np.uint64(63)))
    a22 ^= c1 ^ ((c3 << np.uint64(1)) | (c3 >> np.uint64(63)))
    b10 = (a11 << np.uint64(44)) | (a11 >> np.uint64(20))
    b20 = (a22 << np.uint64(43)) | (a22 >> np.uint64(21))
    first: np.uint64 = b00 ^ (~b10 & b20) ^ constant
    return first


def keccak_round(  # noqa: PLR0915 - unrolled: only literal offsets stay in registers
    state: Words, lane: int, stride: int, constant: np.uint64
) -> None:
    """Apply one round of Keccak-f[1600] in place (FIPS 202, section 3.2).

    Word ``x + 5 * y`` of the state stands at ``state[(x + 5 * y) * stride + lane]``:
    ``stride`` independent states lie interleaved, one in each vector lane.
    """
    a00 = state[lane]
    a10 = state[stride + lane]
    a20 = state[2 * stride + lane]
    a30 = state[3 * stride + lane]
    a40 = state[4 * stride + lane]
    a01 = state[5 * stride + lane]
    a11 = state[6 * stride + lane]
    a21 = state[7 * stride + lane]
    a31 = state[8 * stride + lane]
    a41 = state[9 * stride + lane]
    a02 = state[10 * stride + lane]
    a12 = state[11 * stride + lane]
    a22 = state[12 * stride + lane]
    a32 = state[13 * stride + lane]
    a42 = state[14 * stride + lane]
    a03 = state[15 * stride + lane]
    a13 = state[16 * stride + lane]
    a23 = state[17 * stride + lane]
    a33 = state[18 * stride + lane]
    a43 = state[19 * stride + lane]
    a04 = state[20 * stride + lane]
    a14 = state[21 * stride + lane]
    a24 = state[22 * stride + lane]
    a34 = state[23 * stride + lane]
    a44 = state[24 * stride + lane]
    # theta: each lane takes the parity of two neighbouring columns, one of them turned.
    # Not joined first: a card does all three in one instruction, LLVM joins by itself.
    c0 = a00 ^ a01 ^ a02 ^ a03 ^ a04
    c1 = a10 ^ a11 ^ a12 ^ a13 ^ a14
    c2 = a20 ^ a21 ^ a22 ^ a23 ^ a24
    c3 = a30 ^ a31 ^ a32 ^ a33 ^ a34
    c4 = a40 ^ a41 ^ a42 ^ a43 ^ a44
    r0 = (c1 << np.uint64(1)) | (c1 >> np.uint64(63))
    r1 = (c2 << np.uint64(1)) | (c2 >> np.uint64(63))
    r2 = (c3 << np.uint64(1)) | (c3 >> np.uint64(63))
    r3 = (c4 << np.uint64(1)) | (c4 >> np.uint64(63))
    r4 = (c0 << np.uint64(1)) | (c0 >> np.uint64(63))
    # rho and pi: rotate each lane, then move it
    a00 = (a00 ^ c4) ^ r0
    b00 = a00
    a10 = (a10 ^ c0) ^ r1
    b02 = (a10 << np.uint64(1)) | (a10 >> np.uint64(63))
    a20 = (a20 ^ c1) ^ r2
    b04 = (a20 << np.uint64(62)) | (a20 >> np.uint64(2))
    a30 = (a30 ^ c2) ^ r3
    b01 = (a30 << np.uint64(28)) | (a30 >> np.uint64(36))
    a40 = (a40 ^ c3) ^ r4
    b03 = (a40 << np.uint64(27)) | (a40 >> np.uint64(37))
    a01 = (a01 ^ c4) ^ r0
    b13 = (a01 << np.uint64(36)) | (a01 >> np.uint64(28))
    a11 = (a11 ^ c0) ^ r1
    b10 = (a11 << np.uint64(44)) | (a11 >> np.uint64(20))
    a21 = (a21 ^ c1) ^ r2
    b12 = (a21 << np.uint64(6)) | (a21 >> np.uint64(58))
    a31 = (a31 ^ c2) ^ r3
    b14 = (a31 << np.uint64(55)) | (a31 >> np.uint64(9))
    a41 = (a41 ^ c3) ^ r4
    b11 = (a41 << np.uint64(20)) | (a41 >> np.uint64(44))
    a02 = (a02 ^ c4) ^ r0
    b21 = (a02 << np.uint64(3)) | (a02 >> np.uint64(61))
    a12 = (a12 ^ c0) ^ r1
    b23 = (a12 << np.uint64(10)) | (a12 >> np.uint64(54))
    a22 = (a22 ^ c1) ^ r2
    b20 = (a22 << np.uint64(43)) | (a22 >> np.uint64(21))
    a32 = (a32 ^ c2) ^ r3
    b22 = (a32 << np.uint64(25)) | (a32 >> np.uint64(39))
    a42 = (a42 ^ c3) ^ r4
    b24 = (a42 << np.uint64(39)) | (a42 >> np.uint64(25))
    a03 = (a03 ^ c4) ^ r0
    b34 = (a03 << np.uint64(41)) | (a03 >> np.uint64(23))
    a13 = (a13 ^ c0) ^ r1
    b31 = (a13 << np.uint64(45)) | (a13 >> np.uint64(19))
    a23 = (a23 ^ c1) ^ r2
    b33 = (a23 << np.uint64(15)) | (a23 >> np.uint64(49))
    a33 = (a33 ^ c2) ^ r3
    b30 = (a33 << np.uint64(21)) | (a33 >> np.uint64(43))
    a43 = (a43 ^ c3) ^ r4
    b32 = (a43 << np.uint64(8)) | (a43 >> np.uint64(56))
    a04 = (a04 ^ c4) ^ r0
    b42 = (a04 << np.uint64(18)) | (a04 >> np.uint64(46))
    a14 = (a14 ^ c0) ^ r1
    b44 = (a14 << np.uint64(2)) | (a14 >> np.uint64(62))
    a24 = (a24 ^ c1) ^ r2
    b41 = (a24 << np.uint64(61)) | (a24 >> np.uint64(3))
    a34 = (a34 ^ c2) ^ r3
    b43 = (a34 << np.uint64(56)) | (a34 >> np.uint64(8))
    a44 = (a44 ^ c3) ^ r4
    b40 = (a44 << np.uint64(14)) | (a44 >> np.uint64(50))
    # chi: the only non-linear step; iota: the round constant
    state[lane] = b00 ^ (~b10 & b20) ^ constant
    state[stride + lane] = b10 ^ (~b20 & b30)
    state[2 * stride + lane] = b20 ^ (~b30 & b40)
    state[3 * stride + lane] = b30 ^ (~b40 & b00)
    state[4 * stride + lane] = b40 ^ (~b00 & b10)
    state[5 * stride + lane] = b01 ^ (~b11 & b21)
    state[6 * stride + lane] = b11 ^ (~b21 & b31)
    state[7 * stride + lane] = b21 ^ (~b31 & b41)
    state[8 * stride + lane] = b31 ^ (~b41 & b01)
    state[9 * stride + lane] = b41 ^ (~b01 & b11)
    state[10 * stride + lane] = b02 ^ (~b12 & b22)
    state[11 * stride + lane] = b12 ^ (~b22 & b32)
    state[12 * stride + lane] = b22 ^ (~b32 & b42)
    state[13 * stride + lane] = b32 ^ (~b42 & b02)
    state[14 * stride + lane] = b42 ^ (~b02 & b12)
    state[15 * stride + lane] = b03 ^ (~b13 & b23)
    state[16 * stride + lane] = b13 ^ (~b23 & b33)
    state[17 * stride + lane] = b23 ^ (~b33 & b43)
    state[18 * stride + lane] = b33 ^ (~b43 & b03)
    state[19 * stride + lane] = b43 ^ (~b03 & b13)
    state[20 * stride + lane] = b04 ^ (~b14 & b24)
    state[21 * stride + lane] = b14 ^ (~b24 & b34)
    state[22 * stride + lane] = b24 ^ (~b34 & b44)
    state[23 * stride + lane] = b34 ^ (~b44 & b04)
    state[24 * stride + lane] = b44 ^ (~b04 & b14)
