"""The entries of matrices on CUDA: eight to a word, as signed bytes."""

import numpy as np

from edgeproof.kernels.cuda.compiler import cuda, kernel, word, words
from edgeproof.kernels.cuda.steps import mix64, packed_entries, stream_state
from edgeproof.kernels.scalar import Words

BLOCK = 256


@kernel(word, words, block=BLOCK)
def expand(key: np.uint64, entries: Words) -> None:
    """Write the whole matrix of ``key``, rows first, (n * n / 8,) words of entries.

    Word c is output c of the key's stream: that is how the reference counts them.
    """
    step = np.uint64(cuda.gridsize(1))
    at = np.uint64(cuda.grid(1))
    while at < np.uint64(entries.size):
        entries[at] = packed_entries(mix64(stream_state(key, at)))
        at += step
