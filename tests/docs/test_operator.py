"""The page for operators, followed word for word by real processes."""

import base64
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from edgeproof.coordinator import authority
from edgeproof.coordinator.authority import AUTHORITY_LIFE, DEVICE_LIFE, OWN_LIFE
from edgeproof.telemetry.description import read
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.message import decode_signed
from edgeproof.telemetry.messages import Enrol
from edgeproof.telemetry.signing import Key
from tests.chain import conftest as chain_fixtures

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operator.md").read_text()
OWNER = Key(b"\x2a" * 32)

devchain = chain_fixtures.devchain
"""A chain of its own for this module."""


def lines(program: str) -> list[str]:
    """Return the page's commands of a program, as they stand there."""
    return re.findall(rf"^    ({program}(?: .*)?)$", PAGE, re.MULTILINE)


def test_its_numbers_are_those_of_the_program() -> None:
    assert f"lives {DEVICE_LIFE.days} days" in PAGE
    assert f"live {OWN_LIFE.days} days" in PAGE
    assert AUTHORITY_LIFE.days == 3650
    assert "lives ten years" in PAGE


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def words(line: str, **places: str) -> list[str]:
    """Return a command's words with the page's placeholders filled in."""
    for name, value in places.items():
        line = re.sub(rf"\b{name}\b", value, line)
    program, *rest = shlex.split(line)
    if program == "edgeproof":
        program = str(Path(sys.executable).with_name(program))
    return [program, *rest]


@contextmanager
def running(
    command: list[str], log: Path, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a program that lasts; end it as a person would."""
    with log.open("w") as opened:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=opened,
            text=True,
            env=os.environ | (environment or {}),
        )
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=20)
        process.kill()
        process.wait()


def ask(address: str, body: bytes | None = None) -> Any:
    answer = httpx.post(address, content=body) if body else httpx.get(address)
    answer.raise_for_status()
    return answer.json()


def until(what: Callable[[], Any], seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        with suppress(httpx.HTTPError):
            if found := what():
                return found
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def sign(link: str, api: str) -> None:
    """Do what the owner's wallet and the claim page do."""
    code = link.split("#")[1]
    half = base64.urlsafe_b64decode(code + "=" * (-len(code) % 4))
    network = read(json.dumps(ask(f"{api}/.well-known/edgeproof.json")))
    unsigned = b"\x87" + half[1:] + b"\x58\x41"  # an array of seven; 65 bytes follow
    message = decode_signed(Enrol, unsigned + bytes(65)).message
    signature = OWNER.sign_digest(message.digest(network.domain))
    ask(f"{api}/api/v1/enrolments", unsigned + signature)


@pytest.mark.integration
@pytest.mark.timeout(420)
def test_a_network_with_certificates_from_nothing_to_the_first_paid_epoch(
    devchain: str, tmp_path: Path, require_service: Callable[[str, str], Path]
) -> None:
    program = require_service("mosquitto", "apt-get install mosquitto")
    data, device = tmp_path / "network", tmp_path / "device"
    web, broker = free_port(), free_port()
    api = f"http://127.0.0.1:{web}"
    places = {"DIR": str(data), "NAME": "127.0.0.1"}
    # Found the network.
    (init,) = lines("edgeproof coordinator init")
    command = words(init.replace("--rpc URL", f"--rpc {devchain}"), URL=api, **places)
    command += ["--development-chain", "--preset", "demo", "--genesis-in", "20"]
    command += ["--web-port", str(web), "--broker-port", str(broker)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"mqtts://127.0.0.1:{broker}" in said
    assert f"mosquitto -c {data}/mosquitto/mosquitto.conf" in said
    (start,) = lines("mosquitto")
    mosquitto = [str(program), *words(start, **places)[1:]]
    run, *_ = lines("edgeproof coordinator run")
    (enrol,) = lines("edgeproof agent enrol")
    (agent,) = lines("edgeproof agent run")
    state = ["--state", str(device)]
    quick = {"EDGEPROOF_CARDS": "cpu", "EDGEPROOF_AGENT_PROVER_LINGER_S": "60"}
    quick["EDGEPROOF_AGENT_CPU_SHARE"] = "0.001"
    with (
        running(mosquitto, tmp_path / "mosquitto.log"),
        running(words(run, **places), tmp_path / "coordinator.log"),
    ):
        until(lambda: ask(f"{api}/api/v1/network"), 60)
        # The first device.
        wallet = enrol.replace("0x…", to_hex(OWNER.address))
        asking = [*words(wallet, URL=api), *state]
        with running(asking, tmp_path / "enrol.log") as enrolling:
            assert enrolling.stdout is not None
            link = next(line for line in enrolling.stdout if "/claim#" in line)
            sign(link.strip(), api)
            rest, _ = enrolling.communicate(timeout=60)
        assert enrolling.returncode == 0, rest
        assert "█" in rest or "▀" in rest, "a QR code"
        assert "Enrolled: it counts from epoch" in rest
        with running([*words(agent), *state], tmp_path / "agent.log", quick):
            name = ask(f"{api}/api/v1/devices")["items"][0]["address"]
            until(lambda: authority.ends(device / "client.pem"), 60)
            for file in ("client.key", "client.pem"):
                assert (device / file).stat().st_mode & 0o777 == 0o600

            def paid() -> bool:
                epochs = ask(f"{api}/api/v1/devices/{name}")["epochs"]
                return any(int(each["reward"]) for each in epochs)

            until(paid, 240)
            # Shut the device out.
            revoke, undo = lines("edgeproof coordinator revoke")
            assert undo.startswith(revoke)
            shut = subprocess.run(
                words(revoke.replace("0x…", name), **places),
                capture_output=True,
                text=True,
                check=True,
            )
            assert "from its next connection on" in shut.stdout
            until(
                lambda: (
                    "REVOKED" in (tmp_path / "coordinator.log").read_text()
                    or "shut out" in (tmp_path / "coordinator.log").read_text()
                ),
                30,
            )
        refused = (tmp_path / "mosquitto.log").read_text()
        with running([*words(agent), *state], tmp_path / "again.log", quick):
            until(
                lambda: (
                    "OpenSSL Error"
                    in (tmp_path / "mosquitto.log").read_text()[len(refused) :]
                ),
                60,
            )
    for log in ("coordinator", "agent"):
        text = (tmp_path / f"{log}.log").read_text()
        assert "Traceback" not in text, text[-3000:]
