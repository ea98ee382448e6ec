"""A broker inside one process: real filters, retained messages and wills, no network.

For tests and the simulator.  Nothing is checked: who may do what is the business of
brokers that strangers reach.
"""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from edgeproof.telemetry.broker import (
    MAX_WAITING,
    Connection,
    Envelope,
    Inbox,
    Will,
    check_payload,
)
from edgeproof.telemetry.topics import matches


class _Place:
    """What the broker keeps for a user between connections."""

    def __init__(self, limit: int) -> None:
        self.inbox = Inbox(limit)
        self.filters: set[str] = set()


class MemoryBroker:
    """Deliver to each user, once, whatever matches any of its filters."""

    def __init__(self) -> None:
        self._places: dict[str, _Place] = {}
        self._retained: dict[str, bytes] = {}

    def connect(
        self, user: str, *, will: Will | None = None, limit: int = MAX_WAITING
    ) -> "MemoryConnection":
        """Return a connection, not yet open, that holds ``limit`` envelopes at most."""
        place = self._places.setdefault(user, _Place(limit))
        return MemoryConnection(self, place, will)

    def _route(self, topic: str, payload: bytes, *, retain: bool) -> None:
        if retain and payload:
            self._retained[topic] = payload
        elif retain:
            self._retained.pop(topic, None)  # an empty one clears (MQTT 3.1.1, 3.3.1.3)
        for place in self._places.values():
            if any(matches(topic_filter, topic) for topic_filter in place.filters):
                place.inbox.offer(Envelope(topic, payload))

    def _subscribe(self, place: _Place, topic_filter: str) -> None:
        place.filters.add(topic_filter)
        for topic, payload in self._retained.items():
            if matches(topic_filter, topic):
                place.inbox.offer(Envelope(topic, payload, retained=True))


class MemoryConnection(Connection):
    """One user's connection to a ``MemoryBroker``."""

    def __init__(self, broker: MemoryBroker, place: _Place, will: Will | None) -> None:
        self._broker = broker
        self._place = place
        self._will = will
        self._open = False

    @property
    def connected(self) -> bool:
        """Whether it is open: this broker is never out of reach."""
        return self._open

    @property
    def dropped(self) -> int:
        """Envelopes dropped because the inbox was full."""
        return self._place.inbox.dropped

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        at_least_once: bool = True,
    ) -> None:
        """Hand the payload to everybody who subscribed; both qualities are the same."""
        del at_least_once
        check_payload(topic, payload)
        self._broker._route(topic, payload, retain=retain)  # noqa: SLF001 - one module

    async def subscribe(self, *filters: str) -> None:
        """Deliver what matches from now on, retained messages first."""
        for topic_filter in filters:
            self._broker._subscribe(self._place, topic_filter)  # noqa: SLF001 - one module

    def vanish(self) -> None:
        """Break off without a goodbye: the broker publishes the will."""
        if self._open and self._will is not None:
            self._broker._route(  # noqa: SLF001 - one module
                self._will.topic, self._will.payload, retain=self._will.retain
            )
        self._open = False

    def __aiter__(self) -> AsyncIterator[Envelope]:
        """Yield envelopes in order until cancelled."""
        return aiter(self._place.inbox)

    async def __aenter__(self) -> Self:
        """Open it."""
        self._open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it; the place stays."""
        self._open = False
