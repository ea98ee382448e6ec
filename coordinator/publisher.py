"""What the coordinator says: signed, encoded, and sent to the right topic."""

import asyncio
from collections.abc import Iterable, Sequence

import structlog

from edgeproof.errors import EdgeproofError
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry import signing, topics
from edgeproof.telemetry.broker import Connection
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.message import M, Signed
from edgeproof.telemetry.messages import (
    Ack,
    Beacon,
    Entropy,
    IntakeRoot,
    Phase,
    Receipt,
    Statement,
)
from edgeproof.telemetry.signing import Key

log = structlog.get_logger()

AT_ONCE = 16
"""Messages on their way to devices at once."""

ACKS_AT_ONCE = 512
"""Messages that one acknowledgement can name."""


class Publisher:
    """Send in the coordinator's name.

    A broker out of reach is logged and otherwise ignored: what is published stands in
    the store, and devices send again what was not acknowledged.
    """

    def __init__(
        self, connection: Connection, description: Description, key: Key
    ) -> None:
        self._connection = connection
        self._domain = description.domain
        self._key = key
        self._places = asyncio.Semaphore(AT_ONCE)

    def sign(self, message: M) -> Signed[M]:
        """Return the message with the coordinator's signature."""
        return signing.sign(message, self._domain, self._key)

    async def beacon(self, beacon: Signed[Beacon]) -> None:
        """Begin a slot; the broker keeps the beacon for whoever comes later."""
        await self._send(topics.broadcast("beacon"), beacon.encode(), retain=True)

    async def entropy(self, entropy: Signed[Entropy]) -> None:
        """Say what a slot's draws follow from."""
        await self._send(topics.broadcast("entropy"), entropy.encode())

    async def phase(self, phase: Phase) -> None:
        """Begin a phase of a round."""
        await self._send(topics.broadcast("phase"), phase.encode())

    async def intake_root(self, root: Signed[IntakeRoot]) -> None:
        """End a slot."""
        await self._send(topics.broadcast("root"), root.encode())

    async def receipts(self, receipts: Iterable[Receipt]) -> None:
        """Tell each device under which root its messages are."""
        await self._all(
            (topics.downlink(to_hex(r.device), "receipt"), self.sign(r).encode())
            for r in receipts
        )

    async def acknowledge(
        self, device: str, messages: Sequence[tuple[bytes, Reason]]
    ) -> None:
        """Tell a device what is on disk and what was refused: (hash, reason) each."""
        address = bytes.fromhex(device[2:])
        for start in range(0, len(messages), ACKS_AT_ONCE):
            part = messages[start : start + ACKS_AT_ONCE]
            ack = Ack(
                address,
                tuple(hash_ for hash_, _ in part),
                tuple(int(reason) for _, reason in part),
            )
            await self._send(topics.downlink(device, "ack"), self.sign(ack).encode())

    async def statements(self, statements: Iterable[Statement]) -> None:
        """Tell each device how its epoch ended."""
        await self._all(
            (topics.downlink(to_hex(s.device), "statement"), self.sign(s).encode())
            for s in statements
        )

    async def _all(self, parts: Iterable[tuple[str, bytes]]) -> None:
        async def one(topic: str, payload: bytes) -> None:
            async with self._places:
                await self._send(topic, payload)

        await asyncio.gather(*(one(topic, payload) for topic, payload in parts))

    async def _send(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        try:
            await self._connection.publish(topic, payload, retain=retain)
        except EdgeproofError as error:
            log.warning("not published", topic=topic, why=str(error))
