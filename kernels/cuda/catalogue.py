"""Every CUDA kernel there is, for whoever compiles, checks or measures them all."""

from edgeproof.kernels.cuda import (
    dot_products,
    expansion,
    keccak,
    memory,
    tensor_products,
)
from edgeproof.kernels.cuda.compiler import Kernel

KERNELS: tuple[Kernel, ...] = (
    keccak.search,
    keccak.hash_leaves,
    keccak.reduce_nodes,
    expansion.expand,
    tensor_products.product_ampere,
    tensor_products.product_turing,
    dot_products.product_dp4a,
    dot_products.product_plain,
    memory.fill,
    memory.walk,
)
"""Not for the simulator, which has no inline PTX."""
