"""A network is founded once, whatever interrupts it."""

import json
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from edgeproof.chain.client import ChainClient
from edgeproof.coordinator import founding, keys
from edgeproof.coordinator.founding import Charter
from edgeproof.coordinator.settings import FILE, Settings
from edgeproof.errors import EdgeproofError
from edgeproof.proofs.parameters import demo
from edgeproof.telemetry import keyfile
from edgeproof.telemetry.description import LARGEST
from tests.chain import conftest as chain_fixtures
from tests.coordinator.conftest import NETWORK

devchain = chain_fixtures.devchain


def charter(rpc: str) -> Charter:
    return Charter(
        parameters=demo(int(time.time()) + 60),
        rpc=rpc,
        broker="mqtt://127.0.0.1:1883",
        embedded_broker=True,
        broker_hosts=(),
        api="http://127.0.0.1:8080",
        web_host="127.0.0.1",
        web_port=8080,
        development_chain=True,
    )


@pytest.fixture
def nowhere() -> str:
    """Return the URL of a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.integration
def test_what_is_founded_stands_on_the_chain_and_in_closed_files(
    devchain: str, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    wanted = charter(devchain)
    made = founding.found(data, wanted)
    assert founding.load(data) == made
    assert made.parameters == wanted.parameters
    terms = ChainClient(devchain).terms(made.distributor)
    assert terms.token == made.token
    assert data.stat().st_mode & 0o777 == 0o700
    files = [path for path in data.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o077 for path in files} == {0}
    assert not [path for path in files if path.name.endswith(".partial")]
    settings = Settings.load(data)
    assert (settings.rpc, settings.web_port) == (devchain, 8080)
    assert settings.embedded_broker


@pytest.mark.integration
def test_founding_again_changes_nothing_and_needs_no_chain(
    devchain: str, tmp_path: Path, nowhere: str
) -> None:
    made = founding.found(tmp_path, charter(devchain))
    before = {path: path.read_bytes() for path in tmp_path.glob("*.json")}
    other = replace(charter(nowhere), web_port=1, broker="mqtt://other:1")
    assert founding.found(tmp_path, other) == made
    assert {path: path.read_bytes() for path in tmp_path.glob("*.json")} == before
    assert Settings.load(tmp_path).rpc == devchain


@pytest.mark.integration
def test_a_crash_after_the_deployment_deploys_nothing_twice(
    devchain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = charter(devchain)
    write = keyfile.write_private

    def killed(path: Path, content: bytes) -> None:
        if path.name != founding.PARAMETERS:
            raise KeyboardInterrupt
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(keyfile, "write_private", killed)
        with pytest.raises(KeyboardInterrupt):
            founding.found(tmp_path, first)
    client = ChainClient(devchain)
    poster = keys.load(tmp_path).poster.address
    sent = client.nonce(poster)
    later = replace(first, parameters=demo(first.parameters.genesis + 100))
    made = founding.found(tmp_path, later)
    assert client.nonce(poster) == sent == 1
    assert made.parameters == first.parameters
    assert client.terms(made.distributor).token == made.token


@pytest.mark.integration
def test_a_chain_out_of_reach_is_explained_and_tried_again(
    devchain: str, tmp_path: Path, nowhere: str
) -> None:
    with pytest.raises(EdgeproofError) as failure:
        founding.found(tmp_path, charter(nowhere))
    assert failure.value.hint
    assert not (tmp_path / founding.DESCRIPTION).exists()
    assert founding.found(tmp_path, charter(devchain)) == founding.load(tmp_path)


def test_no_network_says_how_to_found_one(tmp_path: Path) -> None:
    with pytest.raises(EdgeproofError, match="no network in") as failure:
        founding.load(tmp_path)
    assert "coordinator init" in failure.value.hint


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_a_damaged_description_is_refused(tmp_path: Path, cut: int) -> None:
    whole = NETWORK.description.sign(NETWORK.coordinator)
    (tmp_path / founding.DESCRIPTION).write_text(whole[:cut])
    with pytest.raises(EdgeproofError):
        founding.load(tmp_path)


def test_a_changed_description_is_refused(tmp_path: Path) -> None:
    signed = json.loads(NETWORK.description.sign(NETWORK.coordinator))
    signed["network"]["broker"] = "mqtt://elsewhere:1883"
    text = json.dumps(signed, sort_keys=True, separators=(",", ":"))
    (tmp_path / founding.DESCRIPTION).write_text(text)
    with pytest.raises(EdgeproofError):
        founding.load(tmp_path)


def test_an_endless_description_is_not_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / founding.DESCRIPTION).write_text(" " * (LARGEST * 3))
    assert len(founding.text(tmp_path)) == LARGEST + 1
    with pytest.raises(EdgeproofError):
        founding.load(tmp_path)


@pytest.mark.parametrize("rpc", ['http://a"b', "http://a\\b", "http://ä/\t"])
def test_settings_hold_any_url(tmp_path: Path, rpc: str) -> None:
    (tmp_path / FILE).write_text(founding._settings(charter(rpc)))
    assert Settings.load(tmp_path).rpc == rpc
