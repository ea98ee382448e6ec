"""Who is connected to the embedded broker, who subscribed to what, what is retained.

No method here waits, so no broadcast ever meets a table that changes under it.
"""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress

from edgeproof.coordinator import broker_packets as packets
from edgeproof.coordinator.broker_mailbox import Mailbox, Message
from edgeproof.telemetry.broker import Will
from edgeproof.telemetry.topics import filters_matching, matches

log = logging.getLogger(__name__)

MAX_SESSIONS = 10_000
"""Sessions kept; the one whose client left first makes room for a new one."""

MAX_RETAINED_BYTES = 64 * 1024 * 1024
"""Bytes of all retained payloads; beyond that, new ones are not retained."""


class Client:
    """One admitted connection."""

    def __init__(
        self,
        user: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        keep_alive: int,
        will: Will | None,
    ) -> None:
        self.user = user
        self.reader = reader
        self.keep_alive = keep_alive
        self.will = will
        self.mailbox = Mailbox()
        self.closed = False
        self._writer = writer
        self._mail = asyncio.Event()

    async def send(self, packet: bytes) -> None:
        """Send a packet; waits while the client does not read."""
        self._writer.write(packet)
        await self._writer.drain()

    def notify(self) -> None:
        """Say that the mailbox may have something to send."""
        self._mail.set()

    def acknowledged(self, packet_id: int) -> None:
        """Note that the client took a message over, which makes room in the window."""
        if self.mailbox.acknowledge(packet_id):
            self._mail.set()

    async def send_mail(self) -> None:
        """Send what the mailbox holds, and what comes, until cancelled or cut off."""
        with suppress(ConnectionError):
            while not self.closed:
                message = self.mailbox.next()
                if message is None:
                    self._mail.clear()
                    await self._mail.wait()
                else:
                    await self.send(packets.publish(message))

    def close(self) -> None:
        """Cut the connection: what it still has buffered counts no more."""
        self.closed = True
        self._writer.transport.abort()


class _Session:
    """What outlives a connection of one user."""

    def __init__(self) -> None:
        self.mailbox = Mailbox()
        self.filters: dict[str, int] = {}
        self.client: Client | None = None
        self.clean = False


class Sessions:
    """All state of the broker, in memory."""

    def __init__(self) -> None:
        self._sessions: dict[str, _Session] = {}
        self._by_filter: dict[str, dict[str, int]] = {}
        self._retained: dict[str, bytes] = {}
        self._retained_bytes = 0
        self.dropped = 0

    def current(self, user: str) -> Client | None:
        """Return the connection that this user has now."""
        session = self._sessions.get(user)
        return session.client if session is not None else None

    def open(self, client: Client, *, clean: bool) -> bool:
        """Give the client its session, a fresh one if ``clean``; tell if it had one.

        An earlier connection of the same user is cut.
        """
        session = self._sessions.get(client.user)
        if session is not None and session.client is not None:
            session.client.close()
            session.mailbox.rewind()
        if session is not None and (clean or session.clean):
            self._drop(client.user)
            session = None
        present = session is not None
        if session is None:
            self._make_room()
            session = self._sessions[client.user] = _Session()
        session.clean = clean
        session.client = client
        client.mailbox = session.mailbox
        client.notify()
        return present

    def close(self, client: Client) -> None:
        """Note that a connection ended; a later one of the same user is untouched."""
        session = self._sessions.get(client.user)
        if session is None or session.client is not client:
            return
        session.client = None
        session.mailbox.rewind()
        self._sessions[client.user] = self._sessions.pop(client.user)  # left last
        if session.clean:
            self._drop(client.user)

    def forget(self, user: str) -> bool:
        """Cut the user's connection, drop its session; tell if there was one."""
        session = self._sessions.get(user)
        if session is None:
            return False
        if session.client is not None:
            session.client.close()
        self._drop(user)
        return True

    def subscribe(self, client: Client, filters: Iterable[tuple[str, int]]) -> None:
        """Deliver what matches from now on; retained messages at once."""
        session = self._sessions.get(client.user)
        if session is None or session.client is not client:
            return
        for topic_filter, quality in filters:
            session.filters[topic_filter] = quality
            self._by_filter.setdefault(topic_filter, {})[client.user] = quality
            for topic, payload in self._retained.items():
                if matches(topic_filter, topic):
                    kept = Message(topic, payload, retained=True)
                    self._put(session, kept, quality)

    def unsubscribe(self, client: Client, filters: Iterable[str]) -> None:
        """Deliver no longer what matches only these filters."""
        session = self._sessions.get(client.user)
        if session is None or session.client is not client:
            return
        for topic_filter in filters:
            if session.filters.pop(topic_filter, None) is not None:
                self._unlink(client.user, topic_filter)

    def route(self, message: Message, *, retain: bool) -> None:
        """Put the message into the mailbox of everybody who subscribed, once each."""
        if retain:
            self._retain(message.topic, message.payload)
        wanted: dict[str, int] = {}
        for topic_filter in filters_matching(message.topic):
            for user, quality in self._by_filter.get(topic_filter, {}).items():
                wanted[user] = max(quality, wanted.get(user, 0))
        for user, quality in wanted.items():
            self._put(self._sessions[user], message, quality)

    def _put(self, session: _Session, message: Message, quality: int) -> None:
        if message.acknowledged and not quality:
            message = Message(message.topic, message.payload, message.retained, False)  # noqa: FBT003 - a field of a dataclass
        if session.client is None and not message.acknowledged:
            return  # at most once: nobody is there (MQTT 3.1.1, 4.1)
        if not session.mailbox.put(message):
            self.dropped += 1
            log.warning("broker: mailbox full, dropped %s", message.topic)
        elif session.client is not None:
            session.client.notify()

    def _retain(self, topic: str, payload: bytes) -> None:
        """Keep the last payload of a topic; an empty one clears it (3.3.1.3)."""
        self._retained_bytes -= len(self._retained.pop(topic, b""))
        if not payload:
            return
        if self._retained_bytes + len(payload) > MAX_RETAINED_BYTES:
            log.warning("broker: too much retained, not retaining %s", topic)
            return
        self._retained[topic] = payload
        self._retained_bytes += len(payload)

    def _drop(self, user: str) -> None:
        session = self._sessions.pop(user)
        for topic_filter in session.filters:
            self._unlink(user, topic_filter)

    def _unlink(self, user: str, topic_filter: str) -> None:
        users = self._by_filter[topic_filter]
        del users[user]
        if not users:
            del self._by_filter[topic_filter]

    def _make_room(self) -> None:
        if len(self._sessions) < MAX_SESSIONS:
            return
        for user, session in self._sessions.items():
            if session.client is None:
                self._drop(user)
                return
