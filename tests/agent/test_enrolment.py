import base64
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgeproof.agent import control, enrolment, identity
from edgeproof.agent.control import NetworkUnreachable, Refused, Standing
from edgeproof.agent.enrolment import BadNetwork, BadToken
from edgeproof.agent.options import Options
from edgeproof.agent.state import OtherKey, OtherNetwork, State
from edgeproof.telemetry import description, signing
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.keyfile import BadKeyFile
from edgeproof.telemetry.message import Signed, decode_signed
from edgeproof.telemetry.messages import Enrol, EnrolToken, TokenEnrol
from edgeproof.telemetry.signing import Key
from tests.agent.conftest import FakeControl

if TYPE_CHECKING:
    from tests.agent.conftest import Coordinator

OWNER = Key(b"\x06" * 32)


@pytest.fixture
def text(coordinator: "Coordinator") -> str:
    return coordinator.description.sign(coordinator.key)


def joined(options: Options, text: str) -> Description:
    return enrolment.pin(options, text)


def test_an_enrolment_is_signed_by_device_and_owner_and_posted(
    coordinator: "Coordinator", options: Options, text: str
) -> None:
    fake = FakeControl()
    standing = enrolment.by_key(options, joined(options, text), OWNER, fake)
    (payload,) = fake.told
    signed = decode_signed(Enrol, payload)
    device = identity.device_key(options.state_dir).address
    signing.check(signed, coordinator.description.domain, device, OWNER.address)
    assert options.state_dir.stat().st_mode & 0o777 == 0o700
    with closing(State(options.state_dir)) as state:
        assert state.get("owner") == standing.owner


def test_enrolling_again_takes_a_higher_nonce(options: Options, text: str) -> None:
    fake = FakeControl()
    for _ in range(2):
        enrolment.by_key(options, joined(options, text), OWNER, fake)
    first, second = (decode_signed(Enrol, raw).message for raw in fake.told)
    assert second.nonce > first.nonce
    assert second.device == first.device


def test_a_refused_enrolment_is_not_repeated(options: Options, text: str) -> None:
    class Refusing(FakeControl):
        def enrol(self, raw: bytes) -> Standing:
            super().enrol(raw)
            msg = "the nonce is old"
            raise Refused(msg, reason="STALE_NONCE")

    fake = Refusing()
    for _ in range(2):
        with pytest.raises(Refused):
            enrolment.by_key(options, joined(options, text), OWNER, fake)
    assert len(set(fake.told)) == 2


def test_a_link_stays_good_until_its_owner_has_signed(
    options: Options, text: str
) -> None:
    network = joined(options, text)
    begun = enrolment.begin(options, network, OWNER.address)
    assert enrolment.begin(options, network, OWNER.address) == begun
    address, code = begun.link.split("#")
    assert address == f"{network.api}/claim"
    raw = base64.urlsafe_b64decode(code + "=" * (-len(code) % 4))
    assert raw == Signed(begun.message, (begun.signature,)).encode()
    other = enrolment.begin(options, network, Key(b"\x07" * 32).address)
    assert other.message.nonce > begun.message.nonce

    begun = enrolment.begin(options, network, OWNER.address)
    fake = FakeControl(OWNER.address)
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        """Let a stranger sign first, then the owner."""
        by = OWNER if waits else Key(b"\x08" * 32)
        waits.append(seconds)
        fake.told.append(begun.signed_by(by))

    standing = enrolment.by_wallet(options, begun, fake, sleep=sleep)
    assert (standing.owner, len(waits)) == (to_hex(OWNER.address), 2)
    again = enrolment.begin(options, network, OWNER.address)
    assert again.message.nonce > begun.message.nonce


def test_a_token_enrols_without_the_owner(options: Options, text: str) -> None:
    network, fake = joined(options, text), FakeControl()
    token = enrolment.make_token(network, OWNER, bytes(32), 3, 10**15)
    read = enrolment.read_token(f" 0x{token.encode().hex()}\n", network)
    enrolment.by_token(options, network, read, fake)
    signed = decode_signed(TokenEnrol, fake.told[0])
    device = identity.device_key(options.state_dir).address
    signing.check(signed, network.domain, device)
    assert decode_signed(EnrolToken, signed.message.token) == token
    elsewhere = replace(network, network_id=bytes(32))
    for wrong, where in (
        ("0xff", network),
        ("", network),
        (token.encode().hex(), elsewhere),
    ):
        with pytest.raises(BadToken, match="not an enrolment token") as caught:
            enrolment.read_token(wrong, where)
        assert "agent token" in caught.value.hint


def test_another_coordinator_is_refused_once_one_is_pinned(
    coordinator: "Coordinator", options: Options, text: str
) -> None:
    joined(options, text)
    old = coordinator.key
    coordinator.key = Key(b"\x0c" * 32)
    other = coordinator.description.sign(coordinator.key)
    with pytest.raises(OtherKey, match="key has changed") as caught:
        joined(options, other)
    assert "network accept" in caught.value.hint
    elsewhere = replace(coordinator.description, network_id=bytes(32))
    with pytest.raises(OtherNetwork, match="another network") as other_network:
        joined(options, elsewhere.sign(coordinator.key))
    assert "--state" in other_network.value.hint
    with closing(State(options.state_dir)) as state:
        assert state.network().coordinator == old.address
        state.accept(other)
    assert joined(options, other).coordinator == coordinator.key.address


def test_what_the_pinned_key_signs_may_change(
    coordinator: "Coordinator", options: Options, text: str
) -> None:
    joined(options, text)
    moved = replace(coordinator.description, broker="mqtts://example.org:8883")
    joined(options, moved.sign(coordinator.key))
    with closing(State(options.state_dir)) as state:
        assert state.network().broker == moved.broker


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
        joined(options, wrong)
    assert not (options.state_dir / identity.KEY_FILE).exists()


def test_the_devices_own_key_cannot_own_it(options: Options, text: str) -> None:
    key = identity.ensure_device_key(options.state_dir)
    with pytest.raises(BadKeyFile, match="own key"):
        enrolment.begin(options, joined(options, text), key.address)


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    """Answer with the server's ``plan``: a status and a body each time."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            self.server.posted = self.rfile.read(length)  # type: ignore[attr-defined] # for the test
            self.do_GET()

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
def test_a_server_that_stumbles_is_asked_again(
    server: HTTPServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.plan = [(503, b""), (200, b"text")]  # type: ignore[attr-defined] # read by the handler
    assert control.fetch(url(server) + "/") == "text"
    said = capsys.readouterr().err
    assert said.startswith("no answer (")
    assert "trying again in" in said


@pytest.mark.integration
def test_a_page_without_end_is_cut_off(server: HTTPServer) -> None:
    server.plan = [(200, b"x" * 10 * description.LARGEST)]  # type: ignore[attr-defined] # read by the handler
    assert len(control.fetch(url(server))) == description.LARGEST + 1


@pytest.mark.integration
def test_a_missing_page_is_not_asked_for_again(server: HTTPServer) -> None:
    server.plan = [(404, b"")]  # type: ignore[attr-defined] # read by the handler
    with pytest.raises(NetworkUnreachable, match="404") as caught:
        control.fetch(url(server))
    assert caught.value.hint


STANDING = b'{"owner":"0x09","kind":"enrol","epoch":4,"message":"0x00","more":1}'


@pytest.mark.integration
def test_a_change_is_posted_and_its_answer_read(server: HTTPServer) -> None:
    server.plan = [(200, STANDING), (200, STANDING), (404, b"")]  # type: ignore[attr-defined] # read by the handler
    asked = control.HttpControl(url(server))
    want = Standing("0x09", "enrol", 4, "0x00")
    assert asked.enrol(b"raw") == want
    assert server.posted == b"raw"  # type: ignore[attr-defined] # set by the handler
    assert asked.standing("0x01") == want
    assert asked.standing("0x01") is None


@pytest.mark.integration
@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"owner":1}', b"[" * 10_000])
def test_an_answer_that_is_none_is_not_believed(
    server: HTTPServer, answer: bytes
) -> None:
    server.plan = [(200, answer)]  # type: ignore[attr-defined] # read by the handler
    with pytest.raises(NetworkUnreachable, match="not one of a coordinator"):
        control.HttpControl(url(server)).standing("0x01")


@pytest.mark.integration
def test_a_refusal_says_why(server: HTTPServer) -> None:
    problem = b'{"detail":"it is old","hint":"again","reason":{"name":"STALE_NONCE"}}'
    server.plan = [(422, problem), (422, b"no JSON")]  # type: ignore[attr-defined] # read by the handler
    asked = control.HttpControl(url(server))
    with pytest.raises(Refused, match=r"it is old \(STALE_NONCE\)") as caught:
        asked.enrol(b"raw")
    assert (caught.value.hint, caught.value.reason) == ("again", "STALE_NONCE")
    with pytest.raises(Refused, match="no reason given"):
        asked.enrol(b"raw")


@pytest.mark.parametrize(
    "address", ["", "example.org", "file:///etc/passwd", "http://"]
)
def test_only_web_addresses_are_fetched(address: str) -> None:
    with pytest.raises(NetworkUnreachable, match="not the address"):
        control.fetch(address)


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
