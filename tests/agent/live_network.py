"""The live half of a coordinator as a process, without chain or explorer.

``python -m tests.agent.live_network DATABASE BROKER GENESIS DEVICE`` hears devices,
publishes slots and keeps them, until it is killed.
"""

import asyncio
import sys
import time
from pathlib import Path

from edgeproof.audit.model import Enrolment
from edgeproof.coordinator.conductor import Conductor
from edgeproof.coordinator.intake import View
from edgeproof.coordinator.publisher import Publisher
from edgeproof.coordinator.reception import Reception
from edgeproof.coordinator.sqlite_store import SqliteStore
from edgeproof.coordinator.store import Batch
from edgeproof.proofs.parameters import Parameters
from edgeproof.simulator.epochs import SimulatedNetwork
from edgeproof.telemetry import topics
from edgeproof.telemetry.message import Signed
from edgeproof.telemetry.messages import Enrol
from edgeproof.telemetry.mqtt import Identity, MqttConnection

OWNER = bytes(19) + b"\x01"


def network(genesis: int) -> SimulatedNetwork:
    """Return a network of slots of a second in which no round opens."""
    parameters = Parameters(
        genesis=genesis,
        slot_ms=1000,
        slots_per_epoch=120,
        close_slot=20,
        beat_grace_ms=400,
        commit_grace_ms=200,
        seal_slots=3,
        phase_ms=(100, 100, 300, 100, 100),
        chain_slots=1200,
        round_one_in=1 << 40,
        round_gap=10_000,
        challenge_s=60,
        epochs_per_root=1,
    )
    return SimulatedNetwork(count=1, parameters=parameters)


def now() -> int:
    """Return the time, Unix milliseconds."""
    return time.time_ns() // 1_000_000


async def nothing(_slot: int) -> None:
    """Close no epochs."""


async def main(database: Path, broker: str, genesis: int, device: bytes) -> None:
    """Serve until killed; a restart goes on from the database."""
    known = network(genesis)
    store = SqliteStore(database)
    enrolment = Signed(Enrol(device, OWNER, 1, 0), (bytes(65), bytes(65)))
    store.add(Batch(-1, enrolments=[Enrolment(enrolment, 0)]))
    identity = Identity(topics.COORDINATOR)
    async with MqttConnection(broker, identity, timeout=5) as connection:
        publisher = Publisher(connection, known.description, known.coordinator)
        view = View(known.description)
        reception = Reception(connection, store, view, publisher, now)
        conductor = Conductor(
            store,
            view,
            known.beacons,
            publisher,
            reception,
            clock=now,
            after_slot=nothing,
        )
        conductor.resume()
        await asyncio.gather(reception.run(), conductor.run())


if __name__ == "__main__":
    path, url, start, address = sys.argv[1:]
    asyncio.run(main(Path(path), url, int(start), bytes.fromhex(address)))
