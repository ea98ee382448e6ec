"""Is a drand round what its chain signed?  BLS over BLS12-381, signatures in G1.

The scheme is drand's ``bls-unchained-g1-rfc9380``, that of quicknet: the signature of
``sha256(round as uint64, big-endian)``, hashed to G1 as in RFC 9380.  Of chained
schemes a round cannot be checked without the one before, so they are not offered.

``py_ecc`` comes with the extra ``drand`` and is imported when it is needed; a round
takes it about 0.4 s.
"""

from functools import lru_cache
from hashlib import sha256

from edgeproof.errors import EdgeproofError
from edgeproof.proofs.outside import SIGNATURE_BYTES

DOMAIN = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
"""Domain of the hash to the curve (draft-irtf-cfrg-bls-signature, 4.2.1)."""

KEY_BYTES = 96
"""A public key: a point of G2, compressed."""


class NoBls(EdgeproofError):  # noqa: N818 - reads as what it is about
    """The library for these signatures is not installed."""


@lru_cache(maxsize=256)
def verify(key: bytes, number: int, signature: bytes) -> bool:
    """Return whether the chain of ``key`` signed round ``number`` with ``signature``.

    Of any other bytes the answer is False, however close: see ``bls.verify``.
    """
    try:
        from edgeproof.proofs import bls  # noqa: PLC0415 - py_ecc is an extra
    except ImportError:
        msg = "drand's signatures cannot be verified: py_ecc is not installed"
        raise NoBls(msg, hint="pip install 'edgeproof[drand]'") from None
    if len(key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    if not 0 < number < 1 << 64:
        return False
    message = sha256(number.to_bytes(8, "big")).digest()
    return bls.verify(key, message, signature, DOMAIN)
