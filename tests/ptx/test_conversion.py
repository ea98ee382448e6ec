"""Conversions, comparisons and floating-point numbers against Python and NumPy."""

import math
import struct
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from tests.ptx.table import Case, Row, edges, outcomes, pairs, signed

NAMES = {8: "%r", 16: "%rs", 32: "%r", 64: "%rd"}
FORMATS = {32: ("<f", "<I"), 64: ("<d", "<Q")}
CANONICAL_NAN = 0x7FFFFFFF

DOUBLES = [
    *(0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.1, 1e-310, 3e38, 1e300, -1e300),
    *(2.0**31, 2.0**31 - 0.5, -(2.0**31) - 1, 2.0**32 - 0.5, 2.0**32, 2.0**63),
    *(-(2.0**63), 2.0**64, 254.5, 255.5, -128.5, math.inf, -math.inf),
]


def bits_of(value: float, width: int = 64) -> int:
    """Return a number's bits, rounded to nearest; f32 has one NaN."""
    if width == 32:
        with np.errstate(all="ignore"):
            rounded = np.float32(value)
        return CANONICAL_NAN if np.isnan(rounded) else int(rounded.view(np.uint32))
    return int(np.float64(value).view(np.uint64))


def number(bits: int, width: int) -> float:
    """Return the number that has these bits."""
    to, of = FORMATS[width]
    (found,) = struct.unpack(to, struct.pack(of, bits))
    return float(found)


def rows(width: int) -> list[Row]:
    nan = (bits_of(math.nan, width),)
    return [*((bits_of(each, width),) for each in DOUBLES), nan]


def between_integers() -> list[Case]:
    """Return all pairs of types; a result below 32 bits is extended to them."""
    found = []
    for to, of in product(product("us", (8, 16, 32, 64)), repeat=2):
        target, source = NAMES[max(to[1], 32)], NAMES[max(of[1], 32)]
        kinds = f"{to[0]}{to[1]}.{of[0]}{of[1]}"
        inputs = [(each,) for each in edges(of[1], 0x80, 0x7F, 0x7FFF, 0x8000)]
        for saturate in (False, True):
            name = f"cvt.sat.{kinds}" if saturate else f"cvt.{kinds}"
            text = f"{name} {target}0, {source}1;"
            found.append(Case(text, converted(to, of, saturate=saturate), inputs))
    return found


def converted(
    to: tuple[str, int], of: tuple[str, int], *, saturate: bool
) -> Callable[[int], int]:
    def expected(a: int) -> int:
        value = signed(a, of[1]) if of[0] == "s" else a % 2 ** of[1]
        if saturate:
            least = -(2 ** (to[1] - 1)) if to[0] == "s" else 0
            value = max(least, min(value, least + 2 ** to[1] - 1))
        if to[0] == "s":
            value = signed(value, to[1])
            return value % (1 << max(to[1], 32))
        return value % (1 << to[1])

    return expected


ROUNDINGS: dict[str, Callable[[float], int]] = {
    "rni": round,
    "rzi": math.trunc,
    "rmi": math.floor,
    "rpi": math.ceil,
}


def to_integers() -> list[Case]:
    found = []
    for (rounding, function), kind, bits, width in product(
        ROUNDINGS.items(), "us", (32, 64), (32, 64)
    ):
        text = f"cvt.{rounding}.{kind}{bits}.f{width} {NAMES[bits]}0, {NAMES[width]}1;"
        found.append(Case(text, clamped(function, kind, bits, width), rows(width)))
    return found


def clamped(
    function: Callable[[float], int], kind: str, bits: int, width: int
) -> Callable[[int], int]:
    def expected(a: int) -> int:
        value = number(a, width)
        least = -(2 ** (bits - 1)) if kind == "s" else 0
        most = least + (1 << bits) - 1
        if math.isnan(value):
            return 2 ** (bits - 1) if 64 in (bits, width) else 0
        if math.isinf(value):
            return (most if value > 0 else least) % (1 << bits)
        return max(least, min(function(value), most)) % (1 << bits)

    return expected


def from_integers() -> list[Case]:
    found = []
    for kind, bits, width in product("us", (8, 16, 32, 64), (32, 64)):
        text = f"cvt.rn.f{width}.{kind}{bits} {NAMES[width]}0, {NAMES[bits]}1;"
        inputs = [(each,) for each in edges(bits)]
        found.append(Case(text, rounded(kind, bits, width), inputs))
    return found


def rounded(kind: str, bits: int, width: int) -> Callable[[int], int]:
    def expected(a: int) -> int:
        value = signed(a, bits) if kind == "s" else a
        to = np.float32 if width == 32 else np.float64
        # From an integer of 64 bits, so that it is rounded but once.
        exact = np.array(value, dtype=np.int64 if kind == "s" else np.uint64)
        return bits_of(float(exact.astype(to)), width)

    return expected


OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}
ALIASES = {"lo": "lt", "ls": "le", "hi": "gt", "hs": "ge"}


def comparisons() -> list[Case]:
    found = []
    for bits in (16, 32, 64):
        for name, function in OPERATORS.items():
            found += [compare(name, kind, bits, function) for kind in "us"]
        found += [compare(name, "b", bits, OPERATORS[name]) for name in ("eq", "ne")]
        found += [
            compare(name, "u", bits, OPERATORS[plain])
            for name, plain in ALIASES.items()
        ]
    return found


def compare(
    name: str, kind: str, bits: int, function: Callable[[float, float], bool]
) -> Case:
    def expected(a: int, b: int) -> int:
        if kind == "s":
            a, b = signed(a, bits), signed(b, bits)
        return int(function(a, b))

    text = f"setp.{name}.{kind}{bits} %p0, {NAMES[bits]}1, {NAMES[bits]}2;"
    return Case(text, expected, pairs(bits))


def float_comparisons() -> list[Case]:
    """Return them for f32: without u a NaN compares as false, with u as true."""
    inputs = [a + b for a, b in product(rows(32)[::3] + rows(32)[-1:], repeat=2)]
    found = []
    for name, function in OPERATORS.items():
        for unordered in (False, True):

            def expected(
                a: int,
                b: int,
                function: Callable[[float, float], bool] = function,
                unordered: bool = unordered,  # noqa: FBT001 - binds the loop's value
            ) -> int:
                x, y = number(a, 32), number(b, 32)
                if math.isnan(x) or math.isnan(y):
                    return int(unordered)
                return int(function(x, y))

            suffix = "u" if unordered else ""
            text = f"setp.{name}{suffix}.f32 %p0, %r1, %r2;"
            found.append(Case(text, expected, inputs))
    found.append(
        Case(
            "setp.nan.f32 %p0, %r1, %r2;",
            lambda a, b: int(CANONICAL_NAN in (a, b)),
            inputs,
        )
    )
    return found


def floating(name: str, function: Callable[..., float], operands: int) -> list[Case]:
    """Return the cases of one operation for both widths."""
    found = []
    for width in (32, 64):
        numbers = [
            row for row in rows(width)[:12] if abs(number(row[0], width)) < 1e200
        ]
        inputs = [sum(each, ()) for each in product(numbers, repeat=operands)]
        registers = ", ".join(f"{NAMES[width]}{i}" for i in range(operands + 1))

        def expected(*values: int, width: int = width) -> int:
            return bits_of(function(*(number(each, width) for each in values)), width)

        found.append(Case(f"{name}.f{width} {registers};", expected, inputs))
    return found


def divided(a: float, b: float) -> float:
    with np.errstate(all="ignore"):
        return float(np.float64(a) / np.float64(b))


FLOATING = [
    *floating("add.rn", lambda a, b: a + b, 2),
    *floating("sub.rn", lambda a, b: a - b, 2),
    *floating("mul.rn", lambda a, b: a * b, 2),
    *floating("neg", lambda a: -a, 1),
    *floating("abs", abs, 1),
    Case(
        "div.rn.f64 %rd0, %rd1, %rd2;",
        lambda a, b: bits_of(divided(number(a, 64), number(b, 64))),
        [a + b for a in rows(64)[2:10] for b in rows(64)[2:8]],
    ),
    Case(
        "div.rn.f32 %r0, %r1, %r2;",
        lambda a, b: int(
            (np.uint32(a).view(np.float32) / np.uint32(b).view(np.float32)).view("u4")
        ),
        [a + b for a in rows(32)[2:8] for b in rows(32)[2:8]],
    ),
    Case(
        "sqrt.rn.f64 %rd0, %rd1;",
        lambda a: bits_of(math.sqrt(number(a, 64))),
        [row for row in rows(64) if number(row[0], 64) >= 0],
    ),
    Case("rcp.rn.f64 %rd0, %rd1;", lambda a: bits_of(1 / number(a, 64)), rows(64)[2:9]),
    Case(  # (1 + 2^-12)^2 - 1 - 2^-11 is 2^-24, which two roundings lose
        "fma.rn.f32 %r0, %r1, %r2, %r3;",
        lambda *_: bits_of(2.0**-24, 32),
        [(0x3F800800, 0x3F800800, bits_of(-1 - 2.0**-11, 32))],
    ),
    Case("add.f32 %r0, %r1, 0f3F800000;", lambda *_: CANONICAL_NAN, [(0xFFC12345,)]),
    Case("min.f32 %r0, %r1, %r2;", lambda *_: 0x80000000, [(0, 1 << 31), (1 << 31, 0)]),
    Case("max.f32 %r0, %r1, %r2;", lambda *_: 0, [(0, 1 << 31), (1 << 31, 0)]),
    Case("min.f32 %r0, %r1, 0f40000000;", lambda *_: 0x40000000, [(0x7FC00000,)]),
    Case("max.f64 %rd0, %rd1, 0d4000000000000000;", lambda *_: 1 << 62, [(0,)]),
    Case(
        "cvt.rn.f32.f64 %r0, %rd1;", lambda a: bits_of(number(a, 64), 32), rows(64)[:-1]
    ),
    Case("cvt.f64.f32 %rd0, %r1;", lambda a: bits_of(number(a, 32)), rows(32)[:-1]),
    Case(
        "cvt.rni.f64.f64 %rd0, %rd1;",
        lambda a: bits_of(float(np.rint(number(a, 64)))),
        rows(64),
    ),
]


def combined(
    function: Callable[[bool, bool], bool], *, negated: bool
) -> Callable[[int, int, int], int]:
    return lambda a, b, c: int(function(a < b, bool(c) != negated))


CHOICES = [
    Case(
        "selp.b32 %r0, %r1, %r2, %p3;",
        lambda a, b, c: a if c else b,
        [(7, 9, 0), (7, 9, 1)],
    ),
    Case(
        "selp.f64 %rd0, %rd1, %rd2, %p3;",
        lambda a, b, c: a if c else b,
        [(7, 9, 0), (7, 9, 1)],
    ),
    *(
        Case(
            f"setp.lt.{name}.s32 %p0, %r1, %r2, {sign}%p3;",
            combined(function, negated=bool(sign)),
            list(product([1, 2], [1, 2], [0, 1])),
        )
        for name, function in (
            ("and", lambda x, y: x and y),
            ("or", lambda x, y: x or y),
            ("xor", lambda x, y: x != y),
        )
        for sign in ("", "!")
    ),
    Case(
        "setp.lt.and.s32 %p4|%p0, %r1, %r2, %p3;",
        lambda a, b, c: int(a >= b and c),
        list(product([1, 2], [1, 2], [0, 1])),
    ),
    Case("@%p1 mov.b32 %r0, 5; @!%p1 mov.b32 %r0, 6;", lambda a: 6 - a, [(0,), (1,)]),
    Case(
        "mov.b64 {%r3, %r4}, %rd1; mov.b64 %rd0, {%r4, %r3};",
        lambda a: (a >> 32 | a << 32) % 2**64,
        [(0x1122334455667788,)],
    ),
    Case(
        "mov.b64 {%rs1, _, %rs3, %rs4}, %rd2; mov.b32 %r0, {%rs4, %rs1};",
        lambda _, a: a >> 48 | (a & 0xFFFF) << 16,
        [(0, 0x1122334455667788)],
    ),
]

CASES = [
    *between_integers(),
    *to_integers(),
    *from_integers(),
    *comparisons(),
    *float_comparisons(),
    *FLOATING,
    *CHOICES,
]


@pytest.fixture(scope="module")
def found() -> dict[Case, list[int]]:
    return outcomes(CASES)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_instruction_converts_as_the_manual_says(
    case: Case, found: dict[Case, list[int]]
) -> None:
    assert found[case] == [case.expected(*row) for row in case.inputs]
