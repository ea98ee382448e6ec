"""What an owner types to enrol, and what the terminal says."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from edgeproof.agent import control, enrolling, enrolment, identity
from edgeproof.agent.commands import app
from edgeproof.agent.enrolling import BadAddress
from edgeproof.agent.options import Options
from edgeproof.agent.state import OtherKey, State
from edgeproof.errors import EdgeproofError
from edgeproof.telemetry import signing
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.message import decode_signed
from edgeproof.telemetry.messages import Enrol, EnrolToken, Retire, TokenEnrol
from edgeproof.telemetry.signing import Key
from tests.agent.conftest import FakeControl

if TYPE_CHECKING:
    from tests.agent.conftest import Coordinator

OWNER = Key(b"\x06" * 32)
CHECKSUMMED = enrolling.checksummed(OWNER.address)


class Terminal:
    """The commands, over a coordinator that admits whatever it is told."""

    def __init__(
        self, coordinator: "Coordinator", options: Options, folder: Path
    ) -> None:
        self.coordinator = coordinator
        self.control = FakeControl(OWNER.address)
        self.state = options.state_dir
        self.owner_file = folder / "owner.key"
        self.owner_file.write_text(OWNER.secret.hex())
        self.owner_file.chmod(0o600)

    def __call__(self, *words: str, fails: bool = False) -> str:
        where = ["--state", str(self.state)] if words[0] != "token" else []
        result = CliRunner().invoke(app, [*words, *where])
        if fails:
            assert result.exit_code == 2, result.output
        else:
            assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    def raises(self, *words: str) -> EdgeproofError:
        result = CliRunner().invoke(app, [*words, "--state", str(self.state)])
        assert isinstance(result.exception, EdgeproofError), result.output
        assert result.exception.hint
        return result.exception

    def enrol(self, *words: str, **given: Any) -> str:
        return self("enrol", "--network", "http://net", *words, **given)


@pytest.fixture
def terminal(
    coordinator: "Coordinator",
    options: Options,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Terminal:
    made = Terminal(coordinator, options, tmp_path)

    def fetch(_network: str) -> str:
        return coordinator.description.sign(coordinator.key)

    monkeypatch.setattr(control, "fetch", fetch)
    monkeypatch.setattr(control, "HttpControl", lambda _api: made.control)
    monkeypatch.setattr(enrolment, "POLL_S", 0.0)
    return made


def test_a_key_file_enrols_at_once(terminal: Terminal) -> None:
    said = terminal.enrol("--owner-key-file", str(terminal.owner_file))
    device = identity.device_key(terminal.state).address
    assert to_hex(device) in said
    assert "Enrolled: it counts from epoch 1 on." in said
    assert f"agent run --state {terminal.state}" in said
    signed = decode_signed(Enrol, terminal.control.told[0])
    domain = terminal.coordinator.description.domain
    signing.check(signed, domain, device, OWNER.address)
    assert OWNER.secret.hex() not in said


def test_a_wallet_gets_a_link_and_a_code_and_is_waited_for(terminal: Terminal) -> None:
    said = terminal.enrol("--owner", CHECKSUMMED, "--no-wait")
    assert "http://127.0.0.1:1/claim#" in said
    assert said.count("█") > 100
    assert "Run the same command again" in said
    assert terminal.control.told == []
    # The owner signs meanwhile; the same command finds it.
    options = Options(state_dir=terminal.state)
    network = terminal.coordinator.description
    begun = enrolment.begin(options, network, OWNER.address)
    assert begun.link in said, "the same link"
    terminal.control.told.append(begun.signed_by(OWNER))
    said = terminal.enrol("--owner", to_hex(OWNER.address))
    assert "Waiting for the owner's signature." in said
    assert "Enrolled" in said


def test_a_token_enrols_a_fleet(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "token"
    owner = ("--owner-key-file", str(terminal.owner_file))
    words = ("--network", "http://net", *owner, "--out", str(file))
    said = terminal("token", *words, "--count", "3", "--days", "2")
    assert "3 devices" in said
    assert file.stat().st_mode & 0o777 == 0o600
    token = decode_signed(EnrolToken, bytes.fromhex(file.read_text().strip()[2:]))
    assert token.message.count == 3
    terminal.enrol("--token-file", str(file))
    sent = decode_signed(TokenEnrol, terminal.control.told[0])
    assert sent.message.token == token.encode()
    result = CliRunner().invoke(app, ["token", *words])
    assert "cannot write" in str(result.exception), "it is never overwritten"


def test_retiring_needs_the_owner_alone(terminal: Terminal) -> None:
    owner = ("--owner-key-file", str(terminal.owner_file))
    terminal.enrol(*owner)
    own = identity.device_key(terminal.state).address
    assert to_hex(own) in terminal("retire", *owner)
    other = b"\x05" * 20
    terminal("retire", *owner, "--device", to_hex(other))
    domain = terminal.coordinator.description.domain
    for raw, device in zip(terminal.control.told[1:], (own, other), strict=True):
        signed = decode_signed(Retire, raw)
        signing.check(signed, domain, OWNER.address)
        assert signed.message.device == device
    assert "Missing option" in terminal("retire", fails=True)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--owner", CHECKSUMMED, "--token-file", "x"),
        ("--owner-key-file", "x", "--token-file", "x"),
    ],
)
def test_one_way_to_sign_is_needed(terminal: Terminal, words: tuple[str, ...]) -> None:
    said = terminal.enrol(*words, fails=True)
    assert "--owner-key-file and --token-file" in " ".join(
        said.replace("│", "").split()
    )


def slipped(address: str) -> str:
    """Change the case of one letter: a slip that the checksum finds."""
    place = next(i for i, c in enumerate(address) if i > 1 and c.isalpha())
    return address[:place] + address[place].swapcase() + address[place + 1 :]


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("", "not the address"),
        ("0x12", "not the address"),
        ("somebody.eth", "not the address"),
        (CHECKSUMMED + "00", "not the address"),
        (slipped(CHECKSUMMED), "checksum"),
    ],
)
def test_an_address_that_is_none_is_refused_before_anything_is_made(
    terminal: Terminal, address: str, why: str
) -> None:
    error = terminal.raises(
        "enrol", "--network", "http://net", "--owner", address, "--no-wait"
    )
    assert isinstance(error, BadAddress)
    assert why in str(error)
    assert not (terminal.state / identity.KEY_FILE).exists()


@pytest.mark.parametrize("address", [CHECKSUMMED, to_hex(OWNER.address)])
def test_addresses_are_read_as_wallets_write_them(address: str) -> None:
    for text in (address, address.removeprefix("0x"), f" {address}\n"):
        assert enrolling.address(text) == OWNER.address
    assert enrolling.address("0x" + OWNER.address.hex().upper()) == OWNER.address


def test_a_token_file_that_is_none_is_named(terminal: Terminal, tmp_path: Path) -> None:
    words = ("enrol", "--network", "http://net", "--token-file")
    assert "cannot read" in str(terminal.raises(*words, str(tmp_path / "none")))
    (tmp_path / "other").write_text("0x00")
    assert "not an enrolment token" in str(
        terminal.raises(*words, str(tmp_path / "other"))
    )


def test_a_new_key_of_the_network_is_believed_only_by_consent(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = ("--owner-key-file", str(terminal.owner_file))
    terminal.enrol(*owner)
    old, new = terminal.coordinator.key, Key(b"\x0c" * 32)
    terminal.coordinator.key = new
    error = terminal.raises("enrol", "--network", "http://net", *owner)
    assert isinstance(error, OtherKey)
    accept = ["network", "accept", "http://net", "--state", str(terminal.state)]
    said = CliRunner().invoke(app, accept, input="n\n")
    assert said.exit_code == 1
    assert to_hex(old.address) in said.output
    assert to_hex(new.address) in said.output
    with closing(State(terminal.state)) as state:
        assert state.network().coordinator == old.address
    assert CliRunner().invoke(app, accept, input="y\n").exit_code == 0
    with closing(State(terminal.state)) as state:
        assert state.network().coordinator == new.address
    terminal.enrol(*owner)
    moved = replace(terminal.coordinator.description, network_id=bytes(32))
    monkeypatch.setattr(control, "fetch", lambda _url: moved.sign(new))
    assert CliRunner().invoke(app, [*accept, "--yes"]).exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["enrol", "--owner", "0x1234"], "not the address of an account"),
        (["enrol", "--owner-key-file", "/no/such/file"], "No such file"),
        (["enrol", "--token-file", "/no/such/file"], "No such file"),
        (["token", "--owner-key-file", "/no/such/file", "--out", "f"], "No such file"),
    ],
)
def test_a_slip_is_noticed_before_the_network_is_asked(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_network: str) -> str:
        raise AssertionError

    monkeypatch.setattr(control, "fetch", never)
    result = CliRunner().invoke(app, [*words, "--network", "http://127.0.0.1:1"])
    assert isinstance(result.exception, EdgeproofError)
    assert said in str(result.exception)
