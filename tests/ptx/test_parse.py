"""PTX text to its parts."""

import pytest

from tests.ptx.kernels import HEADER
from tests.ptx.model import (
    Address,
    Block,
    Float,
    Group,
    Guard,
    Instruction,
    Integer,
    Label,
    Name,
    Negation,
    Operand,
    Pair,
    PtxError,
    Register,
    Statement,
    Targets,
    Variable,
    Vector,
)
from tests.ptx.parse import parse


def body(text: str) -> Block:
    (function,) = parse(f"{HEADER}.entry k() {{\n{text}\n}}").functions
    assert function.body is not None
    return function.body


def statements(text: str) -> list[Statement]:
    return body(text).statements


@pytest.mark.parametrize(
    ("text", "operand"),
    [
        ("%r1", Name("%r1")),
        ("%tid.x", Name("%tid.x")),
        ("_", Name("_")),
        ("table+8", Name("table", 8)),
        ("table-8", Name("table", -8)),
        ("12", Integer(12)),
        ("-9076969306111049207", Integer(-9076969306111049207)),
        ("18446744073709551615U", Integer(2**64 - 1)),
        ("0xfFU", Integer(255)),
        ("017", Integer(15)),
        ("0b101", Integer(5)),
        ("0", Integer(0)),
        ("0f3F800000", Float(0x3F800000, 32)),
        ("0dBFF0000000000000", Float(0xBFF0000000000000, 64)),
        ("[%rd1]", Address(Name("%rd1"), 0)),
        ("[%rd1+-8]", Address(Name("%rd1"), -8)),
        ("[param_0+4]", Address(Name("param_0"), 4)),
        ("[16]", Address(Integer(16), 0)),
        ("!%p1", Negation(Name("%p1"))),
        ("%r1|%p1", Pair(Name("%r1"), Name("%p1"))),
        ("{%r1, 5, _}", Vector((Name("%r1"), Integer(5), Name("_")))),
        ("(a, b, )", Group((Name("a"), Name("b")))),
        ("()", Group(())),
    ],
)
def test_an_operand_has_many_forms(text: str, operand: Operand) -> None:
    (found,) = statements(f"op {text};")
    assert found == Instruction(5, None, "op", (), (operand,))


def test_an_instruction_has_a_guard_modifiers_and_operands() -> None:
    assert statements("@!%p1 ld.shared::cta.v2.u32 {%r1, %r2},\n [%rd1];\nret;") == [
        Instruction(
            5,
            Guard(Name("%p1"), negated=True),
            "ld",
            ("shared::cta", "v2", "u32"),
            (Vector((Name("%r1"), Name("%r2"))), Address(Name("%rd1"), 0)),
        ),
        Instruction(7, None, "ret", (), ()),
    ]


def test_comments_and_lines_for_debuggers_leave_nothing() -> None:
    found = statements(
        '// one; two\n/* three\n four */ .pragma "nounroll";\n.loc 1 2 3\n;'
    )
    assert found == []
    (last,) = statements("/*\n\n*/ ret; // x")
    assert isinstance(last, Instruction)
    assert last.line == 7


def test_labels_and_targets_are_statements() -> None:
    assert statements("$L__BB0_1: bra.uni $L__BB0_1; t: .branchtargets a, b;") == [
        Label(5, "$L__BB0_1"),
        Instruction(5, None, "bra", ("uni",), (Name("$L__BB0_1"),)),
        Label(5, "t"),
        Targets(5, ("a", "b")),
    ]


def test_blocks_declare_registers_and_memory() -> None:
    outer = body(".reg .b32 %r<3>, x; { .reg .pred p; .local .align 8 .b8 stack[16]; }")
    assert outer.registers == [
        Register(each, "b32") for each in ("%r0", "%r1", "%r2", "x")
    ]
    (inner,) = outer.statements
    assert isinstance(inner, Block)
    assert inner.registers == [Register("p", "pred")]
    assert inner.variables == [Variable(5, "local", 8, "b8", "stack", 16)]


def test_a_module_holds_variables_and_functions() -> None:
    module = parse(f"""{HEADER}
.extern .shared .align 16 .b8 dynamic[];
.const .align 4 .b8 table[2][2] = {{1, -2}};
.global .f32 one = 0f3F800000;
.func (.param .b32 result) half(.param .b32 value);
.func half2(.param .b32 value) {{ ret; }}
.visible .entry main(
    .param .u64 .ptr .global .align 8 out,
    .param .align 4 .b8 pair[8]
)
.maxntid 128, 1, 1
.minnctapersm 2
{{ ret; }}""")
    assert module.variables == [
        Variable(5, "shared", 16, "b8", "dynamic", None, (), "extern"),
        Variable(6, "const", 4, "b8", "table", 4, (Integer(1), Integer(-2))),
        Variable(7, "global", 4, "f32", "one", 1, (Float(0x3F800000, 32),)),
    ]
    half, half2, main = module.functions
    assert (half.is_entry, half.body) == (False, None)
    assert half.results == (Variable(8, "param", 4, "b32", "result", 1),)
    assert half2.parameters == (Variable(9, "param", 4, "b32", "value", 1),)
    assert main.is_entry
    assert main.limits == {"maxntid": (128, 1, 1), "minnctapersm": (2,)}
    assert main.parameters == (
        Variable(11, "param", 8, "u64", "out", 1),
        Variable(12, "param", 4, "b8", "pair", 8),
    )
    assert module.excerpt(9) == ".func half2(.param .b32 value) { ret; }"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (".entry k() { ret", "line 4: 'end of text' instead of an operand"),
        (".entry k() { ld.u32 %r1, [%r2; }", "';' instead of ']'"),
        (".entry k() { op 1 2; }", "'2' instead of ','"),
        (".entry k() { op 1.5; }", "'1.5' is no number"),
        (".entry k() { op 0x; }", "'0x' is no number"),
        (".entry k() { op 0xfffffffffffffffff; }", "exceeds 64 bits"),
        (".entry k() { op ?; }", "unexpected character '?'"),
        (".entry k() { .reg .b128 %q; }", "'.b128' instead of a known type"),
        (".entry k() .cluster_dim 2 { }", "'.cluster_dim' instead of '{'"),
        (".func f(.reg .b32 r) { }", "'.reg' instead of a parameter in memory"),
        (".alias a, b;", "'.alias' instead of a declaration"),
        (".address_size 32", "'32' instead of 64-bit addresses"),
        (".shared .b8 a[0f00000000];", "'0f00000000' instead of an integer"),
    ],
)
def test_what_is_not_known_is_named_with_its_line(text: str, message: str) -> None:
    with pytest.raises(PtxError) as refused:
        parse(HEADER + text)
    assert message in str(refused.value)
    assert str(refused.value).startswith("line 4: ")
