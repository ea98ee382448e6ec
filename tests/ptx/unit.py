"""One instruction on its way to C: its modifiers, and its operands as expressions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from tests.ptx.model import (
    Address,
    Float,
    Instruction,
    Integer,
    Name,
    Negation,
    Operand,
    PtxError,
    Vector,
)
from tests.ptx.types import SIZES, bits, is_float, is_signed, storage

SPECIAL = {
    "%tid": "t->tid[{}]",
    "%ntid": "t->block->launch->block[{}]",
    "%ctaid": "t->block->index[{}]",
    "%nctaid": "t->block->launch->grid[{}]",
    "%laneid": "t->lane",
    "%warpid": "(t->number / 32)",
    "%nwarpid": "((t->block->count + 31) / 32)",
    "%lanemask_eq": "(1u << t->lane)",
    "%lanemask_lt": "((1u << t->lane) - 1)",
    "%lanemask_le": "((2u << t->lane) - 1)",
    "%lanemask_gt": "(0u - (2u << t->lane))",
    "%lanemask_ge": "(0u - (1u << t->lane))",
    "%dynamic_smem_size": "t->block->launch->dynamic_bytes",
    "%total_smem_size": "t->block->shared_size",
    "WARP_SZ": "32u",
}
"""Special registers; for those with parts, the part's number goes in."""


@dataclass(frozen=True)
class Symbol:
    """A variable: its state space, its address in C, and its size in bytes."""

    space: str
    address: str
    size: int


@dataclass
class Scope:
    """What is declared between two braces, and around them."""

    registers: dict[str, str] = field(default_factory=dict)
    symbols: dict[str, Symbol] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    """What each label is called in C, where labels know no braces."""
    targets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The labels that brx.idx chooses from, by the label of the list."""
    used: set[str] = field(default_factory=set)
    outer: "Scope | None" = None

    def type_of(self, name: str) -> str | None:
        """Return a register's type, and note that it is used; None: no register."""
        if name in self.registers:
            self.used.add(name)
            return self.registers[name]
        return self.outer.type_of(name) if self.outer else None

    def symbol(self, name: str) -> Symbol | None:
        """Return the variable of this name."""
        if name in self.symbols:
            return self.symbols[name]
        return self.outer.symbol(name) if self.outer else None

    def label(self, name: str) -> str | None:
        """Return what a label is called in C."""
        if name in self.labels:
            return self.labels[name]
        return self.outer.label(name) if self.outer else None

    def list_of_targets(self, name: str) -> tuple[str, ...] | None:
        """Return the labels that brx.idx chooses from."""
        if name in self.targets:
            return self.targets[name]
        return self.outer.list_of_targets(name) if self.outer else None


def c_name(name: str) -> str:
    """Return what a register, label or variable is called in C."""
    prefix = "r_" if name[0] == "%" else "n_"
    return prefix + name.lstrip("%").replace("$", "_S")


@dataclass
class Unit:
    """An instruction with the scope it stands in.

    Modifiers are taken one by one; what is left at the end was not understood.
    """

    instruction: Instruction
    scope: Scope
    left: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.left = list(self.instruction.modifiers)

    @property
    def line(self) -> int:
        return self.instruction.line

    def refuse(self, what: str) -> NoReturn:
        """Say what is wrong with this instruction."""
        raise PtxError(self.line, f"{self.instruction.mnemonic}: {what}")

    # --- modifiers -----------------------------------------------------------------

    def choose(self, *options: str) -> str:
        """Take the modifier that is one of these; empty if there is none."""
        for modifier in self.left:
            if modifier in options:
                self.left.remove(modifier)
                return modifier
        return ""

    def demand(self, *options: str) -> str:
        """Take the modifier that is one of these; refuse if there is none."""
        found = self.choose(*options)
        if not found:
            self.refuse(f"lacks one of .{', .'.join(options)}")
        return found

    def kind(self, *allowed: str) -> str:
        """Take the first modifier that is a type; refuse it unless it is allowed."""
        found = self.demand(*SIZES)
        if allowed and found not in allowed:
            self.refuse(f"type .{found} is not supported")
        return found

    def finish(self) -> None:
        """Refuse what no one has taken."""
        if self.left:
            self.refuse(f"modifier .{self.left[0]} is not supported")

    # --- operands ------------------------------------------------------------------

    def operands(self, *counts: int) -> tuple[Operand, ...]:
        """Return all operands, of which there have to be as many as said."""
        found = self.instruction.operands
        if len(found) not in counts:
            self.refuse(f"{len(found)} operands are not supported")
        return found

    def items(self, operand: Operand, *counts: int) -> tuple[Operand, ...]:
        """Return what stands in braces."""
        if not isinstance(operand, Vector) or len(operand.items) not in counts:
            self.refuse(f"{operand} is no vector of {counts}")
        return operand.items

    def value(self, operand: Operand, kind: str, *, narrow: bool = False) -> str:
        """Return the C expression for an operand read as this type.

        ``narrow`` lets a register be wider than the type, as st and cvt do.
        """
        if kind == "pred":
            return self.predicate(operand)
        if isinstance(operand, Integer):
            if is_float(kind):
                self.refuse(f"{operand.value} is no .{kind}")
            number = operand.value % (1 << bits(kind))
            return f"(({kind})0x{number:x}ull)"
        if isinstance(operand, Float):
            if operand.width != bits(kind):
                self.refuse(f"a literal of {operand.width} bits is no .{kind}")
            raw = f"0x{operand.bits:x}ull"
        elif isinstance(operand, Name):
            raw = self.named(operand, kind, narrow=narrow)
        else:
            self.refuse(f"{operand} is no value")
        return f"as_{kind}({raw})" if is_float(kind) else f"(({kind}){raw})"

    def predicate(self, operand: Operand) -> str:
        """Return the C expression for an operand that is true or false."""
        if isinstance(operand, Negation):
            return f"!{self.predicate(operand.name)}"
        if isinstance(operand, Integer):
            return "true" if operand.value else "false"
        if not isinstance(operand, Name) or (
            self.scope.type_of(operand.text) != "pred"
        ):
            self.refuse(f"{operand} is no predicate")
        return c_name(operand.text)

    def named(self, name: Name, kind: str, *, narrow: bool) -> str:
        """Return the C expression for a register, special register or address."""
        declared = self.scope.type_of(name.text)
        if declared:
            fits = SIZES[declared] == SIZES[kind] or (
                narrow and SIZES[declared] > SIZES[kind]
            )
            if declared == "pred" or not fits or name.offset:
                self.refuse(f"{name.text} (.{declared}) is not read as .{kind}")
            return c_name(name.text)
        if symbol := self.scope.symbol(name.text):
            return f"({symbol.address} + {name.offset})"
        text, _, part = name.text.partition(".")
        if text not in SPECIAL or ("{}" in SPECIAL[text]) != bool(part):
            self.refuse(f"{name.text} is unknown")
        return SPECIAL[text].format("xyz".index(part) if part else "")

    def assign(
        self, target: Operand, kind: str, expression: str, *, widen: bool = False
    ) -> str:
        """Return the C statement that writes a value of this type to a register.

        ``widen`` lets the register be wider; then the type's sign is extended.
        """
        if not isinstance(target, Name):
            self.refuse(f"{target} is no register")
        if target.text == "_":
            return f"(void)({expression});"
        declared = self.scope.type_of(target.text)
        if not declared:
            self.refuse(f"{target.text} is no register")
        fits = SIZES[declared] == SIZES[kind] or (
            widen and SIZES[declared] > SIZES[kind]
        )
        if not fits or (declared == "pred") != (kind == "pred"):
            self.refuse(f"{target.text} (.{declared}) does not take a .{kind}")
        if is_float(kind):
            return f"{c_name(target.text)} = bits_{kind}({expression});"
        return f"{c_name(target.text)} = ({storage(declared)})({kind})({expression});"

    def address(self, operand: Operand) -> tuple[str, Symbol | None]:
        """Return an address in C, and the symbol if it is one that is named."""
        if not isinstance(operand, Address):
            self.refuse(f"{operand} is no address")
        base, offset = operand.base, operand.offset
        if isinstance(base, Integer):
            return f"{(base.value + offset) % 2**64}ull", None
        declared = self.scope.type_of(base.text)
        if declared:
            if SIZES[declared] < 4:
                self.refuse(f"{base.text} is too narrow for an address")
            width = storage(declared)
            return f"({width})({c_name(base.text)} + ({width}){offset})", None
        symbol = self.scope.symbol(base.text)
        if symbol is None:
            self.refuse(f"{base.text} is unknown")
        return f"({symbol.address} + {offset})", symbol


Handler = Callable[[Unit], str]
"""Returns the C statements that do what an instruction does."""

Handlers = Mapping[str, Handler]


def signed(kind: str) -> str:
    """Return C's ``true`` for a signed type."""
    return "true" if is_signed(kind) else "false"
