"""Who may connect to the embedded broker."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.coordinator.service import LONGEST_TOKEN, TOKEN_SECONDS, authenticator
from edgeproof.telemetry import signing, topics
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.messages import ConnectToken
from edgeproof.telemetry.signing import Key
from tests.coordinator.conftest import NETWORK

NOW = 1_700_000_000_000
WINDOW = TOKEN_SECONDS * 1000
PASSWORD = "5e" * 32
DEVICE, OTHER = NETWORK.devices[0], NETWORK.devices[1]
USER = to_hex(DEVICE.key.address)

authenticate = authenticator(NETWORK.description, PASSWORD, lambda: NOW)


def token(issued: int = NOW, device: Key = DEVICE.key, signer: Key = DEVICE.key) -> str:
    message = ConnectToken(device.address, issued)
    return signing.sign(message, NETWORK.description.domain, signer).encode().hex()


@pytest.mark.parametrize(
    ("user", "password"),
    [
        pytest.param(topics.COORDINATOR, PASSWORD, id="the coordinator"),
        pytest.param(USER, token(), id="a device"),
        pytest.param(USER, "0x" + token(), id="with 0x"),
        pytest.param(USER, token(NOW - WINDOW), id="almost too old"),
        pytest.param(USER, token(NOW + WINDOW), id="a clock that is ahead"),
    ],
)
def test_who_shows_who_it_is_may_connect(user: str, password: str) -> None:
    assert authenticate(user, password)


@pytest.mark.parametrize(
    ("user", "password"),
    [
        pytest.param(topics.COORDINATOR, "", id="no password"),
        pytest.param(topics.COORDINATOR, PASSWORD[:-1], id="part of the password"),
        pytest.param(topics.COORDINATOR, "pässword", id="not ASCII"),
        pytest.param(topics.COORDINATOR, token(), id="a device as coordinator"),
        pytest.param(USER, PASSWORD, id="the coordinator as a device"),
        pytest.param(USER, token(NOW - WINDOW - 1), id="too old"),
        pytest.param(USER, token(NOW + WINDOW + 1), id="from the future"),
        pytest.param(USER, token(signer=OTHER.key), id="signed by another"),
        pytest.param(
            USER, token(device=OTHER.key, signer=OTHER.key), id="another's token"
        ),
        pytest.param(USER, token(device=OTHER.key), id="about another"),
        pytest.param(USER, token()[:-2], id="cut off"),
        pytest.param(USER, token() + "00", id="with something behind it"),
        pytest.param(USER, "0" * (LONGEST_TOKEN + 1), id="endless"),
        pytest.param(USER, "", id="nothing"),
        pytest.param(USER.upper(), token(), id="0X"),
        pytest.param("0x" + USER[2:].upper(), token(), id="upper-case digits"),
        pytest.param("", token(), id="no name"),
        pytest.param("#", token(), id="a wildcard"),
    ],
)
def test_nobody_else_may(user: str, password: str) -> None:
    assert not authenticate(user, password)


def test_a_token_of_another_network_is_worth_nothing() -> None:
    elsewhere = replace(NETWORK.description, network_id=bytes(32)).domain
    message = ConnectToken(DEVICE.key.address, NOW)
    raw = signing.sign(message, elsewhere, DEVICE.key).encode()
    assert not authenticate(USER, raw.hex())


@given(user=st.text(max_size=50) | st.just(USER), password=st.text(max_size=600))
def test_noise_is_no_password_and_no_error(user: str, password: str) -> None:
    assert not authenticate(user, password)
