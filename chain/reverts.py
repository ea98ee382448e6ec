"""A revert's data, read with the errors that our contracts declare."""

from collections.abc import Iterator
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from edgeproof.chain import artifacts
from edgeproof.chain.errors import Reverted
from edgeproof.proofs.keccak import keccak

SELECTOR_BYTES = 4

HINTS = {
    "ChallengeWindowOpen": "wait until the challenge window has passed",
    "EpochNotEnded": "wait until the epoch has ended on the chain's clock",
    "EpochAlreadySettled": "these epochs are settled or forfeited; post later ones",
    "IncreaseAboveCap": "compare the epoch's budget with capOfRange on chain",
    "NothingToClaim": "all of it was paid; wait for the next finalised root",
    "ProofInvalid": "fetch the claim again: a later root may have been finalised",
    "RootAlreadyPending": "finalise the pending root first",
    "SignaturesInvalid": "check attestors, threshold, chain id and distributor",
}
"""What a person can do, by the error's name."""


def reverted(data: bytes, fallback: str) -> Reverted:
    """Return the exception for a revert with ``data``, or with words if it is empty."""
    for name, inputs in _declared():
        types = [entry["type"] for entry in inputs]
        if data[:SELECTOR_BYTES] != _selector(name, types):
            continue
        try:
            values = decode(types, data[SELECTOR_BYTES:])
        except DecodingError:
            break
        said = ", ".join(
            f"{entry['name'] or entry['type']}={_show(value)}"
            for entry, value in zip(inputs, values, strict=True)
        )
        message = f"the contract refused: {name}({said})"
        return Reverted(message, name=name, hint=HINTS.get(name, ""))
    return Reverted(f"the contract refused: {fallback}")


def _declared() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    yield "Error", [{"name": "reason", "type": "string"}]
    for contract in ("Distributor", "EdgeproofToken"):
        for entry in artifacts.load(contract).abi:
            if entry["type"] == "error":
                yield entry["name"], entry["inputs"]


def _selector(name: str, types: list[str]) -> bytes:
    return keccak(f"{name}({','.join(types)})".encode())[:SELECTOR_BYTES]


def _show(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
