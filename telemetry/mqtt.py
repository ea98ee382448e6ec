"""The broker seam over MQTT 3.1.1.  The only module that imports aiomqtt.

aiomqtt never reconnects, keeps what arrives in a queue without bounds, and leaves a
publisher waiting when the connection breaks.  This module adds what is missing, on
its public interface alone.
"""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiomqtt

from edgeproof.errors import EdgeproofError
from edgeproof.telemetry.backoff import Random, full_jitter
from edgeproof.telemetry.broker import (
    MAX_WAITING,
    BrokerUnavailable,
    Connection,
    Envelope,
    Inbox,
    SubscriptionRefused,
    Will,
    check_payload,
)

DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}
"""Ports of brokers' URLs (IANA)."""

KEEP_ALIVE = 20
"""Seconds between signs of life; a broker gives up after one and a half of them."""

IN_FLIGHT = 20
"""Messages on their way at once: what mosquitto accepts unless told otherwise."""

STABLE_AFTER = 10.0
"""Seconds a connection must last before the next failure counts as the first."""

NOTICE = 0.05
"""Seconds until the next attempt when a client failed at once: it knows sooner than
we that its connection broke."""

_REFUSED = 0x80
_AT_LEAST_ONCE = 1


class BadBrokerUrl(EdgeproofError):  # noqa: N818 - reads as what it is about
    """A broker's URL cannot be read or is not supported."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a broker listens."""

    host: str
    port: int
    secure: bool = False
    """Whether by TLS."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who connects.  ``password`` and ``tls`` are asked anew at every attempt.

    So a certificate that was renewed is used from the next one on.  What ``tls`` raises
    must be an ``EdgeproofError``; the attempt has failed then.
    """

    user: str
    password: Callable[[], str] | None = None
    tls: Callable[[], ssl.SSLContext] | None = None


def parse_url(url: str) -> BrokerAddress:
    """Return the address in ``mqtt[s]://host[:port]``; raise ``BadBrokerUrl``.

    A URL with a user or password is refused: URLs stand in process lists and logs.
    """
    hint = "write mqtts://host:port, or mqtt://host:port on this machine"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        msg = f"not the address of a broker: {error}"
        raise BadBrokerUrl(msg, hint=hint) from None
    if parts.username is not None or parts.password is not None:
        msg = "the broker's address must not contain a user or password"
        raise BadBrokerUrl(msg, hint=hint)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or port == 0:
        msg = f"not the address of a broker: {url[:200]!r}"
        raise BadBrokerUrl(msg, hint=hint)
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        msg = f"nothing may follow the port of the broker: {url[:200]!r}"
        raise BadBrokerUrl(msg, hint=hint)
    port = DEFAULT_PORTS[parts.scheme] if port is None else port
    return BrokerAddress(parts.hostname, port, secure=parts.scheme == "mqtts")


class MqttConnection(Connection):
    """A connection that comes back by itself, with jittered exponential backoff.

    User name and client id are the same; the session persists on the broker, so what
    is published during an absence follows.  ``on_connect()`` and
    ``on_disconnect(reason)`` are for logs; both run in the event loop and must not
    block.  ``timeout`` (seconds) bounds each publish and subscribe, the wait for an
    absent broker included.
    """

    def __init__(  # noqa: PLR0913 - all but two are named and independent
        self,
        url: str,
        identity: Identity,
        *,
        will: Will | None = None,
        limit: int = MAX_WAITING,
        timeout: float = 30.0,
        rng: Random | None = None,
        on_connect: Callable[[], None] = lambda: None,
        on_disconnect: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        self._address = parse_url(url)
        if self._address.secure and identity.tls is None:
            msg = f"there is no certificate to connect to {url} with"
            raise BadBrokerUrl(msg, hint="this is a bug, or a test")
        self._identity = identity
        self._will = will
        self._timeout = timeout
        self._rng = random.SystemRandom() if rng is None else rng
        self._on_connect = on_connect
        self._on_disconnect = on_disconnect
        self._inbox = Inbox(limit)
        self._filters: set[str] = set()
        self._client: aiomqtt.Client | None = None
        self._reachable = asyncio.Event()
        self._closing = asyncio.Event()
        self._pending: set[asyncio.Timeout] = set()
        self._window = asyncio.Semaphore(IN_FLIGHT)
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether the broker accepted us and has not gone since, as far as we know."""
        return self._client is not None

    @property
    def dropped(self) -> int:
        """Envelopes dropped since the start because the inbox was full."""
        return self._inbox.dropped

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        at_least_once: bool = True,
    ) -> None:
        """Return once the broker acknowledged; see ``Connection.publish``."""
        check_payload(topic, payload)
        qos = _AT_LEAST_ONCE if at_least_once else 0

        async def send(client: aiomqtt.Client) -> None:
            await client.publish(
                topic, payload, qos=qos, retain=retain, timeout=self._timeout
            )

        await self._until_done(send, f"publish to {topic}")

    async def subscribe(self, *filters: str) -> None:
        """Return once the broker granted all; see ``Connection.subscribe``."""

        async def ask(client: aiomqtt.Client) -> None:
            refused = await self._request(client, filters)
            if refused:
                msg = f"{self._identity.user} may not subscribe to {refused[0]}"
                raise SubscriptionRefused(msg, hint="is this device enrolled?")

        await self._until_done(ask, f"subscribe to {', '.join(filters)}")
        self._filters.update(filters)

    def __aiter__(self) -> AsyncIterator[Envelope]:
        """Yield envelopes in order of arrival until cancelled."""
        return self._inbox

    async def __aenter__(self) -> Self:
        """Start connecting in the background."""
        self._closing.clear()
        self._supervisor = asyncio.create_task(
            self._supervise(), name=f"mqtt {self._identity.user}"
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say goodbye.  A connection just being made is finished first (seconds)."""
        # Never cancelled: aiomqtt connects in a thread, and would leak its socket.
        self._closing.set()
        if self._supervisor is not None:
            await self._supervisor

    async def _supervise(self) -> None:
        """Connect again and again until closing."""
        failures = 0
        loop = asyncio.get_running_loop()
        while not self._closing.is_set():
            started = loop.time()
            try:
                await self._one_connection()
            except (aiomqtt.MqttError, EdgeproofError) as error:
                self._on_disconnect(str(error) or type(error).__name__)
            except Exception as error:
                self._on_disconnect(f"gave up, this is a bug: {error!r}")
                raise
            if loop.time() - started > STABLE_AFTER:
                failures = 0
            failures += 1
            wait = full_jitter(failures, self._rng)
            try:
                await asyncio.wait_for(self._closing.wait(), wait)
            except TimeoutError:
                continue

    async def _one_connection(self) -> None:
        """Return after a goodbye; raise ``MqttError`` when the connection breaks."""
        async with self._new_client() as client:
            try:
                await self._resubscribe(client)
                self._client = client
                self._reachable.set()
                self._on_connect()
                await self._watch(client)
            finally:
                self._client = None
                self._reachable.clear()
                for scope in self._pending:  # else they sleep until their timeout
                    scope.reschedule(asyncio.get_running_loop().time())

    async def _watch(self, client: aiomqtt.Client) -> None:
        """Return when closing; raise ``MqttError`` when the connection breaks."""
        # The inbox takes the messages, so iterating only ever ends with the error.
        broken = asyncio.ensure_future(anext(client.messages))
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait({broken, closing}, return_when=asyncio.FIRST_COMPLETED)
            if broken.done():
                broken.result()
        finally:
            for task in (broken, closing):
                task.cancel()
            await asyncio.gather(broken, closing, return_exceptions=True)

    async def _resubscribe(self, client: aiomqtt.Client) -> None:
        if self._filters:
            refused = await self._request(client, tuple(sorted(self._filters)))
            if refused:
                self._on_disconnect(f"subscription refused: {', '.join(refused)}")

    async def _request(
        self, client: aiomqtt.Client, filters: tuple[str, ...]
    ) -> list[str]:
        """Ask for all filters at once and return the refused ones."""
        codes = await client.subscribe(
            [(it, _AT_LEAST_ONCE) for it in filters], timeout=self._timeout
        )
        values = [code if isinstance(code, int) else code.value for code in codes]
        return [
            it for it, value in zip(filters, values, strict=True) if value >= _REFUSED
        ]

    async def _until_done(
        self,
        act: Callable[[aiomqtt.Client], Coroutine[None, None, None]],
        what: str,
    ) -> None:
        """Do it on this connection or a later one, within the timeout."""
        try:
            async with asyncio.timeout(self._timeout), self._window:
                while True:
                    await self._reachable.wait()
                    client = self._client
                    if client is not None and await self._attempt(act, client):
                        break
            _notice_cancellation()
        except TimeoutError:
            msg = f"could not {what} within {self._timeout:g} s"
            hint = f"is the broker at {self._address.host}:{self._address.port} up?"
            raise BrokerUnavailable(msg, hint=hint) from None

    async def _attempt(
        self,
        act: Callable[[aiomqtt.Client], Coroutine[None, None, None]],
        client: aiomqtt.Client,
    ) -> bool:
        """Tell whether it was done before the connection broke."""
        try:
            async with asyncio.timeout(None) as scope:
                self._pending.add(scope)
                try:
                    await act(client)
                finally:
                    self._pending.discard(scope)
        except TimeoutError:
            return False
        except aiomqtt.MqttError:
            await asyncio.sleep(NOTICE)
            return False
        return True

    def _new_client(self) -> aiomqtt.Client:
        password, tls = self._identity.password, self._identity.tls
        secure = self._address.secure and tls is not None
        will = self._will
        client = aiomqtt.Client(
            self._address.host,
            self._address.port,
            identifier=self._identity.user,
            username=self._identity.user,
            password=password() if password is not None else None,
            tls_context=tls() if secure and tls is not None else None,
            clean_session=False,
            keepalive=KEEP_ALIVE,
            max_inflight_messages=IN_FLIGHT,
            queue_type=_queue_into(self._inbox),
            will=None if will is None else _last_will(will),
        )
        client.pending_calls_threshold = (
            IN_FLIGHT  # below, it would warn of normal load
        )
        return client


def _notice_cancellation() -> None:
    """Raise ``CancelledError`` if this task was cancelled and the news got lost.

    Before Python 3.12 ``asyncio.wait_for``, with which aiomqtt waits for the broker's
    answer, swallows a cancellation that comes together with the answer.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _last_will(will: Will) -> aiomqtt.Will:
    return aiomqtt.Will(
        will.topic, will.payload, qos=_AT_LEAST_ONCE, retain=will.retain
    )


def _queue_into(inbox: Inbox) -> type[asyncio.Queue[aiomqtt.Message]]:
    """Return a queue for aiomqtt that passes on at once, so ours bounds it all."""

    class Passing(asyncio.Queue[aiomqtt.Message]):
        def put_nowait(self, item: aiomqtt.Message) -> None:
            payload = item.payload
            if isinstance(payload, bytes):
                inbox.offer(Envelope(item.topic.value, payload, retained=item.retain))

    return Passing
