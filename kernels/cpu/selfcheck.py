"""Compile every CPU kernel and compare it with the reference, before any round."""

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


@cache
def warm() -> tuple[str, ...]:
    """Compile or load all CPU kernels, and prove that they give the reference's bits.

    About 10 s in a process's first run on a machine, then well under 2; a second call
    in the same process is free.  Nothing is compiled after it.

    Returns:
        What a person should know: a BLAS that is wrong, and so not used.

    Raises:
        EdgeproofError: a kernel gives other bits.

    """
    want = reference.digests(SEED, 2 * TILE)
    notices = _choose(want)
    found = products.tile_digest(SEED, 2 * TILE, 3)
    _compare("opened tile", found, want[3])
    _compare("tree", Tree(want[:3]).root, reference.tree_root(want[:3]))
    some = reference.search(SEED, 2, 0, 14)
    _compare("nonce search", nonces.search(SEED, 2, 0, 14), some)
    both = [nonces.meet(SEED, 2, some), nonces.meet(SEED, 2, np.append(some, 14))]
    _compare("nonce check", both, [True, bool(reference.search(SEED, 2, 14, 1).size)])
    _memory()
    return notices


def _choose(want: Words) -> tuple[str, ...]:
    """Use the first multiplier that is right; compile the others all the same."""
    right = [name for name in products.MULTIPLIERS if _multiplies(name, want)]
    if not right:
        _compare("matrix product", 0, 1)
    products.use(right[0])
    if right[0] == next(iter(products.MULTIPLIERS)):
        return ()
    notice = (
        "this machine's BLAS does not compute exactly; the slower kernel "
        f"'{right[0]}' takes its place: try OPENBLAS_CORETYPE=Haswell"
    )
    return (notice,)


def _multiplies(name: str, want: Words) -> bool:
    """Tell whether a multiplier is exact, also where sums are largest."""
    products.use(name)
    found = products.product(SEED, products.Workspace(2 * TILE)).digests
    # Every entry -32 at the largest size: all sums reach 2^24, the last exact integer.
    a = np.full((TILE, SIZES[-1]), -32, dtype=np.float32)
    c = np.empty((TILE, TILE), dtype=np.float32)
    products.MULTIPLIERS[name](a, a, c)
    return np.array_equal(found, want) and bool(np.all(c == 2.0**24))


def _memory() -> None:
    count = 2 * FEWEST_ITEMS + 1
    ends = reference.walk(reference.items(SEED, 1, 0, count), SEED, 0, lanes(count))
    memory = CpuMemory(SEED, 1, count)
    memory.fill(count)
    found = memory.walk(SEED, count)
    _compare("memory walk", found.ends, ends)
    _compare("tree of a walk", found.root, reference.tree_root(ends[:, None]))
    chosen = np.arange(lanes(count), dtype=np.uint64)
    again = memories.lane_ends(SEED, 1, SEED, count, chosen)
    _compare("opened lane", again, ends)


def _compare(name: str, found: object, want: object) -> None:
    if not np.array_equal(np.asarray(found), np.asarray(want)):
        msg = f"the CPU kernel for the {name} does not match the reference"
        hint = "this machine's NumPy or Numba computes wrong results; reinstall them"
        raise EdgeproofError(msg, hint=hint)
