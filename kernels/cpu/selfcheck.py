"""Compile every CPU kernel and compare it with the reference, before any round."""

from functools import cache

import numpy as np

from edgeproof.errors import EdgeproofError
from edgeproof.kernels import reference
from edgeproof.kernels.cpu import memories, nonces, products
from edgeproof.kernels.cpu.memories import CpuMemory
from edgeproof.kernels.cpu.trees import Tree
from edgeproof.kernels.shapes import FEWEST_ITEMS, TILE, lanes

SEED = bytes(range(32))
"""The seed of the checks; any would do."""


@cache
def warm() -> None:
    """Compile or load all CPU kernels, and prove that they give the reference's bits.

    About 10 s in a process's first run on a machine, then well under 2; a second call
    in the same process is free.  Nothing is compiled after it.

    Raises:
        EdgeproofError: a kernel or the BLAS of this machine gives other bits.

    """
    n = 2 * TILE
    want = reference.digests(SEED, n)
    space = products.Workspace(n)
    found = products.product(SEED, space)
    _compare("matrix product", found.digests, want)
    _compare("opened tile", products.tile_digest(SEED, n, 3), want[3])
    _compare("tree", Tree(want[:3]).root, reference.tree_root(want[:3]))
    some = reference.search(SEED, 2, 0, 14)
    _compare("nonce search", nonces.search(SEED, 2, 0, 14), some)
    both = [nonces.meet(SEED, 2, some), nonces.meet(SEED, 2, np.append(some, 14))]
    _compare("nonce check", both, [True, bool(reference.search(SEED, 2, 14, 1).size)])
    _memory()


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
        hint = (
            "this machine's NumPy, BLAS or Numba computes wrong results; "
            "reinstall them, or try OPENBLAS_CORETYPE=Haswell"
        )
        raise EdgeproofError(msg, hint=hint)
