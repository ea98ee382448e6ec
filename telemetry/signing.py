"""Who signed: secp256k1 signatures over EIP-712 digests (SEC 1, EIP-2)."""

from dataclasses import dataclass, field

import coincurve

from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry.eip712 import Domain
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.message import M, Signed

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Number of points of secp256k1.  EIP-2: only ``s <= ORDER // 2`` is canonical."""

V_OFFSET = 27
"""What Ethereum adds to the recovery id."""


@dataclass(frozen=True, slots=True)
class Key:
    """A secp256k1 key, which is an Ethereum address.  ``repr`` shows no secret."""

    secret: bytes = field(repr=False)
    address: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Derive the 20-byte address; ``ValueError`` if ``secret`` is no key."""
        public = coincurve.PrivateKey(self.secret).public_key.format(compressed=False)
        object.__setattr__(self, "address", keccak(public[1:])[12:])

    def sign_digest(self, digest: bytes) -> bytes:
        """Return r || s || v, 65 bytes, with low s and v of 27 or 28."""
        raw = coincurve.PrivateKey(self.secret).sign_recoverable(digest, hasher=None)
        return raw[:64] + bytes([raw[64] + V_OFFSET])


def sign(message: M, domain: Domain, *keys: Key) -> Signed[M]:
    """Return ``message`` with one signature by each key, in order."""
    digest = message.digest(domain)
    return Signed(message, tuple(key.sign_digest(digest) for key in keys))


def recover(digest: bytes, signature: bytes) -> bytes:
    """Return the 20-byte address that signed ``digest``.

    Raises ``MessageRefused`` (BAD_SIGNATURE): wrong length, high s, v other than 27
    or 28, or no such point.
    """
    if len(signature) != 65 or signature[64] - V_OFFSET not in (0, 1):
        raise MessageRefused(Reason.BAD_SIGNATURE, "not r, s, v")
    if int.from_bytes(signature[32:64], "big") > ORDER // 2:
        raise MessageRefused(Reason.BAD_SIGNATURE, "s is not low")
    raw = signature[:64] + bytes([signature[64] - V_OFFSET])
    try:
        key = coincurve.PublicKey.from_signature_and_message(raw, digest, hasher=None)
    except Exception:  # noqa: BLE001 - coincurve raises bare Exception for a point that is none
        raise MessageRefused(Reason.BAD_SIGNATURE, "no key recovers") from None
    return keccak(key.format(compressed=False)[1:])[12:]


def check(signed: Signed[M], domain: Domain, *signers: bytes) -> bytes:
    """Return the message's digest if exactly ``signers`` signed it, in order.

    Raises ``MessageRefused``: BAD_SIGNATURE, or WRONG_SIGNER where somebody else did.
    """
    digest = signed.message.digest(domain)
    for signature, want in zip(signed.signatures, signers, strict=True):
        got = recover(digest, signature)
        if got != want:
            detail = f"0x{got.hex()} signed for 0x{want.hex()}"
            raise MessageRefused(Reason.WRONG_SIGNER, detail)
    return digest
