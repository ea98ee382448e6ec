"""What an idle agent costs its machine, beside a bare client that sends the same."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from bench.fleet import Fleet, fleet
from bench.intake import NO_BROKER, ROOT, broker, scratch
from bench.report import Report, at_most
from bench.steps import Steps
from edgeproof.agent import enrolment, identity
from edgeproof.agent.options import Options
from edgeproof.coordinator.conductor import Conductor
from edgeproof.coordinator.intake import View
from edgeproof.coordinator.publisher import Publisher
from edgeproof.coordinator.reception import Reception
from edgeproof.coordinator.sqlite_store import SqliteStore
from edgeproof.coordinator.store import Batch
from edgeproof.kernels.cpu.card import CpuCard
from edgeproof.proofs.parameters import Parameters
from edgeproof.telemetry import topics
from edgeproof.telemetry.mqtt import Identity, MqttConnection

SECONDS = 300.0
WARM_S = 60.0
"""Until the kernels were tried and the prover has gone."""

TELEMETRY_S = 10.0
DAY = 86_400

MEMORY = "agent: resident memory, MB"
PROCESSOR = "agent: percent of one core"
TRAFFIC = "agent: traffic, MB a day"
TARGETS = {MEMORY: at_most(48), PROCESSOR: at_most(0.3), TRAFFIC: at_most(5)}

BARE = """
import asyncio, sys, aiomqtt
async def main(port):
    async with aiomqtt.Client("127.0.0.1", port, identifier="bare") as client:
        await client.subscribe("n/+")
        async def hear():
            async for _ in client.messages:
                pass
        async def talk(seconds, size):
            while True:
                await client.publish("bare", bytes(size), qos=1)
                await asyncio.sleep(seconds)
        await asyncio.gather(hear(), talk(10, 600), talk(60, 150))
asyncio.run(main(int(sys.argv[1])))
"""
"""The peer: the same library, the same messages, nothing kept and nothing checked."""


@dataclass(frozen=True)
class Used:
    """What a process used: CPU seconds so far, bytes of memory now."""

    cpu: float
    resident: int
    proportional: int

    @classmethod
    def by(cls, process_id: int) -> "Used":
        """Ask Linux."""
        stat = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()
        ticks = int(stat[11]) + int(stat[12])
        rollup = Path(f"/proc/{process_id}/smaps_rollup").read_text()
        rows = (line.split() for line in rollup.splitlines()[1:])
        sizes = {row[0]: int(row[1]) * 1024 for row in rows}
        return cls(
            ticks / os.sysconf("SC_CLK_TCK"),
            sizes["Rss:"],
            sizes["Pss:"],
        )


class Meter:
    """A relay that counts what passes between a client and the broker."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.bytes = 0
        self.server: asyncio.Server | None = None
        self._relays: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where clients connect."""
        assert self.server is not None  # noqa: S101 - it was started
        return int(self.server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_details: object) -> None:
        """Listen no more, and cut what still passes."""
        assert self.server is not None  # noqa: S101 - it was started
        self.server.close()
        for relay in self._relays:
            relay.cancel()
        await asyncio.gather(*self._relays, return_exceptions=True)
        await self.server.wait_closed()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        relay = asyncio.current_task()
        assert relay is not None  # noqa: S101 - asyncio calls this in a task
        self._relays.add(relay)
        relay.add_done_callback(self._relays.discard)
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            with suppress(ConnectionError):
                await asyncio.gather(
                    self._pump(reader, up_writer), self._pump(up_reader, writer)
                )
        finally:
            writer.close()
            up_writer.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while part := await reader.read(65_536):
            self.bytes += len(part)
            writer.write(part)
            await writer.drain()
        writer.close()


def bench(steps: Steps, seconds: float = SECONDS, warm_s: float = WARM_S) -> Report:
    """Let an agent and its peer run for so long, and see what they used."""
    machine = CpuCard().name
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        return Report(machine, {}, TARGETS, dict.fromkeys(TARGETS, NO_BROKER))
    with scratch() as folder, broker(program) as url:
        measured = asyncio.run(_run(Path(folder), url, seconds, warm_s, steps))
    figures = {
        MEMORY: measured["agent"]["resident memory, MB"],
        PROCESSOR: measured["agent"]["percent of one core"],
        TRAFFIC: measured["agent"]["traffic, MB a day"],
    }
    for name, column in (("memory", "resident memory, MB"),):
        ratio = measured["agent"][column] / measured["bare client"][column]
        figures[f"{name}, times that of a bare client"] = ratio
    notes = {"measured": f"{seconds:g} s, a beat a minute, telemetry each 10 s"}
    return Report(machine, figures, TARGETS, {}, notes, {"idle": measured})


async def _run(
    folder: Path, url: str, seconds: float, warm_s: float, steps: Steps
) -> dict[str, dict[str, float]]:
    port = int(url.rsplit(":", 1)[1])
    async with (
        Meter(port) as beside_agent,
        Meter(port) as beside_bare,
        _coordinator(folder, url) as (known, store),
    ):
        meters = {"agent": beside_agent, "bare client": beside_bare}
        agent = _agent(folder / "device", known, store, beside_agent.port)
        bare = [sys.executable, "-c", BARE, str(beside_bare.port)]
        commands = {"agent": agent, "bare client": bare}
        running = {name: _start(command) for name, command in commands.items()}
        try:
            steps.begin("until the prover has gone", int(warm_s))
            await _wait(warm_s, steps)
            before = {name: Used.by(p.pid) for name, p in running.items()}
            passed = {name: meter.bytes for name, meter in meters.items()}
            started = time.monotonic()
            steps.begin("idle", int(seconds))
            await _wait(seconds, steps)
            wall = time.monotonic() - started
            used = {name: Used.by(p.pid) for name, p in running.items()}
        finally:
            for process in running.values():
                process.terminate()
                process.wait(20)
    return {
        name: {
            "resident memory, MB": used[name].resident / 1e6,
            "proportional, MB": used[name].proportional / 1e6,
            "percent of one core": 100 * (used[name].cpu - before[name].cpu) / wall,
            "traffic, MB a day": (meters[name].bytes - passed[name]) / wall * DAY / 1e6,
        }
        for name in running
    }


async def _wait(seconds: float, steps: Steps) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        await asyncio.sleep(min(1.0, left))
        steps.done()


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    environment = os.environ | {"EDGEPROOF_CARDS": "cpu"}
    return subprocess.Popen(  # noqa: S603 - our own modules
        command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
    )


def _agent(folder: Path, known: Fleet, store: SqliteStore, port: int) -> list[str]:
    """Return the command of an enrolled agent that connects to the relay."""
    options = Options(
        state_dir=folder,
        broker=f"mqtt://127.0.0.1:{port}",
        telemetry_s=TELEMETRY_S,
        prover_threads=1,
    )
    text = known.description.sign(known.network.coordinator)
    network = enrolment.pin(options, text)
    device = identity.ensure_device_key(folder)
    only = replace(known, keys=[device])
    store.add(Batch(-1, enrolments=only.enrolments()))
    del network
    return [sys.executable, "-m", "edgeproof.agent.serving", options.as_text()]


@asynccontextmanager
async def _coordinator(
    folder: Path, url: str
) -> AsyncIterator[tuple[Fleet, SqliteStore]]:
    """Run the parts of a coordinator that an idle agent hears."""
    quiet = Parameters(genesis=int(time.time()) + 5, round_one_in=1 << 40)
    known = fleet(0, replace(quiet, round_gap=10_000))
    store = SqliteStore(folder / "coordinator.db")
    connection = MqttConnection(url, Identity(topics.COORDINATOR))
    async with connection:
        publisher = Publisher(connection, known.description, known.network.coordinator)
        view = View(known.description)
        reception = Reception(connection, store, view, publisher, _now)
        conductor = Conductor(
            store,
            view,
            known.network.beacons,
            publisher,
            reception,
            clock=_now,
            after_slot=_nothing,
        )

        async def conduct() -> None:
            await asyncio.sleep(3)  # the device is in the store by then
            conductor.resume()
            await conductor.run()

        tasks = [asyncio.create_task(work) for work in (reception.run(), conduct())]
        try:
            yield known, store
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            store.close()


async def _nothing(_slot: int) -> None:
    """Close no epochs."""


def _now() -> int:
    return time.time_ns() // 1_000_000
