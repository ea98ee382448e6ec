"""What came from outside is what the source gave, and not what anybody chose."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from edgeproof.audit import onchain, published
from edgeproof.audit.bundle import attest, write_bundle
from edgeproof.audit.compare import audit
from edgeproof.audit.errors import BadBundle
from edgeproof.audit.model import EpochRecord
from edgeproof.audit.onchain import PostedRoot
from edgeproof.audit.replay import replay
from edgeproof.proofs import outside
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.outside import Block
from edgeproof.proofs.parameters import EntropySource, demo
from edgeproof.simulator.epochs import (
    GENESIS_TIME,
    SimulatedNetwork,
    judge_stand_ins,
)
from edgeproof.telemetry.messages import Entropy, EpochRoot
from edgeproof.telemetry.signing import sign

VECTOR = json.loads((Path(__file__).parents[1] / "vectors" / "drand.json").read_text())
RECORDED = {row["round"]: bytes.fromhex(row["signature"]) for row in VECTOR["rounds"]}

APART = 254
"""Rounds of drand from one slot to the next: both the first two slots' are recorded."""

FIRST_BLOCK = 100
"""Number of the block at the network's genesis; there is one each second."""


def block(number: int) -> Block:
    return Block(number, keccak(b"block", bytes([number])), GENESIS_TIME + number - 100)


def chain_network() -> SimulatedNetwork:
    parameters = replace(demo(GENESIS_TIME), first_difficulty=3)
    network = SimulatedNetwork(
        count=2, parameters=outside.with_source(parameters, EntropySource.CHAIN)
    )
    network.outside = lambda slot: block(FIRST_BLOCK + 2 * slot).outside
    return network


def drand_network() -> SimulatedNetwork:
    slot_ms = APART * VECTOR["period"] * 1000
    parameters = replace(demo(VECTOR["genesis"]), slot_ms=slot_ms)
    network = SimulatedNetwork(
        count=1, parameters=outside.with_source(parameters, EntropySource.DRAND)
    )
    rounds = {0: 1, 1: 1 + APART}
    network.outside = lambda slot: RECORDED[rounds.get(slot, 1)]
    return network


CHAIN, DRAND = chain_network(), drand_network()
ON_CHAIN = CHAIN.epoch(0)
BY_DRAND = replace(
    DRAND.epoch(0),
    entropies=tuple(DRAND.entropy(slot) for slot in (0, 1)),
    phases=(),
)


def changed(
    network: SimulatedNetwork, record: EpochRecord, outsides: Mapping[int, bytes]
) -> EpochRecord:
    """Return the record with other values from outside, signed as they should be."""
    rows = []
    for signed in record.entropies:
        slot = signed.message.slot
        found = outsides.get(slot, signed.message.outside)
        value = outside.entropy(network.beacons.value(slot), found)
        message = Entropy(slot, value, found)
        rows.append(sign(message, network.description.domain, network.coordinator))
    return replace(record, entropies=tuple(rows))


class Node:
    """A chain with a block each second, and maybe one of them changed."""

    chain_id = CHAIN.description.chain_id
    distributor = CHAIN.description.distributor

    def __init__(self, *others: Block, root: EpochRoot | None = None) -> None:
        self.blocks = {n: block(n) for n in range(256)} | {b.number: b for b in others}
        self.root = root

    def block(self, number: int | None = None) -> Block | None:
        return self.blocks.get(max(self.blocks) if number is None else number)

    def posted_root(self, epoch: int) -> PostedRoot | None:
        del epoch
        return PostedRoot(self.root, final=True) if self.root else None


def test_recorded_rounds_of_drand_are_audited() -> None:
    assert [e.message.outside for e in BY_DRAND.entropies] == [
        RECORDED[1],
        RECORDED[255],
    ]
    published.check(BY_DRAND)


@pytest.mark.parametrize(
    ("slot", "found"),
    [
        pytest.param(0, RECORDED[2], id="the-round-after"),
        pytest.param(1, RECORDED[256], id="a-later-round-that-suits-better"),
        pytest.param(1, RECORDED[1], id="a-round-known-before-the-slot"),
        pytest.param(0, bytes(48), id="no-signature"),
        pytest.param(0, b"", id="nothing"),
        pytest.param(1, bytes(40), id="a-block"),
    ],
)
def test_any_other_round_is_found(slot: int, found: bytes) -> None:
    with pytest.raises(BadBundle, match=rf"entropy\.parquet row {slot}"):
        published.check(changed(DRAND, BY_DRAND, {slot: found}))


def test_a_slot_without_entropy_is_no_fault() -> None:
    published.check(replace(BY_DRAND, entropies=BY_DRAND.entropies[1:]))


def test_an_epoch_of_blocks_is_audited_against_the_chain(tmp_path: Path) -> None:
    outcome = replay(ON_CHAIN, judge_stand_ins)
    data_hash = write_bundle(tmp_path / "0", ON_CHAIN, outcome)
    root, signatures = CHAIN.attestation(ON_CHAIN, outcome, data_hash)
    attest(tmp_path / "0", root, signatures)
    report = audit(tmp_path / "0", Node(root=root), verify=judge_stand_ins)
    assert report.agrees, report.failure
    counts = {check.name: check.count for check in report.checks}
    assert counts["entropy took its slots' blocks"] == len(ON_CHAIN.entropies) == 21
    assert any(payout.reward for payout in outcome.payouts)

    other = replace(block(FIRST_BLOCK + 2), hash=keccak(b"reorganised"))
    report = audit(tmp_path / "0", Node(other, root=root), verify=judge_stand_ins)
    assert report.difference is not None
    assert report.difference.file == "entropy.parquet"


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(block(FIRST_BLOCK + 7).outside, id="a-later-block"),
        pytest.param(block(FIRST_BLOCK + 5).outside, id="a-block-known-before"),
        pytest.param((300).to_bytes(8, "big") + bytes(32), id="a-block-to-come"),
        pytest.param(
            (FIRST_BLOCK + 6).to_bytes(8, "big") + bytes(32), id="another-hash"
        ),
    ],
)
def test_any_other_block_is_found_on_the_chain(found: bytes) -> None:
    record = changed(CHAIN, ON_CHAIN, {3: found})
    with pytest.raises(BadBundle, match=r"entropy\.parquet row 3"):
        onchain.check_blocks(record, Node())


def test_blocks_of_another_chain_prove_nothing() -> None:
    node = Node()
    node.chain_id += 1
    with pytest.raises(BadBundle, match="chain id"):
        onchain.check_blocks(ON_CHAIN, node)


@pytest.mark.parametrize(
    "outsides",
    [
        pytest.param({3: block(FIRST_BLOCK + 9).outside}, id="a-block-before-the-last"),
        pytest.param(
            {3: (FIRST_BLOCK + 4).to_bytes(8, "big") + bytes(32)}, id="one-number-twice"
        ),
        pytest.param({3: b""}, id="nothing"),
        pytest.param({3: bytes(48)}, id="a-round"),
    ],
)
def test_offline_blocks_must_at_least_follow_each_other(
    outsides: dict[int, bytes],
) -> None:
    with pytest.raises(BadBundle, match=r"entropy\.parquet row [34]"):
        published.check(changed(CHAIN, ON_CHAIN, outsides))


def test_two_slots_may_share_a_block() -> None:
    shared = block(FIRST_BLOCK + 8).outside
    published.check(changed(CHAIN, ON_CHAIN, {3: shared}))
