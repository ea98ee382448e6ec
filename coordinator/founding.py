"""Found a network: keys, contracts, the signed description.  Done once."""

import contextlib
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edgeproof.chain.client import ChainClient
from edgeproof.chain.deploy import DeployParameters, deploy
from edgeproof.chain.outbox import Outbox
from edgeproof.coordinator import authority, mosquitto
from edgeproof.coordinator import keys as key_files
from edgeproof.coordinator.beacon_chain import BeaconChain
from edgeproof.coordinator.outside import BlockReader
from edgeproof.coordinator.settings import FILE
from edgeproof.errors import EdgeproofError
from edgeproof.proofs.parameters import SECOND, EntropySource, Parameters
from edgeproof.telemetry import keyfile
from edgeproof.telemetry.description import LARGEST, Description, read
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.mqtt import parse_url

DESCRIPTION = "network.json"
"""The signed description in the data folder."""

DATABASE, OUTBOX, BUNDLES = "coordinator.db", "transactions.db", "bundles"
"""What else stands in the data folder."""

PACE_BLOCKS = 32
"""The chain's latest blocks, over which its pace is measured."""

PARAMETERS = "parameters.json"
"""The parameters, from before the deployment on, so that a crash can't change them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charter:
    """What the founder decides; ``broker`` and ``api`` are URLs as devices see them."""

    parameters: Parameters
    rpc: str
    broker: str
    embedded_broker: bool
    broker_hosts: tuple[str, ...]
    """Names of a mosquitto that is to be set up with certificates; else empty."""
    api: str
    web_host: str
    web_port: int
    development_chain: bool
    """Whether the chain's own unlocked account may pay for the poster's gas."""


def found(data: Path, charter: Charter) -> Description:
    """Return the description of the network in ``data``, founded now if it is new.

    Idempotent: keys and addresses that exist are kept, a deployment that was sent is
    awaited and never sent twice, and a description once written never changes.
    """
    target = data / DESCRIPTION
    if target.exists():
        return load(data)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = key_files.load(data)
    client = ChainClient(charter.rpc)
    network = _fixed_parameters(data / PARAMETERS, charter.parameters)
    check_pace(client, network)
    if charter.development_chain:
        client.fund(keys.poster.address)
    terms = DeployParameters(
        genesis=network.genesis,
        epoch_length=network.epoch_ms // SECOND,
        epochs_per_root=network.epochs_per_root,
        challenge_window=network.challenge_s,
        halving_interval=network.halving_epochs,
        initial_epoch_cap=network.epoch_cap,
        attestors=(keys.attestor.address,),
        threshold=1,
        guardian=keys.coordinator.address,
    )
    with contextlib.closing(Outbox(data / OUTBOX)) as outbox:
        deployment = deploy(
            client,
            keys.poster.secret,
            terms,
            outbox,
            confirmations=network.confirmations,
        )
    network_id = secrets.token_bytes(32)
    description = Description(
        network_id=network_id,
        chain_id=client.chain_id,
        token=deployment.token,
        distributor=deployment.distributor,
        coordinator=keys.coordinator.address,
        attestors=(keys.attestor.address,),
        threshold=1,
        beacon_anchor=BeaconChain(keys.beacon, network).anchor(0),
        broker=charter.broker,
        api=charter.api,
        authority=_broker(data, charter, network_id),
        parameters=network,
    )
    keyfile.write_private(data / FILE, _settings(charter).encode())
    keyfile.write_private(target, description.sign(keys.coordinator).encode())
    return description


def load(data: Path) -> Description:
    """Return the description of the network in ``data``; raise ``EdgeproofError``."""
    return read(text(data))


def text(data: Path) -> str:
    """Return the signed description as it is served."""
    path = data / DESCRIPTION
    try:
        with path.open() as file:
            return file.read(LARGEST + 1)
    except OSError as error:
        msg = f"no network in {data}: {DESCRIPTION}: {error.strerror}"
        hint = "run: edgeproof coordinator init --help"
        raise EdgeproofError(msg, hint=hint) from None


def check_pace(chain: BlockReader, network: Parameters) -> None:
    """Raise if the chain's blocks come too slowly to be a network's entropy.

    A chain that has hardly begun is taken as it is.
    """
    head = chain.block()
    if network.entropy_source != EntropySource.CHAIN or head is None:
        return
    blocks = min(head.number, PACE_BLOCKS)
    first = chain.block(head.number - blocks)
    if blocks < 2 or first is None:
        return
    pace = (head.timestamp - first.timestamp) * SECOND // blocks
    depth = network.confirmations
    if (depth + 1) * pace > network.entropy_ms:
        msg = (
            f"a block of this chain takes {pace / SECOND:.1f} s: that of a slot is "
            f"{depth} deep after {(depth + 1) * pace / SECOND:.0f} s, not within "
            f"{network.entropy_ms / SECOND:.0f} s"
        )
        raise EdgeproofError(msg, hint="use --entropy drand, or another chain")


def _fixed_parameters(path: Path, wanted: Parameters) -> Parameters:
    """Return the parameters that an earlier try began with, else ``wanted``."""
    if not path.exists():
        text = json.dumps(wanted.as_json(), indent=2) + "\n"
        keyfile.write_private(path, text.encode())
    return Parameters.from_json(json.loads(path.read_text()))


def _broker(data: Path, charter: Charter, network_id: bytes) -> str:
    """Set up what a mosquitto needs; return the authority's certificate, or nothing."""
    if not charter.broker_hosts:
        return ""
    now = datetime.now(UTC)
    issuer = authority.found(data / "keys", to_hex(network_id)[:18], now)
    port = parse_url(charter.broker).port
    mosquitto.write(data, issuer, charter.broker_hosts, port)
    return issuer.pem


def _settings(charter: Charter) -> str:
    rows = {
        "rpc": json.dumps(charter.rpc),  # JSON's texts are TOML's too
        "embedded_broker": str(charter.embedded_broker).lower(),
        "web_host": json.dumps(charter.web_host),
        "web_port": str(charter.web_port),
    }
    head = (
        "# Settings of this coordinator; EDGEPROOF_COORDINATOR_<NAME> overrides each.\n"
    )
    return head + "".join(f"{name} = {value}\n" for name, value in rows.items())
