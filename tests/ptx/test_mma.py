"""Matrices in a warp: layouts by the manual's formulas, products by NumPy."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.ptx.fragments import SHAPES, Shape, ldmatrix_position
from tests.ptx.kernels import HEADER, kernel, results
from tests.ptx.run import LaunchError, Pointer, Program, load

Matrix = NDArray[np.integer[Any]]
LANES = range(32)


# --- layouts ---------------------------------------------------------------------
# What follows are the manual's formulas as it prints them, for element i of a lane.


def manual_a(shape: str, lane: int, i: int) -> tuple[int, int]:
    group, thread = lane >> 2, lane % 4
    if shape == "m8n8k16":
        return group, thread * 4 + i
    if shape == "m16n8k16":
        return (group if i < 4 else group + 8), thread * 4 + (i & 3)
    row = group if 0 <= i < 4 or 8 <= i < 12 else group + 8
    column = thread * 4 + (i & 3) if i < 8 else thread * 4 + (i & 3) + 16
    return row, column


def manual_b(shape: str, lane: int, i: int) -> tuple[int, int]:
    group, thread = lane >> 2, lane % 4
    if shape in ("m8n8k16", "m16n8k16"):
        return thread * 4 + i, group
    return (thread * 4 + (i & 3) if i < 4 else thread * 4 + (i & 3) + 16), group


def manual_c(shape: str, lane: int, i: int) -> tuple[int, int]:
    group, thread = lane >> 2, lane % 4
    if shape == "m8n8k16":
        return group, thread * 2 + i
    return (group if i < 2 else group + 8), thread * 2 + (i & 1)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_layouts_follow_the_manual(shape: Shape) -> None:
    a, b, c = shape.registers
    for lane in LANES:
        for i in range(4 * a):
            expected = manual_a(shape.name, lane, i)
            assert shape.a_position(lane, i // 4, i % 4) == expected
        for i in range(4 * b):
            expected = manual_b(shape.name, lane, i)
            assert shape.b_position(lane, i // 4, i % 4) == expected
        for i in range(c):
            assert shape.c_position(lane, i) == manual_c(shape.name, lane, i)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_each_element_has_one_place(shape: Shape) -> None:
    a, b, c = shape.registers
    places = product(LANES, range(a), range(4))
    assert sorted(shape.a_position(*each) for each in places) == list(
        product(range(shape.rows), range(shape.depth))
    )
    places = product(LANES, range(b), range(4))
    assert sorted(shape.b_position(*each) for each in places) == list(
        product(range(shape.depth), range(8))
    )
    assert sorted(shape.c_position(*each) for each in product(LANES, range(c))) == list(
        product(range(shape.rows), range(8))
    )


def test_ldmatrix_gives_each_lane_a_pair_of_a_row() -> None:
    for lane in LANES:
        row = lane // 4
        assert ldmatrix_position(lane, 0) == (row, 2 * (lane % 4))
        assert ldmatrix_position(lane, 1) == (row, 2 * (lane % 4) + 1)


# --- products --------------------------------------------------------------------


def multiplier(shape: Shape, left: str = "s8", right: str = "s8") -> Program:
    """Return an entry in which each lane loads and stores its own registers."""
    counts = shape.registers
    registers = [
        [f"%{m}{i}" for i in range(n)] for m, n in zip("abc", counts, strict=True)
    ]
    lines = []
    for name, these in zip("abc", registers, strict=True):
        lines += [
            f"ld.param.u64 %at, [{name}];",
            f"mad.wide.u32 %at, %lane, {4 * len(these)}, %at;",
            *(f"ld.global.b32 {each}, [%at+{4 * i}];" for i, each in enumerate(these)),
        ]
    a, b, c = ("{" + ", ".join(these) + "}" for these in registers)
    stores = [f"st.global.b32 [%at+{4 * i}], %c{i};" for i in range(counts[2])]
    return load(f"""{HEADER}
.visible .entry k(.param .u64 a, .param .u64 b, .param .u64 c)
{{
    .reg .b32 %a<4>, %b<4>, %c<4>, %lane;
    .reg .b64 %at;
    mov.u32 %lane, %laneid;
    {" ".join(lines)}
    mma.sync.aligned.{shape.name}.row.col.s32.{left}.{right}.s32 {c}, {a}, {b}, {c};
    {" ".join(stores)}
    ret;
}}""")


def spread(
    matrix: Matrix, position: Callable[[int, int, int], tuple[int, int]], count: int
) -> Matrix:
    """Return what each lane holds of a matrix, by lane, register and byte."""
    held = np.empty((32, count, 4), dtype=matrix.dtype)
    for place in product(LANES, range(count), range(4)):
        held[place] = matrix[position(*place)]
    return held


def multiply(
    shape: Shape, program: Program, a: Matrix, b: Matrix, c: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Return a times b plus c as the warp computes it."""
    sums = np.empty((32, shape.registers[2]), dtype=np.int32)
    for place in product(LANES, range(shape.registers[2])):
        sums[place] = c[shape.c_position(*place)]
    held_a = spread(a, shape.a_position, shape.registers[0])
    held_b = spread(b, shape.b_position, shape.registers[1])
    program.launch(1, 32, Pointer(held_a), Pointer(held_b), Pointer(sums))
    found = np.empty_like(c)
    for place in product(LANES, range(shape.registers[2])):
        found[shape.c_position(*place)] = sums[place]
    return found


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
@pytest.mark.parametrize("left", ["s8", "u8"])
@pytest.mark.parametrize("right", ["s8", "u8"])
def test_random_matrices_have_numpys_product(
    shape: Shape, left: str, right: str
) -> None:
    rng = np.random.default_rng(shape.depth)
    program = multiplier(shape, left, right)
    kinds = {"s8": np.int8, "u8": np.uint8}
    for _ in range(10):
        a = rng.integers(0, 256, (shape.rows, shape.depth), dtype=np.uint8)
        b = rng.integers(0, 256, (shape.depth, 8), dtype=np.uint8)
        c = rng.integers(-(2**31), 2**31, (shape.rows, 8), dtype=np.int32)
        a, b = a.view(kinds[left]), b.view(kinds[right])
        want = (a.astype(np.int64) @ b.astype(np.int64) + c).astype(np.int32)
        assert multiply(shape, program, a, b, c).tolist() == want.tolist()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_each_element_of_a_meets_its_row_of_b_alone(shape: Shape) -> None:
    program = multiplier(shape)
    b = np.arange(1, shape.depth * 8 + 1).reshape(shape.depth, 8).astype(np.int8)
    zero = np.zeros((shape.rows, 8), dtype=np.int32)
    for row, column in product(range(shape.rows), range(shape.depth)):
        a = np.zeros((shape.rows, shape.depth), dtype=np.int8)
        a[row, column] = 1
        want = zero.copy()
        want[row] = b[column]
        assert multiply(shape, program, a, b, zero).tolist() == want.tolist()


def test_a_sum_that_overflows_wraps() -> None:
    shape = SHAPES[-1]
    a = np.full((16, 32), -128, dtype=np.int8)
    b = np.full((32, 8), -128, dtype=np.int8)
    c = np.full((16, 8), 2**31 - 1, dtype=np.int32)
    found = multiply(shape, multiplier(shape), a, b, c)
    assert np.unique(found).tolist() == [-(2**31) + 32 * 2**14 - 1]


@pytest.mark.parametrize("threads", [31, 48])
def test_a_matrix_needs_whole_warps(threads: int) -> None:
    shape = SHAPES[0]
    many = np.zeros((64, 4), dtype=np.int32)
    with pytest.raises(LaunchError, match="only lanes 0x"):
        multiplier(shape).launch(1, threads, *[Pointer(many)] * 3)


# --- ldmatrix --------------------------------------------------------------------

PITCH = 48
"""Bytes from one row to the next: more than the 16 that a row takes."""


def loader(count: int, *, transposed: bool) -> Program:
    """Return an entry that loads matrices from rows that stand in reverse order.

    The lanes past the last row give an address that does not exist.
    """
    registers = ", ".join(f"%a{10 + i}" for i in range(count))
    stores = "".join(f"st.global.b32 [%b1+{4 * i}], %a{10 + i};" for i in range(count))
    size = 8 * count * PITCH
    trans = ".trans" if transposed else ""
    return kernel(
        f"""mov.u32 %a2, {size // 4 // 32};
        mul.lo.u32 %a3, %thread, {size // 32};
        mad.wide.u32 %b2, %thread, {size // 32}, %in;
        copy: ld.global.u32 %a4, [%b2]; st.shared.u32 [%a3], %a4;
        add.u64 %b2, %b2, 4; add.u32 %a3, %a3, 4; sub.u32 %a2, %a2, 1;
        setp.ne.u32 %p1, %a2, 0; @%p1 bra copy;
        bar.sync 0;
        sub.u32 %a5, {8 * count - 1}, %thread; mul.lo.u32 %a5, %a5, {PITCH};
        ldmatrix.sync.aligned.m8n8.x{count}{trans}.shared.b16 {{{registers}}}, [%a5];
        ld.param.u64 %b1, [pairs]; mad.wide.u32 %b1, %thread, {4 * count}, %b1;
        {stores}""",
        f".shared .align 16 .b8 there[{size}];",
        ", .param .u64 pairs",
    )


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("transposed", [False, True])
def test_ldmatrix_reads_rows_from_the_addresses_of_their_lanes(
    count: int, *, transposed: bool
) -> None:
    content = np.random.default_rng(count).integers(
        0, 2**16, (8 * count, PITCH // 2), dtype=np.uint16
    )
    pairs = np.zeros((32, count, 2), dtype=np.uint16)
    program = loader(count, transposed=transposed)
    results(program, 32, content, Pointer(pairs))
    for matrix in range(count):
        rows = content[::-1][8 * matrix : 8 * matrix + 8, :8]
        rows = rows.T if transposed else rows
        for lane in LANES:
            row, first = lane // 4, 2 * (lane % 4)
            want = [rows[row, first], rows[row, first + 1]]
            assert pairs[lane, matrix].tolist() == want


@pytest.mark.parametrize(
    ("address", "reason"), [(8, "not aligned to 16"), (4096, "outside shared memory")]
)
def test_a_row_that_is_not_there_is_reported(address: int, reason: str) -> None:
    program = kernel(
        f"ldmatrix.sync.aligned.m8n8.x1.shared.b16 {{%result}}, [{address}];",
        ".shared .align 16 .b8 there[256];",
    )
    with pytest.raises(LaunchError, match=reason):
        results(program, 32)
