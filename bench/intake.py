"""Heartbeats that one core verifies, keeps once and commits, with and without MQTT."""

import asyncio
import cProfile
import pstats
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.fleet import Fleet, Said, fleet
from bench.measure import interleave
from bench.report import Report, at_least
from bench.steps import Steps
from edgeproof.coordinator.intake import admit
from edgeproof.coordinator.publisher import Publisher
from edgeproof.coordinator.reception import LARGEST_BATCH, Reception
from edgeproof.coordinator.sqlite_store import SqliteStore
from edgeproof.coordinator.store import Batch
from edgeproof.kernels.cpu.card import CpuCard
from edgeproof.proofs import timetable
from edgeproof.telemetry import signing, topics
from edgeproof.telemetry.mqtt import Identity, MqttConnection

ROOT = Path(__file__).resolve().parent.parent

DEVICES = 10_000
SEALED_EVERY = 10
"""A device seals every so many beats: one in so many seals in each slot."""

TARGET = "in process: heartbeats a second and core"
BARE = "bare verification: signatures a second and core"
COUNTING = "over MQTT, counted only: messages a second and core"
WHOLE = "over MQTT, whole path: heartbeats a second and core"
NO_BROKER = "mosquitto is not installed: apt-get install mosquitto"

SLOT = 9
"""The slot that all beat in."""

PLACES = {
    "paho": "MQTT client",
    "aiomqtt": "MQTT client",
    "telemetry/mqtt": "MQTT client",
    "asyncio": "event loop",
    "selectors": "event loop",
    "_poll": "event loop",
    "sqlite": "SQLite",
    "secp256k1": "signatures",
    "coincurve": "signatures",
    "telemetry/signing": "signatures",
    "telemetry/": "decoding and encoding",
    "coordinator/": "deciding",
    "audit/": "deciding",
    "threading": "waiting for the disk",
    "lock": "waiting for the disk",
}
"""Whose time a function is, by a part of its file's or its own name; first hit wins."""


def bench(steps: Steps, devices: int = DEVICES, rounds: int = 3) -> Report:
    """Take one slot of a network of so many devices, in process and over MQTT."""
    steps.begin(f"making {devices:,} devices", 1)
    known = fleet(devices)
    said = talk(known)
    steps.done()
    figures: dict[str, float] = {}
    skipped: dict[str, str] = {}
    with scratch() as folder:
        figures |= in_process(known, said, Path(folder), steps, rounds)
    figures["heartbeats taken for each signature verified"] = (
        figures[TARGET] / figures[BARE]
    )
    grids = {}
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        skipped |= dict.fromkeys((COUNTING, WHOLE), NO_BROKER)
    else:
        with scratch() as folder, broker(program) as url:
            figures[COUNTING] = count(known, said, url, steps)
            figures[WHOLE], _ = whole(known, url, Path(folder), steps, profiled=False)
            _, spent = whole(known, url, Path(folder), steps, profiled=True)
            grids = {"where the whole path's time goes": {"share": spent}}
    notes = {"one slot": f"{devices:,} beats, a tenth as many seals, batches of 500"}
    machine = CpuCard().name
    return Report(machine, figures, {TARGET: at_least(20_000)}, skipped, notes, grids)


def talk(known: Fleet) -> list[Said]:
    """Return all that is said in the slot, seals between beats."""
    beats = list(known.beats(SLOT))
    seals = list(known.seals(SLOT, 0, SEALED_EVERY))
    for number, seal in enumerate(seals):
        beats.insert(number * (SEALED_EVERY + 1), seal)
    return beats


def in_process(
    known: Fleet, said: Sequence[Said], folder: Path, steps: Steps, rounds: int
) -> dict[str, float]:
    """Return heartbeats and signatures of a second of one core, timed in turn."""
    stores = iter(range(rounds + 1))
    seals = [raw for topic, raw in said if topic.endswith("seal")]
    checked = [(raw[-65:], known.keys[0].secret) for raw in seals]

    def take() -> None:
        store = SqliteStore(folder / f"{next(stores)}.db")
        view, now = known.view(), moment(known)
        for start in range(0, len(said), LARGEST_BATCH):
            batch = Batch(SLOT)
            for topic, payload in said[start : start + LARGEST_BATCH]:
                admit(view, batch, topic, payload, now)
            store.add(batch)
        if len(store.heard(SLOT)) != len(known.keys):
            msg = "not every beat was kept"
            raise AssertionError(msg)
        store.close()

    def prepare() -> None:
        known.view()

    def verify() -> None:
        for signature, _ in checked:
            signing.recover(bytes(range(32)), signature)

    steps.begin("in process", rounds + 1)
    sides: dict[str, Callable[[], object]] = {
        "take": take,
        "prepare": prepare,
        "verify": verify,
    }
    timings = interleave(sides, rounds, steps, clock=time.process_time)
    taken = timings.median("take") - timings.median("prepare")
    return {
        TARGET: len(known.keys) / taken,
        BARE: len(checked) / timings.median("verify"),
    }


def moment(known: Fleet) -> int:
    """Return when all is said, Unix milliseconds."""
    return timetable.slot_start(known.parameters, SLOT) + 100


def scratch() -> TemporaryDirectory[str]:
    """Return a folder on the clone's own disk: one in memory would commit for free."""
    folder = ROOT / "build"
    folder.mkdir(exist_ok=True)
    return TemporaryDirectory(dir=folder)


@contextmanager
def broker(program: str) -> Iterator[str]:
    """Run a mosquitto on a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    text = (ROOT / "deploy" / "mosquitto" / "loopback.conf").read_text()
    with TemporaryDirectory() as folder:
        conf = Path(folder) / "mosquitto.conf"
        conf.write_text(text.replace("listener 1883", f"listener {port}"))
        process = subprocess.Popen([program, "-c", conf], stderr=subprocess.DEVNULL)  # noqa: S603 - found on the path
        try:
            while True:
                with suppress(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
            yield f"mqtt://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


@contextmanager
def publisher(known: Fleet, url: str) -> Iterator[None]:
    """Have a process of its own say everything to the broker."""
    command = [sys.executable, "-m", "bench.talker", url, str(len(known.keys))]
    process = subprocess.Popen(command, cwd=ROOT)  # noqa: S603 - our own module
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def count(known: Fleet, said: Sequence[Said], url: str, steps: Steps) -> float:
    """Return messages that a subscriber counts in a second of its core."""

    async def listen() -> float:
        async with MqttConnection(url, Identity("counting"), limit=10**6) as connection:
            await connection.subscribe("d/#")
            with publisher(known, url):
                left, started = len(said), 0.0
                async for _ in connection:
                    started = started or time.process_time()
                    left -= 1
                    if not left:
                        return time.process_time() - started
        raise AssertionError

    steps.begin("a subscriber that only counts", 1)
    seconds = asyncio.run(listen())
    steps.done()
    return (len(said) - 1) / seconds


def whole(
    known: Fleet, url: str, folder: Path, steps: Steps, *, profiled: bool
) -> tuple[float, dict[str, float]]:
    """Return heartbeats a second of the coordinator's core, and whose time it was.

    A profile costs more than what it measures: its run counts for the shares alone.
    """
    store = SqliteStore(folder / f"whole-{profiled}.db")
    profile = cProfile.Profile()

    async def serve() -> float:
        connection = MqttConnection(
            url, Identity(topics.COORDINATOR), limit=10**6, timeout=60
        )
        async with connection:
            view = known.view()
            said_by_us = Publisher(
                connection, known.description, known.network.coordinator
            )
            reception = Reception(
                connection, store, view, said_by_us, lambda: moment(known)
            )
            serving = asyncio.create_task(reception.run())
            await asyncio.sleep(1)
            started = time.process_time()
            with publisher(known, url):
                if profiled:
                    profile.enable()
                while len(store.heard(SLOT)) < len(known.keys):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(1)
                profile.disable()
            seconds = time.process_time() - started
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving
            return seconds

    steps.begin(f"the whole path{', profiled' * profiled}", 1)
    seconds = asyncio.run(serve())
    steps.done()
    store.close()
    return len(known.keys) / seconds, shares(profile) if profiled else {}


def shares(profile: cProfile.Profile) -> dict[str, float]:
    """Return each place's share of the time in a profile, the largest first."""
    spent: Counter[str] = Counter()
    for (file, _, name), row in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined] # documented, not typed
        spent[place(file, name)] += row[2]
    whole_time = sum(spent.values()) or 1.0
    return {name: seconds / whole_time for name, seconds in spent.most_common()}


def place(file: str, name: str) -> str:
    """Return whose time a function is."""
    where = f"{file} {name}"
    return next((to for part, to in PLACES.items() if part in where), "the rest")
