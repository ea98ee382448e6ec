"""The doorway to Numba: what it compiles keeps its Python types."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from edgeproof.kernels import cache

cache.prepare()

import numba  # noqa: E402 - it reads the cache folder when it is imported

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
