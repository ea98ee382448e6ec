"""The scalar steps, compiled for CUDA."""

from edgeproof.kernels import scalar
from edgeproof.kernels.cuda.compiler import device

ROUND_CONSTANTS = scalar.ROUND_CONSTANTS
"""Numba copies it to constant memory where a kernel asks for it."""

after_prefix = device(scalar.after_prefix)
cell = device(scalar.cell)
fold = device(scalar.fold)
item_index = device(scalar.item_index)
keccak_first_word = device(scalar.keccak_first_word)
keccak_round = device(scalar.keccak_round)
mix64 = device(scalar.mix64)
packed_entries = device(scalar.packed_entries)
stream_state = device(scalar.stream_state)
swap64 = device(scalar.swap64)
