"""The types of PTX, and how C holds them."""

SIZES = {
    **{f"{kind}{8 * size}": size for kind in "bus" for size in (1, 2, 4, 8)},
    "f32": 4,
    "f64": 8,
    "pred": 1,
}
"""Bytes that each known type takes; a predicate takes one in C."""

INTEGERS = tuple(f"{kind}{bits}" for kind in "us" for bits in (16, 32, 64))
"""The types that integer arithmetic is done in."""


def bits(kind: str) -> int:
    """Return the width of a type."""
    return 8 * SIZES[kind]


def storage(kind: str) -> str:
    """Return the unsigned C type that holds the bits of this type."""
    return "pred" if kind == "pred" else f"u{bits(kind)}"


def is_float(kind: str) -> bool:
    return kind[0] == "f"


def is_signed(kind: str) -> bool:
    return kind[0] == "s"
