"""PTX text to the module it describes.

Only what NVVM and Numba write is known; anything else raises PtxError.
"""

from typing import NoReturn

from tests.ptx.model import (
    Address,
    Block,
    Float,
    Function,
    Group,
    Guard,
    Instruction,
    Integer,
    Label,
    Module,
    Name,
    Negation,
    Operand,
    Pair,
    PtxError,
    Register,
    Targets,
    Variable,
    Vector,
)
from tests.ptx.tokens import Token, number, tokens
from tests.ptx.types import SIZES

LINKAGE = (".extern", ".visible", ".weak", ".common")
SPACES = (".global", ".const", ".shared", ".local", ".param")
LIMITS = (".maxntid", ".reqntid", ".minnctapersm", ".maxnreg", ".noreturn")


def parse(source: str) -> Module:
    """Return the module that the text describes."""
    return Parser(source).module()


class Parser:
    """Reads one text from its first word to its last."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.words = tokens(source)
        last = self.words[-1].line if self.words else 1
        self.words.append(Token("end", "end of text", last))
        self.place = 0

    # --- words ---------------------------------------------------------------------

    @property
    def ahead(self) -> Token:
        """The next word, still to be taken."""
        return self.words[self.place]

    def refuse(self, wanted: str) -> NoReturn:
        """Say what should have come instead of the next word."""
        raise PtxError(self.ahead.line, f"{self.ahead.text!r} instead of {wanted}")

    def take(self, kind: str, wanted: str) -> Token:
        """Take the next word, which has to be of this kind."""
        if self.ahead.kind != kind:
            self.refuse(wanted)
        self.place += 1
        return self.words[self.place - 1]

    def name(self, wanted: str = "a name") -> str:
        return self.take("name", wanted).text

    def accept(self, *texts: str) -> str:
        """Take the next word if it is one of these; else return an empty string."""
        word = self.ahead
        if word.text not in texts or word.kind == "string":
            return ""
        self.place += 1
        return word.text

    def expect(self, text: str) -> None:
        if not self.accept(text):
            self.refuse(repr(text))

    def integer(self) -> int:
        negative = self.accept("-")
        literal = number(self.take("number", "a number"))
        if isinstance(literal, Float):
            self.place -= 1
            self.refuse("an integer")
        return -literal.value if negative else literal.value

    # --- module --------------------------------------------------------------------

    def module(self) -> Module:
        found = Module(self.source)
        while self.ahead.kind != "end":
            if self.accept(".version"):
                self.take("number", "a version")
            elif self.accept(".target"):
                self.list_of_names()
            elif self.accept(".address_size"):
                if self.integer() != 64:
                    self.place -= 1
                    self.refuse("64-bit addresses")
            else:
                self.declaration(found)
        return found

    def list_of_names(self) -> tuple[str, ...]:
        names = [self.name()]
        while self.accept(","):
            names.append(self.name())
        return tuple(names)

    def declaration(self, module: Module) -> None:
        linkage = ""
        while word := self.accept(*LINKAGE):
            linkage = word[1:]
        if self.ahead.text in (".entry", ".func"):
            module.functions.append(self.function())
        elif self.ahead.text in SPACES:
            module.variables.append(self.variable(linkage))
            self.expect(";")
        else:
            self.refuse("a declaration")

    def function(self) -> Function:
        line = self.ahead.line
        is_entry = bool(self.accept(".entry"))
        results = self.parameters() if not is_entry and self.accept_func() else ()
        name = self.name("a function's name")
        parameters = self.parameters()
        limits = {}
        while word := self.accept(*LIMITS):
            numbers = []
            while self.ahead.kind == "number":
                numbers.append(self.integer())
                self.accept(",")
            limits[word[1:]] = tuple(numbers)
        body = None if self.accept(";") else self.block()
        return Function(line, is_entry, name, parameters, results, limits, body)

    def accept_func(self) -> bool:
        """Take ``.func``; tell whether the results stand before the name."""
        self.expect(".func")
        return self.ahead.text == "("

    def parameters(self) -> tuple[Variable, ...]:
        found: list[Variable] = []
        if not self.accept("("):
            return ()
        while not self.accept(")"):
            if self.ahead.text == ".reg":
                self.refuse("a parameter in memory")
            found.append(self.variable(""))
            if self.ahead.text != ")":
                self.expect(",")
        return tuple(found)

    def variable(self, linkage: str) -> Variable:
        line = self.ahead.line
        space = self.take("dotted", "a state space").text[1:]
        align = self.integer() if self.accept(".align") else 0
        kind = self.type()
        if self.accept(".ptr"):  # what a pointer points at; no promise we need
            self.accept(".global", ".shared", ".const", ".local")
            if self.accept(".align"):
                self.integer()
        name = self.name()
        count: int | None = 1
        while self.accept("["):
            if self.accept("]"):
                count = None
            else:
                count = (count or 1) * self.integer()
                self.expect("]")
        values: tuple[Operand, ...] = ()
        if self.accept("="):
            values = self.items("}") if self.accept("{") else (self.operand(),)
        align = align or SIZES[kind]
        return Variable(line, space, align, kind, name, count, values, linkage)

    def type(self) -> str:
        word = self.take("dotted", "a type").text[1:]
        if word not in SIZES:
            self.place -= 1
            self.refuse("a known type")
        return word

    # --- statements ----------------------------------------------------------------

    def block(self) -> Block:
        block = Block(self.ahead.line)
        self.expect("{")
        while not self.accept("}"):
            self.statement(block)
        return block

    def statement(self, block: Block) -> None:
        word = self.ahead
        if word.text == "{":
            block.statements.append(self.block())
        elif word.text == ".reg":
            self.registers(block)
        elif word.text in SPACES:
            block.variables.append(self.variable(""))
            self.expect(";")
        elif self.accept(".pragma"):
            self.take("string", "a string")
            self.expect(";")
        elif self.accept(".branchtargets"):
            block.statements.append(Targets(word.line, self.list_of_names()))
            self.expect(";")
        elif word.kind == "name" and self.words[self.place + 1].text == ":":
            self.place += 2
            block.statements.append(Label(word.line, word.text))
        elif not self.accept(";"):  # inline assembly may leave an empty statement
            block.statements.append(self.instruction())

    def registers(self, block: Block) -> None:
        self.expect(".reg")
        kind = self.type()
        while True:
            name = self.name("a register")
            if self.accept("<"):
                names = [f"{name}{index}" for index in range(self.integer())]
                self.expect(">")
            else:
                names = [name]
            block.registers += [Register(each, kind) for each in names]
            if self.accept(";"):
                return
            self.expect(",")

    def instruction(self) -> Instruction:
        line = self.ahead.line
        guard = None
        if self.accept("@"):
            negated = bool(self.accept("!"))
            guard = Guard(Name(self.name("a predicate")), negated)
        opcode = self.name("an instruction")
        modifiers = []
        while self.ahead.kind == "dotted":
            modifiers.append(self.take("dotted", "a modifier").text[1:])
        operands = self.items(";")
        return Instruction(line, guard, opcode, tuple(modifiers), operands)

    # --- operands ------------------------------------------------------------------

    def items(self, end: str) -> tuple[Operand, ...]:
        """Read operands up to ``end``; a comma before it is what NVVM leaves there."""
        found: list[Operand] = []
        while not self.accept(end):
            found.append(self.operand())
            if self.ahead.text != end:
                self.expect(",")
        return tuple(found)

    def operand(self) -> Operand:
        found: Operand
        if self.accept("{"):
            found = Vector(self.items("}"))
        elif self.accept("("):
            found = Group(self.items(")"))
        elif self.accept("["):
            found = self.address()
        elif self.accept("!"):
            found = Negation(self.named())
        elif self.ahead.kind == "number":
            found = number(self.take("number", "a number"))
        elif self.ahead.text == "-":
            found = Integer(self.integer())
        else:
            found = self.named()
            if self.accept("|"):
                found = Pair(found, self.named())
        return found

    def named(self) -> Name:
        text = self.name("an operand")
        if part := self.accept(".x", ".y", ".z", ".w"):
            text += part
        return Name(text, self.offset())

    def offset(self) -> int:
        if self.accept("+"):
            return self.integer()
        return self.integer() if self.ahead.text == "-" else 0

    def address(self) -> Address:
        base: Name | Integer
        if self.ahead.kind == "number" or self.ahead.text == "-":
            base = Integer(self.integer())
        else:
            base = Name(self.name("an address"))
        offset = self.offset()
        self.expect("]")
        return Address(base, offset)
