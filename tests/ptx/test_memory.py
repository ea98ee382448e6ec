"""Loads, stores, addresses, atomics and asynchronous copies."""

import numpy as np
import pytest

from tests.ptx.kernels import kernel, results
from tests.ptx.run import LaunchError, Pointer

BYTES = np.arange(0x80, 0xC0, dtype=np.uint8)


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        ("ld.global.u8 %result, [%in+1];", 0x81),
        ("ld.global.s8 %result, [%in+1];", 0xFFFFFF81),
        ("ld.global.b16 %h1, [%in+2]; cvt.u32.u16 %result, %h1;", 0x8382),
        ("ld.global.s16 %result, [%in+2];", 0xFFFF8382),
        ("ld.u32 %result, [%in+4];", 0x87868584),
        ("ld.global.nc.b64 %b1, [%in]; cvt.u32.u64 %result, %b1;", 0x83828180),
        ("ld.global.s32 %b1, [%in]; mov.b64 {_, %result}, %b1;", 0xFFFFFFFF),
        ("ld.global.v2.u32 {%a1, %result}, [%in];", 0x87868584),
        ("ld.global.v4.u32 {%a1, %a2, %a3, %result}, [%in+16];", 0x9F9E9D9C),
        ("ld.global.v4.u8 {%a1, %a2, %result, %a3}, [%in];", 0x82),
        ("ld.global.L2::64B.v2.b32 {_, %result}, [%in];", 0x87868584),
        ("ld.relaxed.gpu.global.u32 %result, [%in];", 0x83828180),
        ("ld.const.u8 %result, [table+2];", 30),
        ("mov.u64 %b1, table; add.u64 %b1, %b1, 1; ld.const.u8 %result, [%b1];", 20),
        ("mov.u64 %b1, table+1; ld.const.s8 %result, [%b1+2];", 0xFFFFFFFE),
        ("ld.const.f32 %result, [half];", 0x3F000000),
        ("ld.global.u16 %result, [counter];", 7),
        ("cvta.global.u64 %b1, counter; ld.u16 %result, [%b1+2];", 0),
        ("mov.u64 %b1, {%a1, %a1}; ld.param.u32 %result, [extra+4];", 0x11223344),
    ],
)  # fmt: skip
def test_a_load_reads_and_extends(load: str, expected: int) -> None:
    declarations = """.const .align 4 .b8 table[4] = {10, 20, 30, -2};
        .const .f32 half = 0f3F000000;
        .global .align 2 .u16 counter[2] = {7};"""
    program = kernel(load, declarations, ", .param .u64 extra")
    assert results(program, 1, BYTES, 0x1122334400000000) == [expected]


@pytest.mark.parametrize(
    ("store", "expected"),
    [
        ("st.global.u8 [%in], 0x1234;", "34"),
        ("mov.u32 %a1, 0x1234; st.global.u8 [%in+1], %a1;", "0034"),
        ("st.u16 [%in+2], 0x1234;", "00003412"),
        ("st.global.v2.u32 [%in+8], {1, 2};", "00" * 8 + "0100000002"),
        ("st.volatile.global.u64 [%in], -2;", "fe" + "ff" * 7),
        ("st.global.v2.b64 [%in], {2, 1};", "02" + "00" * 7 + "01"),
    ],
)  # fmt: skip
def test_a_store_writes_its_bytes_alone(store: str, expected: str) -> None:
    written = np.zeros(16, dtype=np.uint8)
    results(kernel(store), 1, written)
    assert written.tobytes().hex() == expected.ljust(32, "0")


def test_shared_and_local_memory_have_generic_addresses() -> None:
    program = kernel(
        """st.shared.u32 [there+4], 5;
        mov.u64 %b1, there;
        cvta.shared.u64 %b2, %b1;
        ld.u32 %result, [%b2+4];
        mov.u64 %b3, own;
        cvta.local.u64 %b3, %b3;
        st.u32 [%b3], %thread;
        ld.local.u32 %a1, [own];
        cvta.to.shared.u64 %b2, %b2;
        cvt.u32.u64 %a2, %b2;
        ld.shared.u32 %a3, [%a2+4];
        mad.lo.u32 %result, %result, %a3, %a1;""",
        """.shared .align 4 .b8 there[8];
        .local .align 4 .b8 own[4];""",
    )
    assert results(program, 3) == [25, 26, 27]


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        ("ld.global.u32 %result, [%in+64];", "4 bytes at 0x[0-9a-f]+ are outside all"),
        ("ld.u32 %result, [%in+-4];", "outside all arrays"),
        ("ld.global.v4.u32 {%a1, %a2, %a3, %a4}, [%in+64];", "16 bytes at"),
        ("ld.global.u32 %result, [%in+2];", "not aligned to 4 bytes"),
        ("ld.global.v2.u32 {%a1, %a2}, [%in+4];", "not aligned to 8 bytes"),
        ("st.global.u32 [0], %a1;", "4 bytes at 0x0 are outside"),
        ("ld.shared.u32 %result, [32];", "outside shared memory"),
        ("ld.shared.u8 %result, [32];", "1 bytes at 0x20 are outside shared memory"),
        ("ld.global.u8 %result, [%in+64];", "outside all arrays"),
        ("ld.shared.u32 %result, [-4];", "outside shared memory"),
        ("ld.shared.u64 %b1, [4];", "not aligned to 8 bytes"),
        ("ld.local.u32 %result, [16];", "outside local memory"),
        ("ld.const.u32 %result, [%in];", "outside constant memory"),
        ("mov.u64 %b1, table; st.u32 [%b1], 0;", "outside what may be written"),
        ("mov.u64 %b1, table; ld.global.u32 %a1, [%b1];", "outside all arrays"),
        ("atom.global.add.u32 %a1, [%in+64], 1;", "outside all arrays"),
        ("cp.async.ca.shared.global [there], [%in+64], 4;", "outside all arrays"),
        ("cp.async.ca.shared.global [there+32], [%in], 4;", "outside shared memory"),
        ("cp.async.cg.shared.global [there], [%in+8], 16;", "not aligned to 16 bytes"),
        ("div.u32 %a1, 1, %result;", "division by zero"),
        ("rem.s64 %b1, 1, 0;", "division by zero"),
        ("trap;", "trap"),
    ],
)  # fmt: skip
def test_what_hardware_forbids_ends_the_launch(statements: str, reason: str) -> None:
    declarations = """.shared .align 16 .b8 there[32];
        .local .align 4 .b8 own[4];
        .const .align 4 .b8 table[4] = {1};"""
    program = kernel(statements, declarations)
    with pytest.raises(LaunchError, match=reason) as refused:
        results(program, 1, BYTES)
    assert statements.rpartition("; ")[2] in str(refused.value)
    assert "thread (0, 0, 0) of block (0, 0, 0)" in str(refused.value)


def test_an_array_that_is_read_only_is_not_written() -> None:
    frozen = np.zeros(4, dtype=np.uint32)
    frozen.flags.writeable = False
    assert results(kernel("ld.global.u32 %result, [%in];"), 1, frozen) == [0]
    with pytest.raises(LaunchError, match="outside what may be written"):
        results(kernel("st.global.u32 [%in], 1;"), 1, frozen)


def test_memory_starts_as_poison() -> None:
    program = kernel(
        "ld.shared.u32 %result, [there]; ld.local.u16 %h1, [own];"
        "cvt.u32.u16 %a1, %h1; xor.b32 %result, %result, %a1;",
        ".shared .align 4 .b8 there[4]; .local .align 4 .b8 own[4];",
    )
    assert results(program, 2) == [0xA5A50000, 0xA5A50000]


@pytest.mark.parametrize(
    ("operation", "before", "after"),
    [
        ("add.u32", [5], 5 + 0 + 1 + 2 + 3),
        ("add.s32", [-3 % 2**32], 3),
        ("min.u32", [2], 0),
        ("max.u32", [2], 3),
        ("min.s32", [-5 % 2**32], -5 % 2**32),
        ("max.s32", [-5 % 2**32], 3),
        ("and.b32", [2], 0),
        ("or.b32", [4], 7),
        ("xor.b32", [4], 4),
        ("exch.b32", [9], 3),
        ("inc.u32", [0], 3),
        ("dec.u32", [9], 3),
    ],
)
def test_atomics_of_all_threads_add_up(
    operation: str, before: list[int], after: int
) -> None:
    program = kernel(f"atom.relaxed.gpu.global.{operation} %result, [%in], %thread;")
    place = np.array(before, dtype=np.uint32)
    old = results(program, 4, place)
    assert place.tolist() == [after]
    assert old[0] == before[0]

    place = np.array(before, dtype=np.uint32)
    if not operation.startswith("exch"):
        results(kernel(f"red.global.{operation} [%in], %thread;"), 4, place)
        assert place.tolist() == [after]


def test_atomics_return_what_was_there_in_the_order_of_the_threads() -> None:
    program = kernel(
        """setp.ne.u32 %p1, %thread, 0;
        @!%p1 st.shared.u64 [there], 10;
        bar.sync 0;
        cvt.u64.u32 %b1, %thread;
        atom.shared.add.u64 %b2, [there], %b1;
        cvt.u32.u64 %result, %b2;""",
        ".shared .align 8 .b8 there[8];",
    )
    assert results(program, 4) == [10, 10, 11, 13]
    assert results(program, 4, reverse=True) == [16, 15, 13, 10]


def test_fences_change_nothing() -> None:
    program = kernel(
        "membar.cta; membar.gl; membar.sys; fence.acq_rel.gpu; fence.sc.cta;"
        "mov.u32 %result, 1;"
    )
    assert results(program, 2) == [1, 1]


def test_cas_exchanges_only_what_it_expects() -> None:
    program = kernel(
        "add.u32 %a1, %thread, 1; atom.cas.b32 %result, [%in], %thread, %a1;"
    )
    place = np.array([1], dtype=np.uint32)
    assert results(program, 4, place) == [1, 1, 2, 3]
    assert place.tolist() == [4]


def test_floating_point_atomics_add() -> None:
    program = kernel("cvt.rn.f32.u32 %a1, %thread; red.global.add.f32 [%in], %a1;")
    place = np.array([0.5], dtype=np.float32)
    results(program, 4, place)
    assert place.tolist() == [6.5]


COMMIT = "cp.async.commit_group;"
COPY = "cp.async.cg.shared.global [there], [%in], 16;"
READ = "ld.shared.u32 %result, [there];"


@pytest.mark.parametrize(
    ("statements", "arrives"),
    [
        (f"{COPY} {COMMIT} cp.async.wait_group 0; {READ}", True),
        (f"{COPY} cp.async.wait_all; {READ}", True),
        (f"{COPY} {COMMIT} {COMMIT} cp.async.wait_group 1; {READ}", True),
        (f"{COPY} {READ}", False),
        (f"{COPY} {COMMIT} {READ}", False),
        (f"{COPY} cp.async.wait_group 0; {READ}", False),
        (f"{COPY} {COMMIT} cp.async.wait_group 1; {READ}", False),
    ],
)  # fmt: skip
def test_a_copy_is_there_only_after_the_wait(statements: str, *, arrives: bool) -> None:
    program = kernel(
        f"st.shared.u32 [there], 3; {statements}", ".shared .align 16 .b8 there[16];"
    )
    (found,) = results(program, 1, BYTES)
    assert found == (0x83828180 if arrives else 0xA5A5A5A5)


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (2, 0x8180), (4, 0x83828180)])
def test_what_a_copy_lacks_becomes_zero(count: int, expected: int) -> None:
    program = kernel(
        f"cp.async.ca.shared.global.L2::128B [there], [%in], 4, {count};"
        f"cp.async.wait_all; {READ}",
        ".shared .align 16 .b8 there[16];",
    )
    assert results(program, 1, BYTES) == [expected]


def test_a_copy_of_nothing_may_come_from_anywhere() -> None:
    program = kernel(
        f"cp.async.cg.shared.global [there], [%in+4096], 16, 0;"
        f"cp.async.wait_all; {READ}",
        ".shared .align 16 .b8 there[16];",
    )
    assert results(program, 1, BYTES) == [0]


def test_arrays_may_lie_anywhere_in_memory() -> None:
    backwards = np.arange(8, dtype=np.uint32)[::-2]
    program = kernel("ld.global.u32 %result, [%in+-24];")
    out = np.zeros(1, dtype=np.uint32)
    program.launch(1, 1, Pointer(out), Pointer(backwards))
    assert out.tolist() == [1]
