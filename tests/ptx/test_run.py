"""Launches: grids, barriers, arguments, and what is reported instead of hanging."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.ptx import run
from tests.ptx.kernels import HEADER, kernel, results
from tests.ptx.model import PtxError
from tests.ptx.run import LaunchError, Pointer, load

SHARED = ".shared .align 4 .b8 there[4096];"
DYNAMIC = ".extern .shared .align 16 .b8 there[];"


def test_every_thread_of_a_grid_runs_once() -> None:
    program = load(f"""{HEADER}
.visible .entry grid(.param .u64 out)
{{
    .reg .b32 %n, %size, %i, %x<7>;
    .reg .b64 %out, %at;
    ld.param.u64 %out, [out];
    mov.u32 %n, %ctaid.z; mov.u32 %size, %nctaid.y; mov.u32 %i, %ctaid.y;
    mad.lo.u32 %n, %n, %size, %i;
    mov.u32 %size, %nctaid.x; mov.u32 %i, %ctaid.x; mad.lo.u32 %n, %n, %size, %i;
    mov.u32 %size, %ntid.z; mov.u32 %i, %tid.z; mad.lo.u32 %n, %n, %size, %i;
    mov.u32 %size, %ntid.y; mov.u32 %i, %tid.y; mad.lo.u32 %n, %n, %size, %i;
    mov.u32 %size, %ntid.x; mov.u32 %i, %tid.x; mad.lo.u32 %n, %n, %size, %i;
    mad.wide.u32 %at, %n, 4, %out;
    red.global.add.u32 [%at], %n;
}}""")
    out = np.ones(2 * 3 * 4 * 5 * 6 * 7, dtype=np.uint32)
    program.launch((4, 3, 2), (7, 6, 5), Pointer(out))
    assert out.tolist() == list(range(1, len(out) + 1))


REVERSED = """mad.lo.u32 %a2, %thread, 4, 0;
    st.shared.u32 [%a2], %thread;
    {barrier}
    sub.u32 %a3, 127, %thread; mul.lo.u32 %a3, %a3, 4;
    ld.shared.u32 %result, [%a3];"""


@pytest.mark.parametrize(
    "barrier",
    ["bar.sync 0;", "barrier.sync 3;", "barrier.cta.sync.aligned 0, 128;"],
)
@pytest.mark.parametrize("reverse", [False, True])
def test_a_barrier_lets_all_threads_see_what_was_written(
    barrier: str, *, reverse: bool
) -> None:
    program = kernel(REVERSED.format(barrier=barrier), SHARED)
    assert results(program, 128, reverse=reverse) == list(range(127, -1, -1))


def test_without_a_barrier_a_thread_reads_poison() -> None:
    program = kernel(REVERSED.format(barrier=""), SHARED)
    poison = [0xA5A5A5A5] * 64
    assert results(program, 128) == poison + list(range(63, -1, -1))
    assert results(program, 128, reverse=True) == list(range(127, 63, -1)) + poison


def test_a_barrier_may_count_and_combine() -> None:
    program = kernel(
        """and.b32 %a2, %thread, 3; setp.eq.u32 %p1, %a2, 0;
        barrier.cta.red.popc.aligned.u32 %a3, 0, %p1;
        bar.red.and.pred %p2, 0, %p1; selp.u32 %a4, 1000, 0, %p2;
        bar.red.or.pred %p3, 0, 64, !%p1; selp.u32 %a5, 100, 0, %p3;
        add.u32 %result, %a3, %a4; add.u32 %result, %result, %a5;"""
    )
    assert results(program, 64) == [116] * 64


def test_a_barrier_waits_only_for_threads_that_have_not_ended() -> None:
    program = kernel(
        "setp.ge.u32 %p1, %thread, 40; @%p1 exit; bar.sync 0; mov.u32 %result, 1;"
    )
    assert results(program, 64) == [1] * 40 + [0] * 24


def test_warps_may_wait_at_different_barriers() -> None:
    program = kernel(
        """setp.lt.u32 %p1, %thread, 64; @%p1 bra first;
        bar.sync 2, 64; mov.u32 %result, 2; bra done;
        first: bar.sync 1, 64; mov.u32 %result, 1;
        done: bar.sync 0;"""
    )
    assert results(program, 128) == [1] * 64 + [2] * 64


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        (
            "setp.lt.u32 %p1, %thread, 32; @%p1 bar.sync 1;\n@!%p1 bar.sync 2;",
            r"can go on; thread 0 waits at a barrier in line \d+; thread 32 waits",
        ),
        (
            "setp.lt.u32 %p1, %thread, 5; @%p1 bar.sync 0;\n@!%p1 bar.sync 0;",
            "divergent barrier: thread 5 waits there, but thread 0 of the same warp",
        ),
        ("bar.sync 1, 128;", "can go on"),
        ("bar.sync 0, 40;", "no whole warps"),
        ("bar.sync 16;", "there is no barrier 16"),
        (
            "setp.lt.u32 %p1, %thread, 32; @%p1 bar.sync 0, 32;\n@!%p1 bar.sync 0;",
            "another barrier 0 than in line",
        ),
    ],
)
def test_threads_that_wait_in_vain_are_reported(statements: str, reason: str) -> None:
    with pytest.raises(LaunchError, match=reason):
        results(kernel(statements), 64)


def test_an_endless_loop_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "FUEL", 1 << 20)
    with pytest.raises(LaunchError, match="the loop does not end"):
        results(kernel("again: bra.uni again;"), 1)


def test_a_thread_may_spin_until_another_one_writes() -> None:
    program = kernel(
        """setp.eq.u32 %p1, %thread, 3; @%p1 bra write;
        spin: ld.volatile.global.u32 %result, [%in];
        setp.eq.u32 %p2, %result, 0; @%p2 bra spin;
        bra done;
        write: st.volatile.global.u32 [%in], 7;
        done:"""
    )
    assert results(program, 64, np.zeros(1, dtype=np.uint32)) == [7, 7, 7, 0] + [7] * 60


def test_shared_memory_is_as_large_as_the_launch_says() -> None:
    program = kernel(
        """mov.u32 %a2, there; mad.lo.u32 %a2, %thread, 4, %a2;
        st.shared.u32 [%a2], %thread; ld.shared.u32 %result, [%a2];
        mov.u32 %a3, %dynamic_smem_size; add.u32 %result, %result, %a3;""",
        f".shared .align 4 .b8 before[4]; {DYNAMIC}",
    )
    assert results(program, 8, shared_bytes=32) == list(range(32, 40))
    with pytest.raises(
        LaunchError, match=r"outside shared memory, in thread \(7, 0, 0\)"
    ):
        results(program, 8, shared_bytes=28)
    with pytest.raises(LaunchError, match="outside shared memory"):
        results(program, 8)


def test_each_block_starts_with_poison() -> None:
    program = kernel("ld.shared.u32 %result, [0]; st.shared.u32 [0], 1;", SHARED)
    out = np.zeros(3, dtype=np.uint32)
    program.launch(3, 1, Pointer(out), Pointer(out))
    assert out.tolist() == [0xA5A5A5A5] * 3


def test_global_variables_keep_what_was_written() -> None:
    program = kernel(
        "atom.global.add.u32 %result, [kept], 1;", ".global .u32 kept = 5; // only here"
    )
    assert [results(program, 1) for _ in range(3)] == [[5], [6], [7]]


# --- arguments -------------------------------------------------------------------


def test_arguments_lie_as_numba_passes_them() -> None:
    kinds = ["u64"] * 9 + ["u8", "f32", "f64", "u16", "s32", "u64", "f32"]
    parameters = ", ".join(f".param .{kind} p{i}" for i, kind in enumerate(kinds))
    program = load(f"{HEADER}.visible .entry k({parameters}) {{ ret; }}")
    array = np.zeros((3, 5), dtype=np.uint16)
    flat = list(
        run.flatten((array, True, 1.5, (2.5, 7), -3, np.uint64(9), np.float32(4)))
    )
    assert flat[:4] == [0, 0, 15, 2]
    assert flat[5:9] == [3, 5, 10, 2]
    packed = program.parameters(flat)
    assert packed[:32] == np.array([0, 0, 15, 2], dtype="<u8").tobytes()
    assert packed[40:73] == np.array([3, 5, 10, 2], dtype="<u8").tobytes() + b"\1"
    assert packed[76:80] == np.float32(1.5).tobytes()
    assert packed[80:88] == np.float64(2.5).tobytes()
    assert packed[88:90] == b"\7\0"
    assert packed[92:96] == b"\xfd\xff\xff\xff"
    assert packed[96:] == b"\x09" + bytes(7) + np.float32(4).tobytes()
    program.launch(1, 1, array, True, 1.5, (2.5, 7), -3, np.uint64(9), np.float32(4))  # noqa: FBT003 - a kernel's argument


@pytest.mark.parametrize(
    ("argument", "error"),
    [
        (2**32, OverflowError),
        (-(2**31) - 1, OverflowError),
        (np.uint64(1), TypeError),
        ("text", TypeError),
        (np.zeros(1), TypeError),
    ],
)
def test_an_argument_that_does_not_fit_is_refused(
    argument: object, error: type[Exception]
) -> None:
    program = load(f"{HEADER}.visible .entry k(.param .u32 p) {{ ret; }}")
    with pytest.raises(error):
        program.launch(1, 1, argument)


@pytest.mark.parametrize(
    ("grid", "block", "shared_bytes"),
    [
        (0, 1, 0),
        (1, 0, 0),
        (1, 1025, 0),
        (1, (32, 33), 0),
        (1, (1, 1, 65), 0),
        ((1, 1, 1, 1), 1, 0),
        (1, 1, -1),
        (1, 1, 228 * 1024),
    ],
)
def test_a_launch_that_no_device_takes_is_refused(
    grid: run.Numbers, block: run.Numbers, shared_bytes: int
) -> None:
    program = load(f"{HEADER}.visible .entry k() {{ ret; }}")
    with pytest.raises(ValueError, match=r"exceeds|is no|bytes"):
        program.launch(grid, block, shared_bytes=shared_bytes)


def test_the_limits_that_an_entry_declares_hold() -> None:
    program = load(f"{HEADER}.visible .entry k() .maxntid 64, 1, 1 {{ ret; }}")
    program.launch(1, 64)
    with pytest.raises(ValueError, match="exceeds 64"):
        program.launch(1, 96)
    program = load(f"{HEADER}.visible .entry k() .reqntid 64 {{ ret; }}")
    program.launch(1, 64)
    with pytest.raises(ValueError, match="required"):
        program.launch(1, 32)


def test_one_entry_of_several_is_chosen_by_its_name() -> None:
    text = f"{HEADER}.visible .entry a() {{ ret; }} .visible .entry b() {{ trap; }}"
    load(text, "a").launch(1, 1)
    with pytest.raises(LaunchError, match="trap"):
        load(text, "b").launch(1, 1)
    for name in (None, "c"):
        with pytest.raises(PtxError, match="there are: a, b"):
            load(text, name)


# --- the cache -------------------------------------------------------------------


def test_libraries_lie_where_nobody_else_can_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = run.private_folder()
    assert folder.stat().st_mode & 0o777 == 0o700
    kernel("mov.u32 %result, 1;")
    kernel("mov.u32 %result, 1;")
    assert sorted(each.suffix for each in folder.iterdir()) == [".o", ".so"]
    folder.chmod(0o755)
    with pytest.raises(PermissionError, match="not private"):
        run.private_folder()
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="not private"):
        run.private_folder()


def test_two_processes_may_compile_the_same_at_once(
    tmp_path: Path, clone: Path
) -> None:
    program = (
        "from tests.ptx.kernels import kernel, results\n"
        "print(results(kernel('mov.u32 %result, 1;'), 2))"
    )
    environment = {
        "TMPDIR": str(tmp_path),
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(clone),
    }
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=clone,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    assert [each.communicate()[0] for each in started] == ["[1, 1]\n"] * 2
