"""A root and its attestors' signatures, as the distributor takes them."""

from collections.abc import Mapping
from dataclasses import dataclass

from eth_abi.abi import encode

from edgeproof.errors import EdgeproofError
from edgeproof.proofs.keccak import keccak

ADDRESS_BYTES = 20
HASH_BYTES = 32
SIGNATURE_BYTES = 65
"""r, s and v, as Solidity's ``ecrecover`` takes them."""

LOWEST_V = 27
"""Solidity counts v from 27; libraries that count from 0 are one addition away."""


@dataclass(frozen=True, slots=True)
class RootToPost:
    """One signed ``EpochRoot``, ready for ``Distributor.post``.

    ``signatures`` are pairs of an attestor's address (20 bytes) and its signature
    (65 bytes).  ``answers_vetoes`` is the operator's word: these epochs were vetoed
    that often, and this root is the answer.  Without it no vetoed epochs are posted
    again, because a program must not argue with the guardian.
    """

    first_epoch: int
    last_epoch: int
    root: bytes
    cumulative_total: int
    data_hash: bytes
    signatures: tuple[tuple[bytes, bytes], ...]
    answers_vetoes: int = 0

    def __post_init__(self) -> None:
        """Refuse values that no ``EpochRoot`` can hold."""
        if not 0 <= self.first_epoch <= self.last_epoch < 1 << 64:
            msg = f"epochs {self.first_epoch} to {self.last_epoch} are no range"
            raise EdgeproofError(msg)
        if len(self.root) != HASH_BYTES or len(self.data_hash) != HASH_BYTES:
            msg = f"root and data hash of epochs {self.epochs} must be 32 bytes each"
            raise EdgeproofError(msg)
        if not 0 <= self.cumulative_total < 1 << 256:
            msg = f"total {self.cumulative_total} is no uint256"
            raise EdgeproofError(msg)

    @property
    def epochs(self) -> tuple[int, int]:
        """The first and the last epoch that this root covers."""
        return self.first_epoch, self.last_epoch

    @property
    def body(self) -> tuple[int, int, bytes, int, bytes]:
        """The struct ``EpochRoot`` in the order of its fields."""
        return (
            self.first_epoch,
            self.last_epoch,
            self.root,
            self.cumulative_total,
            self.data_hash,
        )

    def attestations(self) -> bytes:
        """Return the signatures as ``Distributor.post`` takes them."""
        return encode_attestations(dict(self.signatures))


def encode_attestations(signatures: Mapping[bytes, bytes]) -> bytes:
    """Return ``abi.encode(bytes[] signers, bytes[] signatures)``.

    Keys are addresses of 20 bytes, values r || s || v of 65 bytes, v either from 0 or
    from 27.  Signers come in ascending order of their Keccak-256, as OpenZeppelin's
    ``MultiSignerERC7913`` wants them.
    """
    for signer, signature in signatures.items():
        if len(signer) != ADDRESS_BYTES or len(signature) != SIGNATURE_BYTES:
            msg = (
                f"attestor 0x{signer.hex()}: {len(signer)} bytes of address and"
                f" {len(signature)} of signature, not {ADDRESS_BYTES}"
                f" and {SIGNATURE_BYTES}"
            )
            raise EdgeproofError(msg)
    signers = sorted(signatures, key=keccak)
    return encode(
        ["bytes[]", "bytes[]"],
        [signers, [_with_solidity_v(signatures[signer]) for signer in signers]],
    )


def _with_solidity_v(signature: bytes) -> bytes:
    v = signature[-1]
    return signature[:-1] + bytes([v if v >= LOWEST_V else v + LOWEST_V])
