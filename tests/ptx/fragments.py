"""Which element of a matrix each lane of a warp holds.

Source: "PTX ISA", sections "Matrix Fragments for mma.m8n8k16", "... mma.m16n8k16 with
integer type", "... mma.m16n8k32" (types .u8 and .s8) and "ldmatrix".  There a lane's
group is ``lane >> 2``, its place in the group ``lane % 4``; elements count on through
its registers, the lowest byte of the first one being element 0.
"""

from collections.abc import Callable
from dataclasses import dataclass

WARP = 32

Place = tuple[int, int]
"""Row and column."""


@dataclass(frozen=True)
class Shape:
    """C (rows by 8) += A (rows by depth) times B (depth by 8), in bytes and s32."""

    rows: int
    depth: int

    @property
    def name(self) -> str:
        """The modifier that chooses this shape."""
        return f"m{self.rows}n8k{self.depth}"

    @property
    def registers(self) -> tuple[int, int, int]:
        """How many registers A, B and C take in each lane."""
        quarter = 4 * WARP
        return (
            self.rows * self.depth // quarter,
            8 * self.depth // quarter,
            self.rows * 8 // WARP,
        )

    def a_position(self, lane: int, register: int, byte: int) -> Place:
        """Return the row and column of one byte of A.

        With 16 rows, registers alternate between the upper and the lower eight.
        """
        halves = self.rows // 8
        row = (lane >> 2) + 8 * (register % halves)
        return row, 4 * (lane % 4) + byte + 16 * (register // halves)

    def b_position(self, lane: int, register: int, byte: int) -> Place:
        """Return the row and column of one byte of B."""
        return 4 * (lane % 4) + byte + 16 * register, lane >> 2

    def c_position(self, lane: int, register: int) -> Place:
        """Return the row and column of one sum, in C as in D."""
        return (lane >> 2) + 8 * (register // 2), 2 * (lane % 4) + register % 2


SHAPES = (Shape(8, 16), Shape(16, 16), Shape(16, 32))


def ldmatrix_position(lane: int, half: int) -> Place:
    """Return which element of an 8 by 8 matrix a half of the lane's register gets."""
    return lane // 4, 2 * (lane % 4) + half


def tables() -> str:
    """Return all of these as tables in C, by lane, register and byte."""
    lines = ["typedef struct { u8 row, column; } Place;"]
    shapes = []
    for shape in SHAPES:
        a, b, c = shape.registers
        lines += [
            bytewise(f"A_{shape.name}", shape.a_position, a),
            bytewise(f"B_{shape.name}", shape.b_position, b),
            table(
                f"C_{shape.name}",
                [shape.c_position(lane, i) for lane in range(WARP) for i in range(c)],
            ),
        ]
        names = ", ".join(f"{matrix}_{shape.name}" for matrix in "ABC")
        shapes.append(f"{{{shape.rows}, {shape.depth}, {names}}}")
    pairs = [ldmatrix_position(lane, i) for lane in range(WARP) for i in range(2)]
    return "\n".join(
        [
            *lines,
            table("LDMATRIX_PLACES", pairs),
            "typedef struct { u32 rows, depth; const Place *a, *b, *c; } Shape;",
            f"static const Shape SHAPES[] = {{{', '.join(shapes)}}};",
        ]
    )


def bytewise(
    name: str, position: Callable[[int, int, int], Place], registers: int
) -> str:
    """Return the table of one operand in bytes."""
    return table(
        name,
        [
            position(lane, register, byte)
            for lane in range(WARP)
            for register in range(registers)
            for byte in range(4)
        ],
    )


def table(name: str, places: list[Place]) -> str:
    """Return one table in C."""
    items = ", ".join(f"{{{row}, {column}}}" for row, column in places)
    return f"static const Place {name}[] = {{{items}}};"
