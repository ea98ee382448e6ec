"""The few sizes that the work and its verification share."""

TILE = 64
"""Side of the square tiles that a product is digested and opened in."""

SIZES = (512, 1024, 2048, 4096, 8192, 16384)
"""The matrix sizes n that a device may choose from.

All are powers of two times ``TILE``, and at 16384 a sum of n products of two 6-bit
entries reaches 2^24 at most, the last integer up to which fp32 is exact.
"""

MAX_PRODUCTS = 4096
"""Most products that one card may commit to in one phase."""

MAX_SOLUTIONS = 4096
"""Most nonces that one card may commit to in one phase; the rest is unpaid."""

MAX_DIFFICULTY = 63
"""Most leading zero bits that a target may ask for: they fit one 64-bit word."""
