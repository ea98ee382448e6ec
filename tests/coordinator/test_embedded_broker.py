"""The embedded broker against clients that do not play by the rules."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from edgeproof.coordinator import broker_packets as packets
from edgeproof.coordinator import embedded_broker
from edgeproof.coordinator.broker_mailbox import Message
from edgeproof.coordinator.embedded_broker import EmbeddedBroker, NotLoopback
from edgeproof.errors import EdgeproofError
from edgeproof.telemetry.broker import (
    MAX_PAYLOAD,
    BrokerUnavailable,
    Connection,
    SubscriptionRefused,
    Will,
)
from edgeproof.telemetry.mqtt import Identity, MqttConnection
from edgeproof.telemetry.topics import COORDINATOR, broadcast, downlink, uplink

pytestmark = pytest.mark.integration

ONE = "0x" + "01" * 20
TWO = "0x" + "02" * 20
PATIENCE = 10
CONNECTED, BAD_ID, DENIED = bytes([0x20, 2, 0, 0]), b"\x20\x02\0\x02", b"\x20\x02\0\x05"


def text(value: str | bytes) -> bytes:
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack(">H", len(raw)) + raw


def packet(first: int, body: bytes) -> bytes:
    length, encoded = len(body), bytearray()
    while True:
        length, digit = divmod(length, 128)
        encoded.append(digit | (0x80 if length else 0))
        if not length:
            return bytes([first]) + bytes(encoded) + body


def connect(
    user: str,
    password: str = "right",  # noqa: S107 - no secret
    *,
    client_id: str | None = None,
    will_topic: str = "",
    keep_alive: int = 60,
    clean: bool = False,
) -> bytes:
    flags = 0xC0 | (0x02 if clean else 0) | (0x0C if will_topic else 0)
    will = text(will_topic) + text("gone") if will_topic else b""
    name = user if client_id is None else client_id
    head = text("MQTT") + bytes([4, flags]) + struct.pack(">H", keep_alive)
    return packet(0x10, head + text(name) + will + text(user) + text(password))


def publish(topic: str, payload: bytes, packet_id: int = 1) -> bytes:
    return packet(0x32, text(topic) + struct.pack(">H", packet_id) + payload)


def subscribe(topic_filter: str) -> bytes:
    return packet(0x82, struct.pack(">H", 7) + text(topic_filter) + b"\x01")


class Raw:
    """A client that sends whatever bytes a test likes."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))
        await self.writer.drain()

    async def expect(self, expected: bytes) -> None:
        async with asyncio.timeout(PATIENCE):
            assert await self.reader.readexactly(len(expected)) == expected

    async def is_cut_off(self) -> bool:
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionError):
                return await self.reader.read(1) == b""
            return True

    async def is_silent(self) -> bool:
        """Nothing came before the answer to a ping."""
        await self.send(packet(0xC0, b""))
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readexactly(2) == b"\xd0\x00"


@pytest.fixture
async def broker() -> AsyncIterator[EmbeddedBroker]:
    def authenticate(_user: str, password: str) -> bool:
        return password == "right"  # noqa: S105 - no secret

    async with EmbeddedBroker(authenticate) as running:
        yield running


class Dial:
    def __init__(self, broker: EmbeddedBroker) -> None:
        self._broker = broker
        self.made: list[Raw] = []

    async def __call__(self, *first: bytes) -> Raw:
        raw = Raw(*await asyncio.open_connection("127.0.0.1", self._broker.port))
        self.made.append(raw)
        await raw.send(*first)
        return raw


@pytest.fixture
async def dial(broker: EmbeddedBroker) -> AsyncIterator[Dial]:
    dialled = Dial(broker)
    yield dialled
    for raw in dialled.made:
        raw.writer.close()
        with suppress(ConnectionError):
            await raw.writer.wait_closed()


def client(broker: EmbeddedBroker, user: str, **more: object) -> MqttConnection:
    return MqttConnection(
        broker.url,
        Identity(user, lambda: "right"),
        timeout=PATIENCE,
        **more,  # type: ignore[arg-type]  # passed on as given
    )


async def take(connection: Connection, count: int = 1) -> list[bytes]:
    async with asyncio.timeout(PATIENCE):
        return [(await anext(aiter(connection))).payload for _ in range(count)]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "", "example.org"])  # noqa: S104 - refused is what is tested
def test_it_listens_on_this_machine_only(host: str) -> None:
    with pytest.raises(NotLoopback, match="this machine only") as caught:
        EmbeddedBroker(lambda _user, _password: True, host=host)
    assert "mosquitto" in caught.value.hint


async def test_a_free_port_is_chosen_and_told(broker: EmbeddedBroker) -> None:
    assert broker.port > 1023
    assert broker.url == f"mqtt://127.0.0.1:{broker.port}"


async def test_a_taken_port_is_an_error_for_people(broker: EmbeddedBroker) -> None:
    second = EmbeddedBroker(lambda _user, _password: True, port=broker.port)
    with pytest.raises(EdgeproofError, match="cannot listen on"):
        await second.start()


@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("user", [ONE, TWO, ""])
async def test_a_stranger_with_anothers_client_id_leaves_its_session_alone(
    broker: EmbeddedBroker, dial: Dial, user: str, *, clean: bool
) -> None:
    async with client(broker, COORDINATOR) as coordinator, client(broker, ONE) as one:
        await one.subscribe(f"c/{ONE}/#")
        wrong = connect(user, "wrong", client_id=ONE, clean=clean)
        stranger = await dial(wrong)
        await stranger.expect(DENIED if user == ONE else BAD_ID)
        assert await stranger.is_cut_off()
        await coordinator.publish(downlink(ONE, "ack"), b"still here")
        assert await take(one) == [b"still here"]
        assert one.connected
        assert broker.denied == 1


async def test_a_device_cannot_take_anothers_client_id_with_its_own_password(
    broker: EmbeddedBroker, dial: Dial
) -> None:
    async with client(broker, ONE) as one:
        await one.subscribe("n/+")
        thief = await dial(connect(TWO, "right", client_id=ONE))
        await thief.expect(BAD_ID)
        assert broker.users == {ONE}


async def test_bytes_before_a_connect_are_not_read(dial: Dial) -> None:
    raw = await dial(publish(uplink(ONE, "seal"), b"x"))
    assert await raw.is_cut_off()


async def test_a_second_connect_ends_the_connection(dial: Dial) -> None:
    raw = await dial(connect(ONE))
    await raw.expect(CONNECTED)
    await raw.send(connect(ONE))
    assert await raw.is_cut_off()


async def test_retained_messages_go_to_matching_filters_of_ones_own(
    broker: EmbeddedBroker, dial: Dial
) -> None:
    async with client(broker, COORDINATOR) as coordinator, client(broker, ONE) as one:
        await one.subscribe("n/+", f"c/{ONE}/#")
        await coordinator.publish(broadcast("beacon"), b"b", retain=True)
        await coordinator.publish(downlink(ONE, "ack"), b"secret", retain=True)
        await take(one, 2)
        newcomer = await dial(connect(TWO))
        await newcomer.expect(CONNECTED)
        assert await newcomer.is_silent()
        await newcomer.send(subscribe("n/beacon"))
        await newcomer.expect(b"\x90\x03\x00\x07\x01")
        await newcomer.expect(packet(0x33, text("n/beacon") + b"\x00\x01b"))
        assert await newcomer.is_silent()


@pytest.mark.parametrize(
    "will_topic", [uplink(TWO, "status"), broadcast("beacon"), f"d/{ONE}/x", "#"]
)
async def test_a_will_on_anothers_topic_is_refused(
    broker: EmbeddedBroker, dial: Dial, will_topic: str
) -> None:
    raw = await dial(connect(ONE, will_topic=will_topic))
    await raw.expect(DENIED)
    assert broker.users == frozenset()


@pytest.mark.parametrize(
    "topic_filter", ["#", "n/#", "d/#", f"c/{TWO}/#", "c/+/ack", f"$share/g/c/{ONE}/#"]
)
async def test_a_filter_beyond_ones_own_is_refused(
    broker: EmbeddedBroker, topic_filter: str
) -> None:
    async with client(broker, ONE) as one:
        with pytest.raises(SubscriptionRefused, match=ONE):
            await one.subscribe(topic_filter)


async def test_a_message_on_anothers_topic_is_dropped_and_counted(
    broker: EmbeddedBroker,
) -> None:
    async with client(broker, COORDINATOR) as coordinator, client(broker, ONE) as one:
        await coordinator.subscribe("d/#")
        await one.subscribe("n/+")
        await one.publish(uplink(TWO, "seal"), b"forged")
        await one.publish(broadcast("beacon"), b"forged", retain=True)
        await one.publish(uplink(ONE, "seal"), b"mine")
        assert await take(coordinator) == [b"mine"]
        await coordinator.publish(broadcast("root"), b"real")
        assert await take(one) == [b"real"]
        assert broker.denied == 2


async def test_a_broadcast_storm_with_coming_and_going_filters_loses_nothing(
    broker: EmbeddedBroker, dial: Dial
) -> None:
    count = 500
    sent = [str(index).encode() for index in range(count)]
    stop = asyncio.Event()

    async def come_and_go() -> None:
        raw = await dial(connect("0x" + "03" * 20))
        await raw.expect(CONNECTED)
        while not stop.is_set():
            await raw.send(subscribe("n/phase"))
            await raw.expect(b"\x90\x03\x00\x07\x01")
            await raw.send(packet(0xA2, b"\x00\x08" + text("n/phase")))
            await raw.expect(b"\xb0\x02\x00\x08")

    async with (
        client(broker, COORDINATOR) as coordinator,
        client(broker, ONE) as one,
        client(broker, TWO) as two,
    ):
        await one.subscribe("n/+")
        await two.subscribe("n/root")
        churn = asyncio.create_task(come_and_go())
        received = asyncio.gather(take(one, count), take(two, count))
        for payload in sent:
            await coordinator.publish(broadcast("root"), payload)
        assert list(await received) == [sent, sent]
        stop.set()
        await churn
        assert broker.dropped == 0


async def test_a_client_that_never_acknowledges_is_sent_it_again(
    broker: EmbeddedBroker, dial: Dial
) -> None:
    first = await dial(connect(ONE), subscribe(f"c/{ONE}/#"))
    await first.expect(CONNECTED + b"\x90\x03\x00\x07\x01")
    async with client(broker, COORDINATOR) as coordinator:
        await coordinator.publish(downlink(ONE, "ack"), b"important")
        body = text(downlink(ONE, "ack")) + b"\x00\x01important"
        await first.expect(packet(0x32, body))
        second = await dial(connect(ONE))
        assert await first.is_cut_off()
        await second.expect(b"\x20\x02\x01\x00" + packet(0x3A, body))
        assert await second.is_silent()
        await coordinator.publish(downlink(ONE, "ack"), b"more")
        more = text(downlink(ONE, "ack")) + b"\x00\x02more"
        await second.expect(packet(0x32, more))


async def test_what_was_on_its_way_when_a_client_left_follows(
    broker: EmbeddedBroker, dial: Dial
) -> None:
    async with client(broker, COORDINATOR) as coordinator:
        await coordinator.subscribe("d/+/status")
        status = uplink(ONE, "status")
        first = await dial(connect(ONE, will_topic=status), subscribe("n/+"))
        await first.expect(CONNECTED + b"\x90\x03\x00\x07\x01")
        await coordinator.publish(broadcast("root"), b"lost?")
        body = text(broadcast("root")) + b"\x00\x01lost?"
        await first.expect(packet(0x32, body))
        first.writer.close()
        assert await take(coordinator) == [b"gone"]
        second = await dial(connect(ONE))
        await second.expect(b"\x20\x02\x01\x00" + packet(0x3A, body))


async def test_a_takeover_publishes_the_will_once_and_keeps_the_new_connection(
    broker: EmbeddedBroker, dial: Dial
) -> None:
    async with client(broker, COORDINATOR) as coordinator:
        await coordinator.subscribe("d/+/status")
        status = uplink(ONE, "status")
        await (await dial(connect(ONE, will_topic=status))).expect(CONNECTED)
        second = await dial(connect(ONE), publish(status, b"back"))
        await second.expect(b"\x20\x02\x01\x00\x40\x02\x00\x01")
        assert await take(coordinator, 2) == [b"gone", b"back"]
        assert await second.is_silent()
        assert broker.users == {COORDINATOR, ONE}


async def test_a_silent_client_counts_as_gone_after_its_keep_alive(
    broker: EmbeddedBroker, dial: Dial
) -> None:
    async with client(broker, COORDINATOR) as coordinator:
        await coordinator.subscribe("d/+/status")
        raw = await dial(connect(ONE, will_topic=uplink(ONE, "status"), keep_alive=1))
        await raw.expect(CONNECTED)
        assert await take(coordinator) == [b"gone"]
        assert await raw.is_cut_off()


async def test_whoever_does_not_say_who_it_is_gets_no_time(
    dial: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_broker, "CONNECT_SECONDS", 0.05)
    raw = await dial(connect(ONE)[:-1])
    assert await raw.is_cut_off()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x32\xff\xff\xff\xff\x01",  # length of more than four bytes
        b"\x32\xff\xff\xff\x7f",  # claims 256 MiB
        packet(0x32, text("d")[:1]),  # ends inside the topic
        packet(0x32, b"\xff\xffd"),  # topic longer than the packet
        packet(0x34, text("d") + b"\x00\x01"),  # quality of service 2
        packet(0x36, text("d") + b"\x00\x01"),  # quality of service 3
        packet(0x32, text("d/+/seal") + b"\x00\x01"),  # wildcard in a topic
        packet(0x82, b"\x00\x07"),  # no filter
        packet(0x82, b"\x00\x07" + text("n/+")),  # no quality
        packet(0x82, b"\x00\x07" + (text("n/+") + b"\x01") * 65),  # too many
        packet(0x82, b"\x00\x07\xff\xffn"),  # filter longer than the packet
        packet(0x82, b"\x00\x07" + text("n/+") + b"\x01\xff\xffn"),  # the second one
        packet(0xA2, b"\x00\x07\x00"),
        packet(0x20, b"\x00\x00"),  # only a broker sends this
        packet(0xF0, b""),  # reserved
        packet(0x00, b""),
        packet(0x40, b""),
    ],
)
async def test_garbage_ends_the_connection_of_its_sender_alone(
    broker: EmbeddedBroker, dial: Dial, garbage: bytes
) -> None:
    async with client(broker, TWO) as two:
        await two.subscribe("n/+")
        raw = await dial(connect(ONE))
        await raw.expect(CONNECTED)
        await raw.send(garbage)
        assert await raw.is_cut_off()
        assert two.connected


async def test_a_packet_too_large_ends_the_connection_unread(dial: Dial) -> None:
    raw = await dial(connect(ONE))
    await raw.expect(CONNECTED)
    await raw.send(publish(uplink(ONE, "seal"), bytes(MAX_PAYLOAD + 2048))[:5])
    assert await raw.is_cut_off()
    huge = await dial(packet(0x10, bytes(packets.MAX_CONNECT + 1))[:5])
    assert await huge.is_cut_off()


async def test_a_kicked_device_is_cut_off_and_its_session_forgotten(
    broker: EmbeddedBroker, dial: Dial
) -> None:
    raw = await dial(connect(ONE), subscribe("n/+"))
    await raw.expect(CONNECTED + b"\x90\x03\x00\x07\x01")
    assert broker.kick(ONE)
    assert await raw.is_cut_off()
    assert not broker.kick(ONE)
    again = await dial(connect(ONE))
    await again.expect(CONNECTED)  # and no session present


async def test_what_a_kicked_device_had_already_sent_counts_no_more(
    broker: EmbeddedBroker, dial: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    routed: list[bytes] = []

    def kick_at_once(message: Message, *, retain: bool) -> None:
        del retain
        routed.append(message.payload)
        broker.kick(ONE)

    monkeypatch.setattr(broker._sessions, "route", kick_at_once)
    raw = await dial(connect(ONE))
    await raw.expect(CONNECTED)
    # One segment: the broker has read all of it when it takes the first message.
    # At most once (0x30), else the acknowledgement would hit the cut connection.
    seal = text(uplink(ONE, "seal"))
    await raw.send(*(packet(0x30, seal + b"%d" % it) for it in range(9)))
    assert await raw.is_cut_off()
    assert routed == [b"0"]


async def test_the_old_session_of_a_clean_client_is_gone(
    broker: EmbeddedBroker, dial: Dial
) -> None:
    first = await dial(connect(ONE), subscribe("n/+"))
    await first.expect(CONNECTED + b"\x90\x03\x00\x07\x01")
    second = await dial(connect(ONE, clean=True))
    await second.expect(CONNECTED)
    async with client(broker, COORDINATOR) as coordinator:
        await coordinator.publish(broadcast("root"), b"not for it")
    assert await second.is_silent()


async def test_stopping_frees_the_port_and_publishes_no_will() -> None:
    async with EmbeddedBroker(lambda _user, _password: True) as broker:
        port = broker.port
        one = client(broker, ONE, will=Will(uplink(ONE, "status"), b"gone"))
        async with one:
            await one.subscribe("n/+")
            await broker.stop()
            assert broker.port == 0
            async with EmbeddedBroker(lambda _u, _p: True, port=port) as second:
                assert second.port == port


async def test_a_refused_device_is_told_so_after_the_timeout(
    broker: EmbeddedBroker,
) -> None:
    reasons: list[str] = []
    identity = Identity(ONE, lambda: "wrong")
    stranger = MqttConnection(
        broker.url, identity, timeout=0.3, on_disconnect=reasons.append
    )
    async with stranger:
        with pytest.raises(BrokerUnavailable, match="could not publish"):
            await stranger.publish(uplink(ONE, "seal"), b"x")
    assert "Not authorized" in reasons[0]
