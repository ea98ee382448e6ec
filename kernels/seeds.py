"""What kernels take in the place of a 32-byte seed."""

import numpy as np

from edgeproof.kernels.scalar import Words


def seed_words(seed: bytes) -> Words:
    """Return a 32-byte seed as the kernels take it."""
    if len(seed) != 32:
        msg = f"a seed has 32 bytes, not {len(seed)}"
        raise ValueError(msg)
    return np.frombuffer(seed, dtype="<u8").astype(np.uint64)


def walk_key(seed: bytes) -> np.uint64:
    """Return the key of a walk's stream: the first 8 bytes of its 32-byte seed."""
    if len(seed) != 32:
        msg = f"a seed has 32 bytes, not {len(seed)}"
        raise ValueError(msg)
    return np.uint64(int.from_bytes(seed[:8], "big"))
