"""Deploys a network's contracts; run again after a crash, it goes on where it was.

One transaction creates the distributor, and its constructor creates the token: so the
token's only minter is known from its first byte, and there is nothing to hand over.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass

from eth_utils.address import to_checksum_address

from edgeproof.chain.client import ChainClient
from edgeproof.chain.events import ChainEvent, EventKind
from edgeproof.chain.outbox import Intent, Outbox, Status
from edgeproof.chain.sender import Sender
from edgeproof.errors import EdgeproofError
from edgeproof.proofs.keccak import keccak

ATTEMPTS = 600
PAUSE = 0.5
"""Wait up to five minutes for the transaction to be final, asking twice a second."""


@dataclass(frozen=True, slots=True)
class DeployParameters:
    """What a network fixes for ever; times in seconds, amounts in the smallest unit."""

    genesis: int
    epoch_length: int
    epochs_per_root: int
    challenge_window: int
    halving_interval: int
    initial_epoch_cap: int
    attestors: tuple[bytes, ...]
    threshold: int
    guardian: bytes
    token_name: str = "Edgeproof"  # noqa: S105 - a coin, no password
    token_symbol: str = "EDGE"  # noqa: S105 - a coin, no password


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where the contracts are."""

    token: bytes
    distributor: bytes


def deploy(  # noqa: PLR0913 - the two waits are seams for tests
    client: ChainClient,
    key: bytes,
    parameters: DeployParameters,
    outbox: Outbox,
    *,
    confirmations: int = 0,
    pause: Callable[[float], None] = time.sleep,
) -> Deployment:
    """Return the deployed contracts, deploying them if ``outbox`` doesn't know them.

    Blocks until the transaction is final.  Called again with the same parameters and
    outbox, it returns the same addresses, and never deploys twice.
    """
    sender = Sender(client, outbox, key, confirmations=confirmations)
    purpose = f"deploy {keccak(repr(astuple(parameters)).encode()).hex()[:16]}"
    if _find(outbox, purpose) is None:
        code = _creation_code(client, parameters)
        _raise_alerts(sender.begin(purpose, None, code, time.time())[1])
    for _ in range(ATTEMPTS):
        intent = _find(outbox, purpose)
        if intent is None:
            break
        if intent.status is not Status.OPEN:
            return _deployed(client, sender, intent)
        moved_on, events = sender.settle(intent, time.time())
        _raise_alerts(events)
        if moved_on:
            continue
        pause(PAUSE)
    msg = f"the deployment is not final after {ATTEMPTS * PAUSE:.0f} seconds"
    raise EdgeproofError(msg, hint="run it again: it goes on where it was")


def _deployed(client: ChainClient, sender: Sender, intent: Intent) -> Deployment:
    if intent.status is not Status.DONE:
        msg = "the deployment's transaction failed"
        raise EdgeproofError(msg, hint="use a fresh data folder, and try again")
    distributor = created_address(sender.address, intent.nonce)
    return Deployment(client.terms(distributor).token, distributor)


def created_address(creator: bytes, nonce: int) -> bytes:
    """Return the address of the contract that ``creator`` makes with ``nonce``."""
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8)
    item = number if nonce and nonce < 0x80 else bytes([0x80 + len(number)]) + number
    body = b"\x94" + creator + item  # RLP: a string of 20 bytes, then the number
    return keccak(bytes([0xC0 + len(body)]) + body)[12:]


def _raise_alerts(events: Sequence[ChainEvent]) -> None:
    for event in events:
        if event.kind is EventKind.ALERT:
            raise EdgeproofError(event.message, hint=event.hint)


def _find(outbox: Outbox, purpose: str) -> Intent | None:
    found = [intent for intent in outbox.intents() if intent.purpose == purpose]
    return found[0] if found else None


def _creation_code(client: ChainClient, parameters: DeployParameters) -> bytes:
    return client.creation_code(
        "Distributor",
        (
            parameters.genesis,
            parameters.epoch_length,
            parameters.epochs_per_root,
            parameters.challenge_window,
            parameters.halving_interval,
            parameters.initial_epoch_cap,
            parameters.token_name,
            parameters.token_symbol,
        ),
        list(parameters.attestors),
        parameters.threshold,
        to_checksum_address(parameters.guardian),
    )
