"""A small MQTT 3.1.1 broker inside the coordinator's event loop, loopback only.

For the demo, for tests and for a first try.  Real networks use mosquitto
(deploy/mosquitto).  Nothing is kept across a restart, and whoever has an account on
this machine can try to connect.

Checks at CONNECT, in this order, before anything is touched that others use:

1. the packet is a whole CONNECT of MQTT 3.1.1, sent within ten seconds;
2. client id = user name, so nobody touches the session of another;
3. ``authenticate(user, password)`` says yes;
4. the user may publish on the topic of its will.
"""

import asyncio
import ipaddress
import logging
from collections.abc import Callable
from types import TracebackType
from typing import Self

from edgeproof.coordinator import broker_packets as packets
from edgeproof.coordinator.broker_mailbox import Message
from edgeproof.coordinator.broker_sessions import Client, Sessions
from edgeproof.errors import EdgeproofError
from edgeproof.telemetry import topics
from edgeproof.telemetry.topics import Action

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
"""Seconds from the TCP connection to a complete CONNECT."""

MAX_CONNECTIONS = 4096
"""Connections at once; further ones are closed unread."""

GRACE = 1.5
"""Multiple of a client's keep-alive without a packet until it counts as gone."""

LINGER = 2.0
"""Seconds for a client to read the last bytes before the connection is cut."""


class NotLoopback(EdgeproofError):  # noqa: N818 - reads as what it is about
    """The embedded broker was asked to listen beyond this machine."""


class EmbeddedBroker:
    """Start with ``async with``; leaving closes every connection without a will.

    ``authenticate(user, password)`` runs in the event loop: it must not block.
    ``port`` 0 takes a free one, which ``port`` then tells.
    """

    def __init__(
        self,
        authenticate: Callable[[str, str], bool],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        if not _is_loopback(host):
            msg = f"the embedded broker listens on this machine only, not on {host}"
            raise NotLoopback(
                msg, hint="for other machines use mosquitto: deploy/mosquitto"
            )
        self._authenticate = authenticate
        self._host = host
        self._wanted_port = port
        self._sessions = Sessions()
        self._clients: set[Client] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.denied = 0

    @property
    def port(self) -> int:
        """The TCP port it listens on; 0 unless started."""
        if self._server is None or not self._server.sockets:
            return 0
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """The address for ``MqttConnection``."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"mqtt://{host}:{self.port}"

    @property
    def users(self) -> frozenset[str]:
        """The users that are connected now."""
        return frozenset(client.user for client in self._clients)

    @property
    def dropped(self) -> int:
        """Messages dropped because a client's mailbox was full."""
        return self._sessions.dropped

    def kick(self, user: str) -> bool:
        """Close the user's connection and forget its session; tell if there was one.

        It may come back if ``authenticate`` lets it.  Its will is published.
        """
        return self._sessions.forget(user)

    async def start(self) -> None:
        """Listen; raise ``EdgeproofError`` if the port is taken."""
        try:
            self._server = await asyncio.start_server(
                self._accept, self._host, self._wanted_port
            )
        except OSError as error:
            msg = f"cannot listen on {self._host}:{self._wanted_port}: {error.strerror}"
            raise EdgeproofError(msg, hint="choose port 0 for a free one") from None

    async def stop(self) -> None:
        """Close every connection and release the port."""
        if self._server is None:
            return
        self._server.close()
        for client in self._clients:
            client.will = None
            client.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()

    def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if len(self._tasks) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Carry one connection from its first byte to its last."""
        try:
            client = await self._admit(reader, writer)
            if client is not None:
                await self._converse(client)
        except packets.BadPacket as error:
            log.info("broker: closed a connection: %s", error)
        except (TimeoutError, ConnectionError) as error:
            log.debug("broker: lost a connection: %r", error)
        finally:
            await _hang_up(writer)

    async def _admit(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Client | None:
        """Return the client once all checks passed; else answer why not."""
        # 1. a whole CONNECT, soon
        async with asyncio.timeout(CONNECT_SECONDS):
            connect = await packets.read_packet(reader, packets.MAX_CONNECT)
        if not isinstance(connect, packets.Connect):
            return None
        code = self._verdict(connect)
        if code != packets.ACCEPTED:
            self.denied += 1
            log.info("broker: refused %.64r, code %d", connect.user, code)
            writer.write(packets.connack(code))
            await writer.drain()
            return None
        client = Client(connect.user, reader, writer, connect.keep_alive, connect.will)
        self._publish_will(self._sessions.current(client.user))
        present = self._sessions.open(client, clean=connect.clean)
        writer.write(packets.connack(code, session_present=present))
        return client

    def _verdict(self, connect: packets.Connect) -> int:
        if not connect.speaks_311:
            return packets.BAD_PROTOCOL
        # 2. client id = user name
        if not connect.user or connect.client_id != connect.user:
            return packets.IDENTIFIER_REJECTED
        # 3. it is who it says
        if not self._authenticate(connect.user, connect.password):
            return packets.NOT_AUTHORISED
        # 4. the will obeys the access rules
        will = connect.will
        if will is not None and not topics.allowed(
            connect.user, Action.PUBLISH, will.topic
        ):
            return packets.NOT_AUTHORISED
        return packets.ACCEPTED

    async def _converse(self, client: Client) -> None:
        """Answer packets until the client leaves, breaks off or falls silent."""
        self._clients.add(client)
        sending = asyncio.create_task(client.send_mail())
        patience = client.keep_alive * GRACE if client.keep_alive else None
        try:
            while True:
                async with asyncio.timeout(patience):
                    packet = await packets.read_packet(client.reader)
                if packet is None or client.closed:
                    break
                if isinstance(packet, packets.Goodbye):
                    client.will = None
                    break
                await self._answer(client, packet)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            self._clients.discard(client)
            self._sessions.close(client)
            self._publish_will(client)

    async def _answer(self, client: Client, packet: packets.Packet) -> None:
        match packet:
            case packets.Publish():
                self._take(client, packet)
                if packet.packet_id:
                    await client.send(packets.puback(packet.packet_id))
            case packets.Acknowledge():
                client.acknowledged(packet.packet_id)
            case packets.Subscribe():
                await self._subscribe(client, packet)
            case packets.Unsubscribe():
                self._sessions.unsubscribe(client, packet.filters)
                await client.send(packets.unsuback(packet.packet_id))
            case packets.Ping():
                await client.send(packets.pingresp())
            case _:
                msg = f"unexpected {type(packet).__name__}"
                raise packets.BadPacket(msg)

    def _take(self, client: Client, packet: packets.Publish) -> None:
        """Route a message if its sender may publish there; else drop and count it."""
        # A denied one is acknowledged all the same: MQTT 3.1.1 knows no other answer,
        # and closing would make the client connect and send it again.
        if not topics.allowed(client.user, Action.PUBLISH, packet.topic):
            self.denied += 1
            log.warning("broker: %s may not publish %.64r", client.user, packet.topic)
            return
        self._sessions.route(
            Message(packet.topic, packet.payload, acknowledged=packet.packet_id != 0),
            retain=packet.retain,
        )

    async def _subscribe(self, client: Client, packet: packets.Subscribe) -> None:
        codes, granted = [], []
        for topic_filter, quality in packet.filters:
            if topics.allowed(client.user, Action.SUBSCRIBE, topic_filter):
                codes.append(min(quality, 1))
                granted.append((topic_filter, min(quality, 1)))
            else:
                self.denied += 1
                log.warning("broker: %s may not read %.64r", client.user, topic_filter)
                codes.append(packets.REFUSED_FILTER)
        await client.send(packets.suback(packet.packet_id, codes))
        self._sessions.subscribe(client, granted)

    def _publish_will(self, client: Client | None) -> None:
        """Publish the will of a client that left without a goodbye, once."""
        if client is None or client.will is None:
            return
        will, client.will = client.will, None
        self._sessions.route(Message(will.topic, will.payload), retain=will.retain)


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    """Close in good order, or the hard way if the other side does not read."""
    writer.close()
    try:
        async with asyncio.timeout(LINGER):
            await writer.wait_closed()
    except (TimeoutError, ConnectionError):
        writer.transport.abort()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
