"""The network's description of itself, at ``/.well-known/edgeproof.json``.

It names every key and number that a device or an auditor must know, and is signed by
the coordinator's key, which a device pins when it enrols.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.parameters import Parameters
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry import signing
from edgeproof.telemetry.bounded_json import load_object
from edgeproof.telemetry.eip712 import Domain
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.hexes import from_hex, to_hex
from edgeproof.telemetry.message import Signed
from edgeproof.telemetry.messages import Network
from edgeproof.telemetry.signing import Key

LARGEST = 64 * 1024
"""Bytes of a description that anybody should read."""

FORMAT = 1
"""Version of the JSON's layout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """One network.  Addresses are 20 bytes, ``network_id`` and anchors 32."""

    network_id: bytes
    chain_id: int
    token: bytes
    distributor: bytes
    coordinator: bytes
    attestors: tuple[bytes, ...]
    threshold: int
    beacon_anchor: bytes
    """Stands before the first beacon: ``keccak(value of slot 0)``."""
    broker: str
    """URL that devices connect to."""
    api: str
    """URL of the explorer and its API."""
    authority: str = ""
    """PEM of the authority of the broker's and the devices' certificates, if any."""
    parameters: Parameters

    @property
    def domain(self) -> Domain:
        """Where every signature but the epoch root's is valid."""
        return Domain(self.chain_id, self.network_id)

    @property
    def root_domain(self) -> Domain:
        """Where epoch roots are signed: the distributor's own domain."""
        return Domain(self.chain_id, self.distributor)

    def as_json(self) -> dict[str, Any]:
        """Return plain values, bytes as hexadecimal."""
        return {
            "format": FORMAT,
            "network_id": to_hex(self.network_id),
            "chain_id": self.chain_id,
            "token": to_hex(self.token),
            "distributor": to_hex(self.distributor),
            "coordinator": to_hex(self.coordinator),
            "attestors": [to_hex(address) for address in self.attestors],
            "threshold": self.threshold,
            "beacon_anchor": to_hex(self.beacon_anchor),
            "authority": self.authority,
            "broker": self.broker,
            "api": self.api,
            "parameters": self.parameters.as_json(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the description of ``as_json``.

        Raises ``MessageRefused`` (MALFORMED, NOT_CANONICAL, OUT_OF_RANGE) or
        ``BadParameters``.
        """
        if values.get("format") != FORMAT:
            detail = f"description format {values.get('format')!r}, expected {FORMAT}"
            raise MessageRefused(Reason.MALFORMED, detail)
        try:
            description = cls(
                network_id=from_hex(values["network_id"], 32),
                chain_id=int(values["chain_id"]),
                token=from_hex(values["token"], 20),
                distributor=from_hex(values["distributor"], 20),
                coordinator=from_hex(values["coordinator"], 20),
                attestors=tuple(from_hex(a, 20) for a in values["attestors"]),
                threshold=int(values["threshold"]),
                beacon_anchor=from_hex(values["beacon_anchor"], 32),
                broker=str(values["broker"]),
                api=str(values["api"]),
                authority=str(values["authority"]),
                parameters=Parameters.from_json(values["parameters"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            detail = f"description without {error}"
            raise MessageRefused(Reason.MALFORMED, detail) from None
        # As texts: 1 == 1.0 == True, but only one of them is what gets signed.
        if canonical(description.as_json()) != canonical(values):
            raise MessageRefused(Reason.NOT_CANONICAL, "description")
        description._check()
        return description

    def _check(self) -> None:
        if not 0 < self.chain_id < 1 << 64:
            detail = f"chain_id {self.chain_id:#x}"
            raise MessageRefused(Reason.OUT_OF_RANGE, detail)
        signers = len(set(self.attestors))
        if signers != len(self.attestors) or not 0 < self.threshold <= signers:
            detail = f"{self.threshold} of {signers} different attestors"
            raise MessageRefused(Reason.OUT_OF_RANGE, detail)

    def sign(self, key: Key) -> str:
        """Return the signed description as the text that is served."""
        content = self.as_json()
        message = Network(self.network_id, keccak(canonical(content)))
        (signature,) = signing.sign(message, self.domain, key).signatures
        return canonical({"network": content, "signature": to_hex(signature)}).decode()


def read(text: str | bytes) -> Description:
    """Return the description in ``text``, its coordinator's signature checked.

    Whether to trust that coordinator is the caller's decision.  Raises
    ``MessageRefused`` or ``BadParameters``.
    """
    outer = load_object(text, LARGEST)
    content, signature = outer.get("network"), outer.get("signature")
    if not isinstance(content, dict):
        detail = "not a signed network description"
        raise MessageRefused(Reason.MALFORMED, detail)
    description = Description.from_json(content)
    message = Network(description.network_id, keccak(canonical(content)))
    signed = Signed(message, (from_hex(signature, 65),))
    signing.check(signed, description.domain, description.coordinator)
    return description


def canonical(values: Mapping[str, Any]) -> bytes:
    """Return the one JSON text of ``values``: sorted keys, no spaces, ASCII."""
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()
