"""Run PTX on the CPU: translated to C, compiled by gcc, launched through ctypes.

    program = load(ptx)
    program.launch(grid, block, array, 3, shared_bytes=4096)

Arguments are what Numba's kernels take: NumPy arrays, numbers and tuples of them.
A launch is deterministic.  ``reverse`` runs the threads in the opposite order: what
lacks a barrier between threads comes out right in one order at most.
"""

import ctypes
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.typing import NDArray

from tests.ptx.layout import aligned, size
from tests.ptx.model import Function, Module, PtxError
from tests.ptx.parse import parse
from tests.ptx.translate import machine, translate

FLAGS = (
    *("-std=gnu17", "-O1", "-fPIC", "-fvisibility=hidden", "-w"),
    *("-fwrapv", "-ffp-contract=off", "-fno-strict-aliasing"),
)
"""Wrapping like PTX, and no fused operation that PTX did not ask for."""

MOST_THREADS = 1024
MOST_SHARED = 227 * 1024
FUEL = 1 << 30
"""Backward branches of one thread, after which a loop counts as endless."""

GLOBAL = 1

Numbers = int | tuple[int, ...]


class LaunchError(Exception):
    """A thread did what hardware forbids, or none could go on; names the line."""


@dataclass(frozen=True)
class Pointer:
    """An array passed as nothing but its address, as hand-written PTX takes it."""

    array: NDArray[Any]


class Range(ctypes.Structure):
    """Memory that a kernel may use; as in machine.c."""

    _fields_ = (
        ("base", ctypes.c_void_p),
        ("size", ctypes.c_uint64),
        ("space", ctypes.c_uint32),
        ("writable", ctypes.c_uint32),
    )


class Launch(ctypes.Structure):
    """What a launch is told; as in machine.c."""

    _fields_ = (
        ("grid", ctypes.c_uint32 * 3),
        ("block", ctypes.c_uint32 * 3),
        ("dynamic_bytes", ctypes.c_uint32),
        ("reverse", ctypes.c_uint32),
        ("range_count", ctypes.c_uint32),
        ("message_size", ctypes.c_uint32),
        ("fuel", ctypes.c_uint64),
        ("parameters", ctypes.c_char_p),
        ("ranges", ctypes.POINTER(Range)),
        ("message", ctypes.c_char_p),
    )


def load(ptx: str, entry: str | None = None) -> "Program":
    """Translate and compile one entry; without a name, the only one.

    Raises PtxError where the text holds anything that is not supported.
    """
    module = parse(ptx)
    entries = [each for each in module.functions if each.is_entry]
    chosen = [each for each in entries if entry in (None, each.name)]
    if len(chosen) != 1:
        names = ", ".join(each.name for each in entries) or "none"
        raise PtxError(1, f"not one entry {entry or ''}; there are: {names}")
    return Program(module, chosen[0], compile_kernel(translate(module, chosen[0])))


@dataclass(frozen=True)
class Program:
    """One entry, ready to be launched."""

    module: Module
    entry: Function
    library: Path

    def launch(
        self,
        grid: Numbers,
        block: Numbers,
        *arguments: object,
        shared_bytes: int = 0,
        reverse: bool = False,
    ) -> None:
        """Run all blocks of the grid, and return when they have ended.

        Raises LaunchError for an address outside the arrays passed or misaligned,
        for threads that wait for each other in vain, and for what else would be
        undefined.  Arrays have then been written in part.
        """
        self.check_sizes(triple(block), shared_bytes)
        flat = list(flatten(arguments))
        ranges = [bounds(each) for each in arrays(arguments)]
        text = ctypes.create_string_buffer(1000)
        told = Launch(
            triple(grid),
            triple(block),
            shared_bytes,
            int(reverse),
            len(ranges),
            len(text),
            FUEL,
            self.parameters(flat),
            (Range * len(ranges))(*ranges),
            ctypes.cast(text, ctypes.c_char_p),
        )
        if not opened(self.library).launch(ctypes.byref(told)):
            raise LaunchError(self.explain(text.value.decode()))

    def check_sizes(self, block: tuple[int, int, int], shared_bytes: int) -> None:
        """Refuse a block that no device would take."""
        count = block[0] * block[1] * block[2]
        limits = self.entry.limits
        most = int(np.prod(limits.get("maxntid", (MOST_THREADS,))))
        if not 0 < count <= min(most, MOST_THREADS) or block[2] > 64:
            message = f"a block of {block} threads exceeds {most}"
            raise ValueError(message)
        wanted = limits.get("reqntid")
        if wanted and block != (*wanted, 1, 1)[:3]:
            message = f"a block of {block} threads is not the {wanted} required"
            raise ValueError(message)
        if not 0 <= shared_bytes <= MOST_SHARED:
            message = f"{shared_bytes} bytes of shared memory"
            raise ValueError(message)

    def parameters(self, values: list[object]) -> bytes:
        """Return the values as the entry's parameters lie in memory."""
        wanted = self.entry.parameters
        if len(values) != len(wanted):
            message = f"{len(values)} values for {len(wanted)} parameters"
            raise TypeError(message)
        packed = b""
        for value, parameter in zip(values, wanted, strict=True):
            packed = packed.ljust(aligned(len(packed), parameter.align), b"\0")
            packed += pack(value, size(parameter))
        return packed

    def explain(self, message: str) -> str:
        """Return the message with the line of PTX that it names."""
        line = int(message.split(":", 1)[0].removeprefix("line "))
        return f"{message}\n    {self.module.excerpt(line)}"


def triple(numbers: Numbers) -> tuple[int, int, int]:
    """Return the sizes in x, y and z."""
    given = numbers if isinstance(numbers, tuple) else (numbers,)
    x, y, z = (*given, 1, 1)[:3]
    if len(given) > 3 or min(x, y, z) < 1:
        message = f"{numbers} is no grid or block"
        raise ValueError(message)
    return x, y, z


def flatten(arguments: tuple[object, ...]) -> Iterator[object]:
    """List all values that Numba passes for these arguments, in its order."""
    for each in arguments:
        if isinstance(each, tuple):
            yield from flatten(each)
        elif isinstance(each, np.ndarray):
            yield from (0, 0, each.size, each.itemsize, each.ctypes.data)
            yield from (*each.shape, *each.strides)
        elif isinstance(each, Pointer):
            yield each.array.ctypes.data
        else:
            yield each


def arrays(arguments: tuple[object, ...]) -> Iterator[NDArray[Any]]:
    """List all arrays among the arguments."""
    for each in arguments:
        if isinstance(each, tuple):
            yield from arrays(each)
        elif isinstance(each, np.ndarray):
            yield each
        elif isinstance(each, Pointer):
            yield each.array


def bounds(array: NDArray[Any]) -> Range:
    """Return the memory that an array's elements take."""
    low, high = byte_bounds(array)
    return Range(low, high - low if array.size else 0, GLOBAL, array.flags.writeable)


def pack(value: object, width: int) -> bytes:
    """Return a number in as many bytes; refuse one that does not fit."""
    if isinstance(value, np.generic):
        if value.itemsize != width:
            message = f"{value!r} does not take {width} bytes"
            raise TypeError(message)
        return value.tobytes()
    if isinstance(value, float):
        return np.array(value, {4: "<f4", 8: "<f8"}[width]).tobytes()
    if isinstance(value, int):
        return value.to_bytes(width, "little", signed=value < 0)
    message = f"{value!r} is no argument of a kernel"
    raise TypeError(message)


@cache
def opened(library: Path) -> ctypes.PyDLL:
    """Load a library.  It keeps the GIL, as it holds one launch at a time."""
    return ctypes.PyDLL(str(library))


def compile_kernel(source: str) -> Path:
    """Return the library made of a translated entry."""
    shared = compile_c(machine(), ".o", ("-c",))
    return compile_c(source, ".so", ("-shared", str(shared)), ("-lm",))


def compile_c(
    source: str, suffix: str, options: tuple[str, ...], libraries: tuple[str, ...] = ()
) -> Path:
    """Return what gcc makes of a C file; the same file is compiled only once."""
    folder = private_folder()
    told = (*FLAGS, *options)
    key = hashlib.sha256("\0".join((source, *told)).encode()).hexdigest()
    result = folder / (key + suffix)
    if result.exists():
        return result
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        written, compiled = Path(scratch, "source.c"), Path(scratch, f"result{suffix}")
        written.write_text(source)
        command = ["gcc", str(written), *told, "-o", str(compiled), *libraries]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            message = f"gcc refused what was translated:\n{done.stderr}"
            raise RuntimeError(message)
        compiled.replace(result)  # at once, so that another process sees all or none
    return result


def private_folder() -> Path:
    """Return a folder that nobody else can write: what lies there is executed."""
    folder = Path(tempfile.gettempdir(), f"edgeproof-ptx-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()  # of a link it tells that all may write
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        message = f"{folder} is not private"
        raise PermissionError(message)
    return folder
