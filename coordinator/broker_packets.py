"""MQTT 3.1.1 packets, read within bounds.  The only module that imports amqtt.

Why amqtt's packets but not its Broker: its defects sit in private methods that call
each other.  An unauthenticated CONNECT destroys the session of that client id; every
connecting client is sent retained messages for other clients' filters; wills skip
the access rules; subscribing while a broadcast is under way loses it; a message is
given up when its acknowledgement takes five seconds; packets and queues are
unbounded.  Replacing those methods leaves the packets, which are sound and public.
"""

import asyncio
from dataclasses import dataclass

from amqtt.errors import AMQTTError, CodecError, MQTTError, NoDataError
from amqtt.mqtt import packet_class
from amqtt.mqtt.connack import ConnackPacket
from amqtt.mqtt.connect import ConnectPacket
from amqtt.mqtt.disconnect import DisconnectPacket
from amqtt.mqtt.packet import MQTTFixedHeader
from amqtt.mqtt.pingreq import PingReqPacket
from amqtt.mqtt.pingresp import PingRespPacket
from amqtt.mqtt.puback import PubackPacket
from amqtt.mqtt.publish import PublishPacket
from amqtt.mqtt.suback import SubackPacket
from amqtt.mqtt.subscribe import SubscribePacket
from amqtt.mqtt.unsuback import UnsubackPacket
from amqtt.mqtt.unsubscribe import UnsubscribePacket

from edgeproof.coordinator.broker_mailbox import Message
from edgeproof.errors import EdgeproofError
from edgeproof.telemetry.broker import MAX_PAYLOAD, Will

MAX_PACKET = MAX_PAYLOAD + 1024
"""Bytes after the fixed header of any packet: the largest payload and its topic."""

MAX_CONNECT = 8 * 1024
"""Bytes after the fixed header of a CONNECT, whose sender nobody knows yet."""

MAX_FILTERS = 64
"""Filters in one SUBSCRIBE or UNSUBSCRIBE."""

ACCEPTED = 0
BAD_PROTOCOL = 1
IDENTIFIER_REJECTED = 2
NOT_AUTHORISED = 5
REFUSED_FILTER = 0x80

_PROTOCOL_LEVEL = 4


class BadPacket(EdgeproofError):  # noqa: N818 - a verdict on a packet
    """Bytes that are not the packet they claim to be: the connection ends."""


@dataclass(frozen=True, slots=True)
class Connect:
    """A client's wish to connect."""

    client_id: str
    user: str
    password: str
    clean: bool
    keep_alive: int
    will: Will | None
    speaks_311: bool


@dataclass(frozen=True, slots=True)
class Publish:
    """A message from a client; ``packet_id`` 0 means that it wants no answer."""

    topic: str
    payload: bytes
    retain: bool
    packet_id: int


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Filters with the quality asked for."""

    packet_id: int
    filters: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Filters that are no longer wanted."""

    packet_id: int
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """The client took a message over."""

    packet_id: int


@dataclass(frozen=True, slots=True)
class Ping:
    """A sign of life that wants an answer."""


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The client leaves in good order."""


Packet = Connect | Publish | Subscribe | Unsubscribe | Acknowledge | Ping | Goodbye


async def read_packet(
    reader: asyncio.StreamReader, limit: int = MAX_PACKET
) -> Packet | None:
    """Return the next packet, None at the end of the stream; raise ``BadPacket``.

    Nothing is allocated for a packet that claims more than ``limit`` bytes.
    """
    try:
        first = (await reader.readexactly(1))[0]
        length = await _remaining_length(reader)
        if length > limit:
            msg = f"a packet of {length} bytes, at most {limit} are allowed"
            raise BadPacket(msg)
        body = await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return await _decode(MQTTFixedHeader(first >> 4, first & 0x0F, length), body)


async def _remaining_length(reader: asyncio.StreamReader) -> int:
    """Return the length after the fixed header (MQTT 3.1.1, 2.2.3)."""
    value = 0
    for position in range(4):
        byte = (await reader.readexactly(1))[0]
        value |= (byte & 0x7F) << 7 * position
        if not byte & 0x80:
            return value
    msg = "a packet's length takes more than four bytes"
    raise BadPacket(msg)


class _Body:
    """A packet's bytes.  Its fields may not claim more of them than there are."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    async def read(self, count: int) -> bytes:
        """Return exactly the next ``count`` bytes; the name is amqtt's."""
        start, self._position = self._position, self._position + count
        if self._position > len(self._data):
            msg = "a field reaches beyond its packet"
            raise BadPacket(msg)
        return self._data[start : self._position]


async def _decode(header: MQTTFixedHeader, body: bytes) -> Packet:
    try:
        packet = await packet_class(header).from_stream(_Body(body), header)
        return _understood(packet)
    except (AMQTTError, MQTTError, CodecError, NoDataError, ValueError) as error:
        msg = f"unreadable packet: {type(error).__name__}"
        raise BadPacket(msg) from error


def _understood(packet: object) -> Packet:
    """Return our own form of a packet that a client may send."""
    match packet:
        case PublishPacket():
            if packet.qos > 1:
                msg = "quality of service 2 is not offered"
                raise BadPacket(msg)
            return Publish(
                packet.topic_name,
                packet.data,
                packet.retain_flag,
                packet.packet_id if packet.qos else 0,
            )
        case PubackPacket():
            return Acknowledge(packet.variable_header.packet_id)
        case PingReqPacket():
            return Ping()
        case SubscribePacket() | UnsubscribePacket():
            return _filters(packet)
        case ConnectPacket():
            return _connect(packet)
        case DisconnectPacket():
            return Goodbye()
    msg = f"a client does not send {type(packet).__name__}"
    raise BadPacket(msg)


def _filters(packet: SubscribePacket | UnsubscribePacket) -> Subscribe | Unsubscribe:
    asked = tuple(packet.payload.topics)
    if not 0 < len(asked) <= MAX_FILTERS:
        msg = f"{len(asked)} filters in one packet, 1 to {MAX_FILTERS} are allowed"
        raise BadPacket(msg)
    packet_id = packet.variable_header.packet_id
    if isinstance(packet, SubscribePacket):
        return Subscribe(packet_id, asked)
    return Unsubscribe(packet_id, asked)


def _connect(packet: ConnectPacket) -> Connect:
    will = None
    if packet.will_flag:
        will = Will(
            packet.will_topic, bytes(packet.will_message), packet.will_retain_flag
        )
    return Connect(
        client_id=packet.client_id,
        user=packet.username or "",
        password=packet.password or "",
        clean=packet.clean_session_flag,
        keep_alive=packet.keep_alive,
        will=will,
        speaks_311=packet.proto_name == "MQTT"
        and packet.proto_level == _PROTOCOL_LEVEL,
    )


def connack(code: int, *, session_present: bool = False) -> bytes:
    """Return the answer to a CONNECT."""
    return bytes(ConnackPacket.build(int(session_present), code).to_bytes())


def publish(message: Message) -> bytes:
    """Return a message as a client receives it."""
    quality = int(message.acknowledged)
    packet_id = message.packet_id if quality else None
    return bytes(
        PublishPacket.build(
            message.topic,
            message.payload,
            packet_id,
            message.duplicate,
            quality,
            message.retained,
        ).to_bytes()
    )


def puback(packet_id: int) -> bytes:
    """Return: your message was taken over."""
    return bytes(PubackPacket.build(packet_id).to_bytes())


def suback(packet_id: int, codes: list[int]) -> bytes:
    """Return the quality granted for each filter, or ``REFUSED_FILTER``."""
    return bytes(SubackPacket.build(packet_id, codes).to_bytes())


def unsuback(packet_id: int) -> bytes:
    """Return: these filters are forgotten."""
    return bytes(UnsubackPacket.build(packet_id).to_bytes())


def pingresp() -> bytes:
    """Return the answer to a sign of life."""
    return bytes(PingRespPacket.build().to_bytes())
