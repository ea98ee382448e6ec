"""What Numba makes of whole kernels, for the oldest and the newest cards."""

import importlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from llvmlite import ir
from numba import types
from numpy.typing import NDArray

from edgeproof.kernels import reference, scalar
from tests.ptx.run import LaunchError, Program, load

# Both are filled at run time, so their types say nothing.
cuda: Any = importlib.import_module("numba.cuda")
dispatcher: Any = importlib.import_module("numba.cuda.dispatcher")

Kernel = Callable[..., None]
CARDS = [(7, 5), (9, 0), (12, 0)]


@pytest.fixture(params=CARDS, ids=lambda card: f"sm_{card[0]}{card[1]}")
def compiled(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Kernel, str], Program]:
    """Compile for each card, where there is none to ask for its version."""
    card = SimpleNamespace(compute_capability=request.param)
    monkeypatch.setattr(dispatcher, "get_current_device", lambda: card)

    def compile_for(kernel: Kernel, signature: str) -> Program:
        ptx, _ = cuda.compile_ptx(kernel, signature, cc=request.param)
        return load(ptx)

    return compile_for


Compile = Callable[[Kernel, str], Program]


def scale(values: NDArray[Any], factor: Any, out: NDArray[Any]) -> None:
    i = cuda.grid(1)
    if i < out.size:
        out[i] = values[i] * factor


@pytest.mark.parametrize("kind", ["int8", "int32", "uint64", "float32", "float64"])
def test_an_array_is_scaled(compiled: Compile, kind: str) -> None:
    program = compiled(scale, f"void({kind}[::1], {kind}, {kind}[::1])")
    values = np.random.default_rng(1).integers(0, 100, 100).astype(kind) / 3
    values = values.astype(kind)
    factor = np.dtype(kind).type(7)
    out = np.zeros(100, dtype=kind)
    program.launch(4, 32, values, factor, out)
    with np.errstate(over="ignore"):
        assert out.tobytes() == (values * factor).tobytes()


def test_a_missing_bound_is_found(compiled: Compile) -> None:
    def careless(values: NDArray[Any], out: NDArray[Any]) -> None:
        i = cuda.grid(1)
        out[i] = values[i]

    program = compiled(careless, "void(int64[::1], int64[::1])")
    with pytest.raises(LaunchError, match=r"thread \(4, 0, 0\) of block \(3, 0, 0\)"):
        program.launch(4, 32, np.zeros(100, np.int64), np.zeros(128, np.int64))


def transpose(values: NDArray[Any], out: NDArray[Any]) -> None:
    i, j = cuda.grid(2)
    if i < values.shape[0] and j < values.shape[1]:
        out[j, i] = values[i, j]


def test_arrays_have_strides(compiled: Compile) -> None:
    program = compiled(transpose, "void(int16[:, :], int16[:, ::1])")
    values = np.arange(24 * 30, dtype=np.int16).reshape(24, 30)[::-2, 1::3]
    out = np.zeros((10, 12), dtype=np.int16)
    program.launch((3, 3), (4, 4), values, out)
    assert out.tolist() == values.T.tolist()


def add_up(values: NDArray[Any], total: NDArray[Any]) -> None:
    """Add within the warp, then in shared memory, then in the grid."""
    partial = cuda.shared.array(32, np.int32)
    thread = cuda.threadIdx.x
    value = values[cuda.grid(1)]
    offset = 16
    while offset:
        value += cuda.shfl_down_sync(0xFFFFFFFF, value, offset)
        offset >>= 1
    if thread % 32 == 0:
        partial[thread // 32] = value
    cuda.syncthreads()
    if thread == 0:
        for i in range(1, cuda.blockDim.x // 32):
            value += partial[i]
        cuda.atomic.add(total, 0, value)
        cuda.atomic.max(total, 1, value)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_sum_over_warps_and_blocks(compiled: Compile, *, reverse: bool) -> None:
    program = compiled(add_up, "void(int32[::1], int32[::1])")
    values = np.random.default_rng(2).integers(-1000, 1000, 1024, dtype=np.int32)
    total = np.zeros(2, dtype=np.int32)
    program.launch(4, 256, values, total, reverse=reverse)
    blocks = values.reshape(4, 256).sum(axis=1)
    assert total.tolist() == [values.sum(), max(0, *blocks)]


def mirror(values: NDArray[Any]) -> None:
    there = cuda.shared.array(0, np.uint64)
    i, size = cuda.threadIdx.x, cuda.blockDim.x
    there[i] = values[i]
    cuda.syncthreads()
    values[i] = there[size - 1 - i]


def test_shared_memory_may_come_with_the_launch(compiled: Compile) -> None:
    program = compiled(mirror, "void(uint64[::1])")
    values = np.arange(100, dtype=np.uint64)
    program.launch(1, 100, values, shared_bytes=800)
    assert values.tolist() == list(range(99, -1, -1))
    with pytest.raises(LaunchError, match="outside shared memory"):
        program.launch(1, 100, values, shared_bytes=792)


def test_votes_of_a_block(compiled: Compile) -> None:
    def count(limit: int, out: NDArray[Any]) -> None:
        i = cuda.grid(1)
        below = np.int32(i < limit)
        found = cuda.syncthreads_count(below) + 1000 * cuda.syncthreads_and(below)
        found += 2000 * cuda.syncthreads_or(below)
        out[i] = found + 10000 * cuda.popc(cuda.ballot_sync(0xFFFFFFFF, below))

    program = compiled(count, "void(int32, uint32[::1])")
    out = np.zeros(64, dtype=np.uint32)
    program.launch(1, 64, 40, out)
    assert out.tolist() == [2040 + 320000] * 32 + [2040 + 80000] * 32


mix64 = cuda.jit(device=True)(scalar.mix64)
keccak_round = cuda.jit(device=True)(scalar.keccak_round)
CONSTANTS = scalar.ROUND_CONSTANTS


def test_functions_are_shared_with_the_cpu(compiled: Compile) -> None:
    def mix(words: NDArray[Any]) -> None:
        i = cuda.grid(1)
        words[i] = mix64(words[i])

    words = np.random.default_rng(3).integers(0, 2**64, 64, dtype=np.uint64)
    with np.errstate(over="ignore"):
        want = scalar.mix64(words)
    compiled(mix, "void(uint64[::1])").launch(2, 32, words)
    assert words.tolist() == want.tolist()


def test_keccak_is_the_references(compiled: Compile) -> None:
    def permute(states: NDArray[Any]) -> None:
        state = cuda.local.array(25, np.uint64)
        own = states[cuda.grid(1)]
        for word in range(25):
            state[word] = own[word]
        for number in range(24):
            keccak_round(state, 0, 1, CONSTANTS[number])
        for word in range(25):
            own[word] = state[word]

    states = np.random.default_rng(4).integers(0, 2**64, (8, 25), dtype=np.uint64)
    want = [reference.keccak_f(state.copy()).tolist() for state in states]
    compiled(permute, "void(uint64[:, ::1])").launch(1, 8, states)
    assert states.tolist() == want


def emit_dp4a(typing: Any, a: Any, b: Any, c: Any) -> Any:  # noqa: ARG001 - as Numba calls it
    """Return c plus the product of four signed bytes with four others."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001 - as Numba calls it
        word = ir.IntType(32)
        function = ir.FunctionType(word, [word] * 3)
        text = "{ .reg .b32 t; dp4a.s32.s32 t, $1, $2, $3; mov.b32 $0, t; }"
        assembly = ir.InlineAsm(function, text, "=r,r,r,r")
        return builder.call(assembly, arguments)

    return types.int32(types.int32, types.int32, types.int32), emit


dp4a = cuda.extending.intrinsic(emit_dp4a)


def test_inline_assembly_runs_too(compiled: Compile) -> None:
    def dot(a: NDArray[Any], b: NDArray[Any], out: NDArray[Any]) -> None:
        i = cuda.grid(1)
        out[i] = dp4a(a[i], b[i], dp4a(b[i], b[i], out[i]))

    rng = np.random.default_rng(5)
    a, b = rng.integers(-128, 128, (2, 64, 4), dtype=np.int8)
    out = np.arange(64, dtype=np.int32)
    want = out + (a.astype(int) * b).sum(axis=1) + (b.astype(int) * b).sum(axis=1)
    program = compiled(dot, "void(int32[::1], int32[::1], int32[::1])")
    program.launch(2, 32, a.view(np.int32).ravel(), b.view(np.int32).ravel(), out)
    assert out.tolist() == want.tolist()
