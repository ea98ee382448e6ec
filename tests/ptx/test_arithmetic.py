"""Every arithmetic instruction against Python's integers."""

from collections.abc import Callable
from itertools import product

import pytest

from tests.ptx.table import Case, Row, edges, outcomes, pairs, signed, triples

COUNTS = [0, 1, 5, 15, 16, 31, 32, 33, 63, 64, 65, 255, 256, 2**31, 2**32 - 1]
NAMES = {16: "%rs", 32: "%r", 64: "%rd"}
WORDS = [0, 1, 0x80, 0x7F, 0x12345678, 0x80FF7F01, 0xFFFFFFFF]


def mixed(*columns: list[int]) -> list[Row]:
    """Return every combination of a value from each column."""
    return list(product(*columns))


def binary(
    name: str, bits: int, expected: Callable[[int, int], int], *, sign: bool = False
) -> Case:
    """Return the case of an instruction with two operands of one width."""

    def wrapped(a: int, b: int) -> int:
        a, b = (signed(a, bits), signed(b, bits)) if sign else (a, b)
        return expected(a, b) % (1 << bits)

    register = NAMES[bits]
    rows = [row for row in pairs(bits) if row[1] or not name.startswith(("div", "rem"))]
    return Case(f"{name} {register}0, {register}1, {register}2;", wrapped, rows)


def quotient(a: int, b: int) -> int:
    """Divide towards zero, as PTX does, and not downwards, as Python does."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def remainder(a: int, b: int) -> int:
    return a - b * quotient(a, b)


def of_width(bits: int) -> list[Case]:
    """Return what every width has."""
    r = NAMES[bits]
    found = [
        binary(f"and.b{bits}", bits, lambda a, b: a & b),
        binary(f"or.b{bits}", bits, lambda a, b: a | b),
        binary(f"xor.b{bits}", bits, lambda a, b: a ^ b),
        Case(
            f"not.b{bits} {r}0, {r}1;",
            lambda a: (1 << bits) - 1 - a,
            mixed(edges(bits)),
        ),
        Case(
            f"neg.s{bits} {r}0, {r}1;", lambda a: -a % (1 << bits), mixed(edges(bits))
        ),
        Case(
            f"abs.s{bits} {r}0, {r}1;",
            lambda a: abs(signed(a, bits)) % (1 << bits),
            mixed(edges(bits)),
        ),
        Case(
            f"shl.b{bits} {r}0, {r}1, %r2;",
            lambda a, n: a << min(n, bits) & (1 << bits) - 1,
            mixed(edges(bits), COUNTS),
        ),
        *(
            Case(
                f"shr.{kind}{bits} {r}0, {r}1, %r2;",
                lambda a, n: a >> min(n, bits),
                mixed(edges(bits), COUNTS),
            )
            for kind in "bu"
        ),
        Case(
            f"shr.s{bits} {r}0, {r}1, %r2;",
            lambda a, n: (signed(a, bits) >> min(n, bits)) % (1 << bits),
            mixed(edges(bits), COUNTS),
        ),
    ]
    for kind, sign in (("u", False), ("s", True)):
        t = f"{kind}{bits}"
        found += [
            binary(f"add.{t}", bits, lambda a, b: a + b),
            binary(f"sub.{t}", bits, lambda a, b: a - b),
            binary(f"mul.lo.{t}", bits, lambda a, b: a * b),
            binary(f"mul.hi.{t}", bits, lambda a, b: a * b >> bits, sign=sign),
            binary(f"min.{t}", bits, min, sign=sign),
            binary(f"max.{t}", bits, max, sign=sign),
            binary(f"div.{t}", bits, quotient, sign=sign),
            binary(f"rem.{t}", bits, remainder, sign=sign),
            Case(
                f"mad.lo.{t} {r}0, {r}1, {r}2, {r}3;",
                lambda a, b, c: (a * b + c) % (1 << bits),
                triples(bits),
            ),
        ]
    return found


def of_words(bits: int) -> list[Case]:
    """Return what only words of 32 and 64 bits have."""
    r = NAMES[bits]
    places = mixed(edges(bits)[:9], [0, 1, 8, bits - 1, bits, 255, 256], COUNTS[::2])
    found = [
        Case(f"popc.b{bits} %r0, {r}1;", int.bit_count, mixed(edges(bits))),
        Case(
            f"clz.b{bits} %r0, {r}1;",
            lambda a: bits - a.bit_length(),
            mixed(edges(bits)),
        ),
        Case(
            f"brev.b{bits} {r}0, {r}1;",
            lambda a: int(f"{a:0{bits}b}"[::-1], 2),
            mixed(edges(bits)),
        ),
        Case(
            f"bfi.b{bits} {r}0, {r}1, 0x5a5a5a5a, %r2, %r3;",
            lambda a, position, length: inserted(a, 0x5A5A5A5A, position, length, bits),
            places,
        ),
    ]
    for kind, sign in (("u", False), ("s", True)):
        t = f"{kind}{bits}"
        found += [
            Case(f"bfe.{t} {r}0, {r}1, %r2, %r3;", extracted(bits, sign), places),
            Case(f"bfind.{t} %r0, {r}1;", highest(bits, sign), mixed(edges(bits))),
            Case(
                f"bfind.shiftamt.{t} %r0, {r}1;",
                from_above(bits, sign),
                mixed(edges(bits)),
            ),
            Case(
                f"mad.hi.{t} {r}0, {r}1, {r}2, {r}3;",
                high_and_added(bits, sign),
                triples(bits),
            ),
        ]
    return found


def extracted(bits: int, sign: bool) -> Callable[[int, int, int], int]:  # noqa: FBT001 - a column of the table
    """Bit by bit, as the manual's pseudocode has it."""

    def expected(a: int, position: int, length: int) -> int:
        position, length = position & 255, length & 255
        last = min(position + length - 1, bits - 1)
        fill = a >> last & 1 if sign and length else 0
        return sum(
            (a >> position + i & 1 if i < length and position + i < bits else fill) << i
            for i in range(bits)
        )

    return expected


def inserted(a: int, into: int, position: int, length: int, bits: int) -> int:
    for i in range(length & 255):
        place = (position & 255) + i
        if place < bits:
            into = into & ~(1 << place) | (a >> i & 1) << place
    return into


def highest(bits: int, sign: bool) -> Callable[[int], int]:  # noqa: FBT001 - a column of the table
    def expected(a: int) -> int:
        value = ~a % (1 << bits) if sign and a >> bits - 1 else a
        return (value.bit_length() - 1) % 2**32

    return expected


def from_above(bits: int, sign: bool) -> Callable[[int], int]:  # noqa: FBT001 - a column of the table
    def expected(a: int) -> int:
        place = highest(bits, sign)(a)
        return place if place == 2**32 - 1 else bits - 1 - place

    return expected


def high_and_added(bits: int, sign: bool) -> Callable[[int, int, int], int]:  # noqa: FBT001 - a column of the table
    def expected(a: int, b: int, c: int) -> int:
        if sign:
            a, b = signed(a, bits), signed(b, bits)
        return ((a * b >> bits) + c) % (1 << bits)

    return expected


def permuted(a: int, b: int, selector: int) -> int:
    found = 0
    for i in range(4):
        choice = selector >> 4 * i & 15
        byte = (a | b << 32) >> 8 * (choice & 7) & 255
        if choice & 8:
            byte = 255 if byte >> 7 else 0
        found |= byte << 8 * i
    return found


def by_table(table: int) -> Callable[[int, int, int], int]:
    """Look each bit up: a's counts four, b's two, c's one."""

    def expected(a: int, b: int, c: int) -> int:
        return sum(
            (table >> ((a >> i & 1) * 4 + (b >> i & 1) * 2 + (c >> i & 1)) & 1) << i
            for i in range(32)
        )

    return expected


def funnelled(left: bool, clamp: bool) -> Callable[[int, int, int], int]:  # noqa: FBT001 - columns of the table
    def expected(low: int, high: int, count: int) -> int:
        count = min(count, 32) if clamp else count & 31
        both = high << 32 | low
        return (both << count >> 32 if left else both >> count) % 2**32

    return expected


def dot_product(kinds: str, first: int | None) -> Callable[[int, int, int], int]:
    """Return dp4a, or dp2a with the bytes of b from ``first`` on."""
    count, width = (4, 8) if first is None else (2, 16)

    def field(word: int, index: int, bits: int, kind: str) -> int:
        value = word >> bits * index & (1 << bits) - 1
        return signed(value, bits) if kind == "s" else value

    def expected(a: int, b: int, c: int) -> int:
        return (
            c
            + sum(
                field(a, i, width, kinds[0]) * field(b, i + (first or 0), 8, kinds[1])
                for i in range(count)
            )
        ) % 2**32

    return expected


def wide(kind: str, bits: int) -> Case:
    def expected(a: int, b: int) -> int:
        if kind == "s":
            a, b = signed(a, bits), signed(b, bits)
        return a * b % (1 << 2 * bits)

    r, double = NAMES[bits], NAMES[2 * bits]
    text = f"mul.wide.{kind}{bits} {double}0, {r}1, {r}2;"
    return Case(text, expected, pairs(bits))


SPECIAL = [
    *(wide(kind, bits) for kind in "us" for bits in (16, 32)),
    Case(
        "mad.wide.s32 %rd0, %r1, %r2, %rd3;",
        lambda a, b, c: (signed(a, 32) * signed(b, 32) + c) % 2**64,
        mixed(edges(32)[:6], edges(32)[:6], edges(64)[:8]),
    ),
    Case("prmt.b32 %r0, %r1, %r2, %r3;", permuted, mixed([0x80FF7F01], WORDS, WORDS)),
    *(
        Case(
            f"dp4a.{a}32.{b}32 %r0, %r1, %r2, %r3;",
            dot_product(a + b, None),
            mixed(WORDS, WORDS, [0, 0xFFFFFF00]),
        )
        for a in "us"
        for b in "us"
    ),
    *(
        Case(
            f"dp2a.{half}.{a}32.{b}32 %r0, %r1, %r2, %r3;",
            dot_product(a + b, first),
            mixed(WORDS, WORDS, [0, 0xFFFFFF00]),
        )
        for half, first in (("lo", 0), ("hi", 2))
        for a in "us"
        for b in "us"
    ),
    *(
        Case(
            f"shf.{side}.{mode}.b32 %r0, %r1, %r2, %r3;",
            funnelled(side == "l", mode == "clamp"),
            mixed(WORDS[3:], WORDS[3:], COUNTS),
        )
        for side in "lr"
        for mode in ("wrap", "clamp")
    ),
]

CARRIES = [
    Case(
        "add.cc.u64 %rd0, %rd1, %rd2; addc.u64 %rd0, %rd3, 0;",
        lambda a, b, c: (c + (a + b >> 64)) % 2**64,
        triples(64),
    ),
    Case(
        "add.cc.u32 %r0, %r1, %r2; addc.cc.u32 %r0, %r3, -1; addc.u32 %r0, 0, 0;",
        lambda a, b, c: c + 2**32 - 1 + (a + b >> 32) >> 32,
        triples(32),
    ),
    Case(
        "sub.cc.u32 %r0, %r1, %r2; subc.u32 %r0, %r3, 0;",
        lambda a, b, c: (c - (a < b)) % 2**32,
        triples(32),
    ),
    Case(
        "sub.cc.s64 %rd0, %rd1, %rd2; subc.cc.s64 %rd0, %rd3, 0; subc.s64 %rd0, 0, 0;",
        lambda a, b, c: -(c < (a < b)) % 2**64,
        triples(64),
    ),
    Case(
        "mad.lo.cc.u32 %r0, %r1, %r2, %r3; madc.hi.u32 %r0, %r1, %r2, 0;",
        lambda a, b, c: a * b + c >> 32,
        triples(32),
    ),
    Case(
        "mad.lo.cc.u64 %rd0, %rd1, %rd2, %rd3; madc.hi.cc.u64 %rd0, %rd1, %rd2, -1;"
        "addc.u64 %rd0, 0, 0;",
        lambda a, b, c: (a * b + c >> 64) + 2**64 - 1 >> 64,
        triples(64),
    ),
]

TABLES = [
    Case(f"lop3.b32 %r0, %r1, %r2, %r3, {table};", by_table(table), triples(32)[::5])
    for table in range(256)
]

LOGIC = [
    Case("and.pred %p0, %p1, %p2;", lambda a, b: a & b, mixed([0, 1], [0, 1])),
    Case("or.pred %p0, %p1, %p2;", lambda a, b: a | b, mixed([0, 1], [0, 1])),
    Case("xor.pred %p0, %p1, %p2;", lambda a, b: a ^ b, mixed([0, 1], [0, 1])),
    Case("not.pred %p0, %p1;", lambda a: 1 - a, mixed([0, 1])),
]

WIDTHS = [case for bits in (16, 32, 64) for case in of_width(bits)]
CASES = [*WIDTHS, *of_words(32), *of_words(64), *SPECIAL, *CARRIES, *LOGIC]


@pytest.fixture(scope="module")
def found() -> dict[Case, list[int]]:
    return outcomes(CASES)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_instruction_computes_what_the_manual_says(
    case: Case, found: dict[Case, list[int]]
) -> None:
    assert found[case] == [case.expected(*row) for row in case.inputs]


def test_lop3_knows_all_tables() -> None:
    for case, results in outcomes(TABLES).items():
        assert results == [case.expected(*row) for row in case.inputs], case
