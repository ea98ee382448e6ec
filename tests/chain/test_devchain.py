"""The development chain: its clock, its errors, its process."""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request

import pytest

from edgeproof.chain.client import ChainClient
from edgeproof.chain.devchain import DevChain
from edgeproof.chain.errors import ChainUnreachable, RpcRefused
from edgeproof.errors import EdgeproofError

pytestmark = pytest.mark.integration

COMMAND = [sys.executable, "-m", "edgeproof.chain.devchain", "--port", "0"]
STRANGER = b"\x77" * 20
REVERTS_WITH_A_QUOTE = "0x6127276000526001601ffd"
"""Code that reverts with one byte, ``'``: PUSH2 0x2727, MSTORE, REVERT(31, 1)."""


def start() -> "subprocess.Popen[str]":
    return subprocess.Popen(
        COMMAND, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )


def test_its_clock_follows_ours_forward_and_never_back() -> None:
    now = [2_000_000_000.0]
    chain = DevChain(lambda: now[0])

    def timestamp() -> int:
        block = chain.answer(
            {"method": "eth_getBlockByNumber", "params": ["pending", False]}
        )
        return int(block["result"]["timestamp"], 16)

    assert 0 <= timestamp() - 2_000_000_000 <= 1
    now[0] += 500
    assert 0 <= timestamp() - 2_000_000_500 <= 1
    now[0] -= 400
    assert timestamp() >= 2_000_000_500


def test_revert_data_comes_back_as_bytes() -> None:
    chain = DevChain()
    reply = chain.answer(
        {
            "id": 9,
            "method": "eth_call",
            "params": [{"data": REVERTS_WITH_A_QUOTE, "gas": "0x10000"}, "latest"],
        }
    )
    assert reply["id"] == 9
    assert reply["error"]["code"] == 3
    assert reply["error"]["data"] == "0x27"


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param({"method": "evm_noSuchThing", "params": []}, id="unknown method"),
        pytest.param({"method": 7}, id="method is a number"),
        pytest.param({"method": "eth_call", "params": {}}, id="params is an object"),
        pytest.param(
            {"method": "eth_sendRawTransaction", "params": ["0x1234"]}, id="no RLP"
        ),
        pytest.param({"method": "eth_getBalance", "params": ["0x"]}, id="no address"),
    ],
)
def test_a_bad_request_gets_an_error_and_the_chain_lives_on(
    request_: dict[str, object],
) -> None:
    chain = DevChain()
    assert chain.answer(request_)["error"]["message"]
    assert chain.answer({"method": "eth_blockNumber"})["result"] == "0x0"


def test_both_chains_fund_accounts(rpc: str) -> None:
    client = ChainClient(rpc)
    before = client.balance(STRANGER)
    client.fund(STRANGER, 5)
    assert client.balance(STRANGER) == before + 5


def test_several_clients_at_once_are_served(devchain: str) -> None:
    account = os.urandom(20)
    threads = [
        threading.Thread(target=ChainClient(devchain).fund, args=(account, 1))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ChainClient(devchain).balance(account) == 4


def test_what_is_not_json_gets_an_error(devchain: str) -> None:
    request = urllib.request.Request(devchain, data=b"{nonsense")  # noqa: S310 - our own loopback server
    with urllib.request.urlopen(request) as reply:  # noqa: S310 - our own loopback server
        assert json.load(reply)["error"]["code"] == -32700


def test_it_ends_when_told_to() -> None:
    with start() as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_it_ends_when_its_parent_is_killed() -> None:
    script = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen({COMMAND!r}, stdin=subprocess.DEVNULL)\n"
        "child.wait()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline().startswith("{")
        parent.kill()
        # The chain holds the pipe too: it ends only when the chain has ended.
        assert parent.stdout.read() == ""


def test_nobody_listening_is_said_without_the_key_in_the_address() -> None:
    client = ChainClient("http://user:secret@127.0.0.1:9/v1/key")
    with pytest.raises(ChainUnreachable) as refusal:
        client.block_number()
    assert str(refusal.value).startswith(
        "no answer from the chain at http://127.0.0.1:9"
    )
    assert "secret" not in str(refusal.value)
    assert refusal.value.hint


def test_a_wrong_chain_and_an_empty_address_are_named(devchain: str) -> None:
    client = ChainClient(devchain)
    with pytest.raises(EdgeproofError, match="is on chain"):
        client.require_chain(1)
    with pytest.raises(EdgeproofError, match="no contract at 0x7777"):
        client.distributor_state(STRANGER)


def test_an_unfunded_sender_is_refused_in_the_node_s_words(rpc: str) -> None:
    from eth_account import Account  # noqa: PLC0415 - after the fixture's skip

    client = ChainClient(rpc)
    signed = Account.create().sign_transaction(
        {
            "type": 2,
            "chainId": client.chain_id,
            "nonce": 0,
            "to": STRANGER,
            "value": 1,
            "gas": 21_000,
            "maxFeePerGas": 10**10,
            "maxPriorityFeePerGas": 1,
        }
    )
    with pytest.raises(RpcRefused):
        client.send_raw(bytes(signed.raw_transaction))


@pytest.mark.parametrize("address", ["nonsense", "ftp://node:1", "http://", ""])
def test_only_web_addresses_are_nodes(address: str) -> None:
    with pytest.raises(ChainUnreachable, match="not the address") as refusal:
        ChainClient(address)
    assert "http://" in refusal.value.hint
