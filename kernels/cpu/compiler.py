"""The doorway to Numba: what it compiles keeps its Python types."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from edgeproof.kernels import cache

cache.prepare()

import numba  # noqa: E402 - it reads the cache folder when it is imported
import numpy as np  # noqa: E402 - as above
from llvmlite import ir  # noqa: E402 - after numba, which sets it up
from numba import extending, types  # noqa: E402 - as above

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def compiled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Compile at the first call, or load from the cache; runs without the GIL."""
    return cast(
        "Callable[Arguments, Result]",
        numba.njit(nogil=True, cache=True, error_model="numpy")(function),
    )


def inlined(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Prepare for use in other kernels, where its body replaces each call.

    Numba does it, not LLVM: LLVM unrolls the short loop around the call first, and
    then no longer turns it into vectors (measured: half the speed).
    """
    return cast(
        "Callable[Arguments, Result]",
        numba.njit(inline="always", error_model="numpy")(function),
    )


def threads() -> int:
    """Return how many threads ``NUMBA_NUM_THREADS`` allows; by default, one a core."""
    return int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]  # numba fills its config at run time


@extending.intrinsic
def _prefetch(_context: object, address: Any) -> Any:  # noqa: ANN401 - numba's own
    """Generate LLVM's prefetch: to be read soon, and kept as near as can be."""

    def generate(
        _target: object,
        builder: Any,  # noqa: ANN401 - llvmlite's own
        _signature: object,
        arguments: Any,  # noqa: ANN401 - llvmlite's own
    ) -> Any:  # noqa: ANN401 - llvmlite's own
        number, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        hint = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        at = builder.inttoptr(arguments[0], pointer)
        builder.call(hint, [at, number(0), number(3), number(1)])

    return types.void(address), generate


prefetch = cast("Callable[[int | np.int64], None]", _prefetch)
"""Ask for the cache line at an address, in a kernel; any address is safe."""
