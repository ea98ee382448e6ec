"""``edgeproof coordinator``: what the options become."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgeproof.coordinator import founding
from edgeproof.coordinator.commands import app
from edgeproof.proofs import outside
from edgeproof.proofs.parameters import SECOND, EntropySource, Parameters, demo
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.mqtt import BadBrokerUrl
from tests.coordinator.conftest import NETWORK


class Founder:
    """Stands for ``found``, which needs a chain; remembers what it was asked for."""

    def __init__(self) -> None:
        self.data: Path | None = None
        self.charter: founding.Charter | None = None

    def __call__(self, data: Path, charter: founding.Charter) -> Description:
        self.data, self.charter = data, charter
        return NETWORK.description


@pytest.fixture
def founder(monkeypatch: pytest.MonkeyPatch) -> Founder:
    stand_in = Founder()
    monkeypatch.setattr(founding, "found", stand_in)
    return stand_in


def init(*options: str) -> str:
    done = CliRunner().invoke(app, ["init", "--rpc", "http://node:1", *options])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_defaults_are_safe(founder: Founder) -> None:
    before = int(time.time())
    init()
    charter = founder.charter
    assert charter is not None
    assert charter.rpc == "http://node:1"
    assert (charter.web_host, charter.web_port) == ("127.0.0.1", 8080)
    assert charter.broker == "mqtt://127.0.0.1:1883"
    assert charter.embedded_broker
    assert not charter.development_chain
    genesis = charter.parameters.genesis
    assert before + 60 <= genesis <= int(time.time()) + 60
    assert charter.parameters == Parameters(genesis=genesis)
    assert founder.data == Path.home() / ".local/share/edgeproof-coordinator"


def test_every_option_arrives(founder: Founder, tmp_path: Path) -> None:
    options = {
        "--data": str(tmp_path),
        "--preset": "demo",
        "--genesis-in": "5",
        "--broker": "mqtt://broker:9",
        "--api": "https://example.org",
        "--web-host": "192.0.2.1",
        "--web-port": "81",
        "--verified-share": "2500",
    }
    words = [word for pair in options.items() for word in pair]
    init(*words, "--development-chain")
    charter = founder.charter
    assert charter is not None
    timetable = demo(charter.parameters.genesis)
    assert charter.parameters == replace(timetable, verified_share=2500)
    assert abs(charter.parameters.genesis - time.time() - 5) < 5
    assert charter.broker == "mqtt://broker:9"
    assert charter.api == "https://example.org"
    assert (charter.web_host, charter.web_port) == ("192.0.2.1", 81)
    assert not charter.embedded_broker
    assert charter.development_chain
    assert founder.data == tmp_path


@pytest.mark.parametrize(
    ("options", "address", "hosts"),
    [
        ([], "mqtt://127.0.0.1:1883", ()),
        (["--broker-port", "99"], "mqtt://127.0.0.1:99", ()),
        (["--broker", "mosquitto"], "mqtts://127.0.0.1:8883", ("127.0.0.1",)),
        (
            [
                "--broker",
                "mosquitto",
                "--broker-host",
                "b.example",
                "--broker-host",
                "::1",
                "--broker-port",
                "99",
            ],
            "mqtts://b.example:99",
            ("b.example", "::1"),
        ),
        (
            ["--broker", "mosquitto", "--broker-host", "::1"],
            "mqtts://[::1]:8883",
            ("::1",),
        ),
    ],
    ids=["embedded", "another_port", "mosquitto", "names", "address"],
)
def test_a_broker_is_embedded_or_a_mosquitto_with_certificates(
    founder: Founder, options: list[str], address: str, hosts: tuple[str, ...]
) -> None:
    init(*options)
    charter = founder.charter
    assert charter is not None
    assert (charter.broker, charter.broker_hosts) == (address, hosts)
    assert charter.embedded_broker == (not hosts)


def test_a_broker_with_foreign_certificates_is_refused(founder: Founder) -> None:
    arguments = ["init", "--rpc", "http://node:1", "--broker", "mqtts://b.example"]
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, BadBrokerUrl)
    assert "--broker mosquitto" in done.exception.hint
    assert founder.charter is None


@pytest.mark.parametrize("source", EntropySource)
def test_a_founder_chooses_where_entropy_comes_from(
    founder: Founder, source: EntropySource
) -> None:
    init("--entropy", source.value)
    assert founder.charter is not None
    made = founder.charter.parameters
    assert made.entropy_source == source
    assert made == outside.with_source(Parameters(genesis=made.genesis), source)


def test_a_founder_chooses_no_source_by_default(founder: Founder) -> None:
    init()
    assert founder.charter is not None
    assert founder.charter.parameters.entropy_source == EntropySource.NONE


def test_what_was_founded_is_told_and_what_comes_next(
    founder: Founder, tmp_path: Path
) -> None:
    said = init("--data", str(tmp_path))
    for address in (
        NETWORK.description.network_id,
        NETWORK.description.coordinator,
        NETWORK.description.distributor,
        NETWORK.description.token,
    ):
        assert to_hex(address) in said
    assert f"edgeproof coordinator run --data {tmp_path}" in said
    assert founder.charter is not None


@pytest.mark.parametrize(
    "options",
    [
        ["--web-port", "0"],
        ["--web-port", "65536"],
        ["--genesis-in", "0"],
        ["--preset", "fast"],
        ["--verified-share", "0"],
        ["--verified-share", "10001"],
        ["--entropy", "dice"],
    ],
    ids=" ".join,
)
def test_a_wrong_option_founds_nothing(founder: Founder, options: list[str]) -> None:
    done = CliRunner().invoke(app, ["init", "--rpc", "http://node:1", *options])
    assert done.exit_code == 2
    assert founder.charter is None


def test_slot_zero_lies_in_the_future(founder: Founder) -> None:
    init("--genesis-in", "3600", "--preset", "demo")
    assert founder.charter is not None
    assert founder.charter.parameters.genesis * SECOND > time.time() * SECOND
