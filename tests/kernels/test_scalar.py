"""The scalar steps against Python's own integers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.kernels import reference, scalar

words = st.integers(0, 2**64 - 1)


def one(value: int) -> scalar.Words:
    return np.array([value], dtype=np.uint64)


def test_the_stream_is_splitmix64s() -> None:
    # The outputs for seed 1234567 that implementations in other languages publish.
    states = scalar.stream_state(np.uint64(1234567), np.arange(5, dtype=np.uint64))
    assert scalar.mix64(states).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


@given(word=words)
def test_an_output_holds_eight_six_bit_entries(word: int) -> None:
    found = [int(scalar.entry(one(word), one(place))[0]) for place in range(8)]
    assert found == [byte & 63 for byte in word.to_bytes(8, "little")]


@given(word=words)
def test_swapping_reverses_the_bytes(word: int) -> None:
    swapped = int(scalar.swap64(one(word))[0])
    assert swapped == int.from_bytes(word.to_bytes(8, "big"), "little")


@given(before=words, word=words)
def test_a_word_behind_a_prefix_stands_one_byte_late(before: int, word: int) -> None:
    both = before.to_bytes(8, "little") + word.to_bytes(8, "little")
    lane = int(scalar.after_prefix(one(before), one(word))[0])
    assert lane.to_bytes(8, "little") == both[7:15]


@given(
    row=st.integers(0, 16383),
    column=st.integers(0, 16383),
    value=st.integers(-(2**24), 2**24),
)
def test_a_cell_names_one_place_and_one_value(
    row: int, column: int, value: int
) -> None:
    cell = int(scalar.cell(one(row), one(column), one(value % 2**64))[0])
    low = cell & 0xFFFFFFFF
    assert (cell >> 48, cell >> 32 & 0xFFFF) == (row, column)
    assert (low - 2**32 if low >> 31 else low) == value


@pytest.mark.parametrize(("stride", "lane"), [(1, 0), (4, 0), (4, 3)])
def test_the_unrolled_round_is_the_textbooks(stride: int, lane: int) -> None:
    state = np.random.default_rng(5).integers(0, 2**64, 25 * stride, dtype=np.uint64)
    want = state.copy()
    want[lane::stride] = reference.keccak_f(state[lane::stride])
    with np.errstate(over="ignore"):
        for constant in scalar.ROUND_CONSTANTS:
            scalar.keccak_round(state, lane, stride, constant)
    assert state.tolist() == want.tolist()


@given(word=words)
def test_packed_entries_are_the_entries_as_signed_bytes(word: int) -> None:
    packed = int(scalar.packed_entries(one(word))[0]).to_bytes(8, "little")
    want = [(byte & 63) - 32 for byte in word.to_bytes(8, "little")]
    assert [byte - 256 if byte > 127 else byte for byte in packed] == want


@given(state=words, word=words)
def test_a_fold_multiplies_and_shifts(state: int, word: int) -> None:
    product = (state ^ word) * 0xD6E8FEB86659FD93 % 2**64
    found = scalar.fold(one(state), one(word))
    assert found.tolist() == [product ^ product >> 32]


@given(state=words, items=st.integers(1, 2**32))
def test_an_index_is_one_of_the_items(state: int, items: int) -> None:
    found = int(scalar.item_index(one(state), np.uint64(items))[0])
    assert found == (state >> 32) * items >> 32
    assert 0 <= found < items
