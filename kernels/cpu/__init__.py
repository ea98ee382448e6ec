"""The kernels for a CPU: Numba, and BLAS for the product itself; start at ``card``."""
