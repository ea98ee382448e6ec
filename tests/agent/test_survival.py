"""An agent on a bad network: real processes, a real mosquitto, and everything breaks.

Each trouble is lived through in a world of its own, all at the same time, since most
of it is waiting.  Afterwards the coordinator's own file says what came of it: what was
heard and sealed counts, once, and only what had to be missing is.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edgeproof.agent import enrolment, identity, outbox
from edgeproof.agent.options import Options
from edgeproof.agent.state import DISK_FULL_FILE, State
from edgeproof.audit import attendance
from edgeproof.audit.replay import replay
from edgeproof.coordinator.sqlite_store import SqliteStore
from edgeproof.proofs.reasons import Reason
from edgeproof.simulator.epochs import SimulatedNetwork, judge_stand_ins
from tests.agent.live_network import network

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "deploy" / "mosquitto" / "loopback.conf"

START_S = 15
"""Seconds until slot 0: all worlds start their processes at once."""

SHIFTED_CLOCK = """
import os, time
_time, _time_ns, _file = time.time, time.time_ns, os.environ["SHIFT_FILE"]
def _shift():
    try:
        with open(_file) as file:
            return float(file.read() or 0)
    except (OSError, ValueError):
        return 0.0
time.time = lambda: _time() + _shift()
time.time_ns = lambda: _time_ns() + int(_shift() * 1e9)
"""
"""What an agent's Python runs first: its wall clock is what a file says it is off."""


@dataclass
class World:
    """One device, its broker and its coordinator; each can be stopped and started."""

    folder: Path
    mosquitto: Path
    state: Path
    genesis: int
    port: int
    known: SimulatedNetwork
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def database(self) -> Path:
        return self.folder / "coordinator.db"

    def start(self, *names: str) -> None:
        for name in names:
            command = {
                "broker": self._broker,
                "coordinator": self._coordinator,
                "agent": self._agent,
            }[name]()
            log = (self.folder / f"{name}.log").open("ab")
            shift = {"SHIFT_FILE": str(self.folder / "shift")}
            paths = [str(self.folder / "first"), str(ROOT / "src"), str(ROOT)]
            environment = os.environ | shift
            if name == "agent":
                environment |= {"PYTHONPATH": os.pathsep.join(paths)}
            self.running[name] = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log
            )
            log.close()

    def stop(self, *names: str, by: signal.Signals = signal.SIGKILL) -> None:
        for name in names:
            process = self.running.pop(name)
            process.send_signal(by)
            process.wait(20)

    def _broker(self) -> list[str]:
        file = self.folder / "mosquitto.conf"
        text = CONFIGURATION.read_text()
        file.write_text(text.replace("listener 1883", f"listener {self.port}"))
        return [str(self.mosquitto), "-c", str(file)]

    def _coordinator(self) -> list[str]:
        device = identity.device_key(self.state).address.hex()
        program = "tests.agent.live_network"
        words = [str(self.database), self.url, str(self.genesis), device]
        return [sys.executable, "-m", program, *words]

    def _agent(self) -> list[str]:
        options = Options(
            state_dir=self.state,
            broker=self.url,
            telemetry_s=1.0,
            resend_s=1.0,
            prover_command=(sys.executable, "-c", ""),  # proving is not its trouble
        )
        program = "edgeproof.agent.serving"
        return [sys.executable, "-m", program, options.as_text()]

    @property
    def slot(self) -> int:
        return int(time.time() - self.genesis)

    def until_slot(self, slot: int) -> None:
        while self.slot < slot:
            for name, process in self.running.items():
                log = (self.folder / f"{name}.log").read_text(errors="replace")
                assert process.poll() is None, f"{name} ended:\n{log[-3000:]}"
            time.sleep(0.05)

    def pass_slots(self, count: int) -> None:
        self.until_slot(max(0, self.slot) + count)

    def until_heard(self) -> int:
        """Wait until both sides have found the broker again; return the slot.

        Full jitter: the longer it was away, the longer they may wait, at most a minute.
        """
        again = self.slot
        deadline = time.monotonic() + 90
        while self._last_heard() < again:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        return self.slot

    def _last_heard(self) -> int:
        with closing(SqliteStore(self.database)) as store:
            (row,) = store._db.query(
                "select coalesce(max(last_slot), -1) as slot from presence"
            )
        return int(row["slot"])

    def settle(self) -> None:
        """Let everything run until nothing waits, and say goodbye."""
        self.pass_slots(4)
        self.stop("agent", by=signal.SIGTERM)
        self.pass_slots(2)
        self.stop("coordinator")

    def outcome(self) -> tuple[int, int, bytes]:
        """Return accepted and countable slots, and why each slot is missing."""
        with closing(SqliteStore(self.database)) as store:
            record = store.record(self.known.description, 0, self.slot)
            heard = sum(int.from_bytes(each.heard, "little") for each in record.intake)
            (row,) = store._db.query("select beats from presence")
        assert row["beats"] == heard, "nothing counts twice"
        found = replay(record, judge_stand_ins)
        (mine,) = found.attendance
        missing = attendance.missing(record, found, {})[mine.device]
        return mine.slots, found.countable, missing


Trouble = Callable[[World], None]
TROUBLES: dict[str, Trouble] = {}


def trouble(lived: Trouble) -> Trouble:
    """Have a world live through this."""
    TROUBLES[lived.__name__] = lived
    return lived


def live(lived: Trouble, folder: Path, mosquitto: Path) -> None:
    """Make a world, wait until its device beats, and let it break."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    genesis = int(time.time()) + START_S
    state = folder / "device"
    world = World(folder, mosquitto, state, genesis, port, network(genesis))
    (folder / "first").mkdir(parents=True)
    (folder / "first" / "sitecustomize.py").write_text(SHIFTED_CLOCK)
    with small_disk(state) if lived is a_disk_that_is_full else nullcontext():
        text = world.known.description.sign(world.known.coordinator)
        enrolment.pin(Options(state_dir=state), text)
        identity.ensure_device_key(state)
        try:
            world.start("broker", "coordinator", "agent")
            world.until_slot(1)
            world.until_heard()
            world.pass_slots(2)
            lived(world)
        finally:
            for process in world.running.values():
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def lives(
    tmp_path_factory: pytest.TempPathFactory,
    require_service: Callable[[str, str], Path],
) -> dict[str, Future[None]]:
    """Let every world live; each is over when its future is."""
    program = require_service("mosquitto", "apt-get install mosquitto")
    folder = tmp_path_factory.mktemp("worlds")
    with ThreadPoolExecutor(len(TROUBLES)) as pool:
        return {
            name: pool.submit(live, lived, folder / name, program)
            for name, lived in TROUBLES.items()
        }


def bits(slots: range) -> int:
    return sum(1 << slot for slot in slots)


def waiting(world: World) -> dict[str, int]:
    """Return what was not acknowledged, but for the last words of an agent that stops.

    It sends its last beat with its samples, and the seal of its goodbye, and does not
    wait for the answers; the next start would send them again.
    """
    last_words = {"heartbeat": 1, "seal": 1, "telemetry": 1}
    found = outbox.backlog(world.state)
    return {kind: n for kind, n in found.items() if n > last_words.get(kind, 0)}


def before(accepted: int) -> int:
    """Return the first accepted slot: until then the agent was only starting."""
    return (accepted & -accepted).bit_length() - 1


def lost(missing: bytes, reason: Reason) -> list[int]:
    return [slot for slot, code in enumerate(missing) if code == reason]


@trouble
def a_broker_that_restarts(world: World) -> None:
    down = world.slot
    world.stop("broker")
    world.pass_slots(3)
    world.start("broker")
    up = world.until_heard()
    world.settle()
    accepted, countable, missing = world.outcome()
    absent = lost(missing[:up], Reason.NO_BEAT)
    assert set(absent) <= {*range(before(accepted)), *range(down, up + 1)}, absent
    assert accepted & countable >> up << up
    assert not lost(missing, Reason.UNSEALED)
    assert waiting(world) == {}


@trouble
def a_coordinator_that_is_killed(world: World) -> None:
    for _ in range(2):
        world.pass_slots(2)
        world.stop("coordinator")
        world.pass_slots(3)
        world.start("coordinator")
        world.pass_slots(5)
    world.settle()
    accepted, countable, missing = world.outcome()
    voids = lost(missing[: world.slot - 4], Reason.SLOT_VOID)
    assert len(voids) >= 6
    # Of what counts at all, nothing is missing but slots that it came back amid.
    absent = lost(missing[: world.slot - 5], Reason.NO_BEAT)
    late = [slot for slot in absent if slot > before(accepted)]
    assert len(late) <= 2, (late, voids)
    assert accepted
    assert not lost(missing, Reason.UNSEALED)
    assert waiting(world) == {}
    assert countable.bit_count() + len(voids) >= world.slot - 8


@trouble
def a_long_time_without_network(world: World) -> None:
    down = world.slot
    world.stop("broker")
    world.pass_slots(14)
    assert outbox.backlog(world.state).get("telemetry", 0) >= 1
    world.start("broker")
    up = world.until_heard()
    world.settle()
    accepted, _, missing = world.outcome()
    assert not lost(missing, Reason.UNSEALED), "its last seal covers what was heard"
    assert accepted & bits(range(down)), "from before"
    assert accepted >> up, "and from after"
    assert waiting(world) == {}


@trouble
def a_clock_that_jumps_by_days_both_ways(world: World) -> None:
    for days in (3, -3, 0):
        (world.folder / "shift").write_text(str(days * 86_400))
        world.pass_slots(4)
    world.settle()
    accepted, countable, missing = world.outcome()
    first = min(s for s in range(120) if accepted >> s & 1)
    last = max(s for s in range(120) if accepted >> s & 1)
    assert accepted == countable & bits(range(first, last + 1)), list(missing[:last])
    assert waiting(world) == {}


@trouble
def an_agent_that_is_killed_again_and_again(world: World) -> None:
    rng = random.Random(5)  # noqa: S311 - moments, no secrets
    kills = []
    for _ in range(4):
        time.sleep(2 + 2 * rng.random())
        kills.append(world.slot)
        world.stop("agent")
        world.start("agent")
    world.pass_slots(5)
    world.settle()
    accepted, _, missing = world.outcome()
    sealed_every = world.known.parameters.seal_slots
    near = {slot - back for slot in kills for back in range(sealed_every + 1)}
    assert set(lost(missing, Reason.UNSEALED)) <= near
    assert accepted >> world.slot - 9, "and the last boot counts again"
    assert waiting(world) == {}
    with closing(State(world.state, read_only=True)) as state:
        assert state.position() is not None


@trouble
def a_backup_that_is_restored(world: World) -> None:
    """The state of an earlier boot comes back, amid an epoch that went on."""
    world.stop("agent", by=signal.SIGTERM)
    copy = world.folder / "backup"
    shutil.copytree(world.state, copy)
    world.start("agent")
    world.pass_slots(6)
    world.stop("agent", by=signal.SIGTERM)
    shutil.rmtree(world.state)
    shutil.copytree(copy, world.state)
    world.start("agent")
    world.pass_slots(5)
    world.settle()
    accepted, _, missing = world.outcome()
    assert not lost(missing, Reason.UNSEALED)
    assert not lost(missing, Reason.BEAT_REFUSED)
    # Two gaps at most: one for each time that it was stopped and started.
    last = max(s for s in range(120) if accepted >> s & 1)
    first = min(s for s in range(120) if accepted >> s & 1)
    line = "".join(str(accepted >> s & 1) for s in range(first, last + 1))
    assert len(line.replace("1", " ").split()) <= 2, line
    assert waiting(world) == {}


@contextmanager
def small_disk(place: Path) -> Iterator[None]:
    """A file system of a megabyte, where one may be mounted."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here: run as root")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", place], check=False)


@trouble
def a_disk_that_is_full(world: World) -> None:
    ballast = world.state / "ballast"
    with suppress(OSError), ballast.open("wb") as file:
        while True:
            file.write(bytes(4096))
            file.flush()
    full = world.slot
    world.pass_slots(6)
    assert (world.state / DISK_FULL_FILE).exists()
    assert "DISK_FULL" in (world.folder / "agent.log").read_text()
    ballast.unlink()
    world.pass_slots(3)
    world.settle()
    accepted, countable, _ = world.outcome()
    wanted = countable & bits(range(full, full + 6))
    assert accepted & wanted == wanted
    assert not (world.state / DISK_FULL_FILE).exists()


@pytest.mark.parametrize("name", TROUBLES)
def test_an_agent_survives(name: str, lives: dict[str, Future[None]]) -> None:
    lives[name].result()
