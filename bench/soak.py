"""Ten thousand devices, one coordinator, ten minutes: nothing lost, memory flat."""

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from statistics import linear_regression

from bench.crowd import PATIENCE_S, network
from bench.fleet import fleet
from bench.intake import NO_BROKER, ROOT, broker, scratch
from bench.report import Report, at_most
from bench.steps import Steps
from edgeproof.coordinator.conductor import Conductor
from edgeproof.coordinator.intake import View
from edgeproof.coordinator.publisher import Publisher
from edgeproof.coordinator.reception import Reception
from edgeproof.coordinator.sqlite_store import SqliteStore
from edgeproof.coordinator.store import Batch
from edgeproof.kernels.cpu.card import CpuCard
from edgeproof.proofs import timetable, uptime
from edgeproof.telemetry import topics
from edgeproof.telemetry.mqtt import Identity, MqttConnection

DEVICES, MINUTES, SLOT_MS = 10_000, 10, 60_000
LEAD_S = 20
"""Seconds until the first slot: the devices are made meanwhile."""

LOST_BEATS = "heartbeats said and in no bitmap"
LOST_SEALS = "seals said and under no root"
UNANSWERED = "messages without an acknowledgement"
GROWTH = "growth of memory over the second half, MB a minute"
TARGETS = {
    LOST_BEATS: at_most(0),
    LOST_SEALS: at_most(0),
    UNANSWERED: at_most(0),
    GROWTH: at_most(1),
}


def bench(
    steps: Steps,
    devices: int = DEVICES,
    slots: int = MINUTES,
    slot_ms: int = SLOT_MS,
) -> Report:
    """Let a crowd of so many devices talk for so many slots; count what is there."""
    machine = CpuCard().name
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        return Report(machine, {}, TARGETS, dict.fromkeys(TARGETS, NO_BROKER))
    with scratch() as folder, broker(program) as url:
        figures = asyncio.run(_run(Path(folder), url, devices, slots, slot_ms, steps))
    notes = {"a crowd": f"{devices:,} devices, {slots} slots of {slot_ms / 1000:g} s"}
    return Report(machine, figures, TARGETS, {}, notes)


async def _run(  # noqa: PLR0913, PLR0917 - what a soak consists of
    folder: Path, url: str, devices: int, slots: int, slot_ms: int, steps: Steps
) -> dict[str, float]:
    genesis = int(time.time()) + LEAD_S
    known = fleet(devices, network(genesis, slot_ms))
    store = SqliteStore(folder / "coordinator.db")
    store.add(Batch(-1, enrolments=known.enrolments()))
    command = ["-m", "bench.crowd", url, devices, genesis, slot_ms, slots]
    crowd = await asyncio.create_subprocess_exec(
        sys.executable, *map(str, command), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    connection = MqttConnection(url, Identity(topics.COORDINATOR), limit=10**6)
    sizes: list[tuple[float, float]] = []
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
        conductor.resume()
        tasks = [
            asyncio.create_task(work) for work in (reception.run(), conductor.run())
        ]
        busy = time.process_time()
        steps.begin(f"{devices:,} devices talk", slots)
        for slot in range(1, slots + 1):
            end = timetable.slot_start(known.parameters, slot + 1) / 1000
            while (left := end - time.time()) > 0:
                await asyncio.sleep(min(left, 5.0))
                sizes.append((time.time() / 60, _resident()))
            steps.done()
        busy = time.process_time() - busy
        async with asyncio.timeout(PATIENCE_S + 30):
            said = json.loads((await crowd.communicate())[0])
        # The last slot's root comes after its grace.
        await asyncio.sleep(known.parameters.beat_grace_ms / 1000 + 1)
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks)
    record = store.record(known.description, 0, slots + 2)
    heard = sum(uptime.bits(h.heard).bit_count() for h in record.intake)
    store.close()
    return {
        LOST_BEATS: said["beats"] - heard,
        LOST_SEALS: said["seals"] - len(record.seals),
        UNANSWERED: said["unanswered"],
        GROWTH: _growth(sizes[len(sizes) // 2 :]),
        "heartbeats": said["beats"],
        "seals": said["seals"],
        "refused": said["refused"],
        "resident memory at the end, MB": sizes[-1][1],
        "percent of one core": 100 * busy / (slots * slot_ms / 1000),
    }


def _growth(sizes: Sequence[tuple[float, float]]) -> float:
    """Return the slope of a line through (minute, MB)."""
    return linear_regression(*zip(*sizes, strict=True)).slope


def _resident() -> float:
    """Return the memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def _nothing(_slot: int) -> None:
    """Close no epochs."""


def _now() -> int:
    return time.time_ns() // 1_000_000
