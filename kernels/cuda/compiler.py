"""The doorway to Numba's CUDA compiler.

Nothing here needs a driver until a kernel is launched.  With
``NUMBA_ENABLE_CUDASIM=1`` the same kernels run in Numba's simulator, but for those that
contain inline PTX.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from edgeproof.kernels import cache
from edgeproof.kernels.cuda import architectures
from edgeproof.kernels.cuda.architectures import Capability

cache.prepare()

import numba  # noqa: E402 - it reads the cache folder when it is imported
from numba import cuda as _cuda  # noqa: E402 - likewise
from numba import types as _types  # noqa: E402 - likewise

NEVER: Capability = (1000, 0)

Halves = NDArray[np.uint32]
"""An array of 32-bit words."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

types: Any = _types
cuda: Any = _cuda
"""Numba's module; kernels name it, and the simulator replaces it while they run."""

SIMULATED = bool(numba.config.ENABLE_CUDASIM)  # type: ignore[attr-defined]  # numba fills its config at run time
"""Whether kernels run in the simulator."""

word, half, integer = types.uint64, types.uint32, types.int32
words, halves = types.uint64[::1], types.uint32[::1]
"""Argument types of kernels: 64 and 32 bits, and arrays of them."""

ARCHITECTURES: tuple[Capability, ...] = tuple(architectures.ARCHITECTURES)
"""The compute capabilities that every kernel is compiled and tested for."""


def device(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Prepare for use in kernels, where its body replaces each call.

    Numba does it, not NVVM: a device function of its own could not be compiled where
    there is no card.
    """
    made = cuda.jit(device=True, inline="always")(function)
    return cast("Callable[Arguments, Result]", made)


@dataclass(frozen=True)
class Kernel:
    """A kernel: its source, the types of its arguments, and its block of threads.

    It is for compute capabilities from ``least`` on and before ``below``.
    """

    function: Callable[..., None]
    arguments: Sequence[Any]
    block: int
    least: Capability
    below: Capability
    dispatcher: Any

    @property
    def name(self) -> str:
        """What the kernel is called in tables and messages."""
        module = self.function.__module__.rpartition(".")[2]
        return f"{module}.{self.function.__name__}"

    def suits(self, capability: Capability) -> bool:
        """Tell whether the kernel is for cards of that compute capability."""
        return self.least <= capability < self.below

    def ptx(self, capability: Capability) -> str:
        """Return the PTX for a compute capability; needs no card, but NVVM."""
        signature = types.void(*self.arguments)
        text, _ = cuda.compile_ptx(
            self.function, signature, cc=capability, launch_bounds=self.block
        )
        return str(text)

    def launch(self, blocks: int, stream: object, *arguments: object) -> None:
        """Start the kernel on the current card; returns before it has finished."""
        self.dispatcher[blocks, self.block, stream](*arguments)


def kernel(
    *arguments: object,
    block: int,
    least: Capability = (5, 0),
    below: Capability = NEVER,
) -> Callable[[Callable[..., None]], Kernel]:
    """Make a ``Kernel`` of the function below; compiled when it is first launched."""

    def make(function: Callable[..., None]) -> Kernel:
        options = {} if SIMULATED else {"cache": True, "launch_bounds": block}
        dispatcher = cuda.jit(**options)(function)
        return Kernel(function, arguments, block, least, below, dispatcher)

    return make
