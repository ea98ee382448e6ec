"""Integer, bitwise and floating-point arithmetic, in C."""

from tests.ptx.model import Operand
from tests.ptx.types import INTEGERS, bits, is_float, is_signed
from tests.ptx.unit import Handlers, Unit, signed

FLOATS = ("f32", "f64")
WORDS = ("u32", "s32", "u64", "s64")
BITS = ("b16", "b32", "b64")

SIMPLE = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "and": "{0} & {1}",
    "or": "{0} | {1}",
    "xor": "{0} ^ {1}",
    "not": "~{0}",
    "neg": "0 - {0}",
}
EXTREMES = {"min": "{0} < {1} ? {0} : {1}", "max": "{0} > {1} ? {0} : {1}"}
LOGIC = {"and": "{0} && {1}", "or": "{0} || {1}", "xor": "{0} != {1}", "not": "!{0}"}
FLOATING = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "neg": "-{0}",
}


def unsigned(kind: str) -> str:
    """Return the type of the same width in which C's arithmetic wraps."""
    return f"u{max(bits(kind), 32)}"  # C would compute narrower ones as int


def values(unit: Unit, operands: tuple[Operand, ...], kind: str) -> list[str]:
    return [unit.value(each, kind) for each in operands]


def add_sub(unit: Unit) -> str:
    """add and sub, without and with carry: add.cc, addc, sub.cc, subc."""
    opcode = unit.instruction.opcode
    target, *sources = unit.operands(3)
    chained = opcode in ("addc", "subc")
    carries = bool(unit.choose("cc"))
    if unit.left[-1:] and unit.left[-1] in FLOATS:
        return floating(unit)
    if not (chained or carries):
        kind = unit.kind(*INTEGERS)
        return wrapped(unit, target, sources, kind, SIMPLE[opcode])
    kind = unit.kind("u32", "s32", "u64", "s64")
    function = "add_carry" if opcode.startswith("add") else "sub_borrow"
    a, b = (unit.value(each, f"u{bits(kind)}") for each in sources)
    out = "&carry" if carries else "&ignored"
    used = "carry" if chained else "0"
    return unit.assign(
        target, kind, f"{function}({a}, {b}, {used}, {bits(kind)}, {out})"
    )


def wrapped(
    unit: Unit, target: Operand, sources: list[Operand], kind: str, template: str
) -> str:
    """Compute without sign, so that an overflow wraps instead of being undefined."""
    wide = unsigned(kind)
    inputs = [f"({wide}){unit.value(each, kind)}" for each in sources]
    return unit.assign(target, kind, template.format(*inputs))


def floating(unit: Unit) -> str:
    """Rounded to nearest, as the host does; nothing else is supported."""
    opcode = unit.instruction.opcode
    unit.choose("rn")
    kind = unit.kind(*FLOATS)
    target, *sources = unit.operands(2 if opcode == "neg" else 3)
    inputs = [unit.value(each, kind) for each in sources]
    return unit.assign(target, kind, FLOATING[opcode].format(*inputs))


def negate(unit: Unit) -> str:
    target, source = unit.operands(2)
    if unit.left[-1:] and unit.left[-1] in FLOATS:
        return floating(unit)
    return wrapped(
        unit, target, [source], unit.kind("s16", "s32", "s64"), SIMPLE["neg"]
    )


def logic(unit: Unit) -> str:
    """and, or, xor and not, of words and of predicates."""
    opcode = unit.instruction.opcode
    target, *sources = unit.operands(2 if opcode == "not" else 3)
    kind = unit.kind("pred", *BITS)
    if kind == "pred":
        inputs = [unit.value(each, kind) for each in sources]
        return unit.assign(target, kind, LOGIC[opcode].format(*inputs))
    return wrapped(unit, target, sources, kind, SIMPLE[opcode])


def extreme(unit: Unit) -> str:
    """min and max."""
    opcode = unit.instruction.opcode
    target, *sources = unit.operands(3)
    kind = unit.kind(*INTEGERS, *FLOATS)
    a, b = values(unit, tuple(sources), kind)
    if is_float(kind):
        return unit.assign(target, kind, f"{opcode}_{kind}({a}, {b})")
    return unit.assign(target, kind, EXTREMES[opcode].format(a, b))


def absolute(unit: Unit) -> str:
    target, source = unit.operands(2)
    kind = unit.kind("s16", "s32", "s64", *FLOATS)
    value = unit.value(source, kind)
    if is_float(kind):
        return unit.assign(target, kind, f"fabs{'f' if kind == 'f32' else ''}({value})")
    wide = unsigned(kind)
    return unit.assign(
        target, kind, f"{value} < 0 ? 0 - ({wide}){value} : ({wide}){value}"
    )


def multiply(unit: Unit) -> str:
    """mul and mad, of integers: their low, high or whole product, with carry."""
    opcode = unit.instruction.opcode
    if opcode == "mul" and unit.left[-1:] and unit.left[-1] in FLOATS:
        return floating(unit)
    part = unit.demand("lo", "hi", "wide")
    chained, carries = opcode == "madc", bool(unit.choose("cc"))
    kind = unit.kind(*(INTEGERS if part != "wide" else INTEGERS[:2] + INTEGERS[3:5]))
    target, a, b, *rest = unit.operands(3 if opcode == "mul" else 4)
    width = bits(kind)
    double = f"{kind[0]}{2 * width}"
    product = f"(({double}){unit.value(a, kind)} * ({double}){unit.value(b, kind)})"
    if width == 16 and not is_signed(kind):
        product = f"((u32){unit.value(a, kind)} * (u32){unit.value(b, kind)})"
    if part == "wide":
        if chained or carries:
            unit.refuse("a whole product takes no carry")
        sum_kind = double
    else:
        sum_kind = kind
        shift = width if part == "hi" else 0
        product = f"((u{width})({product} >> {shift}))"
    if not rest:
        return unit.assign(target, sum_kind, product)
    plus = unit.value(rest[0], f"u{bits(sum_kind)}")
    if chained or carries:
        used, out = ("carry" if chained else "0"), ("&carry" if carries else "&ignored")
        return unit.assign(
            target, kind, f"add_carry({product}, {plus}, {used}, {width}, {out})"
        )
    wide = unsigned(sum_kind)
    return unit.assign(target, sum_kind, f"({wide}){product} + ({wide}){plus}")


def fma(unit: Unit) -> str:
    unit.demand("rn")
    kind = unit.kind(*FLOATS)
    target, *sources = unit.operands(4)
    inputs = ", ".join(unit.value(each, kind) for each in sources)
    return unit.assign(target, kind, f"fma{'f' if kind == 'f32' else ''}({inputs})")


def divide(unit: Unit) -> str:
    """div and rem; by zero, which hardware leaves undefined, ends the launch."""
    opcode = unit.instruction.opcode
    if opcode == "div" and unit.left[-1:] and unit.left[-1] in FLOATS:
        unit.demand("rn")
        return floating(unit)
    kind = unit.kind(*INTEGERS)
    target, a, b = unit.operands(3)
    left, right = unit.value(a, kind), unit.value(b, kind)
    check = f'if ({right} == 0) fault(t, {unit.line}, "division by zero"); '
    if is_signed(kind):
        return check + unit.assign(target, kind, f"{opcode}_{kind}({left}, {right})")
    sign = "/" if opcode == "div" else "%"
    return check + unit.assign(target, kind, f"{left} {sign} {right}")


def root(unit: Unit) -> str:
    """sqrt and rcp, where they are rounded exactly."""
    unit.demand("rn")
    kind = unit.kind(*FLOATS)
    target, source = unit.operands(2)
    value = unit.value(source, kind)
    if unit.instruction.opcode == "rcp":
        return unit.assign(target, kind, f"1 / {value}")
    return unit.assign(target, kind, f"sqrt{'f' if kind == 'f32' else ''}({value})")


def shift(unit: Unit) -> str:
    opcode = unit.instruction.opcode
    kind = unit.kind(*BITS) if opcode == "shl" else unit.kind(*BITS, *INTEGERS)
    target, source, count = unit.operands(3)
    suffix = f"_{bits(kind)}"
    if opcode == "shr":
        suffix = f"_{kind[0].replace('b', 'u')}{bits(kind)}"
    value, places = unit.value(source, kind), unit.value(count, "u32")
    return unit.assign(target, kind, f"{opcode}{suffix}({value}, {places})")


def funnel_shift(unit: Unit) -> str:
    direction = unit.demand("l", "r")
    mode = unit.demand("wrap", "clamp")
    kind = unit.kind("b32")
    target, *sources = unit.operands(4)
    low, high, count = values(unit, tuple(sources), "u32")
    places = f"{count} & 31" if mode == "wrap" else f"{count} > 32 ? 32 : {count}"
    return unit.assign(target, kind, f"shf_{direction}({low}, {high}, {places})")


def permute(unit: Unit) -> str:
    kind = unit.kind("b32")
    target, *sources = unit.operands(4)
    return unit.assign(
        target, kind, f"prmt({', '.join(values(unit, tuple(sources), kind))})"
    )


def lop3(unit: Unit) -> str:
    kind = unit.kind("b32")
    target, *sources = unit.operands(5)
    return unit.assign(
        target, kind, f"lop3({', '.join(values(unit, tuple(sources), kind))})"
    )


def dot(unit: Unit) -> str:
    """dp4a and dp2a."""
    opcode = unit.instruction.opcode
    first = ""
    if opcode == "dp2a":
        first = "0, " if unit.demand("lo", "hi") == "lo" else "2, "
    left, right = unit.kind("u32", "s32"), unit.kind("u32", "s32")
    target, *sources = unit.operands(4)
    inputs = ", ".join(values(unit, tuple(sources), "u32"))
    call = f"{opcode}({inputs}, {first}{signed(left)}, {signed(right)})"
    return unit.assign(target, "u32", call)


def count(unit: Unit) -> str:
    """popc and clz; the result always has 32 bits."""
    kind = unit.kind("b32", "b64")
    target, source = unit.operands(2)
    value = unit.value(source, kind)
    if unit.instruction.opcode == "popc":
        return unit.assign(target, "u32", f"__builtin_popcountll({value})")
    return unit.assign(target, "u32", f"clz({value}, {bits(kind)})")


def reverse(unit: Unit) -> str:
    kind = unit.kind("b32", "b64")
    target, source = unit.operands(2)
    return unit.assign(target, kind, f"brev({unit.value(source, kind)}, {bits(kind)})")


def extract(unit: Unit) -> str:
    kind = unit.kind(*WORDS)
    target, source, *place = unit.operands(4)
    value = unit.value(source, f"u{bits(kind)}")
    position, length = values(unit, tuple(place), "u32")
    call = f"bfe({value}, {position}, {length}, {bits(kind)}, {signed(kind)})"
    return unit.assign(target, kind, call)


def insert(unit: Unit) -> str:
    kind = unit.kind("b32", "b64")
    target, a, b, *place = unit.operands(5)
    inputs = [*values(unit, (a, b), kind), *values(unit, tuple(place), "u32")]
    return unit.assign(target, kind, f"bfi({', '.join(inputs)}, {bits(kind)})")


def find(unit: Unit) -> str:
    above = "true" if unit.choose("shiftamt") else "false"
    kind = unit.kind(*WORDS)
    target, source = unit.operands(2)
    value = unit.value(source, f"u{bits(kind)}")
    call = f"bfind({value}, {bits(kind)}, {signed(kind)}, {above})"
    return unit.assign(target, "u32", call)


HANDLERS: Handlers = {
    **dict.fromkeys(("add", "addc", "sub", "subc"), add_sub),
    **dict.fromkeys(("mul", "mad", "madc"), multiply),
    **dict.fromkeys(("and", "or", "xor", "not"), logic),
    **dict.fromkeys(("min", "max"), extreme),
    **dict.fromkeys(("div", "rem"), divide),
    **dict.fromkeys(("sqrt", "rcp"), root),
    **dict.fromkeys(("shl", "shr"), shift),
    **dict.fromkeys(("dp4a", "dp2a"), dot),
    **dict.fromkeys(("popc", "clz"), count),
    "neg": negate,
    "abs": absolute,
    "fma": fma,
    "shf": funnel_shift,
    "prmt": permute,
    "lop3": lop3,
    "brev": reverse,
    "bfe": extract,
    "bfi": insert,
    "bfind": find,
}
