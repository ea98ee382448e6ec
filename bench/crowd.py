"""Many devices that beat and seal slot after slot, as one process; counts answers.

``python -m bench.crowd URL DEVICES GENESIS SLOT_MS SLOTS`` prints one JSON object at
its end: what was said, and how much of it was acknowledged.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator

from bench.fleet import Fleet, Said, fleet
from edgeproof.proofs import timetable
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.parameters import SECOND, Parameters
from edgeproof.telemetry.message import decode_signed
from edgeproof.telemetry.messages import Ack
from edgeproof.telemetry.mqtt import Identity, MqttConnection

AT_ONCE = 16
SEALED_EVERY = 10
SPREAD = 0.7
"""Of a slot, in which its beats are said."""

PATIENCE_S = 60.0
"""Seconds that the last answers may take."""


def network(genesis: int, slot_ms: int) -> Parameters:
    """Return parameters under which no round opens: nobody here proves anything."""
    return Parameters(
        genesis=genesis,
        slot_ms=slot_ms,
        beat_grace_ms=slot_ms // 6,
        round_one_in=1 << 40,
        round_gap=10_000,
        challenge_s=60,
        phase_ms=(100, 100, 300, 100, 100),
        commit_grace_ms=200,
    )


class Crowd:
    """What was said, and what is not acknowledged yet."""

    def __init__(self, known: Fleet) -> None:
        self._known = known
        self.beats = self.seals = self.refused = 0
        self._waiting: set[bytes] = set()

    def say(self, slot: int) -> Iterator[Said]:
        """Yield all that is said in a slot, a tenth of the seals with the beats."""
        beats = self._known.beats(slot)
        part = slot % SEALED_EVERY
        seals = self._known.seals(slot, part, SEALED_EVERY)
        for number, beat in enumerate(beats):
            self.beats += 1
            yield self._noted(beat)
            if number % SEALED_EVERY == 0 and (seal := next(seals, None)) is not None:
                self.seals += 1
                yield self._noted(seal)

    def _noted(self, said: Said) -> Said:
        self._waiting.add(keccak(said[1]))
        return said

    async def hear(self, connection: MqttConnection) -> None:
        """Strike off what is acknowledged."""
        async for envelope in connection:
            if not envelope.topic.endswith("/ack"):
                continue
            ack = decode_signed(Ack, envelope.payload).message
            self.refused += sum(map(bool, ack.reasons))
            self._waiting.difference_update(ack.messages)

    @property
    def unanswered(self) -> int:
        """How many messages wait for their answer."""
        return len(self._waiting)


async def main(url: str, devices: int, genesis: int, slot_ms: int, slots: int) -> None:
    """Live through so many slots."""
    known = fleet(devices, network(genesis, slot_ms))
    crowd = Crowd(known)
    async with MqttConnection(url, Identity("crowd"), limit=10**6) as connection:
        await connection.subscribe("c/#")
        hearing = asyncio.create_task(crowd.hear(connection))
        for slot in range(1, slots + 1):
            await _slot(connection, crowd, known, slot)
        deadline = time.monotonic() + PATIENCE_S
        while crowd.unanswered and time.monotonic() < deadline:  # noqa: ASYNC110 - a count has no event
            await asyncio.sleep(0.2)
        hearing.cancel()
    found = {
        "beats": crowd.beats,
        "seals": crowd.seals,
        "unanswered": crowd.unanswered,
        "refused": crowd.refused,
    }
    sys.stdout.write(json.dumps(found) + "\n")


async def _slot(
    connection: MqttConnection, crowd: Crowd, known: Fleet, slot: int
) -> None:
    """Say what there is, spread over the slot: late only if we cannot keep up."""
    start = timetable.slot_start(known.parameters, slot) / SECOND
    await asyncio.sleep(max(0.0, start + 0.5 - time.time()))
    pause = SPREAD * known.parameters.slot_ms / SECOND / max(1, len(known.keys))
    said = enumerate(crowd.say(slot))

    async def speak() -> None:
        for number, (topic, payload) in said:
            due = start + 0.5 + number * pause / (1 + 1 / SEALED_EVERY)
            if (ahead := due - time.time()) > 0.02:
                await asyncio.sleep(ahead)
            await connection.publish(topic, payload)

    await asyncio.gather(*(speak() for _ in range(AT_ONCE)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
