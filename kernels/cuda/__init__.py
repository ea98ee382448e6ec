"""The kernels for NVIDIA's cards, compiled by Numba; start at ``card``.

Every kernel is a ``compiler.Kernel``: it can be launched, and without any card it can
be compiled to PTX for one.
"""
