"""What the coordinator says: signed, encoded, and sent to the right topic."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence

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
    Resend,
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
        self, answers: Mapping[str, Sequence[tuple[bytes, Reason]]]
    ) -> None:
        """Tell devices what is on disk and what was refused: (hash, reason) each.

        At most once: what is lost comes again, and is answered again.
        """
        await self._all(
            (
                (topics.downlink(device, "ack"), self.sign(ack).encode())
                for device, messages in answers.items()
                for ack in _acks(bytes.fromhex(device[2:]), messages)
            ),
            at_least_once=False,
        )

    async def ask_again(self, wanted: Mapping[bytes, Iterable[int]], slot: int) -> None:
        """Ask devices for what was passed over: by device, the tags of messages."""
        await self._all(
            (
                topics.downlink(to_hex(device), "resend"),
                self.sign(Resend(device, slot, tuple(sorted(tags)))).encode(),
            )
            for device, tags in wanted.items()
        )

    async def statements(self, statements: Iterable[Statement]) -> None:
        """Tell each device how its epoch ended."""
        await self._all(
            (topics.downlink(to_hex(s.device), "statement"), self.sign(s).encode())
            for s in statements
        )

    async def _all(
        self, parts: Iterable[tuple[str, bytes]], *, at_least_once: bool = True
    ) -> None:
        """Send all, a few at once: signatures are made as their turn comes."""
        waiting = iter(parts)

        async def some() -> None:
            for topic, payload in waiting:
                await self._send(topic, payload, at_least_once=at_least_once)

        await asyncio.gather(*(some() for _ in range(AT_ONCE)))

    async def _send(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        at_least_once: bool = True,
    ) -> None:
        try:
            await self._connection.publish(
                topic, payload, retain=retain, at_least_once=at_least_once
            )
        except EdgeproofError as error:
            log.warning("not published", topic=topic, why=str(error))


def _acks(device: bytes, messages: Sequence[tuple[bytes, Reason]]) -> Iterator[Ack]:
    for start in range(0, len(messages), ACKS_AT_ONCE):
        part = messages[start : start + ACKS_AT_ONCE]
        yield Ack(
            device,
            tuple(hash_ for hash_, _ in part),
            tuple(int(reason) for _, reason in part),
        )
