"""Control flow and calls, and what is refused instead of being guessed."""

import numpy as np
import pytest

from tests.ptx.kernels import HEADER, kernel, results
from tests.ptx.model import PtxError
from tests.ptx.run import LaunchError, Pointer, load


def test_branches_go_forward_and_back() -> None:
    program = kernel(
        """mov.u32 %a2, %thread;
        $again: setp.eq.u32 %p1, %a2, 0;
        @%p1 bra $done;
        add.u32 %result, %result, %a2; sub.u32 %a2, %a2, 1;
        bra.uni $again;
        $done:"""
    )
    assert results(program, 6) == [0, 1, 3, 6, 10, 15]


def test_a_branch_may_choose_by_index() -> None:
    program = kernel(
        """targets: .branchtargets zero, one, zero;
        brx.idx %thread, targets;
        zero: mov.u32 %result, 10; bra done;
        one: mov.u32 %result, 11;
        done:"""
    )
    assert results(program, 3) == [10, 11, 10]
    with pytest.raises(LaunchError, match="there is no branch 3"):
        results(program, 4)


def test_names_hold_only_within_their_braces() -> None:
    program = kernel(
        """.reg .b32 x; mov.u32 x, 1;
        { .reg .b32 x; mov.u32 x, 10; add.u32 %result, %result, x; bra end; end: }
        { .reg .b64 x; mov.u64 x, 100; mov.b64 {%a2, _}, x;
          add.u32 %result, %result, %a2; bra end; end: }
        add.u32 %result, %result, x;"""
    )
    assert results(program, 1) == [111]


FUNCTIONS = """.func (.param .b32 out) sum(.param .b32 a, .param .align 8 .b8 b[16]);
.func (.param .b32 out) sum(.param .b32 a, .param .align 8 .b8 b[16])
{
    .reg .b32 %x<3>; .reg .b64 %y<2>;
    ld.param.u32 %x0, [a];
    ld.param.u64 %y0, [b+8];
    cvt.u32.u64 %x1, %y0;
    shfl.sync.idx.b32 %x2, %x1, 0, 31, -1;
    add.u32 %x0, %x0, %x2;
    st.param.b32 [out], %x0;
    ret;
}
.func nothing() { ret; }"""


def test_functions_are_called_with_parameters_in_memory() -> None:
    program = kernel(
        """{ .param .b32 first; .param .align 8 .b8 second[16]; .param .b32 back;
        add.u32 %a2, %thread, 7; cvt.u64.u32 %b1, %a2;
        st.param.b32 [first], %thread; st.param.b64 [second+8], %b1;
        call.uni (back), sum, (first, second);
        ld.param.b32 %result, [back]; }
        call nothing;""",
        FUNCTIONS,
    )
    assert results(program, 4) == [7, 8, 9, 10]


MMA = "mma.sync.aligned.m8n8k16.row.col"


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("frobnicate.u32 %a1;", "frobnicate.u32: the instruction is not supported"),
        ("add.sat.s32 %a1, %a2, %a3;", "modifier .sat is not supported"),
        ("add.rz.f32 %a1, %a2, %a3;", "modifier .rz is not supported"),
        ("mul.rn.ftz.f32 %a1, %a2, %a3;", "modifier .ftz is not supported"),
        ("fma.rz.f32 %a1, %a2, %a3, %a3;", "lacks one of .rn"),
        ("div.full.f32 %a1, %a2, %a3;", "lacks one of .rn"),
        ("rcp.approx.ftz.f64 %b1, %b2;", "lacks one of .rn"),
        ("add.f16 %h1, %h2, %h3;", "lacks one of"),
        ("prmt.b32.f4e %a1, %a2, %a3, 0;", "modifier .f4e is not supported"),
        ("cvt.f32.f64 %a1, %b1;", "rounding '' is not supported"),
        ("cvt.rz.f32.f64 %a1, %b1;", "rounding '' is not supported"),
        ("cvt.rn.u32.f32 %a1, %a2;", "lacks a rounding to an integer"),
        ("cvt.rni.u32.u64 %a1, %b1;", "nothing is rounded between integers"),
        ("cvt.rn.sat.f32.u32 %a1, %a1;", "modifier .sat is not supported here"),
        ("setp.lo.s32 %p1, %a1, %a2;", ".lo does not compare .s32"),
        ("setp.lt.b32 %p1, %a1, %a2;", ".lt does not compare .b32"),
        ("setp.ltu.s32 %p1, %a1, %a2;", ".ltu does not compare .s32"),
        ("add.u32 %a1, %a2;", "2 operands are not supported"),
        ("add.u32 %a1, %a2, %b1;", "%b1 (.b64) is not read as .u32"),
        ("add.u32 %b1, %a2, %a2;", "%b1 (.b64) does not take a .u32"),
        ("add.u32 %a1, %a2, %p1;", "%p1 (.pred) is not read as .u32"),
        ("ld.global.u8 %p1, [%in];", "%p1 (.pred) does not take a .u8"),
        ("add.u32 %a1, %a2, [%a3];", "is no value"),
        ("add.f32 %a1, %a2, 1;", "1 is no .f32"),
        ("add.f32 %a1, %a2, 0d3FF0000000000000;", "64 bits is no .f32"),
        ("add.u32 5, %a2, %a2;", "is no register"),
        ("add.u32 %none, %a2, %a2;", "%none is no register"),
        ("add.u32 %a1, %a2, %none;", "%none is unknown"),
        ("mov.u32 %a1, %tid;", "%tid is unknown"),
        ("mov.u32 %a1, %laneid.x;", "%laneid.x is unknown"),
        ("mov.u32 %a1, %clock;", "%clock is unknown"),
        ("mov.b64 {%a1}, %b1;", "is no vector of (2, 4)"),
        ("ld.global.v2.u32 %a1, [%in];", "is no vector of (2,)"),
        ("ld.global.u32 %a1, %in;", "is no address"),
        ("ld.global.u32 %a1, [none];", "none is unknown"),
        ("ld.shared::cluster.u32 %a1, [%a2];", "modifier .shared::cluster"),
        ("ld.param.u32 %a1, [out+5];", "4 bytes at 5 are no part of the parameter"),
        ("ld.param.u64 %b1, [out+8];", "8 bytes at 8 are no part of the parameter"),
        ("ld.param.u32 %a1, [%b1];", "is no parameter"),
        ("ld.mmio.global.u32 %a1, [%in];", "modifier .mmio is not supported"),
        ("st.const.u32 [%in], 1;", "constant memory is not written"),
        ("ld.u8 %h1, [%h2];", "too narrow for an address"),
        ("cvta.param.u64 %b1, %b2;", "lacks a known state space"),
        ("atom.global.add.f16 %h1, [%in], %h2;", "lacks one of"),
        ("atom.global.min.f32 %a1, [%in], %a2;", "type .f32 is not supported"),
        ("cp.async.ca.shared.global [%a1], [%in], 2;", "4, 8 or 16 bytes are copied"),
        ("cp.async.cg.shared.global [%a1], [%in], 8;", "only 16 bytes bypass"),
        ("cp.async.bulk.commit_group;", "modifier .bulk is not supported"),
        ("shfl.down.b32 %a1, %a2, 1, 31;", "lacks one of .sync"),
        ("vote.ballot.b32 %a1, %p1;", "lacks one of .sync"),
        ("vote.sync.any.pred %p1, %a1, -1;", "is no predicate"),
        ("bar.arrive 0, 64;", "lacks one of .sync"),
        ("fence.proxy.async;", "lacks one of .cta"),
        (f"{MMA}.f32.f16.f16.f32 {{%a1}}, {{%a1}}, {{%a1}}, {{%a1}};", "type .f32 is"),
        (f"{MMA}.satfinite.s32.s8.s8.s32 {{%a1, %a2}}, {{%a3}}, {{%a4}}, {{%a1, %a2}};",
         "modifier .satfinite is not supported"),
        (f"{MMA}.s32.s8.s8.s32 {{%a1, %a2}}, {{%a3, %a4}}, {{%a4}}, {{%a1, %a2}};",
         "is no vector of (1,)"),
        ("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%a1}, [%a3];", "no vector of (2,)"),
        ("bra nowhere;", "is no label"),
        ("call nowhere;", "is no function with a body"),
        ("brx.idx %a1, nowhere;", "is no list of targets"),
        ("@%a1 mov.u32 %a1, 1;", "is no predicate"),
        ("set.eq.u32.u32 %a1, %a2, %a3;", "the instruction is not supported"),
    ],
)  # fmt: skip
def test_what_is_not_supported_is_refused(statement: str, message: str) -> None:
    with pytest.raises(PtxError) as refused:
        kernel(statement)
    assert message in str(refused.value)
    assert str(refused.value).startswith("line 20: ")


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        (".shared .b8 much[49153];", "more than 48 KiB"),
        (".const .b8 few[1] = {1, 2};", "too many values for few"),
        (".global .u64 where = kernel;", "where starts with"),
    ],
)
def test_what_cannot_be_laid_out_is_refused(declaration: str, message: str) -> None:
    with pytest.raises(PtxError, match=message):
        kernel("", declaration)


def test_an_external_variable_that_is_used_is_refused() -> None:
    with pytest.raises(PtxError, match="elsewhere is unknown"):
        kernel("mov.u64 %b1, elsewhere;", ".extern .global .u32 elsewhere;")


def test_shared_variables_are_packed_as_declared() -> None:
    program = load(f"""{HEADER}
.shared .align 1 .b8 one[3];
.shared .align 2 .b8 two[2];
.shared .align 8 .b8 three[8];
.extern .shared .align 16 .b8 last[];
.extern .shared .align 4 .b8 same[];
.visible .entry k(.param .u64 out)
{{
    .reg .b64 %out; .reg .b32 %r<5>;
    ld.param.u64 %out, [out];
    mov.u32 %r0, one; mov.u32 %r1, two; mov.u32 %r2, three;
    mov.u32 %r3, last; mov.u32 %r4, same;
    st.global.v4.u32 [%out], {{%r0, %r1, %r2, %r3}};
    st.global.u32 [%out+16], %r4;
}}""")
    out = np.zeros(5, dtype=np.uint32)
    program.launch(1, 1, Pointer(out))
    assert out.tolist() == [0, 4, 8, 16, 16]
