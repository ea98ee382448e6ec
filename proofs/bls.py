"""The doorway to ``py_ecc``: BLS signatures in G1 of BLS12-381.  Slow to import."""

from hashlib import sha256

from eth_typing import BLSSignature
from py_ecc.bls.g2_primitives import signature_to_G2, subgroup_check
from py_ecc.bls.hash_to_curve import hash_to_G1
from py_ecc.bls.point_compression import decompress_G1
from py_ecc.bls.typing import G1Compressed
from py_ecc.fields import optimized_bls12_381_FQ12 as FQ12
from py_ecc.optimized_bls12_381.optimized_curve import G2, is_inf, neg
from py_ecc.optimized_bls12_381.optimized_pairing import final_exponentiate, pairing


def verify(key: bytes, message: bytes, signature: bytes, domain: bytes) -> bool:
    """Return whether ``signature`` (48 bytes) is that of ``message`` by ``key`` (96).

    False for bytes that spell no point of the group, infinity, or a point in any but
    its one spelling: 1. the key and the signature are points of their groups, 2. the
    pairings agree.
    """
    try:
        public = signature_to_G2(BLSSignature(key))  # in the other scheme they sign
        point = decompress_G1(G1Compressed(int.from_bytes(signature, "big")))
    except ValueError:
        return False
    if is_inf(public) or is_inf(point):
        return False
    if not (subgroup_check(public) and subgroup_check(point)):  # (1)
        return False
    hashed = hash_to_G1(message, domain, sha256)  # type: ignore[arg-type] # it says HASH and calls it
    left = pairing(public, hashed, final_exponentiate=False)
    right = pairing(G2, neg(point), final_exponentiate=False)
    return bool(final_exponentiate(left * right) == FQ12.one())  # (2)
