"""The wire format: cbor2 agrees on every byte, and hostile bytes are only refused."""

from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry import codec
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.kinds import Kind

UINT8, UINT64, UINT256 = Kind("uint8"), Kind("uint64"), Kind("uint256")
BYTES32, TEXT, BLOB = Kind("bytes32"), Kind("string", 20), Kind("bytes", 300)
NUMBERS, HASHES = Kind("uint16[]", 40), Kind("bytes32[]", 4)
ALL = (UINT8, UINT64, UINT256, BYTES32, TEXT, BLOB, NUMBERS, HASHES)

hashes = st.binary(min_size=32, max_size=32)
rows = st.tuples(
    st.integers(0, 2**8 - 1),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**256 - 1),
    hashes,
    st.text(max_size=5),
    st.binary(max_size=300),
    st.lists(st.integers(0, 2**16 - 1), max_size=40).map(tuple),
    st.lists(hashes, max_size=4).map(tuple),
)


def oracle(values: tuple[Any, ...]) -> bytes:
    """The same array as cbor2 writes it, uint256 as 32 bytes."""
    plain = [
        value.to_bytes(32, "big") if kind is UINT256 else value
        for kind, value in zip(ALL, values, strict=True)
    ]
    return cbor2.dumps(plain, canonical=True)


@given(values=rows)
def test_every_array_is_cbor2s_canonical_encoding_and_reads_back(
    values: tuple[Any, ...],
) -> None:
    raw = codec.encode(list(zip(ALL, values, strict=True)))
    assert raw == oracle(values)
    assert tuple(codec.decode(raw, codec.Layout(ALL))) == values
    assert codec.tag_of(raw) == values[0]


@given(values=rows, cut=st.integers(0))
def test_no_truncation_is_read(values: tuple[Any, ...], cut: int) -> None:
    raw = codec.encode(list(zip(ALL, values, strict=True)))
    with pytest.raises(MessageRefused):
        codec.decode(raw[: cut % len(raw)], codec.Layout(ALL))


@given(raw=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_and_what_is_read_is_canonical(
    raw: bytes,
) -> None:
    kinds = (UINT8, BLOB)
    try:
        values = codec.decode(raw, codec.Layout(kinds))
    except MessageRefused:
        return
    assert codec.encode(list(zip(kinds, values, strict=True))) == raw


@given(values=rows, place=st.integers(0), value=st.integers(0, 255))
def test_a_changed_byte_is_another_message_or_refused(
    values: tuple[Any, ...], place: int, value: int
) -> None:
    raw = bytearray(codec.encode(list(zip(ALL, values, strict=True))))
    raw[place % len(raw)] = value
    try:
        found = codec.decode(bytes(raw), codec.Layout(ALL))
    except MessageRefused:
        return
    assert codec.encode(list(zip(ALL, found, strict=True))) == raw


@pytest.mark.parametrize(
    ("raw", "kind", "reason"),
    [
        ("", UINT8, Reason.MALFORMED),
        ("80", UINT8, Reason.MALFORMED),  # nothing in it
        ("820101", UINT8, Reason.MALFORMED),  # an item too many
        ("8101ff", UINT8, Reason.MALFORMED),  # a byte too many
        ("a10101", UINT8, Reason.MALFORMED),  # a map
        ("8120", UINT8, Reason.MALFORMED),  # -1
        ("81f5", UINT8, Reason.MALFORMED),  # true
        ("81f6", UINT8, Reason.MALFORMED),  # null
        ("81fb3ff0000000000000", UINT8, Reason.MALFORMED),  # 1.0
        ("81c101", UINT8, Reason.MALFORMED),  # a tag
        ("811817", UINT8, Reason.NOT_CANONICAL),  # 23 in two bytes
        ("81190017", UINT8, Reason.NOT_CANONICAL),  # 23 in three
        ("811900ff", UINT8, Reason.NOT_CANONICAL),  # 255 in three
        ("811a0000ffff", UINT64, Reason.NOT_CANONICAL),
        ("811b00000000ffffffff", UINT64, Reason.NOT_CANONICAL),
        ("9f01ff", UINT8, Reason.NOT_CANONICAL),  # an array without length
        ("815f4101ff", BLOB, Reason.NOT_CANONICAL),  # a string without length
        ("811c", UINT8, Reason.NOT_CANONICAL),  # a reserved head
        ("81190100", UINT8, Reason.OUT_OF_RANGE),  # 256
        ("814101", BYTES32, Reason.OUT_OF_RANGE),  # 1 byte where 32 belong
        ("815901ff", BLOB, Reason.OUT_OF_RANGE),  # 511 bytes where 300 may be
        ("815bffffffffffffffff", BLOB, Reason.OUT_OF_RANGE),  # all memory
        ("819bffffffffffffffff", NUMBERS, Reason.OUT_OF_RANGE),
        ("8161ff", TEXT, Reason.MALFORMED),  # not UTF-8
        ("8163eda080", TEXT, Reason.MALFORMED),  # half of a pair
        ("814101", TEXT, Reason.MALFORMED),  # bytes where text belongs
        ("8142", BLOB, Reason.MALFORMED),  # ends early
    ],
)
def test_each_defect_has_its_reason(raw: str, kind: Kind, reason: Reason) -> None:
    with pytest.raises(MessageRefused) as caught:
        codec.decode(bytes.fromhex(raw), codec.Layout([kind]))
    assert caught.value.reason is reason


@pytest.mark.parametrize("raw", ["", "80", "8161", "a0", "8141aa", "ff"])
def test_what_has_no_tag_is_refused(raw: str) -> None:
    with pytest.raises(MessageRefused):
        codec.tag_of(bytes.fromhex(raw))


@pytest.mark.parametrize("argument", [0, 23, 24, 255, 256, 2**16, 2**32, 2**64 - 1])
def test_integers_take_the_fewest_bytes(argument: int) -> None:
    assert codec.encode([(UINT64, argument)]) == cbor2.dumps([argument])
