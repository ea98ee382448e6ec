"""One contract for every broker: in memory, embedded, and a real mosquitto."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Protocol

import pytest

from edgeproof.coordinator.embedded_broker import EmbeddedBroker
from edgeproof.telemetry.broker import (
    MAX_PAYLOAD,
    Connection,
    Envelope,
    Inbox,
    PayloadTooLarge,
    Will,
)
from edgeproof.telemetry.memory import MemoryBroker, MemoryConnection
from edgeproof.telemetry.mqtt import Identity, MqttConnection, parse_url
from edgeproof.telemetry.topics import COORDINATOR, broadcast, downlink, uplink

ONE = "0x" + "01" * 20
TWO = "0x" + "02" * 20
PATIENCE = 20


class Backend(Protocol):
    def connect(
        self, user: str, *, will: Will | None = None, limit: int = 10_000
    ) -> Connection: ...

    async def vanish(self, user: str) -> None: ...


class InMemory:
    def __init__(self) -> None:
        self._broker = MemoryBroker()
        self._connections: dict[str, MemoryConnection] = {}

    def connect(
        self, user: str, *, will: Will | None = None, limit: int = 10_000
    ) -> Connection:
        made = self._broker.connect(user, will=will, limit=limit)
        self._connections[user] = made
        return made

    async def vanish(self, user: str) -> None:
        self._connections[user].vanish()


class Relay:
    """Carries bytes to a broker and can be cut, which no client says goodbye to."""

    def __init__(self, url: str) -> None:
        self._target = parse_url(url)
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return f"mqtt://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def stop(self) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks)

    def _accept(self, *near: asyncio.StreamReader | asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(*near))  # type: ignore[arg-type]  # asyncio passes reader and writer
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            far = await asyncio.open_connection(self._target.host, self._target.port)
        except ConnectionError:
            writer.transport.abort()
            return
        mine = {writer, far[1]}
        self._writers |= mine
        await asyncio.gather(_pipe(reader, far[1]), _pipe(far[0], writer))
        self._writers -= mine


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


class OverMqtt:
    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self._url = url
        self._stack = stack
        self._relays: dict[str, tuple[Relay, str]] = {}

    async def prepare(self, *users: str) -> None:
        for user in users:
            relay = Relay(self._url)
            self._relays[user] = relay, await relay.start()
            self._stack.push_async_callback(relay.stop)

    def connect(
        self, user: str, *, will: Will | None = None, limit: int = 10_000
    ) -> Connection:
        return MqttConnection(
            self._relays[user][1],
            Identity(user, lambda: "open sesame"),
            will=will,
            limit=limit,
            timeout=PATIENCE,
        )

    async def vanish(self, user: str) -> None:
        self._relays[user][0].cut()


@pytest.fixture(
    params=[
        "memory",
        pytest.param("embedded", marks=pytest.mark.integration),
        pytest.param("mosquitto", marks=pytest.mark.integration),
    ]
)
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    if request.param == "memory":
        yield InMemory()
        return
    async with AsyncExitStack() as stack:
        if request.param == "embedded":
            url = (await stack.enter_async_context(EmbeddedBroker(only_sesame))).url
        else:
            start: Callable[[], Awaitable[str]]
            start = request.getfixturevalue("start_mosquitto")
            url = await start()
        made = OverMqtt(url, stack)
        await made.prepare(COORDINATOR, ONE, TWO)
        yield made


def only_sesame(_user: str, password: str) -> bool:
    return password == "open sesame"  # noqa: S105 - no secret


async def take(connection: Connection, count: int = 1) -> list[Envelope]:
    async with asyncio.timeout(PATIENCE):
        return [await anext(aiter(connection)) for _ in range(count)]


@pytest.mark.parametrize("size", [0, 1, 127, 128, 70_000, MAX_PAYLOAD])
async def test_a_payload_arrives_byte_for_byte(backend: Backend, size: int) -> None:
    payload = (b"\x00\xff edge" * (size // 6 + 1))[:size]
    async with backend.connect(COORDINATOR) as coordinator, backend.connect(ONE) as one:
        await coordinator.subscribe("d/#")
        await one.publish(uplink(ONE, "opening"), payload)
        assert await take(coordinator) == [Envelope(uplink(ONE, "opening"), payload)]


async def test_a_larger_payload_is_refused_before_it_is_sent(backend: Backend) -> None:
    async with backend.connect(ONE) as one:
        with pytest.raises(PayloadTooLarge, match="307201 bytes"):
            await one.publish(uplink(ONE, "opening"), bytes(MAX_PAYLOAD + 1))


async def test_the_last_retained_message_greets_a_later_subscriber(
    backend: Backend,
) -> None:
    beacon = broadcast("beacon")
    async with backend.connect(COORDINATOR) as coordinator, backend.connect(ONE) as one:
        await one.subscribe("n/+")
        await coordinator.publish(beacon, b"old", retain=True)
        await coordinator.publish(broadcast("phase"), b"not kept")
        await coordinator.publish(beacon, b"new", retain=True)
        assert await take(one, 3) == [
            Envelope(beacon, b"old"),
            Envelope(broadcast("phase"), b"not kept"),
            Envelope(beacon, b"new"),
        ]
        async with backend.connect(TWO) as two:
            await two.subscribe("n/+")
            assert await take(two) == [Envelope(beacon, b"new", retained=True)]


async def test_a_device_hears_the_broadcasts_and_its_own_downlink_only(
    backend: Backend,
) -> None:
    async with (
        backend.connect(COORDINATOR) as coordinator,
        backend.connect(ONE) as one,
        backend.connect(TWO) as two,
    ):
        await one.subscribe("n/+", f"c/{ONE}/#")
        await two.subscribe("n/+", f"c/{TWO}/#")
        await coordinator.publish(downlink(TWO, "ack"), b"for two")
        await coordinator.publish(downlink(ONE, "ack"), b"for one")
        await coordinator.publish(broadcast("root"), b"for all")
        assert [it.payload for it in await take(one, 2)] == [b"for one", b"for all"]
        assert [it.payload for it in await take(two, 2)] == [b"for two", b"for all"]


async def test_hundreds_of_broadcasts_reach_two_filters_complete_and_in_order(
    backend: Backend,
) -> None:
    count = 400
    sent = [str(index).encode() for index in range(count)]
    async with (
        backend.connect(COORDINATOR) as coordinator,
        backend.connect(ONE) as one,
        backend.connect(TWO) as two,
    ):
        await one.subscribe("n/+")
        await two.subscribe("n/entropy")

        async def churn() -> None:
            # Filters come while broadcasts are under way: this once lost some.
            for kind in ("ack", "receipt", "statement"):
                await two.subscribe(f"c/{TWO}/{kind}")

        async def broadcast_all() -> None:
            for payload in sent:
                await coordinator.publish(broadcast("entropy"), payload)

        got = await asyncio.gather(
            take(one, count), take(two, count), broadcast_all(), churn()
        )
        for envelopes in got[:2]:
            assert envelopes is not None
            assert [it.payload for it in envelopes] == sent


async def test_what_was_published_during_an_absence_follows(backend: Backend) -> None:
    async with backend.connect(COORDINATOR) as coordinator:
        async with backend.connect(ONE) as one:
            await one.subscribe(f"c/{ONE}/#")
        sent = [b"first", b"second", b"third"]
        for payload in sent:
            await coordinator.publish(downlink(ONE, "ack"), payload)
        async with backend.connect(ONE) as one:
            assert [it.payload for it in await take(one, 3)] == sent


async def test_the_will_of_a_client_that_vanishes_is_published(
    backend: Backend,
) -> None:
    status = uplink(ONE, "status")
    async with backend.connect(COORDINATOR) as coordinator:
        await coordinator.subscribe("d/+/status")
        async with backend.connect(ONE, will=Will(status, b"gone")) as one:
            await one.publish(status, b"here")
            await backend.vanish(ONE)
            got = await take(coordinator, 2)
            assert [it.payload for it in got] == [b"here", b"gone"]


async def test_a_goodbye_leaves_the_will_unpublished(backend: Backend) -> None:
    async with backend.connect(COORDINATOR) as coordinator:
        await coordinator.subscribe("d/+/status")
        async with backend.connect(
            ONE, will=Will(uplink(ONE, "status"), b"gone")
        ) as one:
            await one.publish(uplink(ONE, "status"), b"here")
        async with backend.connect(TWO) as two:
            await two.publish(uplink(TWO, "status"), b"after")
        assert [it.payload for it in await take(coordinator, 2)] == [b"here", b"after"]


async def test_a_full_inbox_drops_the_newest_and_counts_them(backend: Backend) -> None:
    async with (
        backend.connect(COORDINATOR, limit=3) as coordinator,
        backend.connect(ONE) as one,
    ):
        await coordinator.subscribe("d/#")
        for index in range(8):
            await one.publish(uplink(ONE, "seal"), str(index).encode())
        async with asyncio.timeout(PATIENCE):
            while coordinator.dropped < 5:  # noqa: ASYNC110 - a counter, as in use
                await asyncio.sleep(0.01)
        assert [it.payload for it in await take(coordinator, 3)] == [b"0", b"1", b"2"]


async def test_a_message_at_most_once_arrives_while_all_is_well(
    backend: Backend,
) -> None:
    async with backend.connect(COORDINATOR) as coordinator, backend.connect(ONE) as one:
        await coordinator.subscribe("d/#")
        await one.publish(uplink(ONE, "telemetry"), b"maybe", at_least_once=False)
        assert [it.payload for it in await take(coordinator)] == [b"maybe"]


async def test_an_inbox_is_bounded_in_bytes_too() -> None:
    inbox = Inbox(limit=100, byte_limit=10)
    assert inbox.offer(Envelope("t", bytes(6)))
    assert not inbox.offer(Envelope("t", bytes(5)))
    assert inbox.offer(Envelope("t", bytes(4)))
    assert inbox.dropped == 1
    await anext(inbox)
    assert inbox.offer(Envelope("t", bytes(5)))
    assert len(inbox) == 2
