"""What threads do together, in C: barriers, shuffles, votes and matrices."""

from tests.ptx.fragments import SHAPES
from tests.ptx.memory import pointer
from tests.ptx.model import Operand, Pair
from tests.ptx.unit import Handlers, Unit

SHUFFLES = ("up", "down", "bfly", "idx")
VOTES = ("all", "any", "uni", "ballot")
REDUCTIONS = {
    "add": ("u32", "s32"),
    "min": ("u32", "s32"),
    "max": ("u32", "s32"),
    "and": ("b32",),
    "or": ("b32",),
    "xor": ("b32",),
}
MATRICES = {"x1": 1, "x2": 2, "x4": 4}
ALL_LANES = "0xffffffffu"


def barrier(unit: Unit) -> str:
    """bar and barrier: sync, or red, which also counts or combines predicates."""
    if unit.choose("warp"):
        unit.demand("sync")
        (mask,) = unit.operands(1)
        return together(unit, "WARP_SYNC", [], unit.value(mask, "u32"))
    unit.choose("cta")
    named = unit.instruction.opcode == "barrier"
    aligned = bool(unit.choose("aligned")) or not named
    flag = "true" if aligned else "false"
    if unit.choose("red"):
        operation = unit.demand("popc", "and", "or")
        kind = unit.kind("u32" if operation == "popc" else "pred")
        target, number, *count, said = unit.operands(3, 4)
        arguments = (
            f"{unit.value(number, 'u32')}, {threads(unit, count)}, "
            f"{operation.upper()}, {unit.predicate(said)}"
        )
        call = f"barrier(t, {arguments}, {flag}, {unit.line})"
        return unit.assign(target, kind, call)
    unit.demand("sync")
    number, *count = unit.operands(1, 2)
    arguments = f"{unit.value(number, 'u32')}, {threads(unit, count)}, SYNC, false"
    return f"barrier(t, {arguments}, {flag}, {unit.line});"


def threads(unit: Unit, count: list[Operand]) -> str:
    """Return how many threads a barrier waits for; 0: all that have not ended."""
    return unit.value(count[0], "u32") if count else "0"


def together(
    unit: Unit, operation: str, inputs: list[str], mask: str, *, aligned: bool = False
) -> str:
    """Return what hands over the inputs and waits for the other lanes."""
    found = [f"t->in[{i}] = {each};" for i, each in enumerate(inputs)]
    flag = "true" if aligned else "false"
    found.append(f"together(t, {operation}, {mask}, {flag}, {unit.line});")
    return " ".join(found)


def results(unit: Unit, target: Operand, kind: str) -> str:
    """Return what takes the result, and the predicate behind it if one is named."""
    if not isinstance(target, Pair):
        return unit.assign(target, kind, "t->out[0]")
    value = unit.assign(target.first, kind, "t->out[0]")
    return f"{value} {unit.assign(target.second, 'pred', 't->out[1]')}"


def shuffle(unit: Unit) -> str:
    unit.demand("sync")
    mode = unit.demand(*SHUFFLES)
    kind = unit.kind("b32")
    target, *sources, mask = unit.operands(5)
    inputs = [unit.value(each, "u32") for each in sources]
    call = together(unit, f"SHFL_{mode.upper()}", inputs, unit.value(mask, "u32"))
    return f"{call} {results(unit, target, kind)}"


def vote(unit: Unit) -> str:
    unit.demand("sync")
    mode = unit.demand(*VOTES)
    kind = unit.kind("b32" if mode == "ballot" else "pred")
    target, source, mask = unit.operands(3)
    inputs = [unit.predicate(source)]
    call = together(unit, f"VOTE_{mode.upper()}", inputs, unit.value(mask, "u32"))
    return f"{call} {unit.assign(target, kind, 't->out[0]')}"


def match(unit: Unit) -> str:
    mode = unit.demand("any", "all")
    unit.demand("sync")
    kind = unit.kind("b32", "b64")
    target, source, mask = unit.operands(3)
    inputs = [unit.value(source, kind)]
    call = together(unit, f"MATCH_{mode.upper()}", inputs, unit.value(mask, "u32"))
    if isinstance(target, Pair) and mode == "any":
        unit.refuse("only .all has two results")
    return f"{call} {results(unit, target, 'b32')}"


def reduce(unit: Unit) -> str:
    unit.demand("sync")
    mode = unit.demand(*REDUCTIONS)
    kind = unit.kind(*REDUCTIONS[mode])
    target, source, mask = unit.operands(3)
    operation = f"REDUX_{mode.upper()}"
    if mode in ("min", "max"):
        operation += f"_{kind.upper()}"
    call = together(
        unit, operation, [unit.value(source, kind)], unit.value(mask, "u32")
    )
    return f"{call} {unit.assign(target, kind, 't->out[0]')}"


def active(unit: Unit) -> str:
    kind = unit.kind("b32")
    (target,) = unit.operands(1)
    return unit.assign(target, kind, f"activemask(t, {unit.line})")


def multiply_matrices(unit: Unit) -> str:
    """mma of bytes; shapes and layouts are those in fragments."""
    unit.demand("sync")
    unit.demand("aligned")
    shape = unit.demand(*(each.name for each in SHAPES))
    number = [each.name for each in SHAPES].index(shape)
    unit.demand("row")
    unit.demand("col")
    kinds = [unit.kind("s32"), unit.kind("s8", "u8"), unit.kind("s8", "u8")]
    kinds.append(unit.kind("s32"))
    target, *sources = unit.operands(4)
    inputs = []
    for source, count in zip(sources, SHAPES[number].registers, strict=True):
        inputs += [unit.value(each, "u32") for each in unit.items(source, count)]
    signs = (kinds[1] == "s8") | (kinds[2] == "s8") << 1
    call = together(unit, f"MMA + {number}", inputs, ALL_LANES, aligned=True)
    writes = [
        unit.assign(each, "s32", f"t->out[{i}]")
        for i, each in enumerate(unit.items(target, SHAPES[number].registers[2]))
    ]
    return f"t->wanted = {int(signs)}; {call} {' '.join(writes)}"


def load_matrices(unit: Unit) -> str:
    unit.demand("sync")
    unit.demand("aligned")
    unit.demand("m8n8")
    count = MATRICES[unit.demand(*MATRICES)]
    transposed = bool(unit.choose("trans"))
    unit.demand("shared", "shared::cta")
    unit.kind("b16")
    target, source = unit.operands(2)
    # Only the lanes that give a row's address need a valid one.
    where = pointer(unit, source, "shared", 16)
    address = f"t->lane < {8 * count} ? (u64)({where} - t->shared) : 0"
    operation = "LDMATRIX_TRANS" if transposed else "LDMATRIX"
    call = together(unit, operation, [address], ALL_LANES, aligned=True)
    targets = unit.items(target, count)
    writes = [
        unit.assign(each, "b32", f"t->out[{i}]") for i, each in enumerate(targets)
    ]
    return f"t->wanted = {count}; {call} {' '.join(writes)}"


HANDLERS: Handlers = {
    **dict.fromkeys(("bar", "barrier"), barrier),
    "shfl": shuffle,
    "vote": vote,
    "match": match,
    "redux": reduce,
    "activemask": active,
    "mma": multiply_matrices,
    "ldmatrix": load_matrices,
}
