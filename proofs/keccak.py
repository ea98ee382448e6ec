"""Keccak-256 as Ethereum uses it (the original padding, not SHA3's)."""

import sha3


def keccak(*parts: bytes) -> bytes:
    """Return the 32-byte Keccak-256 digest of the parts, concatenated."""
    state = sha3.keccak_256()
    for part in parts:
        state.update(part)
    digest: bytes = state.digest()
    return digest
