"""Compile every CPU kernel and compare it with the reference, before any round."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from edgeproof.errors import EdgeproofError
from edgeproof.kernels import reference
from edgeproof.kernels.cpu import memories, nonces, products
from edgeproof.kernels.cpu.memories import CpuMemory
from edgeproof.kernels.cpu.trees import Tree
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.shapes import FEWEST_ITEMS, SIZES, TILE, lanes

SEED = bytes(range(32))
"""The seed of the checks; any would do."""


@dataclass(frozen=True)
class Found:
    """The kernels that were right, and what a person should know of the others."""

    checked: tuple[str, ...]
    notices: tuple[str, ...]


@cache
def warm() -> Found:
    """Compile or load all CPU kernels, and prove that they give the reference's bits.

    About 15 s in a process's first run on a machine, then well under 2; a second call
    in the same process is free.  Nothing is compiled after it.

    Raises:
        EdgeproofError: a kernel that nothing replaces gives other bits.

    """
    want = reference.digests(SEED, 2 * TILE)
    # All are compiled; the first one that is right is used.
    right = [name for name in products.MULTIPLIERS if _multiplies(name, want)]
    if not right:
        name = "matrix product"
        raise _wrong(name)
    products.use(right[0])
    others = [_compare(*pair) for pair in (*_small(want), *_memory())]
    checked = (*(f"product ({name})" for name in right), *others)
    if "blas" in right:
        return Found(checked, ())
    notice = (
        "this machine's BLAS does not compute exactly; the slower kernel "
        f"'{right[0]}' takes its place: try OPENBLAS_CORETYPE=Haswell"
    )
    return Found(checked, (notice,))


def _multiplies(name: str, want: Words) -> bool:
    """Tell whether a multiplier is exact, also where sums are largest."""
    products.use(name)
    found = products.product(SEED, products.Workspace(2 * TILE)).digests
    # Every entry -32 at the largest size: all sums reach 2^24, the last exact integer.
    a = np.full((TILE, SIZES[-1]), -32, dtype=np.float32)
    c = np.empty((TILE, TILE), dtype=np.float32)
    products.MULTIPLIERS[name](a, a, c)
    return np.array_equal(found, want) and bool(np.all(c == 2.0**24))


Pair = tuple[str, object, object]
"""A kernel's name, what it gave, and what the reference gives."""


def _small(want: Words) -> Iterator[Pair]:
    yield "opened tile", products.tile_digest(SEED, 2 * TILE, 3), want[3]
    yield "tree", Tree(want[:3]).root, reference.tree_root(want[:3])
    some = reference.search(SEED, 2, 0, 14)
    yield "search for nonces", nonces.search(SEED, 2, 0, 14), some
    both = [nonces.meet(SEED, 2, some), nonces.meet(SEED, 2, np.append(some, 14))]
    right = [True, bool(reference.search(SEED, 2, 14, 1).size)]
    yield "check of nonces", both, right


def _memory() -> Iterator[Pair]:
    count = 2 * FEWEST_ITEMS + 1
    ends = reference.walk(reference.items(SEED, 1, 0, count), SEED, 0, lanes(count))
    memory = CpuMemory(SEED, 1, count)
    memory.fill(count)
    found = memory.walk(SEED, count)
    yield "fill of memory and walk over it", found.ends, ends
    yield "tree of a walk", found.root, reference.tree_root(ends[:, None])
    chosen = np.arange(lanes(count), dtype=np.uint64)
    yield "opened lane", memories.lane_ends(SEED, 1, SEED, count, chosen), ends


def _compare(name: str, found: object, want: object) -> str:
    if not np.array_equal(np.asarray(found), np.asarray(want)):
        raise _wrong(name)
    return name


def _wrong(name: str) -> EdgeproofError:
    msg = f"the CPU kernel for the {name} does not match the reference"
    hint = "this machine's NumPy or Numba computes wrong results; reinstall them"
    return EdgeproofError(msg, hint=hint)
