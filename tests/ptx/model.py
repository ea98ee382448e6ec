"""What a PTX module consists of, as the parser finds it and the translator reads it."""

from dataclasses import dataclass, field


class PtxError(Exception):
    """The text is no PTX that this executor knows; names the line and what is there."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


@dataclass(frozen=True)
class Name:
    """A register, symbol, label or special register, such as ``%tid.x``."""

    text: str
    offset: int = 0
    """Bytes behind the symbol, as in ``mov.u64 %rd1, table+8``."""


@dataclass(frozen=True)
class Integer:
    """A literal of at most 64 bits, not yet of a type."""

    value: int


@dataclass(frozen=True)
class Float:
    """The bits of a floating-point literal, ``0f`` (32) or ``0d`` (64) wide."""

    bits: int
    width: int


@dataclass(frozen=True)
class Address:
    """What stands in brackets: a register, symbol or number, and an offset in bytes."""

    base: Name | Integer
    offset: int


@dataclass(frozen=True)
class Negation:
    """A predicate read the other way round: ``!%p1``."""

    name: Name


@dataclass(frozen=True)
class Pair:
    """Two results: ``%r1|%p1``."""

    first: Name
    second: Name


@dataclass(frozen=True)
class Vector:
    """Operands in braces."""

    items: "tuple[Operand, ...]"


@dataclass(frozen=True)
class Group:
    """Operands in parentheses, as a call lists them."""

    items: "tuple[Operand, ...]"


Operand = Name | Integer | Float | Address | Negation | Pair | Vector | Group


@dataclass(frozen=True)
class Guard:
    """The predicate that decides whether an instruction does anything."""

    name: Name
    negated: bool


@dataclass(frozen=True)
class Instruction:
    """One instruction.  ``modifiers`` lack their dots: ``ld.global.u32`` has two."""

    line: int
    guard: Guard | None
    opcode: str
    modifiers: tuple[str, ...]
    operands: tuple[Operand, ...]

    @property
    def mnemonic(self) -> str:
        """The opcode with all its modifiers, as written."""
        return ".".join((self.opcode, *self.modifiers))


@dataclass(frozen=True)
class Label:
    """A place to branch to."""

    line: int
    name: str


@dataclass(frozen=True)
class Targets:
    """The list of labels that ``brx.idx`` chooses from, under its own label."""

    line: int
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Register:
    """One register, of a type such as ``b32`` or ``pred``."""

    name: str
    type: str


@dataclass(frozen=True)
class Variable:
    """Memory with a name.  ``count`` elements; None: as many as the launch brings."""

    line: int
    space: str
    align: int
    type: str
    name: str
    count: int | None
    values: tuple[Operand, ...] = ()
    linkage: str = ""


@dataclass
class Block:
    """Statements between braces, and what is declared there."""

    line: int
    registers: list[Register] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    statements: "list[Statement]" = field(default_factory=list)


Statement = Instruction | Label | Targets | Block


@dataclass(frozen=True)
class Function:
    """An entry that can be launched, or a function for calls.  ``limits`` holds
    directives such as ``maxntid`` with their numbers; without body it is external.
    """

    line: int
    is_entry: bool
    name: str
    parameters: tuple[Variable, ...]
    results: tuple[Variable, ...]
    limits: dict[str, tuple[int, ...]]
    body: Block | None


@dataclass
class Module:
    """A whole text."""

    source: str
    variables: list[Variable] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)

    def excerpt(self, line: int) -> str:
        """Return one line of the text, for messages."""
        return self.source.splitlines()[line - 1].strip()
