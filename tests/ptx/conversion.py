"""Conversions, comparisons and choices, in C."""

from tests.ptx.arithmetic import BITS, FLOATS
from tests.ptx.model import Pair
from tests.ptx.types import INTEGERS, bits, is_float, is_signed
from tests.ptx.unit import Handlers, Unit

NARROW = ("u8", "s8")
ROUNDINGS = {"rni": "rint", "rzi": "trunc", "rmi": "floor", "rpi": "ceil"}

ORDERED = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
UNSIGNED = {"lo": "<", "ls": "<=", "hi": ">", "hs": ">="}
COMBINED = {"and": "&&", "or": "||", "xor": "!="}


def convert(unit: Unit) -> str:
    """cvt, between integers and floating-point numbers of any width."""
    saturate = bool(unit.choose("sat"))
    rounding = unit.choose("rn", *ROUNDINGS)
    to = unit.kind(*INTEGERS, *NARROW, *FLOATS)
    of = unit.kind(*INTEGERS, *NARROW, *FLOATS)
    target, source = unit.operands(2)
    value = unit.value(source, of, narrow=True)
    if saturate and (is_float(to) or is_float(of)):
        unit.refuse("modifier .sat is not supported here")
    if is_float(to):
        exact = "" if (of, to) != ("f64", "f32") and is_float(of) else "rn"
        if rounding in ROUNDINGS and of == to:
            value = f"{ROUNDINGS[rounding]}({value})"
        elif rounding != exact:
            unit.refuse(f"rounding '{rounding}' is not supported here")
        return unit.assign(target, to, f"({to}){value}")
    if is_float(of):
        if rounding not in ROUNDINGS:
            unit.refuse("lacks a rounding to an integer")
        function = "to_signed" if is_signed(to) else "to_unsigned"
        wide = "true" if "64" in of + to else "false"
        call = f"{function}({ROUNDINGS[rounding]}({value}), {bits(to)}, {wide})"
        return unit.assign(target, to, call, widen=True)
    if rounding:
        unit.refuse("nothing is rounded between integers")
    if not saturate:
        return unit.assign(target, to, value, widen=True)
    least = f"-((s128)1 << {bits(to) - 1})" if is_signed(to) else "(s128)0"
    most = f"((s128)1 << {bits(to) - is_signed(to)}) - 1"
    clamped = f"x < {least} ? {least} : x > {most} ? {most} : x"
    return f"s128 x = {value}; " + unit.assign(target, to, clamped, widen=True)


def comparison(unit: Unit, operator: str, kind: str, a: str, b: str) -> str:
    """Return the C expression that compares two values, with a NaN or without."""
    nan = f"({a} != {a} || {b} != {b})"
    if is_float(kind):
        if operator == "nan":
            return nan
        if operator == "num":
            return f"!{nan}"
        if operator.removesuffix("u") not in ORDERED:
            unit.refuse(f".{operator} does not compare .{kind}")
        plain = f"{a} {ORDERED[operator.removesuffix('u')]} {b}"
        return (
            f"({nan} || {plain})" if operator.endswith("u") else f"(!{nan} && {plain})"
        )
    table = ORDERED if operator in ORDERED else UNSIGNED
    equality = operator in ("eq", "ne")
    if operator not in table or (table is UNSIGNED and is_signed(kind)):
        unit.refuse(f".{operator} does not compare .{kind}")
    if kind in BITS and not equality:
        unit.refuse(f".{operator} does not compare .{kind}")
    return f"({a} {table[operator]} {b})"


def set_predicate(unit: Unit) -> str:
    """setp; a second result is for the opposite comparison."""
    unsigned = [f"{each}u" for each in ORDERED]
    operator = unit.demand(*ORDERED, *UNSIGNED, *unsigned, "num", "nan")
    combine = unit.choose(*COMBINED)
    kind = unit.kind(*INTEGERS, *BITS, *FLOATS)
    target, left, right, *rest = unit.operands(4 if combine else 3)
    a, b = unit.value(left, kind), unit.value(right, kind)
    results = [comparison(unit, operator, kind, a, b)]
    targets = [target]
    if isinstance(target, Pair):
        targets = [target.first, target.second]
        results.append(f"!{results[0]}")
    if combine:
        other = unit.predicate(rest[0])
        results = [f"({each} {COMBINED[combine]} {other})" for each in results]
    values = "; ".join(f"pred x{i} = {each}" for i, each in enumerate(results))
    writes = [unit.assign(each, "pred", f"x{i}") for i, each in enumerate(targets)]
    return f"{values}; {' '.join(writes)}"


def select(unit: Unit) -> str:
    kind = unit.kind(*INTEGERS, *BITS, *FLOATS)
    target, a, b, choice = unit.operands(4)
    raw = f"b{bits(kind)}"  # a NaN passes as it is
    return unit.assign(
        target,
        raw,
        f"{unit.predicate(choice)} ? {unit.value(a, raw)} : {unit.value(b, raw)}",
    )


HANDLERS: Handlers = {"cvt": convert, "setp": set_predicate, "selp": select}
