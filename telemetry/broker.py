"""The seam to the outside: what the rest of the code knows about a message broker.

Implementations: ``telemetry.memory`` (one process, for tests) and ``telemetry.mqtt``
(any MQTT 3.1.1 broker).  One suite, tests/telemetry/test_broker.py, holds for all.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from edgeproof.errors import EdgeproofError

MAX_PAYLOAD = 300 * 1024
"""Bytes of the largest payload; deploy/mosquitto and the embedded broker agree."""

MAX_WAITING = 10_000
"""Envelopes that may wait in an inbox for the program that reads them."""

MAX_WAITING_BYTES = 64 * 1024 * 1024
"""Bytes of payload that may wait in an inbox."""


class BrokerUnavailable(EdgeproofError):  # noqa: N818 - reads as what it is about
    """The broker did not take a message or subscription over in time.  Try again."""


class PayloadTooLarge(EdgeproofError):  # noqa: N818 - a verdict on a message
    """A payload exceeds ``MAX_PAYLOAD``: sending it again cannot help."""


class SubscriptionRefused(EdgeproofError):  # noqa: N818 - a verdict on a request
    """The broker does not let this user subscribe to that filter."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Bytes as they arrived, not yet trusted.

    ``retained``: kept by the broker and sent because of a new subscription, so of
    unknown age.
    """

    topic: str
    payload: bytes
    retained: bool = False


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes for us if we vanish without a goodbye.

    Unsigned: a hint for people, never evidence.
    """

    topic: str
    payload: bytes
    retain: bool = False


class Connection(Protocol):
    """One user's place on a broker: delivery at least once while both sides live.

    A receiver must expect an envelope twice, and must not rely on the broker for
    durability: brokers lose acknowledged messages when killed, and a full inbox
    drops the newest.  What must not be lost is acknowledged end to end.

    Open it with ``async with``; leaving says goodbye, so no will is published.  The
    broker keeps subscriptions, and what arrives for them, for the next time that the
    same user connects.
    """

    @property
    def connected(self) -> bool:
        """Whether the broker is within reach now."""
        ...

    @property
    def dropped(self) -> int:
        """Envelopes dropped since the start because the inbox was full."""
        ...

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        at_least_once: bool = True,
    ) -> None:
        """Return once the broker has taken the message over.

        Without ``at_least_once``: return once it is on its way, and it may be lost.
        Waits for a broker that is out of reach and sends again after a reconnect.
        Raise ``BrokerUnavailable`` after the connection's timeout,
        ``PayloadTooLarge`` at once.  A broker that denies the topic says nothing.
        """
        ...

    async def subscribe(self, *filters: str) -> None:
        """Return once the broker delivers what matches, now and after reconnects.

        Raise ``SubscriptionRefused`` or, after the timeout, ``BrokerUnavailable``.
        """
        ...

    def __aiter__(self) -> AsyncIterator[Envelope]:
        """Yield envelopes in order of arrival, for one reader, until cancelled."""
        ...

    async def __aenter__(self) -> Self:
        """Start connecting; does not wait for the broker."""
        ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say goodbye and release everything."""
        ...


class Inbox(AsyncIterator[Envelope]):
    """Envelopes that wait for one reader, bounded in number and in bytes."""

    def __init__(
        self, limit: int = MAX_WAITING, byte_limit: int = MAX_WAITING_BYTES
    ) -> None:
        self._limit = limit
        self._byte_limit = byte_limit
        self._waiting: deque[Envelope] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()
        self.dropped = 0

    def __len__(self) -> int:
        """Return how many envelopes wait."""
        return len(self._waiting)

    def offer(self, envelope: Envelope) -> bool:
        """Keep the envelope, or drop and count it if the inbox is full."""
        size = len(envelope.payload)
        if len(self._waiting) >= self._limit or self._bytes + size > self._byte_limit:
            self.dropped += 1
            return False
        self._waiting.append(envelope)
        self._bytes += size
        self._filled.set()
        return True

    def __aiter__(self) -> Self:
        """Return itself: envelopes in order, without end."""
        return self

    async def __anext__(self) -> Envelope:
        """Return the oldest envelope as soon as there is one."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        envelope = self._waiting.popleft()
        self._bytes -= len(envelope.payload)
        return envelope


def check_payload(topic: str, payload: bytes) -> None:
    """Raise ``PayloadTooLarge`` for what no broker of the network takes."""
    if len(payload) > MAX_PAYLOAD:
        msg = f"{len(payload)} bytes for {topic}, at most {MAX_PAYLOAD} are allowed"
        raise PayloadTooLarge(msg, hint="split the message")
