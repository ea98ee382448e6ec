"""Loads, stores, moves, addresses, atomics and asynchronous copies, in C."""

from tests.ptx.arithmetic import BITS, FLOATS
from tests.ptx.model import Address, Integer, Name, Operand, Vector
from tests.ptx.types import INTEGERS, SIZES, bits
from tests.ptx.unit import Handlers, Unit

SPACES = {"shared::cta": "shared", "param::entry": "param", "param::func": "param"}
VECTORS = {"v2": 2, "v4": 4, "v8": 8}
ORDER = ("weak", "relaxed", "acquire", "release", "acq_rel", "volatile")
SCOPES = ("cta", "cluster", "gpu", "sys")
CACHES = ("ca", "cg", "cs", "lu", "cv", "wb", "wt", "nc")
HINTS = (
    *(f"L1::{each}" for each in ("evict_last", "evict_first", "evict_normal")),
    *("L1::evict_unchanged", "L1::no_allocate", "L2::64B", "L2::128B", "L2::256B"),
)
SYMBOLIC = ("global", "const", "shared", "local", "param")


def space_of(unit: Unit) -> str:
    """Take the state space; empty for generic addresses."""
    found = unit.choose(*SYMBOLIC, *SPACES)
    return SPACES.get(found, found)


def ordered(unit: Unit) -> None:
    """Take what orders, caches or hints: threads here run one at a time."""
    for options in (ORDER, SCOPES, CACHES, HINTS, HINTS):
        unit.choose(*options)


def pointer(
    unit: Unit, operand: Operand, space: str, size: int, *, write: bool = False
) -> str:
    """Return the C expression for a pointer to ``size`` bytes, checked when run."""
    address, symbol = unit.address(operand)
    if symbol and symbol.space == "local" and space == "":
        unit.refuse("a local variable needs .local")
    if space == "param":
        offset = operand.offset if isinstance(operand, Address) else 0
        if symbol is None or symbol.space != "param":
            unit.refuse(f"{operand} is no parameter")
        if not 0 <= offset <= symbol.size - size or offset % size:
            unit.refuse(f"{size} bytes at {offset} are no part of the parameter")
        return address
    writes = "true" if write else "false"
    if space in ("shared", "local"):
        return f"{space}_at(t, {address}, {size}, {unit.line})"
    if space in ("global", "const"):
        return (
            f"memory_at(t, {address}, {size}, {space.upper()}, {writes}, {unit.line})"
        )
    return f"generic_at(t, {address}, {size}, {writes}, {unit.line})"


def raw(kind: str) -> str:
    """Return the type that moves the same bits without looking at them."""
    return f"b{bits(kind)}" if kind in FLOATS else kind


def load(unit: Unit) -> str:
    ordered(unit)
    space = space_of(unit)
    count = VECTORS.get(unit.choose(*VECTORS), 1)
    kind = raw(unit.kind(*SIZES))
    target, source = unit.operands(2)
    targets = unit.items(target, count) if count > 1 else (target,)
    width = SIZES[kind]
    found = [f"const u8 *p = {pointer(unit, source, space, count * width)};"]
    found += [
        f"{kind} x{i}; memcpy(&x{i}, p + {i * width}, {width});" for i in range(count)
    ]
    for i, each in enumerate(targets):
        found.append(unit.assign(each, kind, f"x{i}", widen=True))
    return " ".join(found)


def store(unit: Unit) -> str:
    ordered(unit)
    space = space_of(unit)
    if space == "const":
        unit.refuse("constant memory is not written")
    count = VECTORS.get(unit.choose(*VECTORS), 1)
    kind = raw(unit.kind(*SIZES))
    target, source = unit.operands(2)
    sources = unit.items(source, count) if count > 1 else (source,)
    width = SIZES[kind]
    where = pointer(unit, target, space, count * width, write=True)
    found = [f"u8 *p = {where};"]
    for i, each in enumerate(sources):
        value = unit.value(each, kind, narrow=True)
        found.append(f"{kind} x{i} = {value}; memcpy(p + {i * width}, &x{i}, {width});")
    return " ".join(found)


def move(unit: Unit) -> str:
    """mov, also from and to a vector whose first item is the lowest part."""
    kind = raw(unit.kind("pred", *BITS, *INTEGERS, *FLOATS))
    target, source = unit.operands(2)
    if isinstance(target, Vector):
        items = unit.items(target, 2, 4)
        part = f"b{bits(kind) // len(items)}"
        found = [f"{kind} x = {unit.value(source, kind)};"]
        for i, each in enumerate(items):
            found.append(unit.assign(each, part, f"x >> {i * bits(part)}"))
        return " ".join(found)
    if isinstance(source, Vector):
        items = unit.items(source, 2, 4)
        part = f"b{bits(kind) // len(items)}"
        parts = [
            f"({kind}){unit.value(each, part)} << {i * bits(part)}"
            for i, each in enumerate(items)
        ]
        return unit.assign(target, kind, " | ".join(parts))
    return unit.assign(target, kind, unit.value(source, kind))


def convert_address(unit: Unit) -> str:
    """cvta: shared and local addresses count from the start of their window."""
    to = bool(unit.choose("to"))
    space = space_of(unit)
    kind = unit.kind("u64")
    target, source = unit.operands(2)
    value = unit.value(source, kind)
    if space in ("shared", "local"):
        value += f" {'-' if to else '+'} (u64)(uintptr_t)t->{space}"
    elif space not in ("global", "const"):
        unit.refuse("lacks a known state space")
    return unit.assign(target, kind, value)


ATOMICS = {
    "add": ("old + a", ("u32", "s32", "u64", *FLOATS)),
    "min": ("a < old ? a : old", ("u32", "s32", "u64", "s64")),
    "max": ("a > old ? a : old", ("u32", "s32", "u64", "s64")),
    "and": ("old & a", ("b32", "b64")),
    "or": ("old | a", ("b32", "b64")),
    "xor": ("old ^ a", ("b32", "b64")),
    "exch": ("a", ("b32", "b64")),
    "cas": ("old == a ? b : old", BITS),
    "inc": ("old >= a ? 0 : old + 1", ("u32",)),
    "dec": ("old == 0 || old > a ? a : old - 1", ("u32",)),
}


def atomic(unit: Unit) -> str:
    """atom, and red, which returns nothing."""
    ordered(unit)
    space = space_of(unit)
    operation = unit.demand(*ATOMICS)
    expression, kinds = ATOMICS[operation]
    kind = unit.kind(*kinds)
    returns = unit.instruction.opcode == "atom"
    target, place, *sources = (
        unit.operands(3 + (operation == "cas"))
        if returns
        else (Name("_"), *unit.operands(2))
    )
    where = pointer(unit, place, space, SIZES[kind], write=True)
    found = [f"u8 *p = {where}; {kind} old; memcpy(&old, p, sizeof old);"]
    for name, each in zip("ab", sources, strict=False):
        found.append(f"{kind} {name} = {unit.value(each, kind)};")
    found.append(f"{kind} x = {expression}; memcpy(p, &x, sizeof x);")
    found.append(unit.assign(target, kind, "old"))
    return " ".join(found)


def copy(unit: Unit) -> str:
    """cp.async and what waits for it; the copy itself is done at the wait."""
    unit.demand("async")
    if unit.choose("commit_group"):
        unit.operands(0)
        return "t->group++;"
    if unit.choose("wait_all"):
        unit.operands(0)
        return "t->group++; copy_wait(t, 0);"
    if unit.choose("wait_group"):
        (count,) = unit.operands(1)
        if not isinstance(count, Integer):
            unit.refuse("the number of groups is a literal")
        return f"copy_wait(t, {count.value});"
    cache = unit.demand("ca", "cg")
    unit.demand("shared", "shared::cta")
    unit.demand("global")
    unit.choose(*HINTS)
    target, source, size, *rest = unit.operands(3, 4)
    if not isinstance(size, Integer) or size.value not in (4, 8, 16):
        unit.refuse("4, 8 or 16 bytes are copied")
    if cache == "cg" and size.value != 16:
        unit.refuse("only 16 bytes bypass the first cache")
    to = pointer(unit, target, "shared", size.value, write=True)
    of, _ = unit.address(source)
    some = unit.value(rest[0] if rest else size, "u32")
    return f"copy_begin(t, {to}, {of}, {size.value}, {some}, {unit.line});"


def fence(unit: Unit) -> str:
    """membar and fence: nothing to do, as threads run one at a time."""
    unit.operands(0)
    if unit.instruction.opcode == "membar":
        unit.demand("cta", "gl", "sys")
    else:
        unit.choose("sc", "acq_rel", "acquire", "release")
        unit.demand(*SCOPES)
    return ";"


HANDLERS: Handlers = {
    **dict.fromkeys(("atom", "red"), atomic),
    **dict.fromkeys(("membar", "fence"), fence),
    "ld": load,
    "st": store,
    "mov": move,
    "cvta": convert_address,
    "cp": copy,
}
