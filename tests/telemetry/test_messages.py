"""Each message: one encoding, its fields checked, its hash that of EIP-712."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry import messages
from edgeproof.telemetry.eip712 import NAME, VERSION, Domain, camel
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.kinds import Kind
from edgeproof.telemetry.message import (
    Message,
    Signed,
    decode_signed,
    kinds_of,
    type_string,
)

CLASSES: list[Any] = [
    value
    for value in vars(messages).values()
    if isinstance(value, type) and issubclass(value, Message) and value is not Message
]

NETWORK = keccak(b"network")
CONTRACT = bytes(range(20))


def values_of(kind: Kind) -> st.SearchStrategy[Any]:
    """Values that the kind admits, up to 300 bytes."""
    if kind.item is not None:
        most = min(kind.limit, 5)
        return st.lists(values_of(kind.item), max_size=most).map(tuple)
    if kind.bits:
        return st.integers(0, 2**kind.bits - 1)
    if kind.solidity == "string":
        return st.text(max_size=30)
    least, most = (kind.exact, kind.exact) if kind.exact else (0, min(kind.limit, 300))
    return st.binary(min_size=least, max_size=most)


@st.composite
def any_message(draw: st.DrawFn) -> Any:
    cls = draw(st.sampled_from(CLASSES))
    return cls(*(draw(values_of(kind)) for _, kind in kinds_of(cls)))


@given(message=any_message(), data=st.data())
def test_every_message_reads_back_from_its_one_encoding(
    message: Any, data: st.DataObject
) -> None:
    assert type(message).decode(message.encode()) == message
    signature = st.binary(min_size=65, max_size=65)
    count = message.SIGNERS
    signatures = data.draw(st.lists(signature, min_size=count, max_size=count))
    signed = Signed(message, tuple(signatures))
    assert decode_signed(type(message), signed.encode()) == signed


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
@given(raw=st.binary(max_size=300))
def test_any_bytes_are_refused_or_a_message(cls: Any, raw: bytes) -> None:
    try:
        message = cls.decode(raw)
    except MessageRefused:
        return
    assert message.encode() == raw


@given(message=any_message(), cut=st.integers(0), place=st.integers(0))
def test_what_was_cut_or_changed_is_never_the_same_message(
    message: Any, cut: int, place: int
) -> None:
    raw = message.encode()
    with pytest.raises(MessageRefused):
        type(message).decode(raw + b"\0")
    with pytest.raises(MessageRefused):
        type(message).decode(raw[: cut % len(raw)])
    changed = bytearray(raw)
    changed[place % len(raw)] ^= 1
    with suppress(MessageRefused):
        assert type(message).decode(bytes(changed)) != message


def typed_data(message: Any, domain: Domain) -> dict[str, Any]:
    """The message as wallets take it: ``eth_signTypedData_v4``."""
    salted = len(domain.place) == 32
    place = {"salt": domain.place} if salted else {"verifyingContract": domain.place}
    return {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "salt", "type": "bytes32"}
                if salted
                else {"name": "verifyingContract", "type": "address"},
            ],
            type(message).__name__: [
                {"name": camel(name), "type": kind.solidity}
                for name, kind in kinds_of(type(message))
            ],
        },
        "primaryType": type(message).__name__,
        "domain": {
            "name": NAME,
            "version": VERSION,
            "chainId": domain.chain_id,
            **place,
        },
        "message": {
            camel(name): list(value) if isinstance(value, tuple) else value
            for (name, _), (_, value) in zip(
                kinds_of(type(message)), message.values(), strict=True
            )
        },
    }


@given(message=any_message(), chain_id=st.integers(0, 2**64), contract=st.booleans())
def test_the_digest_is_the_one_that_wallets_sign(
    message: Any, chain_id: int, *, contract: bool
) -> None:
    domain = Domain(chain_id, CONTRACT if contract else NETWORK)
    signable = encode_typed_data(full_message=typed_data(message, domain))
    assert message.struct_hash() == signable.body
    assert domain.separator == signable.header
    want = keccak(b"\x19" + signable.version + signable.header + signable.body)
    assert message.digest(domain) == want


def test_the_epoch_root_has_the_type_that_the_distributor_hashes() -> None:
    assert type_string(messages.EpochRoot) == (
        "EpochRoot(uint64 firstEpoch,uint64 lastEpoch,bytes32 root,"
        "uint256 cumulativeTotal,bytes32 dataHash)"
    )


def test_tags_and_names_are_unique() -> None:
    assert len({cls.TAG for cls in CLASSES}) == len(CLASSES)
    assert all(0 < cls.TAG < 256 for cls in CLASSES)


@pytest.mark.parametrize(
    "values",
    [
        (b"short", 1, 0, NETWORK),
        (CONTRACT + b"\0", 1, 0, NETWORK),
        (CONTRACT, -1, 0, NETWORK),
        (CONTRACT, 1 << 64, 0, NETWORK),
        (CONTRACT, True, 0, NETWORK),
        (CONTRACT, 1.0, 0, NETWORK),
        (CONTRACT, "1", 0, NETWORK),
        (None, 1, 0, NETWORK),
    ],
)
def test_no_message_holds_what_its_kind_refuses(values: tuple[Any, ...]) -> None:
    device, slot, size, root = values
    with pytest.raises(MessageRefused) as caught:
        messages.Receipt(device, slot, root, 0, size, (), root)
    assert caught.value.reason is Reason.OUT_OF_RANGE


def test_another_tag_is_refused() -> None:
    token = messages.ConnectToken(CONTRACT, 1)
    raw = bytearray(token.encode())
    raw[1] = messages.Status.TAG
    with pytest.raises(MessageRefused, match="tag 7, ConnectToken has 8"):
        messages.ConnectToken.decode(bytes(raw))


def test_a_payload_larger_than_its_kind_is_refused() -> None:
    fields = (CONTRACT, 0, 0, 0, 0, 512, NETWORK)
    messages.Commitment(*fields, bytes(4096 * 32))
    with pytest.raises(MessageRefused):
        messages.Commitment(*fields, bytes(4096 * 32 + 1))


def test_a_field_without_a_kind_is_a_mistake_of_ours() -> None:
    @dataclass(frozen=True)
    class Wrong(Message):
        TAG = 99
        number: int

    with pytest.raises(TypeError, match="annotate it with a kind"):
        Wrong(1)
