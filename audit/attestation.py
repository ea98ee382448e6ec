"""What attestors say about a bundle: ``attestation.json``.

It is the one file that the manifest does not list, because it signs the manifest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from edgeproof.audit.errors import BadBundle
from edgeproof.audit.manifest import read_json, whole
from edgeproof.telemetry import signing
from edgeproof.telemetry.description import Description, canonical
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.hexes import from_hex, to_hex
from edgeproof.telemetry.messages import EpochRoot

ATTESTATION = "attestation.json"

FORMAT = 1
"""Version of the JSON's layout."""


@dataclass(frozen=True, slots=True)
class Attestation:
    """An epoch root, and signatures on it by attestor address."""

    root: EpochRoot
    signatures: Mapping[bytes, bytes]

    def encode(self) -> bytes:
        """Return the bytes of ``attestation.json``: attestors ascending."""
        return canonical(
            {
                "format": FORMAT,
                "root": {
                    "first_epoch": self.root.first_epoch,
                    "last_epoch": self.root.last_epoch,
                    "root": to_hex(self.root.root),
                    "cumulative_total": str(self.root.cumulative_total),
                    "data_hash": to_hex(self.root.data_hash),
                },
                "signatures": [
                    {"attestor": to_hex(who), "signature": to_hex(signature)}
                    for who, signature in sorted(self.signatures.items())
                ],
            }
        )

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Return the attestation in ``raw``; raise ``BadBundle`` for other bytes."""
        values = read_json(ATTESTATION, raw)
        try:
            if values["format"] != FORMAT:
                got = f"{values['format']!r:.80}"
                raise BadBundle(ATTESTATION, f"format {FORMAT}", got)
            root = values["root"]
            attestation = cls(
                EpochRoot(
                    first_epoch=whole(root["first_epoch"]),
                    last_epoch=whole(root["last_epoch"]),
                    root=from_hex(root["root"], 32),
                    cumulative_total=int(root["cumulative_total"]),
                    data_hash=from_hex(root["data_hash"], 32),
                ),
                {
                    from_hex(entry["attestor"], 20): from_hex(entry["signature"], 65)
                    for entry in values["signatures"]
                },
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadBundle(ATTESTATION, "an attestation", repr(error)[:200]) from None
        except MessageRefused as error:
            raise BadBundle(ATTESTATION, "an attestation", str(error)) from None
        if attestation.encode() != raw:
            raise BadBundle(ATTESTATION, "its canonical encoding", "another one")
        return attestation

    def check(self, network: Description, epoch: int, data_hash: bytes) -> int:
        """Return how many attestors of ``network`` signed; raise ``BadBundle``.

        1. The root ends with this epoch and covers no more than one root may.
        2. It names this bundle.
        3. Every signature is by the attestor that it stands under, and each of those
           is one of the network's.
        4. There are at least ``threshold`` of them.
        """
        root = self.root
        # (1) The epochs.
        most = network.parameters.epochs_per_root
        if root.last_epoch != epoch or not 0 <= epoch - root.first_epoch < most:
            expected = f"at most {most} epochs that end with {epoch}"
            got = f"{root.first_epoch} to {root.last_epoch}"
            raise BadBundle(ATTESTATION, expected, got)
        # (2) The bundle.
        if root.data_hash != data_hash:
            expected = f"data hash {to_hex(data_hash)}"
            raise BadBundle(ATTESTATION, expected, to_hex(root.data_hash))
        # (3) Who signed.
        digest = root.digest(network.root_domain)
        for number, (attestor, signature) in enumerate(sorted(self.signatures.items())):
            if attestor not in network.attestors:
                got = to_hex(attestor)
                raise BadBundle(ATTESTATION, "an attestor of the network", got, number)
            try:
                signer = to_hex(signing.recover(digest, signature))
            except MessageRefused as error:
                signer = str(error)
            if signer != to_hex(attestor):
                expected = f"the signature of {to_hex(attestor)}"
                raise BadBundle(ATTESTATION, expected, signer, number)
        # (4) How many.
        if len(self.signatures) < network.threshold:
            expected = f"{network.threshold} attestors"
            raise BadBundle(ATTESTATION, expected, f"{len(self.signatures)}")
        return len(self.signatures)
