"""Development chains in their own processes, and a small network deployed on them."""

import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount

from edgeproof.chain.client import ChainClient
from edgeproof.chain.deploy import Deployment, DeployParameters, deploy
from edgeproof.chain.outbox import Outbox
from edgeproof.chain.poster import Poster
from edgeproof.chain.roots import RootToPost

ANVIL = Path(
    "contracts/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
)  # in the clone
EPOCH_LENGTH = 30
ENDED = 200
"""Epochs that lie in the past when the network is deployed."""

EPOCH_CAP = 1000
WINDOW = 1
"""Seconds, so that tests wait through it."""

FIELDS = [
    ("firstEpoch", "uint64"),
    ("lastEpoch", "uint64"),
    ("root", "bytes32"),
    ("cumulativeTotal", "uint256"),
    ("dataHash", "bytes32"),
]
DOMAIN = [
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
]


def address_of(account: LocalAccount) -> bytes:
    return bytes.fromhex(account.address[2:])


def typed(fields: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in fields]


@dataclass(frozen=True)
class Network:
    """A deployed distributor with 2 of 3 attestors, and whoever acts on it."""

    rpc: str
    client: ChainClient
    deployment: Deployment
    key: bytes
    attestors: list[LocalAccount]
    guardian: LocalAccount
    folder: Path

    @property
    def distributor(self) -> bytes:
        return self.deployment.distributor

    def signed(
        self,
        epochs: tuple[int, int],
        root: bytes,
        total: int,
        *,
        signers: int = 2,
        answers_vetoes: int = 0,
    ) -> RootToPost:
        first, last = epochs
        data_hash = bytes([7]) * 32
        values = (first, last, root, total, data_hash)
        message = encode_typed_data(
            full_message={
                "types": {"EIP712Domain": typed(DOMAIN), "EpochRoot": typed(FIELDS)},
                "primaryType": "EpochRoot",
                "domain": {
                    "name": "edgeproof",
                    "version": "1",
                    "chainId": self.client.chain_id,
                    "verifyingContract": "0x" + self.distributor.hex(),
                },
                "message": {
                    name: value for (name, _), value in zip(FIELDS, values, strict=True)
                },
            }
        )
        pairs = tuple(
            (address_of(one), bytes(one.sign_message(message).signature))
            for one in self.attestors[:signers]
        )
        return RootToPost(first, last, root, total, data_hash, pairs, answers_vetoes)

    def supply(self) -> int:
        return self.client.token_supply(self.deployment.token)


Finish = Callable[[Network, Poster, list[RootToPost]], list[str]]
"""Advance until the roots are final; the events that were more than waiting."""


def deploy_network(rpc: str, folder: Path, window: int = WINDOW) -> Network:
    client = ChainClient(rpc)
    signer = Account.create()
    guardian = Account.create()
    attestors = [Account.create() for _ in range(3)]
    for account in (signer, guardian):
        client.fund(address_of(account))
    key = bytes(signer.key)
    outbox = Outbox(folder / "deploy.db")
    deployment = deploy(
        client,
        key,
        DeployParameters(
            genesis=client.time() - ENDED * EPOCH_LENGTH,
            epoch_length=EPOCH_LENGTH,
            epochs_per_root=4,
            challenge_window=window,
            halving_interval=10_000,
            initial_epoch_cap=EPOCH_CAP,
            attestors=tuple(address_of(one) for one in attestors),
            threshold=2,
            guardian=address_of(guardian),
        ),
        outbox,
    )
    outbox.close()
    return Network(rpc, client, deployment, key, attestors, guardian, folder)


@pytest.fixture(scope="session")
def devchain() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "edgeproof.chain.devchain", "--port", "0"],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout as stdout:
        yield json.loads(stdout.readline())["rpc"]
    process.terminate()
    assert process.wait(timeout=10) == 0


@pytest.fixture(scope="session")
def anvil_program(clone: Path) -> Path | None:
    program = clone / ANVIL
    on_this_machine = sys.platform == "linux" and platform.machine() == "x86_64"
    return program if on_this_machine and program.exists() else None


@pytest.fixture(scope="session")
def anvil(
    anvil_program: Path | None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    if anvil_program is None:
        reason = "anvil is not installed; run: npm ci --ignore-scripts in contracts/"
        if os.environ.get("EDGEPROOF_REQUIRE_SERVICES") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    # It logs every request: a file takes that, a pipe that nobody reads would fill.
    log = tmp_path_factory.mktemp("anvil") / "log"
    with (
        log.open("wb") as stdout,
        subprocess.Popen(
            [anvil_program, "--port", "0"], stdout=stdout, stdin=subprocess.DEVNULL
        ) as process,
    ):
        try:
            yield f"http://{listening_address(process, log)}"
        finally:
            process.terminate()


def listening_address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"Listening on (\S+)", log.read_text()):
            return found[1]
        time.sleep(0.02)
    pytest.fail(f"anvil did not start: {log.read_text()}")


@pytest.fixture(params=["devchain", "anvil"])
def rpc(request: pytest.FixtureRequest) -> str:
    address: str = request.getfixturevalue(request.param)
    return address


@pytest.fixture
def network(rpc: str, tmp_path: Path) -> Network:
    """Each implementation of a development chain, with a fresh distributor."""
    return deploy_network(rpc, tmp_path)


@pytest.fixture
def patient_network(rpc: str, tmp_path: Path) -> Network:
    """Like ``network``, with a window that leaves the guardian time."""
    return deploy_network(rpc, tmp_path, window=60)


@pytest.fixture
def anvil_network(anvil: str, tmp_path: Path) -> Network:
    return deploy_network(anvil, tmp_path)


@pytest.fixture(scope="module")
def quick_network(
    request: pytest.FixtureRequest,
    anvil_program: Path | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Network:
    """One network for a whole module, on anvil where there is one: it is quicker."""
    required = os.environ.get("EDGEPROOF_REQUIRE_SERVICES") == "1"
    chain = "anvil" if anvil_program or required else "devchain"
    return deploy_network(
        request.getfixturevalue(chain), tmp_path_factory.mktemp("network")
    )


@pytest.fixture
def finish() -> Finish:
    """Advance a poster until its roots are final; return the kinds of events."""

    def run(network: Network, poster: Poster, wanted: list[RootToPost]) -> list[str]:
        kinds: list[str] = []
        target = max(root.last_epoch for root in wanted) + 1
        deadline = network.client.time() + 30
        while network.client.distributor_state(network.distributor).next_epoch < target:
            assert network.client.time() < deadline, kinds
            events = poster.advance(wanted, 0.0)
            kinds += [event.kind for event in events if event.kind != "waiting"]
        events = poster.advance(wanted, 0.0)
        return kinds + [event.kind for event in events if event.kind != "waiting"]

    return run
