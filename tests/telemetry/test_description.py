"""The network description: it reads back, and nothing in it can be changed."""

import json
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.errors import EdgeproofError
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.parameters import demo
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry import description
from edgeproof.telemetry.description import Description, canonical
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.signing import Key

COORDINATOR = Key(keccak(b"coordinator"))
NETWORK = Description(
    network_id=keccak(b"network"),
    chain_id=1337,
    token=b"\x01" * 20,
    distributor=b"\x02" * 20,
    coordinator=COORDINATOR.address,
    attestors=(b"\x03" * 20, b"\x04" * 20),
    threshold=2,
    beacon_anchor=keccak(b"anchor"),
    broker="mqtt://localhost:1883",
    api="http://localhost:8000",
    parameters=demo(1_700_000_000),
)


def test_the_signed_description_reads_back() -> None:
    text = NETWORK.sign(COORDINATOR)
    assert description.read(text) == NETWORK
    assert description.read(text.encode()) == NETWORK
    assert text == NETWORK.sign(COORDINATOR), "the same text every time"


CHANGED: dict[str, Any] = {
    "network_id": keccak(b"x"),
    "chain_id": 1,
    "token": b"\x09" * 20,
    "distributor": b"\x09" * 20,
    "attestors": (b"\x09" * 20, b"\x0a" * 20),
    "threshold": 1,
    "beacon_anchor": keccak(b"x"),
    "broker": "mqtt://elsewhere",
    "api": "http://elsewhere",
    "authority": "another certificate",
    "parameters": demo(1_700_000_001),
    "coordinator": b"\x09" * 20,
}


@pytest.mark.parametrize("name", [field.name for field in fields(Description)])
def test_no_field_can_change_under_its_signature(name: str) -> None:
    outer = json.loads(NETWORK.sign(COORDINATOR))
    outer["network"] = replace(NETWORK, **{name: CHANGED[name]}).as_json()
    with pytest.raises(MessageRefused) as caught:
        description.read(json.dumps(outer))
    assert caught.value.reason is Reason.WRONG_SIGNER


def test_only_its_coordinator_can_sign_it() -> None:
    with pytest.raises(MessageRefused) as caught:
        description.read(NETWORK.sign(Key(keccak(b"somebody"))))
    assert caught.value.reason is Reason.WRONG_SIGNER


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in NETWORK.as_json().items() if key != name}


@pytest.mark.parametrize("name", NETWORK.as_json())
def test_every_entry_is_needed(name: str) -> None:
    with pytest.raises(EdgeproofError):
        Description.from_json(_without(name))


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"extra": 1},
        {"network_id": "0x1234"},
        {"network_id": 5},
        {"token": NETWORK.as_json()["token"][2:]},
        {"token": "0x" + "0A" * 20},
        {"token": "0x" + "zz" * 20},
        {"attestors": 5},
        {"attestors": "0x" + "11" * 20},
        {"chain_id": "1337"},
        {"chain_id": 1337.0},
        {"chain_id": True},
        {"chain_id": 0},
        {"chain_id": -1},
        {"chain_id": 2**256},
        {"chain_id": float("inf")},
        {"chain_id": float("nan")},
        {"chain_id": None},
        {"threshold": 0},
        {"threshold": 3},
        {"threshold": 2.0},
        {"attestors": []},
        {"attestors": ["0x" + "03" * 20] * 2},
        {"threshold": "two"},
        {"parameters": 5},
        {"parameters": {}},
        {"parameters": []},
        {"parameters": None},
        {"broker": 5},
    ],
    ids=repr,
)
def test_other_content_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(EdgeproofError):
        Description.from_json({**NETWORK.as_json(), **change})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        '{"network":{}}',
        '{"network":5,"signature":"0x"}',
        '{"network":[],"signature":"0x"}',
        "[" * 60_000,
        '{"network":{"format":1,"chain_id":' + "9" * 5000 + '},"signature":""}',
    ],
    ids=lambda text: text[:20],
)
def test_hostile_texts_are_refused(text: str) -> None:
    with pytest.raises(MessageRefused):
        description.read(text)


def test_nobody_reads_a_text_without_end() -> None:
    with pytest.raises(MessageRefused) as caught:
        description.read(" " * (description.LARGEST + 1))
    assert caught.value.reason is Reason.TOO_LARGE


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(name=st.sampled_from(sorted(NETWORK.as_json())), value=json_values)
def test_any_json_in_any_place_is_refused_or_the_same(name: str, value: Any) -> None:
    values = {**NETWORK.as_json(), name: value}
    with suppress(EdgeproofError):
        assert canonical(Description.from_json(values).as_json()) == canonical(values)


@given(name=st.sampled_from(sorted(NETWORK.parameters.as_json())), value=json_values)
def test_any_json_in_the_parameters_is_refused_or_the_same(
    name: str, value: Any
) -> None:
    values = NETWORK.as_json()
    values["parameters"] = {**values["parameters"], name: value}
    with suppress(EdgeproofError):
        assert canonical(Description.from_json(values).as_json()) == canonical(values)


def test_json_has_one_text() -> None:
    assert canonical({"b": 1, "a": ["é"]}) == b'{"a":["\\u00e9"],"b":1}'
