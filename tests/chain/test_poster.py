"""The poster end to end, on both development chains, and on a hostile one."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from eth_account import Account
from web3 import Web3
from web3.types import RPCEndpoint

from edgeproof.chain.claims import claim
from edgeproof.chain.client import ChainClient
from edgeproof.chain.errors import Reverted
from edgeproof.chain.events import ChainEvent
from edgeproof.chain.outbox import Outbox, Status
from edgeproof.chain.poster import Poster
from edgeproof.chain.sender import FeePolicy
from edgeproof.errors import EdgeproofError
from edgeproof.proofs import payout_tree

if TYPE_CHECKING:
    from tests.chain.conftest import Finish, Network

pytestmark = pytest.mark.integration

ALICE, BOB, CAROL = b"\xaa" * 20, b"\xbb" * 20, b"\xcc" * 20
STOP, GO_ON = False, True
BALANCES = {ALICE: 300, BOB: 500, CAROL: 200}


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    box = Outbox(tmp_path / "outbox.db")
    yield box
    box.close()


@pytest.fixture
def anvil_poster(anvil_network: "Network", outbox: Outbox) -> Poster:
    return poster_of(anvil_network, outbox)


def poster_of(network: "Network", outbox: Outbox, **options: Any) -> Poster:
    return Poster(network.client, outbox, network.key, network.distributor, **options)


def kinds(events: list[ChainEvent]) -> list[str]:
    return [str(event.kind) for event in events]


def ask(network: "Network", method: str, *params: object) -> Any:
    return Web3(Web3.HTTPProvider(network.rpc)).provider.make_request(
        RPCEndpoint(method), params
    )


def test_a_root_is_posted_finalised_and_claimed_leaf_by_leaf(
    network: "Network", outbox: Outbox, finish: "Finish"
) -> None:
    tree = payout_tree.build(BALANCES)
    wanted = network.signed((3, 4), tree.root, 1000)
    seen = finish(network, poster_of(network, outbox), [wanted])
    assert seen == ["sent", "confirmed", "sent", "confirmed"]
    assert network.supply() == 1000

    payer = Account.create()
    network.client.fund(bytes.fromhex(payer.address[2:]))
    for owner, amount in BALANCES.items():
        proof = tree.proof(owner)
        arguments = (network.client, bytes(payer.key), network.distributor, owner)
        claim(*arguments, amount, proof)
        assert network.client.token_balance(network.deployment.token, owner) == amount
        assert network.client.claimed(network.distributor, owner) == amount
        with pytest.raises(Reverted) as refusal:
            claim(*arguments, amount, proof)
        assert refusal.value.name == "NothingToClaim"
        with pytest.raises(Reverted) as refusal:
            claim(*arguments, amount + 1, proof)
        assert refusal.value.name == "ProofInvalid"


def test_several_roots_go_up_in_epoch_order(
    network: "Network", outbox: Outbox, finish: "Finish"
) -> None:
    wanted = [
        network.signed((epoch, epoch), bytes([epoch]) * 32, epoch * 10)
        for epoch in (3, 1, 2)
    ]
    finish(network, poster_of(network, outbox), wanted)
    assert network.supply() == 30
    assert [intent.status for intent in outbox.intents()] == [Status.DONE] * 6


def test_too_few_signatures_are_refused_before_anything_is_sent(
    network: "Network", outbox: Outbox
) -> None:
    wanted = network.signed((1, 1), bytes(32), 10, signers=1)
    (event,) = poster_of(network, outbox).advance([wanted], 0.0)
    assert event.kind == "alert"
    assert "SignaturesInvalid" in event.message
    assert outbox.intents() == []


def test_an_epoch_that_has_not_ended_waits(network: "Network", outbox: Outbox) -> None:
    wanted = network.signed((100_000, 100_000), bytes(32), 10)
    (event,) = poster_of(network, outbox).advance([wanted], 0.0)
    assert event.kind == "waiting"
    assert outbox.intents() == []


def test_a_vetoed_root_is_posted_again_only_as_an_answer(
    patient_network: "Network", outbox: Outbox
) -> None:
    network = patient_network
    poster = poster_of(network, outbox)
    wrong = network.signed((1, 1), b"\x01" * 32, 10)
    assert kinds(poster.advance([wrong], 0.0))[:2] == ["sent", "confirmed"]
    veto(network)
    (event,) = poster.advance([wrong], 0.0)
    assert event.kind == "alert"
    assert "vetoed" in event.message

    answer = network.signed((1, 1), b"\x02" * 32, 5, answers_vetoes=1)
    assert kinds(poster.advance([answer], 0.0)) == ["sent", "confirmed", "waiting"]
    state = network.client.distributor_state(network.distributor)
    assert state.pending is not None
    assert state.pending.body.body == answer.body
    assert state.vetoes == {(1, 1): 1}


def test_a_foreign_pending_root_is_left_alone(
    patient_network: "Network", outbox: Outbox
) -> None:
    theirs = patient_network.signed((1, 1), b"\x01" * 32, 10)
    ours = patient_network.signed((1, 1), b"\x02" * 32, 10)
    poster_of(patient_network, outbox).advance([theirs], 0.0)
    (event,) = poster_of(patient_network, outbox).advance([ours], 0.0)
    assert event.kind == "alert"
    assert "pending that we don't want" in event.message


def test_an_unmined_transaction_is_repriced_under_its_nonce(
    anvil_network: "Network", anvil_poster: Poster, outbox: Outbox, finish: "Finish"
) -> None:
    wanted = [anvil_network.signed((1, 1), b"\x01" * 32, 10)]
    ask(anvil_network, "evm_setAutomine", STOP)
    try:
        assert kinds(anvil_poster.advance(wanted, 0.0)) == ["sent", "waiting"]
        assert kinds(anvil_poster.advance(wanted, 59.0)) == ["waiting"]
        assert kinds(anvil_poster.advance(wanted, 61.0)) == ["bumped"]
        ask(anvil_network, "evm_mine")
    finally:
        ask(anvil_network, "evm_setAutomine", GO_ON)
    first, second = outbox.intents()[0].variants
    assert second.max_fee >= first.max_fee * 1.125
    assert second.priority_fee >= first.priority_fee * 1.125
    finish(anvil_network, anvil_poster, wanted)
    assert anvil_network.supply() == 10
    assert len(outbox.intents()) == 2


def test_above_the_fee_ceiling_nothing_is_sent(
    anvil_network: "Network", outbox: Outbox
) -> None:
    wanted = [anvil_network.signed((1, 1), b"\x01" * 32, 10)]
    poster = poster_of(anvil_network, outbox, fees=FeePolicy(ceiling=1))
    (event,) = poster.advance(wanted, 0.0)
    assert event.kind == "alert"
    assert "ceiling" in event.message
    assert outbox.intents() == []


def test_a_vanished_block_is_broadcast_again(
    anvil_network: "Network", anvil_poster: Poster, outbox: Outbox, finish: "Finish"
) -> None:
    wanted = [anvil_network.signed((1, 1), b"\x01" * 32, 10)]
    snapshot = ask(anvil_network, "evm_snapshot")["result"]
    anvil_poster.advance(wanted, 0.0)
    assert outbox.intents()[0].status is Status.DONE
    ask(anvil_network, "evm_revert", snapshot)
    finish(anvil_network, anvil_poster, wanted)
    assert anvil_network.supply() == 10
    assert len(outbox.intents()) == 2


def test_a_transaction_is_done_only_when_it_is_deep_enough(
    anvil_network: "Network", outbox: Outbox
) -> None:
    wanted = [anvil_network.signed((1, 1), b"\x01" * 32, 10)]
    poster = poster_of(anvil_network, outbox, confirmations=2)
    assert kinds(poster.advance(wanted, 0.0)) == ["sent", "waiting"]
    ask(anvil_network, "evm_mine")
    assert kinds(poster.advance(wanted, 0.0)) == ["waiting"]
    ask(anvil_network, "evm_mine")
    assert "confirmed" in kinds(poster.advance(wanted, 0.0))


def test_a_nonce_that_a_stranger_used_is_given_up_and_tried_again(
    anvil_network: "Network", anvil_poster: Poster, outbox: Outbox, finish: "Finish"
) -> None:
    wanted = [anvil_network.signed((1, 1), b"\x01" * 32, 10)]
    client = anvil_network.client
    ask(anvil_network, "evm_setAutomine", STOP)
    try:
        anvil_poster.advance(wanted, 0.0)
        (intent,) = outbox.intents()
        stranger = Account.from_key(anvil_network.key).sign_transaction(
            {
                "type": 2,
                "chainId": client.chain_id,
                "nonce": intent.nonce,
                "to": ALICE,
                "value": 1,
                "gas": 21_000,
                "maxFeePerGas": 100 * 10**9,
                "maxPriorityFeePerGas": 50 * 10**9,
            }
        )
        client.send_raw(bytes(stranger.raw_transaction))
        ask(anvil_network, "evm_mine")
    finally:
        ask(anvil_network, "evm_setAutomine", GO_ON)
    seen = finish(anvil_network, anvil_poster, wanted)
    assert seen[0] == "lost"
    assert anvil_network.supply() == 10
    assert outbox.intents()[0].status is Status.LOST


class WatchedClient(ChainClient):
    """Before a node hears of bytes, look for them on disk through another eye."""

    path: Path
    found: list[bool]

    def send_raw(self, raw: bytes) -> None:
        with closing(sqlite3.connect(self.path)) as committed:
            rows = committed.execute("select 1 from variant where raw = ?", (raw,))
            self.found.append(rows.fetchone() is not None)
        super().send_raw(raw)


def test_bytes_are_committed_before_any_node_hears_of_them(
    network: "Network", outbox: Outbox, tmp_path: Path, finish: "Finish"
) -> None:
    watched = WatchedClient(network.rpc)
    watched.path, watched.found = tmp_path / "outbox.db", []
    wanted = [network.signed((1, 1), b"\x01" * 32, 10)]
    poster = poster_of(replace(network, client=watched), outbox)
    finish(network, poster, wanted)
    assert watched.found == [True, True]


def test_a_crash_before_it_is_mined_sends_the_same_bytes_again(
    anvil_network: "Network", outbox: Outbox, finish: "Finish"
) -> None:
    wanted = [anvil_network.signed((1, 1), b"\x01" * 32, 10)]

    def crash(step: str) -> None:
        if step.endswith("persisted"):
            raise ConnectionAbortedError

    ask(anvil_network, "evm_setAutomine", STOP)
    try:
        with pytest.raises(ConnectionAbortedError):
            poster_of(anvil_network, outbox, checkpoint=crash).advance(wanted, 0.0)
        (intent,) = outbox.intents()
        poster_of(anvil_network, outbox).advance(wanted, 0.0)
        poster_of(anvil_network, outbox).advance(wanted, 0.0)
        assert outbox.intents() == [intent]
        ask(anvil_network, "evm_mine")
    finally:
        ask(anvil_network, "evm_setAutomine", GO_ON)
    assert anvil_network.client.receipt(intent.variants[0].hash) is not None
    finish(anvil_network, poster_of(anvil_network, outbox), wanted)
    assert anvil_network.supply() == 10


def test_an_outbox_belongs_to_one_chain_and_signer(
    anvil_network: "Network", outbox: Outbox
) -> None:
    poster_of(anvil_network, outbox)
    with pytest.raises(EdgeproofError, match="written for signer"):
        Poster(anvil_network.client, outbox, b"\x02" * 32, anvil_network.distributor)


def veto(network: "Network") -> None:
    data = network.client.call_data("Distributor", "veto")
    signed = network.guardian.sign_transaction(
        {
            "type": 2,
            "chainId": network.client.chain_id,
            "nonce": 0,
            "to": network.distributor,
            "gas": 200_000,
            "maxFeePerGas": 10 * 10**9,
            "maxPriorityFeePerGas": 10**9,
            "value": 0,
            "data": data,
        }
    )
    network.client.send_raw(bytes(signed.raw_transaction))
    assert network.client.wait(bytes(signed.hash)).succeeded
