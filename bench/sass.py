"""Machine code as nvdisasm prints it: its loops, and what its instructions occupy."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgeproof.kernels.cuda.architectures import (
    ISSUED,
    LANES,
    SHARED_BYTES,
    WARP,
    Architecture,
)

Counted = Counter[str]
"""How often each instruction occurs, by its full name."""

LABEL = re.compile(r"\s*(\.L_\w+):")
INSTRUCTION = re.compile(r"\s*/\*[0-9a-f]{4,}\*/\s+(.*?)\s*;")
GUARD = re.compile(r"@!?U?P(?:T|\d+)\s+")
BRANCH = re.compile(r"BRA\b.*`\((\.L_\w+)\)")

MULTIPLY = {"IMMA.16832": 16 * 8 * 32, "IMMA.8816": 8 * 8 * 16, "IDP.4A": 4 * WARP}
"""Multiplications of a warp's instruction, by how its name begins."""

SHARED = ("LDS", "LDSM", "STS", "LDGSTS")
GLOBAL = ("LDG", "STG", "LD", "ST", "ATOMG", "LDL", "STL")
LOGIC = re.compile(r"P?LOP3|PRMT|SEL|ISETP|V?IMNMX|POPC|V?IADD3?|LEA|IABS")
MOVES = ("MOV", "CS2R")

CLASSES = (
    "logic, add",
    "shift",
    "IMAD",
    "move",
    "IMMA, IDP",
    "shared",
    "global",
    "other",
)
"""Kinds of instructions; of ``other``, most are the uniform path's and branches."""


def classify(name: str) -> str:
    """Return the class of an instruction's full name."""
    first = name.partition(".")[0]
    if first in MOVES or name.startswith("IMAD.MOV"):
        return "move"
    if LOGIC.fullmatch(first):
        return "logic, add"
    for family, members in (
        ("shift", ("SHF",)),
        ("IMAD", ("IMAD",)),
        ("IMMA, IDP", ("IMMA", "IDP")),
        ("shared", SHARED),
        ("global", GLOBAL),
    ):
        if first in members:
            return family
    return "other"


@dataclass(frozen=True)
class Loop:
    """Instructions ``first`` to ``last``, both included; the last one goes back."""

    first: int
    last: int

    def contains(self, other: "Loop") -> bool:
        """Tell whether the other loop is part of this one, and not the same."""
        return self != other and self.first <= other.first and other.last <= self.last


@dataclass(frozen=True)
class Program:
    """One kernel: the full names of its instructions, and its loops."""

    names: Sequence[str]
    loops: Sequence[Loop]

    def count(self, loop: Loop | None = None, without: Sequence[Loop] = ()) -> Counted:
        """Count the names in a loop, or in all, but not those in other loops."""
        skipped = {at for inner in without for at in range(inner.first, inner.last + 1)}
        places = range(loop.first, loop.last + 1) if loop else range(len(self.names))
        return Counter(self.names[at] for at in places if at not in skipped)

    def around(self, loop: Loop) -> Loop | None:
        """Return the smallest loop that contains that one."""
        outer = [other for other in self.loops if other.contains(loop)]
        return min(outer, key=lambda other: other.last - other.first, default=None)

    def innermost(self) -> Iterator[Loop]:
        """Yield the loops without loops in them."""
        for loop in self.loops:
            if not any(loop.contains(other) for other in self.loops):
                yield loop


def parse(text: str) -> Program:
    """Read one kernel; what is not an instruction or a label is passed over."""
    labels: dict[str, int] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if label := LABEL.match(line):
            labels[label[1]] = len(lines)
        elif instruction := INSTRUCTION.match(line):
            lines.append(GUARD.sub("", instruction[1]))
    loops = [
        Loop(labels[branch[1]], at)
        for at, line in enumerate(lines)
        if (branch := BRANCH.match(line)) and labels[branch[1]] < at
    ]
    # Two ways back to one start are one loop, as long as the longer way.
    ends = {loop.first: loop.last for loop in sorted(loops, key=lambda loop: loop.last)}
    names = [line.split()[0] for line in lines]
    return Program(names, [Loop(first, last) for first, last in sorted(ends.items())])


def operations(counted: Counted) -> int:
    """Return how many integers a thread computes; moving them is not counted."""
    families = ("logic, add", "shift", "IMAD")
    return sum(each for name, each in counted.items() if classify(name) in families)


def multiplications(counted: Counted) -> int:
    """Return how many multiplications a warp does in those instructions."""
    return sum(
        each * count
        for start, each in MULTIPLY.items()
        for name, count in counted.items()
        if name.startswith(start)
    )


def clocks(counted: Counted, architecture: Architecture) -> dict[str, float]:
    """Return for how many clocks a warp's instructions keep each pipe of an SM busy.

    What takes longest bounds the kernel, if enough warps are there to overlap the
    rest.  Latencies, caches and bank conflicts are left out.
    """
    busy = dict.fromkeys(("integer", "multiply", "tensor", "shared memory"), 0.0)
    for name, count in counted.items():
        family, first = classify(name), name.partition(".")[0]
        if family in ("logic, add", "shift") or first in MOVES:
            busy["integer"] += count * WARP / LANES
        elif first in ("IMAD", "IDP"):
            busy["multiply"] += count * WARP / LANES
        elif first == "IMMA":
            done = multiplications(Counter({name: count}))
            busy["tensor"] += done / architecture.tensor
        elif family == "shared":
            busy["shared memory"] += count * WARP * width(name) / SHARED_BYTES
    busy["issue"] = counted.total() * WARP / ISSUED
    return busy


def width(name: str) -> int:
    """Return the bytes that a thread moves to or from shared memory."""
    if name.startswith("LDSM"):  # .4: four matrices of 8 x 16 bytes for a warp
        return 4 * int(name.rpartition(".")[2])
    bits = [part for part in name.split(".") if part in ("U8", "64", "128")]
    return {"U8": 1, "64": 8, "128": 16}[bits[0]] if bits else 4
