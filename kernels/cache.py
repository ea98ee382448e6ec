"""Where compiled kernels are kept between runs.

Numba reads ``NUMBA_CACHE_DIR`` when it is imported, and notices a change only in the
file that a kernel stands in, not in the scalar steps that it was compiled with.  So
the folder carries the fingerprint of every source in this package.
"""

import contextlib
import os
import stat
import sys
import tempfile
from hashlib import sha256
from importlib import metadata
from pathlib import Path

VARIABLE = "NUMBA_CACHE_DIR"
"""Numba's own variable; if it is set, the cache lies in a folder under it."""

WARNINGS = "NUMBA_CUDA_LOW_OCCUPANCY_WARNINGS"
"""Whether Numba warns of grids that leave much of a card idle."""

COMPILERS = ("numba", "llvmlite", "numba-cuda", "nvidia-nvvm")
"""The packages that decide what a source is compiled to."""

_temporary: list[tempfile.TemporaryDirectory[str]] = []
"""Keeps a folder of last resort until the process ends, when Python removes it."""


def prepare() -> Path:
    """Choose the cache folder for this process and its children, and return it.

    Numba is also kept from warning of grids that are small.

    Nobody else can write there: compiled code is loaded from it.  Where no lasting
    folder can be had, as in a read-only home, it is a temporary one.
    """
    # Small grids are on purpose: in a self-check, and at the top of a tree.
    os.environ.setdefault(WARNINGS, "0")
    name = "kernels-" + fingerprint()
    chosen = os.environ.get(VARIABLE)
    if chosen and Path(chosen).name == name:
        return Path(chosen)
    folder = (Path(chosen) if chosen else _user_cache() / "edgeproof") / name
    if not _is_ours(folder):
        _temporary.append(tempfile.TemporaryDirectory(prefix="edgeproof-kernels-"))
        folder = Path(_temporary[-1].name)
    os.environ[VARIABLE] = str(folder)
    numba = sys.modules.get("numba")
    if numba is not None:  # somebody was faster: the variable alone comes too late
        numba.config.CACHE_DIR = str(folder)
    return folder


def fingerprint() -> str:
    """Return 16 hex digits that change with any source of this package or compiler.

    The CPU or GPU that code was compiled for stands in Numba's own index.
    """
    digest = sha256()
    for name in COMPILERS:
        digest.update(f"{name} {_version(name)}\n".encode())
    folder = Path(__file__).parent
    for source in sorted(folder.rglob("*.py")):
        content = source.read_bytes()
        place = source.relative_to(folder)
        digest.update(f"{place} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def _user_cache() -> Path:
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    if Path(chosen).is_absolute():
        return Path(chosen)
    with contextlib.suppress(RuntimeError):  # a user without a home
        return Path.home() / ".cache"
    return Path("/nonexistent")


def _is_ours(folder: Path) -> bool:
    """Create the folder if need be; tell whether only this user can write there."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError:
        return False
    shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return found.st_uid == os.getuid() and not shared and os.access(folder, os.W_OK)
