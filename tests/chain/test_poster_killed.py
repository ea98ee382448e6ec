"""The poster is killed at each of its steps, started again, and mints once."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from eth_account import Account
from web3 import Web3

from edgeproof.chain.sender import STEPS

if TYPE_CHECKING:
    from tests.chain.conftest import Network

pytestmark = pytest.mark.integration

CHILD = Path(__file__).with_name("poster_child.py")
FIRST_STEPS = [(kind, step) for kind in ("post", "finalise") for step in STEPS]
PAID = 10
"""What each epoch mints here."""

Run = Callable[[dict[str, object]], int]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with subprocess.Popen(
        [sys.executable, CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def order(what: dict[str, object]) -> int:
            stdin.write(json.dumps(what) + "\n")
            stdin.flush()
            status: int = json.loads(stdout.readline())
            return status

        yield order
        stdin.close()


@pytest.mark.parametrize(("kind", "step"), FIRST_STEPS)
def test_a_kill_at_any_step_leaves_one_mint_and_the_right_root(
    kind: str, step: str, run: Run, quick_network: "Network"
) -> None:
    network = quick_network
    client, distributor = network.client, network.distributor
    before = client.block_number()
    signer = bytes.fromhex(Account.from_key(network.key).address[2:])
    sent_before = client.nonce(signer)
    epoch = client.distributor_state(distributor).next_epoch
    total = network.supply() + PAID
    wanted = network.signed((epoch, epoch), bytes([epoch + 1]) * 32, total)
    order = {
        "rpc": network.rpc,
        "distributor": distributor.hex(),
        "key": network.key.hex(),
        "outbox": str(network.folder / f"outbox-{epoch}.db"),
        "epoch": epoch,
        "root": wanted.root.hex(),
        "total": total,
        "data_hash": wanted.data_hash.hex(),
        "signatures": [[a.hex(), s.hex()] for a, s in wanted.signatures],
    }

    assert run({**order, "die_at": [kind, step]}) == -signal.SIGKILL
    assert run({**order, "die_at": None}) == 0
    # A third start finds nothing to do.
    assert run({**order, "die_at": None}) == 0

    state = client.distributor_state(distributor)
    assert state.next_epoch == epoch + 1
    assert state.finalised is not None
    assert state.finalised.body == wanted.body
    assert network.supply() == total
    assert client.nonce(signer) - sent_before == 2  # one post, one finalisation
    assert amounts_minted(network, since=before + 1) == [PAID]


def amounts_minted(network: "Network", since: int) -> list[int]:
    web3 = Web3(Web3.HTTPProvider(network.rpc))
    transfer = web3.keccak(text="Transfer(address,address,uint256)").to_0x_hex()
    logs = web3.eth.get_logs(
        {
            "address": Web3.to_checksum_address(network.deployment.token),
            "fromBlock": since,
            "topics": [transfer, "0x" + "00" * 32],
        }
    )
    return [int.from_bytes(log["data"]) for log in logs]
