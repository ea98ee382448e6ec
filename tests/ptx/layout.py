"""Where the memory that a module declares will stand."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.ptx.model import Block, Float, Integer, Module, PtxError, Variable
from tests.ptx.types import SIZES, bits

MOST_STATIC_SHARED = 48 * 1024
"""More than this, ptxas refuses on every device."""


@dataclass
class Layout:
    """Offsets within shared and local memory, and the sizes of these."""

    offsets: dict[Variable, int] = field(default_factory=dict)
    static_shared: int = 0
    dynamic_start: int = 0
    local: int = 0


def size(variable: Variable) -> int:
    """Return how many bytes a variable takes; 0 if the launch decides."""
    return SIZES[variable.type] * (variable.count or 0)


def aligned(offset: int, align: int) -> int:
    """Return the next offset with this alignment."""
    return -(-offset // align) * align


def lay_out(module: Module) -> Layout:
    """Place all shared and local variables one after the other, as ptxas does.

    No more alignment is given than was declared, so that an access that counts on
    more is found out; arrays that the launch sizes all start at the same place.
    """
    found = Layout()
    variables = list(module.variables)
    for function in module.functions:
        if function.body:
            variables += declared(function.body)
    dynamic = [each for each in variables if each.space == "shared" and not each.count]
    for variable in variables:
        if variable.space == "local":
            found.offsets[variable] = aligned(found.local, variable.align)
            found.local = found.offsets[variable] + size(variable)
        elif variable.space == "shared" and variable.count:
            found.offsets[variable] = aligned(found.static_shared, variable.align)
            found.static_shared = found.offsets[variable] + size(variable)
            if found.static_shared > MOST_STATIC_SHARED:
                raise PtxError(variable.line, "more than 48 KiB of shared variables")
    strictest = max((each.align for each in dynamic), default=16)
    found.dynamic_start = aligned(found.static_shared, strictest)
    found.offsets |= dict.fromkeys(dynamic, found.dynamic_start)
    found.local = aligned(found.local, 16)
    return found


def declared(block: Block) -> Iterator[Variable]:
    """List the variables of a block and of the blocks within."""
    yield from block.variables
    for statement in block.statements:
        if isinstance(statement, Block):
            yield from declared(statement)


def initial_bytes(variable: Variable) -> bytes:
    """Return the content that a variable starts with; zeros where nothing is said."""
    width = SIZES[variable.type]
    content = bytearray()
    for value in variable.values:
        if isinstance(value, Integer):
            number = value.value % (1 << bits(variable.type))
        elif isinstance(value, Float) and value.width == bits(variable.type):
            number = value.bits
        else:
            raise PtxError(variable.line, f"{variable.name} starts with {value}")
        content += number.to_bytes(width, "little")
    if len(content) > size(variable):
        raise PtxError(variable.line, f"too many values for {variable.name}")
    return bytes(content.ljust(size(variable), b"\0"))
