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

ITEM_WORDS = 16
"""64-bit words of one item of memory: 128 bytes, what a GPU reads at a time."""

ITEM_BYTES = 8 * ITEM_WORDS
"""Bytes of one item of memory."""

WALK_READS = 256
"""Items that one lane of a walk reads, each at a place that the one before decides."""

WALK_COVER = 4
"""A walk reads at least this many items for each that is claimed."""

FEWEST_ITEMS = WALK_READS // WALK_COVER
"""Fewest items that may be claimed: one lane's worth."""

MOST_ITEMS = 2**32
"""Most items that may be claimed: half a terabyte, what 32 bits of index reach."""


def lanes(items: int) -> int:
    """Return how many lanes walk over so many items, rounded up."""
    return -(-items * WALK_COVER // WALK_READS)


def walk_bytes(items: int) -> int:
    """Return how many bytes a walk over so many items reads."""
    return lanes(items) * WALK_READS * ITEM_BYTES


MAX_DIFFICULTY = 63
"""Most leading zero bits that a target may ask for: they fit one 64-bit word."""
