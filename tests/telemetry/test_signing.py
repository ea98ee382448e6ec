"""Signatures: those of eth_account, low s only, and the signer is the subject."""

from contextlib import suppress

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry import signing
from edgeproof.telemetry.eip712 import Domain
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.message import Signed
from edgeproof.telemetry.messages import ConnectToken, Enrol
from edgeproof.telemetry.signing import ORDER, Key

DEVICE, OWNER = Key(keccak(b"device")), Key(keccak(b"owner"))
DOMAIN = Domain(1337, keccak(b"network"))
ENROL = Enrol(DEVICE.address, OWNER.address, 1, 2)
DIGEST = ENROL.digest(DOMAIN)

digests = st.binary(min_size=32, max_size=32)
secrets = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32, "big"))


@given(secret=secrets, digest=digests)
def test_address_and_signature_are_those_of_eth_account(
    secret: bytes, digest: bytes
) -> None:
    key = Key(secret)
    assert "0x" + key.address.hex() == Account.from_key(secret).address.lower()
    signature = key.sign_digest(digest)
    assert signature == bytes(Account.unsafe_sign_hash(digest, secret).signature)
    assert int.from_bytes(signature[32:64], "big") <= ORDER // 2
    assert signing.recover(digest, signature) == key.address


@given(digest=digests, other=digests)
def test_a_signature_on_one_digest_is_of_nobody_known_on_another(
    digest: bytes, other: bytes
) -> None:
    signature = DEVICE.sign_digest(digest)
    if other == digest:
        return
    with suppress(MessageRefused):
        assert signing.recover(other, signature) != DEVICE.address


def test_the_other_half_of_s_is_refused_though_it_recovers_the_same_key() -> None:
    signature = DEVICE.sign_digest(DIGEST)
    high = ORDER - int.from_bytes(signature[32:64], "big")
    flipped = bytes([27 + 28 - signature[64]])
    malleable = signature[:32] + high.to_bytes(32, "big") + flipped
    with pytest.raises(MessageRefused, match="s is not low"):
        signing.recover(DIGEST, malleable)


@pytest.mark.parametrize("v", [0, 1, 2, 26, 29, 30, 35, 255])
def test_any_v_but_27_and_28_is_refused(v: int) -> None:
    signature = DEVICE.sign_digest(DIGEST)[:64] + bytes([v])
    with pytest.raises(MessageRefused) as caught:
        signing.recover(DIGEST, signature)
    assert caught.value.reason is Reason.BAD_SIGNATURE


@given(signature=st.binary(max_size=70) | st.binary(min_size=65, max_size=65))
def test_any_bytes_are_a_signer_or_refused(signature: bytes) -> None:
    with suppress(MessageRefused):
        assert len(signing.recover(DIGEST, signature)) == 20


@pytest.mark.parametrize("zeroed", [slice(0, 32), slice(32, 64), slice(0, 64)])
def test_zero_is_no_r_and_no_s(zeroed: slice) -> None:
    signature = bytearray(DEVICE.sign_digest(DIGEST))
    signature[zeroed] = bytes(zeroed.stop - zeroed.start)
    with pytest.raises(MessageRefused):
        signing.recover(DIGEST, bytes(signature))


def test_a_message_is_checked_against_its_signers_in_order() -> None:
    signed = signing.sign(ENROL, DOMAIN, DEVICE, OWNER)
    assert signing.check(signed, DOMAIN, DEVICE.address, OWNER.address) == DIGEST
    with pytest.raises(MessageRefused) as caught:
        signing.check(signed, DOMAIN, OWNER.address, DEVICE.address)
    assert caught.value.reason is Reason.WRONG_SIGNER


@pytest.mark.parametrize(
    "domain",
    [
        Domain(1, DOMAIN.place),
        Domain(1337, keccak(b"another network")),
        Domain(1337, bytes(20)),
    ],
)
def test_a_signature_for_one_network_is_worth_nothing_on_another(
    domain: Domain,
) -> None:
    token = signing.sign(ConnectToken(DEVICE.address, 1), DOMAIN, DEVICE)
    signing.check(token, DOMAIN, DEVICE.address)
    with pytest.raises(MessageRefused) as caught:
        signing.check(token, domain, DEVICE.address)
    assert caught.value.reason is Reason.WRONG_SIGNER


def test_a_missing_signature_is_no_signature() -> None:
    with pytest.raises(ValueError, match="argument 2 is longer"):
        signing.check(Signed(ENROL, ()), DOMAIN, DEVICE.address)


@pytest.mark.parametrize(
    "secret", [bytes(32), ORDER.to_bytes(32, "big"), b"\xff" * 32, b"\x01" * 33]
)
def test_no_key_is_made_of_what_is_none(secret: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Key(secret)


def test_a_key_never_shows_its_secret() -> None:
    assert DEVICE.secret.hex() not in repr(DEVICE)
    assert repr(DEVICE.secret) not in repr(DEVICE)
