"""The published vectors against the code, and against other implementations."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode as abi_encode
from eth_account import Account
from eth_account.messages import encode_typed_data

from edgeproof.proofs import payout_tree
from edgeproof.proofs.keccak import keccak
from edgeproof.telemetry import intake, signing
from edgeproof.telemetry.eip712 import Domain
from edgeproof.telemetry.message import Message, decode_signed, type_string
from edgeproof.telemetry.messages import EpochRoot, Seal

FOLDER = Path(__file__).parents[1] / "vectors"


def load(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


MESSAGES, SETTLEMENT = load("messages"), load("settlement")


def raw(name: str) -> bytes:
    return bytes.fromhex(MESSAGES[name])


DOMAIN = Domain(MESSAGES["chain_id"], raw("network_id"))
DISTRIBUTOR = Domain(MESSAGES["chain_id"], raw("distributor"))


def members(type_text: str) -> list[dict[str, str]]:
    """Return a struct's members as JSON-RPC wallets take them."""
    inside = type_text.split("(", 1)[1].rstrip(")")
    pairs = (member.split(" ") for member in inside.split(","))
    return [{"type": kind, "name": name} for kind, name in pairs]


@pytest.mark.parametrize("name", ["messages", "settlement"])
def test_the_generator_gives_what_is_published(name: str) -> None:
    spec = importlib.util.spec_from_file_location("generate", FOLDER / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert generate.render(name) == (FOLDER / f"{name}.json").read_text()


def test_the_types_are_those_of_the_messages() -> None:
    types = {str(cls.TAG): type_string(cls) for cls in Message.__subclasses__()}
    assert MESSAGES["types"] == types


def test_the_seal_decodes_to_its_fields_and_back() -> None:
    signed = decode_signed(Seal, raw("seal_encoded"))
    assert signed.encode() == raw("seal_encoded")
    fields = [
        value.hex() if isinstance(value, bytes) else str(value)
        for _, value in signed.message.values()
    ]
    assert fields == MESSAGES["seal_fields"]
    assert signing.check(signed, DOMAIN, raw("address")) == raw("seal_digest")


def test_another_library_signs_the_seal_alike() -> None:
    device, boot, epoch, slots, head = MESSAGES["seal_fields"]
    message = encode_typed_data(
        {"name": "edgeproof", "version": "1", "chainId": 31337, "salt": DOMAIN.place},
        {"Seal": members(MESSAGES["types"][str(Seal.TAG)])},
        {
            "device": "0x" + device,
            "boot": bytes.fromhex(boot),
            "epoch": int(epoch),
            "slots": bytes.fromhex(slots),
            "head": bytes.fromhex(head),
        },
    )
    assert message.header == raw("domain_separator")
    account = Account.from_key(raw("secret"))
    assert account.address.lower() == "0x" + MESSAGES["address"]
    signed = account.sign_message(message)
    assert bytes(signed.message_hash) == raw("seal_digest")
    assert bytes(signed.signature) == raw("seal_signature")


def test_another_library_hashes_the_epoch_root_alike() -> None:
    first, last, root, total, data_hash = MESSAGES["epoch_root_fields"]
    message = encode_typed_data(
        {
            "name": "edgeproof",
            "version": "1",
            "chainId": 31337,
            "verifyingContract": "0x" + MESSAGES["distributor"],
        },
        {"EpochRoot": members(MESSAGES["types"][str(EpochRoot.TAG)])},
        {
            "firstEpoch": int(first),
            "lastEpoch": int(last),
            "root": bytes.fromhex(root),
            "cumulativeTotal": int(total),
            "dataHash": bytes.fromhex(data_hash),
        },
    )
    assert message.header == raw("distributor_separator") == DISTRIBUTOR.separator
    digest = keccak(b"\x19\x01", message.header, message.body)
    assert digest == raw("epoch_root_digest")


def test_the_intake_root_is_two_leaves_and_a_node() -> None:
    first = keccak(b"\x00", keccak(b"edgeproof/v1/heard", raw("heard")))
    second = keccak(b"\x00", raw("seal_digest"))
    assert keccak(b"\x01", first, second) == raw("intake_root")
    assert intake.root(raw("heard"), [raw("seal_digest")]) == (
        raw("intake_root"),
        MESSAGES["intake_size"],
    )


def test_each_balance_is_proven_as_the_distributor_checks_it() -> None:
    root = bytes.fromhex(SETTLEMENT["root"])
    for owner, amount in SETTLEMENT["balances"].items():
        words = abi_encode(["address", "uint256"], ["0x" + owner, int(amount)])
        node = keccak(keccak(words))
        assert node.hex() == SETTLEMENT["leaves"][owner]
        assert node == payout_tree.leaf(bytes.fromhex(owner), int(amount))
        for sibling in SETTLEMENT["proofs"][owner]:
            node = keccak(*sorted((node, bytes.fromhex(sibling))))
        assert node == root
