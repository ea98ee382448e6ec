"""Deterministic CBOR for flat messages (RFC 8949, section 4.2.1).

A message is one array: its tag, its fields in order, its signatures.  Only unsigned
integers, byte strings, text strings and arrays of those occur, each in its shortest
form, so a value has exactly one encoding.  The reader follows the fields' kinds and
never a length that it has not checked against them, so hostile bytes cost no more
than their own size.  ``uint256`` travels as a 32-byte string.
"""

from collections.abc import Sequence
from typing import Any

from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.kinds import WORD, Kind

UNSIGNED, BYTES, TEXT, ARRAY = 0, 2, 3, 4
"""Major types of RFC 8949 that messages use."""

WIDE = 64
"""Integers above this many bits travel as byte strings."""

SIGNATURE = Kind("bytes65")
"""r, s and v of an ECDSA signature."""


def encode(values: Sequence[tuple[Kind, Any]]) -> bytes:
    """Return the array of ``values``, each of which its kind admits."""
    return _head(ARRAY, len(values)) + b"".join(_item(k, v) for k, v in values)


class Layout:
    """The kinds of a message's items, and what is usual of each, worked out once."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self.kinds = tuple(kinds)
        self.usual = [
            (
                HEADS[kind.exact] if kind.exact else b"",
                len(HEADS[kind.exact]),
                len(HEADS[kind.exact]) + kind.exact,
                0 < kind.bits <= WIDE,
                kind,
            )
            for kind in self.kinds
        ]
        """Of each: a byte string's head, the sizes of that and of both, whether it can
        be a small integer, and its kind."""


def decode(raw: bytes, layout: Layout) -> list[Any]:
    """Return the values in ``raw``, exactly one of each kind.

    Raises ``MessageRefused``: MALFORMED, NOT_CANONICAL or OUT_OF_RANGE.
    """
    reader = _Reader(raw)
    count = reader.head(ARRAY)
    if count != len(layout.kinds):
        detail = f"{count} items instead of {len(layout.kinds)}"
        raise MessageRefused(Reason.MALFORMED, detail)
    values = reader.items(layout)
    if reader.rest:
        detail = f"{reader.rest} bytes too many"
        raise MessageRefused(Reason.MALFORMED, detail)
    return values


def tag_of(raw: bytes) -> int:
    """Return the first item of the array in ``raw``: the message's tag."""
    reader = _Reader(raw)
    if reader.head(ARRAY) == 0:
        raise MessageRefused(Reason.MALFORMED, "an empty array")
    return reader.head(UNSIGNED)


def _head(major: int, argument: int) -> bytes:
    lead = major << 5
    if argument < 24:
        return bytes([lead | argument])
    for code, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << 8 * width:
            return bytes([lead | code]) + argument.to_bytes(width, "big")
    msg = f"{argument} does not fit a CBOR head"
    raise ValueError(msg)


def _item(kind: Kind, value: Any) -> bytes:  # noqa: ANN401 - one of the types that the kind admits
    if kind.item is not None:
        return _head(ARRAY, len(value)) + b"".join(_item(kind.item, v) for v in value)
    if kind.bits > WIDE:
        return _head(BYTES, WORD) + int(value).to_bytes(WORD, "big")
    if kind.bits:
        return _head(UNSIGNED, value)
    if kind.solidity == "string":
        text = value.encode()
        return _head(TEXT, len(text)) + bytes(text)
    return _head(BYTES, len(value)) + bytes(value)


HEADS = {length: _head(BYTES, length) for length in (0, 16, 20, 32, 65)}
"""What stands before a byte string of each exact length."""


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    @property
    def rest(self) -> int:
        return len(self._raw) - self._at

    def head(self, major: int) -> int:
        if self._at >= len(self._raw):
            raise MessageRefused(Reason.MALFORMED, "the message ends early")
        lead = self._raw[self._at]
        self._at += 1
        if lead >> 5 != major:
            detail = f"type {lead >> 5} instead of {major} at byte {self._at - 1}"
            raise MessageRefused(Reason.MALFORMED, detail)
        short = lead & 31
        if short < 24:
            return short
        if short > 27:
            detail = f"head {lead:#x} at byte {self._at - 1}"
            raise MessageRefused(Reason.NOT_CANONICAL, detail)
        width = 1 << short - 24
        argument = int.from_bytes(self._take(width), "big")
        if argument < 24 or (width > 1 and argument < 1 << 4 * width):
            detail = f"{argument} in {width} bytes"
            raise MessageRefused(Reason.NOT_CANONICAL, detail)
        return argument

    def items(self, layout: Layout) -> list[Any]:
        """Return one value of each kind, the usual ones without a call of their own."""
        raw, at = self._raw, self._at
        whole = len(raw)
        values: list[Any] = []
        for head, skip, size, small, kind in layout.usual:
            end = at + size
            if head and end <= whole and raw.startswith(head, at):
                values.append(raw[at + skip : end])
                at = end
            elif small and at < whole and raw[at] < 24:
                values.append(raw[at])
                at += 1
            else:
                self._at = at
                values.append(self.item(kind))
                at = self._at
        self._at = at
        return values

    def item(self, kind: Kind) -> Any:  # noqa: ANN401 - one of the types that the kind admits
        if kind.exact:
            return self._string(BYTES, kind.exact, kind.exact)
        if kind.item is not None:
            count = self.head(ARRAY)
            if count > kind.limit:
                detail = f"{count} items, at most {kind.limit}"
                raise MessageRefused(Reason.OUT_OF_RANGE, detail)
            return tuple(self.item(kind.item) for _ in range(count))
        if kind.bits > WIDE:
            return int.from_bytes(self._string(BYTES, WORD, WORD), "big")
        if kind.bits:
            return self._unsigned(kind.bits)
        if kind.solidity == "string":
            return self._text(kind.limit)
        return self._string(BYTES, 0, kind.limit)

    def _unsigned(self, bits: int) -> int:
        value = self.head(UNSIGNED)
        if value >= 1 << bits:
            detail = f"{value} is above {bits} bits"
            raise MessageRefused(Reason.OUT_OF_RANGE, detail)
        return value

    def _text(self, most: int) -> str:
        try:
            return self._string(TEXT, 0, most).decode()
        except UnicodeDecodeError:
            raise MessageRefused(Reason.MALFORMED, "text is not UTF-8") from None

    def _string(self, major: int, least: int, most: int) -> bytes:
        length = self.head(major)
        if not least <= length <= most:
            detail = f"{length} bytes where {least} to {most} belong"
            raise MessageRefused(Reason.OUT_OF_RANGE, detail)
        return self._take(length)

    def _take(self, length: int) -> bytes:
        if length > self.rest:
            raise MessageRefused(Reason.MALFORMED, "the message ends early")
        part = self._raw[self._at : self._at + length]
        self._at += length
        return part
