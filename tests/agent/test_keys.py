"""A device's key: copied, put back, replaced, whatever happens in between."""

import asyncio
import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from eth_account import Account
from typer.testing import CliRunner

from edgeproof.agent import backups, identity, rotation, serving
from edgeproof.agent.backups import BadBackup
from edgeproof.agent.control import Refused, Standing
from edgeproof.agent.key_commands import BadPassphrase, app
from edgeproof.agent.options import Options
from edgeproof.agent.outbox import OUTBOX_FILE, Outbox
from edgeproof.agent.rotation import NEXT_FILE, Rotation, RotationPending
from edgeproof.agent.service import AgentService
from edgeproof.agent.state import State
from edgeproof.proofs import timetable
from edgeproof.telemetry import signing
from edgeproof.telemetry.broker import Connection, Envelope
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.keyfile import BadKeyFile
from edgeproof.telemetry.message import decode_signed
from edgeproof.telemetry.messages import Rotate, Seal
from edgeproof.telemetry.signing import Key
from tests.agent.conftest import FakeControl, enrolled, small

if TYPE_CHECKING:
    from tests.agent.conftest import Coordinator

QUICK = 2
"""Steps of scrypt: a test needs no strength."""


def test_a_backup_is_a_keystore_that_wallets_read(tmp_path: Path, device: Key) -> None:
    file = tmp_path / "backup.json"
    backups.write(file, device, "pass phrase", work=QUICK)
    assert file.stat().st_mode & 0o777 == 0o600
    keystore = json.loads(file.read_text())
    assert bytes(Account.decrypt(keystore, "pass phrase")) == device.secret
    assert device.secret.hex() not in file.read_text()
    restored = backups.restore(file, "pass phrase", tmp_path / "state")
    assert identity.device_key(tmp_path / "state") == restored == device
    assert backups.restore(file, "pass phrase", tmp_path / "state") == device


def test_a_key_that_is_there_is_never_replaced(tmp_path: Path, device: Key) -> None:
    file = tmp_path / "backup.json"
    backups.write(file, device, "x", work=QUICK)
    with pytest.raises(BadBackup, match="exists"):
        backups.write(file, device, "x", work=QUICK)
    other = identity.ensure_device_key(tmp_path)
    with pytest.raises(BadKeyFile, match="another key") as caught:
        backups.restore(file, "x", tmp_path)
    assert "--state" in caught.value.hint
    assert identity.device_key(tmp_path) == other


def costly(text: str) -> str:
    keystore = json.loads(text)
    keystore["crypto"]["kdfparams"]["n"] = 1 << 40
    return json.dumps(keystore)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda _text: "", "no keystore"),
        (lambda _text: "{}", "cannot decrypt"),
        (lambda text: text.replace('"scrypt"', '"argon"'), "cannot decrypt"),
        (costly, "steps"),
        (lambda text: text + " " * backups.LARGEST, "no keystore"),
    ],
    ids=["empty", "no_fields", "unknown_function", "costs_a_day", "too_large"],
)
def test_a_file_that_is_no_keystore_is_refused(
    tmp_path: Path,
    device: Key,
    damage: "pytest.FixtureRequest",
    why: str,
) -> None:
    file = tmp_path / "backup.json"
    backups.write(file, device, "x", work=QUICK)
    file.write_text(damage(file.read_text()))  # type: ignore[operator] # a function of the table
    with pytest.raises(BadBackup, match=why) as caught:
        backups.restore(file, "x", tmp_path / "state")
    assert caught.value.hint
    assert not (tmp_path / "state").exists()


def test_a_wrong_passphrase_is_told(tmp_path: Path, device: Key) -> None:
    file = tmp_path / "backup.json"
    backups.write(file, device, "right", work=QUICK)
    with pytest.raises(BadBackup, match="MAC mismatch") as caught:
        backups.restore(file, "wrong", tmp_path)
    assert "passphrase" in caught.value.hint


def test_the_commands_copy_a_key_to_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups.write, "__kwdefaults__", {"work": QUICK})
    key = identity.ensure_device_key(tmp_path / "one")
    (tmp_path / "pass").write_text("a b c\nanother line\n")
    common = [str(tmp_path / "copy"), "--passphrase-file", str(tmp_path / "pass")]
    for word, folder in (("backup", "one"), ("restore", "two")):
        arguments = [word, *common, "--state", str(tmp_path / folder)]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        assert to_hex(key.address) in result.output
    assert identity.device_key(tmp_path / "two") == key


def test_without_a_terminal_a_passphrase_must_be_in_a_file(tmp_path: Path) -> None:
    identity.ensure_device_key(tmp_path)
    arguments = ["backup", str(tmp_path / "copy"), "--state", str(tmp_path)]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, BadPassphrase)
    (tmp_path / "pass").write_text("\n")
    arguments += ["--passphrase-file", str(tmp_path / "pass")]
    result = CliRunner().invoke(app, arguments)
    assert "empty passphrase" in str(result.exception)


def test_a_rotation_is_signed_by_both_keys_and_takes_over_when_it_is_time(
    coordinator: "Coordinator", options: Options
) -> None:
    folder = options.state_dir
    old, control = enrolled(coordinator, options), FakeControl()
    successor, standing = rotation.rotate(folder, coordinator.description, control)
    signed = decode_signed(Rotate, control.told[0])
    domain = coordinator.description.domain
    signing.check(signed, domain, old, successor.address)
    assert standing.epoch == 1
    with pytest.raises(RotationPending):
        rotation.rotate(folder, coordinator.description, control)
    with closing(State(folder)) as state:
        assert rotation.announced(state, folder) == Rotation(1)
    box = Outbox(folder / OUTBOX_FILE, limit_bytes=1 << 20)
    box.put("seal", b"of the old key")
    box.close()
    assert rotation.take_over(folder) == successor == identity.device_key(folder)
    assert rotation.take_over(folder) == successor
    kept = folder / f"{identity.KEY_FILE}.old-{to_hex(old)}"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert not (folder / OUTBOX_FILE).exists()
    assert (folder / f"{OUTBOX_FILE}.old-{to_hex(old)}").exists()
    with closing(State(folder)) as state:
        assert rotation.announced(state, folder) is None


@pytest.mark.parametrize(
    ("slot", "settled", "due"),
    [(5, True, False), (6, True, True), (6, False, False), (10, False, False),
     (11, False, True)],
)  # fmt: skip
def test_the_old_key_is_settled_first(slot: int, settled: bool, due: bool) -> None:  # noqa: FBT001 - a table's columns
    parameters = small()
    assert timetable.close_of(parameters, 0) == 11
    assert Rotation(1).due(parameters, slot, settled=settled) == due


@pytest.mark.parametrize("crash", [1, 2, 3, 4, 5])
def test_a_crash_amid_a_rotation_loses_no_key(
    coordinator: "Coordinator", options: Options, crash: int
) -> None:
    """Leave each state that the module lists; then do what its next start does."""

    class Crashing(FakeControl):
        def enrol(self, raw: bytes) -> Standing:
            standing = super().enrol(raw)
            msg = "the process ends here"
            raise Refused(msg) if crash <= 2 else ValueError(standing)

    folder, network = options.state_dir, coordinator.description
    old = enrolled(coordinator, options)
    if crash <= 2:
        with pytest.raises(Refused):
            rotation.rotate(folder, network, Crashing())
    announced = (folder / NEXT_FILE).read_text() if crash <= 2 else ""
    if crash <= 3:
        successor, _ = rotation.rotate(folder, network, FakeControl())
        assert announced in {"", successor.secret.hex() + "\n"}
    else:
        successor, _ = rotation.rotate(folder, network, FakeControl())
        kept = folder / f"{identity.KEY_FILE}.old-{to_hex(old)}"
        kept.hardlink_to(folder / identity.KEY_FILE)
        if crash == 5:
            (folder / NEXT_FILE).replace(folder / identity.KEY_FILE)
            with closing(State(folder)) as state:
                assert rotation.announced(state, folder) is None
    assert rotation.take_over(folder) == successor
    keys = {path.read_text() for path in folder.glob(f"{identity.KEY_FILE}*")}
    assert len(keys) == 2


def test_a_running_agent_steps_aside_for_its_successor(
    coordinator: "Coordinator", options: Options
) -> None:
    """Once the epoch is there, and what the old key signed is acknowledged."""
    device = enrolled(coordinator, options)
    folder = options.state_dir

    def never(*_given: object) -> Connection:
        raise AssertionError

    agent = AgentService(
        options, coordinator.description, identity.device_key(folder), connect=never
    )

    def hear(slot: int) -> bool:
        beacon = coordinator.sign(coordinator.beacon(slot))
        agent._hear(Envelope("n/beacon", beacon))
        return agent._successor.is_set()

    assert not hear(5)
    rotation.rotate(folder, coordinator.description, FakeControl())
    seal = Seal(device, bytes(16), 0, b"\x3f", bytes(32))
    agent._seal(seal)
    assert not hear(6), "its last seal waits to be acknowledged"
    (waiting,) = [agent._outbox.due(0, 10**6)]
    assert waiting is not None
    agent._outbox.acknowledge([waiting.wire])
    assert hear(7)
    agent._outbox.close()
    agent._state.close()


@pytest.mark.integration
async def test_the_agent_starts_anew_under_its_successors_key(
    coordinator: "Coordinator", options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrolled(coordinator, options)
    folder, served = options.state_dir, []
    old = identity.device_key(folder).address
    successor, _ = rotation.rotate(folder, coordinator.description, FakeControl())

    class Service:
        """An agent whose successor takes over at once, and is then stopped."""

        def __init__(self, *given: object, **_named: object) -> None:
            (key,) = [each for each in given if isinstance(each, Key)]
            served.append(key.address)
            self.replaced = len(served) == 1

        async def run(self, _stop: asyncio.Event) -> None:
            await asyncio.sleep(0)

    monkeypatch.setattr(serving, "AgentService", Service)
    await serving.serve(options)
    assert served == [old, successor.address]
    assert identity.device_key(folder) == successor
