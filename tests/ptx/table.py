"""Tables of instructions: each with inputs, and what it should make of them.

An instruction writes register 0 and reads registers 1, 2, 3 and 4: ``%r`` has 32 bits,
``%rd`` 64, ``%rs`` 16, and ``%p`` is true for anything but zero.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from tests.ptx.run import Pointer, load

HEADER = ".version 9.0\n.target sm_90\n.address_size 64\n"
KINDS = {"r": "b32", "rd": "b64", "rs": "b16", "p": "pred"}
LOADS = {
    "rd": "mov.b64 %rd{0}, x{0};",
    "r": "cvt.u32.u64 %r{0}, x{0};",
    "rs": "cvt.u16.u64 %rs{0}, x{0};",
    "p": "setp.ne.u64 %p{0}, x{0}, 0;",
}
RESULTS = {
    "rd": "mov.b64 x0, %rd0;",
    "r": "cvt.u64.u32 x0, %r0;",
    "rs": "cvt.u64.u16 x0, %rs0;",
    "p": "selp.b64 x0, 1, 0, %p0;",
}

Row = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Case:
    """Statements, and what they make of inputs, all without sign."""

    text: str
    expected: Callable[..., int]
    inputs: Sequence[Row]

    def __str__(self) -> str:
        return self.text.split(";")[0]


def signed(value: int, bits: int) -> int:
    """Read the lowest bits as two's complement."""
    value %= 1 << bits
    return value - (1 << bits) if value >> (bits - 1) else value


def edges(bits: int, *more: int) -> list[int]:
    """Return the values at which arithmetic goes wrong, and some others."""
    middle = 1 << (bits - 1)
    found = [0, 1, 2, middle - 1, middle, middle + 1, 2 * middle - 2, 2 * middle - 1]
    others = np.random.default_rng(bits).integers(0, 2**bits, 4, dtype=np.uint64)
    return [*found, *(int(each) for each in others), *more]


def pairs(bits: int) -> list[Row]:
    """Return every pair of edges."""
    return list(product(edges(bits), repeat=2))


def triples(bits: int) -> list[Row]:
    """Return every pair of edges with a third value that differs from row to row."""
    values = edges(bits)
    return [(*row, values[i % len(values)]) for i, row in enumerate(pairs(bits))]


def outcomes(cases: Sequence[Case]) -> dict[Case, list[int]]:
    """Run all cases in one launch, one thread for each row of inputs."""
    rows = max(len(case.inputs) for case in cases)
    inputs = np.zeros((len(cases), rows, 4), dtype=np.uint64)
    for number, case in enumerate(cases):
        for row, values in enumerate(case.inputs):
            inputs[number, row, : len(values)] = values
    results = np.zeros((len(cases), rows), dtype=np.uint64)
    text = (
        HEADER + ".visible .entry table(.param .u64 inputs, .param .u64 results)\n{\n"
    )
    text += "\n".join(block(case, number, rows) for number, case in enumerate(cases))
    load(text + "\n}\n").launch(1, rows, Pointer(inputs), Pointer(results))
    return {
        case: [int(each) for each in results[number, : len(case.inputs)]]
        for number, case in enumerate(cases)
    }


def block(case: Case, number: int, rows: int) -> str:
    """Return the statements of one case between those that load and store."""
    named = dict.fromkeys(re.findall(r"%(rd|rs|r|p)([0-4])\b", case.text))
    kinds = dict.fromkeys(kind for kind, _ in named)
    result = next(kind for kind, register in named if register == "0")
    lines = [
        ".reg .b64 in, out, offset, x<5>; .reg .b32 thread; .reg .pred here;",
        *(f".reg .{KINDS[kind]} %{kind}<5>;" for kind in kinds),
        "mov.u32 thread, %tid.x;",
        f"setp.ge.u32 here, thread, {len(case.inputs)};",
        f"@here bra done{number};",
        "ld.param.u64 in, [inputs];",
        "ld.param.u64 out, [results];",
        "cvt.u64.u32 offset, thread;",
        "mad.lo.u64 in, offset, 32, in;",
        "mad.lo.u64 out, offset, 8, out;",
        *(
            f"ld.global.u64 x{i + 1}, [in+{32 * number * rows + 8 * i}];"
            for i in range(4)
        ),
        *(LOADS[kind].format(register) for kind, register in named if register != "0"),
        case.text,
        RESULTS[result],
        f"st.global.u64 [out+{8 * number * rows}], x0;",
        f"done{number}:",
    ]
    return "{\n" + "\n".join(lines) + "\n}"
