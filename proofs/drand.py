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

    Of any other bytes, of another length, of points outside the group, of infinity and
    of any second spelling of a point, the answer is False.  1. The key and 2. the
    signature are points of their groups.  3. The pairings agree.
    """
    try:
        from py_ecc.bls.g2_primitives import (  # noqa: PLC0415 - an extra
            signature_to_G2,
            subgroup_check,
        )
        from py_ecc.bls.hash_to_curve import hash_to_G1  # noqa: PLC0415 - likewise
        from py_ecc.bls.point_compression import decompress_G1  # noqa: PLC0415 - likewise
        from py_ecc.optimized_bls12_381 import (  # noqa: PLC0415 - likewise
            FQ12,
            G2,
            final_exponentiate,
            is_inf,
            neg,
            pairing,
        )
    except ImportError:
        msg = "drand's signatures cannot be verified: py_ecc is not installed"
        raise NoBls(msg, hint="pip install 'edgeproof[drand]'") from None
    if len(key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES or number < 0:
        return False
    try:
        public = signature_to_G2(key)  # (1): the name is that of the other scheme
        point = decompress_G1(int.from_bytes(signature, "big"))  # (2)
    except ValueError:
        return False
    if is_inf(public) or is_inf(point):
        return False
    if not (subgroup_check(public) and subgroup_check(point)):
        return False
    message = sha256(number.to_bytes(8, "big")).digest()
    hashed = hash_to_G1(message, DOMAIN, sha256)
    both = pairing(public, hashed, False) * pairing(G2, neg(point), False)  # noqa: FBT003 - its API
    return bool(final_exponentiate(both) == FQ12.one())  # (3)
