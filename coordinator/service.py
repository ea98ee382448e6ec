"""The coordinator: one process, one event loop, and what runs in it."""

import asyncio
import contextlib
import secrets
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import structlog
import uvicorn
from fastapi import FastAPI

from edgeproof.coordinator import authority, founding, mosquitto
from edgeproof.coordinator import keys as key_files
from edgeproof.coordinator.authority import Authority
from edgeproof.coordinator.beacon_chain import BeaconChain
from edgeproof.coordinator.certification import Certification
from edgeproof.coordinator.closing import Closer
from edgeproof.coordinator.conductor import Conductor
from edgeproof.coordinator.door import Doorkeeper
from edgeproof.coordinator.embedded_broker import EmbeddedBroker
from edgeproof.coordinator.intake import View
from edgeproof.coordinator.outside import outside_source
from edgeproof.coordinator.publisher import Publisher
from edgeproof.coordinator.reception import Reception
from edgeproof.coordinator.settings import Settings
from edgeproof.coordinator.settlement import Settlement
from edgeproof.coordinator.sqlite_reader import SqliteReader
from edgeproof.coordinator.sqlite_store import SqliteStore
from edgeproof.coordinator.verification import ProofDesk
from edgeproof.coordinator.web.api import Source
from edgeproof.coordinator.web.app import create_app
from edgeproof.proofs.parameters import SECOND
from edgeproof.telemetry import signing, topics
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.hexes import from_hex, to_hex
from edgeproof.telemetry.message import decode_signed
from edgeproof.telemetry.messages import ConnectToken
from edgeproof.telemetry.mqtt import Identity, MqttConnection
from edgeproof.telemetry.tls import client_context

log = structlog.get_logger()

TOKEN_SECONDS = 300
"""A connect token is good for this long, before and after the moment it names."""

RENEW_EVERY_S = 6 * 60 * 60
"""How often our own certificates are looked at."""

LONGEST_TOKEN = 512
"""Characters of a connect token."""


def milliseconds() -> int:
    """Return the time, Unix milliseconds."""
    return time.time_ns() // 1_000_000


async def serve(data: Path, settings: Settings, stop: asyncio.Event) -> None:
    """Run the coordinator in ``data`` until ``stop`` is set; raise if a part fails.

    Safe to kill at any line: everything that counts is in the store before it is
    acknowledged or published, and a restart goes on from there.
    """
    description = founding.load(data)
    keys = key_files.load(data)

    def tls() -> ssl.SSLContext:
        own = data / "keys"
        return client_context(
            description.authority,
            own / mosquitto.CLIENT_CERTIFICATE,
            own / mosquitto.CLIENT_KEY,
        )

    store = SqliteStore(data / founding.DATABASE)
    bundles = data / founding.BUNDLES
    bundles.mkdir(exist_ok=True)
    async with AsyncExitStack() as parts:
        parts.callback(store.close)
        password = secrets.token_hex(32)
        door = Doorkeeper(data)
        if settings.embedded_broker:
            broker = _broker(description, password, door)
            await parts.enter_async_context(broker)
            door.kick = broker.kick
        desk = await parts.enter_async_context(ProofDesk(store, settings.verifiers))
        issuer = _authority(data, description)
        connection = await parts.enter_async_context(
            MqttConnection(
                description.broker,
                Identity(topics.COORDINATOR, lambda: password, tls),
                timeout=description.parameters.slot_ms / SECOND / 2,
                on_connect=lambda: log.info("broker connected"),
                on_disconnect=lambda why: log.warning("broker lost", why=why),
            )
        )
        publisher = Publisher(connection, description, keys.coordinator)
        view = View(description)
        reception = Reception(
            connection, store, view, publisher, milliseconds, door=door
        )
        reader = SqliteReader(data / founding.DATABASE, description.parameters)
        parts.callback(reader.close)
        source = Source(
            reader,
            description,
            bundles,
            milliseconds,
            lambda: desk.load,
            reception.enrol,
            Certification(view, store, issuer, milliseconds).issue,
        )
        closer = Closer(
            store,
            desk,
            publisher,
            description,
            attestor=keys.attestor,
            bundles=bundles,
        )
        conductor = Conductor(
            store,
            view,
            BeaconChain(keys.beacon, description.parameters),
            publisher,
            reception,
            clock=milliseconds,
            after_slot=closer.after_slot,
            source=outside_source(description, settings, milliseconds),
        )
        conductor.resume()
        settlement = Settlement(
            store,
            description,
            rpc=settings.rpc,
            signer=keys.poster,
            outbox=data / founding.OUTBOX,
            bundles=bundles,
        )
        async with (
            _web(settings, create_app(source, lambda: founding.text(data))),
            asyncio.TaskGroup() as group,
        ):
            tasks = [
                group.create_task(reception.run(), name="reception"),
                group.create_task(conductor.run(), name="conductor"),
                group.create_task(closer.run(), name="closer"),
                group.create_task(settlement.run(), name="settlement"),
            ]
            if issuer is not None:
                renewing = _renew(data, issuer)
                tasks.append(group.create_task(renewing, name="certificates"))
            log.info("coordinator runs", api=description.api, broker=description.broker)
            await stop.wait()
            for task in tasks:
                task.cancel()
    log.info("coordinator stopped")


def authenticator(
    description: Description,
    password: str,
    now: Callable[[], int],
    shut_out: Callable[[], frozenset[bytes]] = frozenset,
) -> Callable[[str, str], bool]:
    """Return who may connect to the embedded broker: ``(user, password) -> bool``.

    The coordinator by its password, a device by a fresh token that it signed, unless
    the operator has shut it out.
    """

    def authenticate(user: str, given: str) -> bool:
        if user == topics.COORDINATOR:
            return secrets.compare_digest(given.encode(), password.encode())
        if len(given) > LONGEST_TOKEN:
            return False
        try:
            device = from_hex(user, 20)
            token = decode_signed(ConnectToken, bytes.fromhex(given.removeprefix("0x")))
            signing.check(token, description.domain, device)
        except (MessageRefused, ValueError):
            return False
        # One name for one device: brokers keep a place for each name.
        own = token.message.device == device and user == to_hex(device)
        own = own and device not in shut_out()
        return own and abs(now() - token.message.issued_at) <= TOKEN_SECONDS * SECOND

    return authenticate


def _authority(data: Path, description: Description) -> Authority | None:
    """Return the network's authority, our own certificates renewed where it is time."""
    if not description.authority:
        return None
    issuer = authority.load(data / "keys")
    mosquitto.renew(data, issuer, datetime.now(UTC))
    return issuer


async def _renew(data: Path, issuer: Authority) -> None:
    """Renew our own certificates long before they end, as long as we run."""
    while True:
        await asyncio.sleep(RENEW_EVERY_S)
        if await asyncio.to_thread(mosquitto.renew, data, issuer, datetime.now(UTC)):
            log.info("the broker's certificate is renewed")


def _broker(
    description: Description, password: str, door: Doorkeeper
) -> EmbeddedBroker:
    parts = urlsplit(description.broker)
    return EmbeddedBroker(
        authenticator(description, password, milliseconds, door.shut_out),
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 0,
    )


@asynccontextmanager
async def _web(settings: Settings, app: FastAPI) -> AsyncIterator[None]:
    """Serve the explorer in this loop; leave signals to whoever runs us."""
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.web_host,
            port=settings.web_port,
            log_config=None,
            access_log=False,
            lifespan="off",
        )
    )
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment] # uvicorn offers no option
    serving = asyncio.create_task(server.serve(), name="web")
    try:
        yield
    finally:
        server.should_exit = True
        await serving
