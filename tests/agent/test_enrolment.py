import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgeproof.agent import enrolment, identity
from edgeproof.agent.enrolment import BadNetwork, NetworkUnreachable
from edgeproof.agent.options import Options
from edgeproof.agent.outbox import OUTBOX_FILE, Outbox
from edgeproof.agent.state import OtherNetwork, State
from edgeproof.telemetry import description, signing
from edgeproof.telemetry.keyfile import BadKeyFile
from edgeproof.telemetry.message import decode_signed
from edgeproof.telemetry.messages import Enrol
from edgeproof.telemetry.signing import Key

if TYPE_CHECKING:
    from tests.agent.conftest import Coordinator

OWNER = Key(b"\x06" * 32)


@pytest.fixture
def text(coordinator: "Coordinator") -> str:
    return coordinator.description.sign(coordinator.key)


def queued(options: Options) -> list[bytes]:
    box = Outbox(options.state_dir / OUTBOX_FILE, limit_bytes=1 << 20)
    found = []
    while waiting := box.due(0, 1000):
        found.append(waiting.payload)
        box.sent(waiting.wire, 0)
    box.close()
    return found


def test_an_enrolment_is_signed_by_device_and_owner_and_queued(
    coordinator: "Coordinator", options: Options, text: str
) -> None:
    done = enrolment.enrol(options, text, OWNER)
    (payload,) = queued(options)
    signed = decode_signed(Enrol, payload)
    domain = coordinator.description.domain
    signing.check(signed, domain, done.device, OWNER.address)
    assert done.device == identity.device_key(options.state_dir).address
    assert options.state_dir.stat().st_mode & 0o777 == 0o700


def test_enrolling_again_takes_a_higher_nonce(options: Options, text: str) -> None:
    enrolment.enrol(options, text, OWNER)
    enrolment.enrol(options, text, OWNER)
    first, second = (decode_signed(Enrol, raw).message for raw in queued(options))
    assert second.nonce > first.nonce
    assert second.device == first.device


def test_another_coordinator_is_refused_once_one_is_pinned(
    coordinator: "Coordinator", options: Options, text: str
) -> None:
    enrolment.enrol(options, text, OWNER)
    coordinator.key = Key(b"\x0c" * 32)
    other = coordinator.description.sign(coordinator.key)
    with pytest.raises(OtherNetwork, match="another network") as caught:
        enrolment.enrol(options, other, OWNER)
    assert "--state" in caught.value.hint


@pytest.mark.parametrize("damage", ["signature", "chain_id", "nothing", "size"])
def test_a_description_that_is_wrong_is_refused(
    options: Options, text: str, damage: str
) -> None:
    wrong = {
        "signature": text.replace('"signature":"0x', '"signature":"0xff', 1),
        "chain_id": text.replace('"chain_id":31337', '"chain_id":1'),
        "nothing": "<html>not found</html>",
        "size": text + " " * description.LARGEST,
    }[damage]
    with pytest.raises(BadNetwork, match="not a network"):
        enrolment.enrol(options, wrong, OWNER)
    assert not (options.state_dir / identity.KEY_FILE).exists()


def test_the_devices_own_key_cannot_own_it(options: Options, text: str) -> None:
    key = identity.ensure_device_key(options.state_dir)
    with pytest.raises(BadKeyFile, match="own key"):
        enrolment.enrol(options, text, key)


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    """Answer with the server's ``plan``: a status and a body each time."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = self.server.plan.pop(0)  # type: ignore[attr-defined] # set by the test
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    made = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def url(server: HTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_port}"


@pytest.mark.integration
def test_a_server_that_stumbles_is_asked_again(server: HTTPServer) -> None:
    server.plan = [(503, b""), (200, b"text")]  # type: ignore[attr-defined] # read by the handler
    assert enrolment.fetch(url(server) + "/") == "text"


@pytest.mark.integration
def test_a_page_without_end_is_cut_off(server: HTTPServer) -> None:
    server.plan = [(200, b"x" * 10 * description.LARGEST)]  # type: ignore[attr-defined] # read by the handler
    assert len(enrolment.fetch(url(server))) == description.LARGEST + 1


@pytest.mark.integration
def test_a_missing_page_is_not_asked_for_again(server: HTTPServer) -> None:
    server.plan = [(404, b"")]  # type: ignore[attr-defined] # read by the handler
    with pytest.raises(NetworkUnreachable, match="404") as caught:
        enrolment.fetch(url(server))
    assert caught.value.hint


@pytest.mark.parametrize(
    "address", ["", "example.org", "file:///etc/passwd", "http://"]
)
def test_only_web_addresses_are_fetched(address: str) -> None:
    with pytest.raises(NetworkUnreachable, match="not the address"):
        enrolment.fetch(address)


def test_the_state_survives_and_counts_statements(
    coordinator: "Coordinator", tmp_path: Path, text: str, device: Key
) -> None:
    state = State(tmp_path)
    state.pin(text)
    for epoch in (0, 2, 1):
        state.save_statement(coordinator.statement(device.address, epoch))
    state.close()
    again = State(tmp_path, read_only=True)
    assert again.network() == coordinator.description
    assert [each["epoch"] for each in again.statements(2)] == [2, 1]
    again.close()
