"""A PTX module to C that does the same, one C function for each PTX function."""

from dataclasses import dataclass, field
from pathlib import Path

from tests.ptx import arithmetic, conversion, fragments, memory, warp
from tests.ptx.layout import Layout, aligned, initial_bytes, lay_out, size
from tests.ptx.model import (
    Block,
    Function,
    Group,
    Label,
    Module,
    Name,
    Operand,
    PtxError,
    Statement,
    Targets,
    Variable,
)
from tests.ptx.types import storage
from tests.ptx.unit import Handlers, Scope, Symbol, Unit, c_name

FOLDER = Path(__file__).parent

HANDLERS: Handlers = {
    **arithmetic.HANDLERS,
    **conversion.HANDLERS,
    **memory.HANDLERS,
    **warp.HANDLERS,
}


def translate(module: Module, entry: Function) -> str:
    """Return the C file of this entry; it exports ``launch``, and needs the machine."""
    layout = lay_out(module)
    scope = Scope()
    parts = [content_of("arithmetic.h", "machine.h")]
    ranges = []
    for variable in module.variables:
        in_memory = variable.space in ("global", "const")
        if in_memory and variable.linkage == "extern":
            continue  # its name stays unknown
        scope.symbols[variable.name] = symbol = place(variable, layout)
        if in_memory:
            name = c_name(variable.name)
            parts.append(array(variable))
            space, writable = symbol.space.upper(), int(symbol.space == "global")
            ranges.append(f"{{{name}, {symbol.size}, {space}, {writable}}}")
    functions = [each for each in module.functions if each.body and not each.is_entry]
    parts += [f"{signature(each)};" for each in functions]
    for function in (*functions, entry):
        parts.append(FunctionTranslator(module, function, layout, scope).translate())
    sizes = f"{layout.static_shared}, {layout.dynamic_start}, {layout.local}"
    kernel = f"{c_name(entry.name)}, {sizes}, {len(ranges)}, SYMBOLS"
    return "\n".join(
        [
            *parts,
            f"static const Range SYMBOLS[] = {{{', '.join([*ranges, '{0}'])}}};",
            '__attribute__((visibility("default"))) int launch(const Launch *launch)',
            "{",
            f"    Kernel kernel = {{{kernel}}};",
            "    return run_grid(launch, &kernel);",
            "}\n",
        ]
    )


def machine() -> str:
    """Return the C file with what all kernels share; it is compiled apart from them."""
    headers = content_of("arithmetic.h", "machine.h")
    parts = content_of("machine.c", "warp.c", "schedule.c")
    return f"{headers}\n{fragments.tables()}\n{parts}"


def content_of(*names: str) -> str:
    """Return the text of files in this folder, one after the other."""
    return "\n".join((FOLDER / name).read_text() for name in names)


def place(variable: Variable, layout: Layout) -> Symbol:
    """Return a variable's address, as its state space counts addresses."""
    if variable.space in ("shared", "local"):
        return Symbol(variable.space, f"{layout.offsets[variable]}ull", size(variable))
    if variable.space == "param":
        return Symbol("param", c_name(variable.name), size(variable))
    address = f"(u64)(uintptr_t){c_name(variable.name)}"
    return Symbol(variable.space, address, size(variable))


def array(variable: Variable) -> str:
    """Return the C array that holds a global or constant variable."""
    items = ", ".join(str(byte) for byte in initial_bytes(variable)) or "0"
    start = f" = {{{items}}}" if variable.values else ""
    align = f"__attribute__((aligned({variable.align})))"
    return f"static u8 {c_name(variable.name)}[{size(variable)}] {align}{start};"


def signature(function: Function) -> str:
    """Return the head of a C function: results and parameters are bytes."""
    items = ["Thread *t"]
    if not function.is_entry:
        items += [f"u8 *{c_name(each.name)}" for each in function.results]
        items += [f"const u8 *{c_name(each.name)}" for each in function.parameters]
    return f"static void {c_name(function.name)}({', '.join(items)})"


@dataclass
class FunctionTranslator:
    """Translates one function; ``passed`` are the labels already written."""

    module: Module
    function: Function
    layout: Layout
    outer: Scope
    passed: set[str] = field(default_factory=set)
    blocks: int = 0

    def translate(self) -> str:
        scope = Scope(outer=self.outer)
        offset = 0
        for variable in (*self.function.results, *self.function.parameters):
            address = c_name(variable.name)
            if self.function.is_entry:
                offset = aligned(offset, variable.align)
                address = f"(t->parameters + {offset})"
                offset += size(variable)
            scope.symbols[variable.name] = Symbol("param", address, size(variable))
        body = self.function.body
        if body is None:
            raise PtxError(self.function.line, f"{self.function.name} has no body")
        lines = [
            signature(self.function),
            "{",
            "u32 carry = 0, ignored;",
            "(void)carry, (void)ignored;",
            *self.block(body, scope),
            "}",
        ]
        return "\n".join(lines)

    def block(self, block: Block, outer: Scope) -> list[str]:
        """Return a block; registers that nothing names are left out."""
        scope = Scope(outer=outer)
        scope.registers = {each.name: each.type for each in block.registers}
        self.blocks += 1
        self.note_labels(block, scope)
        variables = []
        for variable in block.variables:
            scope.symbols[variable.name] = place(variable, self.layout)
            if variable.space == "param":
                variables.append(f"u8 {c_name(variable.name)}[{size(variable)}];")
        lines = [line for each in block.statements for line in self.any(each, scope)]
        registers = [
            f"{storage(scope.registers[name])} {c_name(name)} = 0;"
            for name in scope.registers
            if name in scope.used
        ]
        return ["{", *registers, *variables, *lines, "}"]

    def note_labels(self, block: Block, scope: Scope) -> None:
        """Give the labels of this block names that no other block has."""
        before: Statement | None = None
        for statement in block.statements:
            if isinstance(statement, Label):
                name = f"L{self.blocks}_{c_name(statement.name)}"
                scope.labels[statement.name] = name
            elif isinstance(statement, Targets):
                if not isinstance(before, Label):
                    raise PtxError(statement.line, ".branchtargets without a label")
                scope.targets[before.name] = statement.labels
            before = statement

    def any(self, statement: Statement, scope: Scope) -> list[str]:
        if isinstance(statement, Block):
            return self.block(statement, scope)
        if isinstance(statement, Label):
            self.passed.add(scope.labels[statement.name])
            return [f"{scope.labels[statement.name]}:;"]
        if isinstance(statement, Targets):
            return []
        unit = Unit(statement, scope)
        code = self.instruction(unit)
        unit.finish()
        if guard := statement.guard:
            sign = "!" if guard.negated else ""
            return [f"if ({sign}{unit.predicate(guard.name)}) {{ {code} }}"]
        return [f"{{ {code} }}"]

    def instruction(self, unit: Unit) -> str:
        own: Handlers = {
            "bra": self.branch,
            "brx": self.branch_by_index,
            "call": self.call,
            "ret": self.leave,
            "exit": self.leave,
            "trap": trap,
        }
        opcode = unit.instruction.opcode
        handler = own.get(opcode) or HANDLERS.get(opcode)
        if handler is None:
            unit.refuse("the instruction is not supported")
        return handler(unit)

    # --- control flow --------------------------------------------------------------

    def go(self, unit: Unit, label: Operand | str) -> str:
        name = unit.scope.label(label.text if isinstance(label, Name) else str(label))
        if name is None:
            unit.refuse(f"{label} is no label")
        back = f"loop(t, {unit.line}); " if name in self.passed else ""
        return f"{back}goto {name};"

    def branch(self, unit: Unit) -> str:
        unit.choose("uni")
        (label,) = unit.operands(1)
        return self.go(unit, label)

    def branch_by_index(self, unit: Unit) -> str:
        unit.demand("idx")
        unit.choose("uni")
        index, name = unit.operands(2)
        text = name.text if isinstance(name, Name) else ""
        labels = unit.scope.list_of_targets(text)
        if labels is None:
            unit.refuse(f"{name} is no list of targets")
        cases = [f"case {i}: {self.go(unit, each)}" for i, each in enumerate(labels)]
        value = unit.value(index, "u32")
        wrong = f'default: fault(t, {unit.line}, "there is no branch %u", {value});'
        return f"switch ({value}) {{ {' '.join(cases)} {wrong} }}"

    def leave(self, unit: Unit) -> str:
        unit.choose("uni")
        unit.operands(0)
        if unit.instruction.opcode == "exit" and not self.function.is_entry:
            unit.refuse("only an entry can end its thread")
        return "return;"

    def call(self, unit: Unit) -> str:
        """Call a function of this module; all values are passed in memory."""
        unit.choose("uni")
        operands = list(unit.operands(1, 2, 3))
        outputs = operands.pop(0) if isinstance(operands[0], Group) else Group(())
        name = operands.pop(0)
        inputs = operands.pop(0) if operands else Group(())
        callee = next(
            (
                each
                for each in self.module.functions
                if isinstance(name, Name) and each.name == name.text and each.body
            ),
            None,
        )
        if callee is None:
            unit.refuse(f"{name} is no function with a body")
        arguments = ["t"]
        for group, wanted in (
            (outputs, callee.results),
            (inputs, callee.parameters),
        ):
            items = group.items if isinstance(group, Group) else ()
            if len(items) != len(wanted):
                unit.refuse(f"{callee.name} takes or returns {len(wanted)} values")
            for item, parameter in zip(items, wanted, strict=True):
                symbol = isinstance(item, Name) and unit.scope.symbol(item.text)
                if not symbol or symbol.space != "param":
                    unit.refuse(f"{item} is no parameter")
                if symbol.size != size(parameter):
                    unit.refuse(f"{item} has another size than {parameter.name}")
                arguments.append(symbol.address)
        return f"{c_name(callee.name)}({', '.join(arguments)});"


def trap(unit: Unit) -> str:
    unit.operands(0)
    return f'fault(t, {unit.line}, "trap");'
