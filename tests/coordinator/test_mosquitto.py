"""A real mosquitto with certificates: every trespass is refused, and has a reason."""

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from edgeproof.audit.register import Register
from edgeproof.coordinator import authority, mosquitto
from edgeproof.coordinator.authority import DEVICE_LIFE, Authority
from edgeproof.coordinator.intake import View, admit
from edgeproof.coordinator.store import Batch
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry import topics
from edgeproof.telemetry.broker import Envelope, SubscriptionRefused
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.mqtt import Identity, MqttConnection
from edgeproof.telemetry.tls import CertificateUnusable, client_context
from edgeproof.telemetry.topics import COORDINATOR, broadcast, downlink, uplink
from tests.coordinator.conftest import NETWORK, RECORD
from tests.coordinator.test_intake import beat, seal

DEPLOY = Path(__file__).parents[2] / "deploy" / "mosquitto"
DEVICE, OTHER = (to_hex(each.key.address) for each in NETWORK.devices[:2])
LAST = b"that was all"


def test_the_files_to_deploy_are_those_that_are_written() -> None:
    folder = "/var/lib/edgeproof/mosquitto"
    assert (DEPLOY / "acl").read_text() == mosquitto.ACCESS
    assert (DEPLOY / "mosquitto.conf").read_text() == mosquitto.configuration(
        folder, 8883, "edgeproof"
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Broker:
    """A mosquitto of one network, with whatever certificates a test wants."""

    data: Path
    issuer: Authority
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"mqtts://127.0.0.1:{self.port}"

    def paper(
        self,
        name: str,
        issuer: Authority | None = None,
        at: datetime | None = None,
    ) -> tuple[Path, Path, int]:
        """Return certificate and key files of a client, and the serial number."""
        folder = self.data / f"client-{name}-{len(list(self.data.iterdir()))}"
        key = authority.private_key(folder / "client.key")
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        request = x509.CertificateSigningRequestBuilder().subject_name(subject)
        der = request.sign(key, hashes.SHA256())
        device = bytes.fromhex(name[2:])
        issued = (issuer or self.issuer).device(
            der.public_bytes(serialization.Encoding.DER),
            device,
            at or datetime.now(UTC),
        )
        (folder / "client.pem").write_bytes(issued.chain)
        return folder / "client.pem", folder / "client.key", issued.serial

    def identity(self, name: str) -> Identity:
        if name == COORDINATOR:
            keys = self.data / "keys"
            certificate = keys / mosquitto.CLIENT_CERTIFICATE
            key = keys / mosquitto.CLIENT_KEY
        else:
            certificate, key, _ = self.paper(name)
        return Identity(
            name, None, lambda: client_context(self.issuer.pem, certificate, key)
        )

    def handshake(self, certificate: Path | None, key: Path | None) -> bytes:
        """Return what the broker answers to a CONNECT; raise what TLS says."""
        context = ssl.create_default_context(cadata=self.issuer.pem)
        # As from Python 3.13 on by default: to the letter of RFC 5280.
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        if certificate is not None:
            context.load_cert_chain(certificate, key)
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        with context.wrap_socket(raw, server_hostname="127.0.0.1") as link:
            link.sendall(bytes.fromhex("100d00044d5154540402003c000178"))
            return link.recv(16)


@pytest.fixture
def broker(
    require_service: Callable[[str, str], Path], tmp_path: Path
) -> Iterator[Broker]:
    """Start what `coordinator init --broker mosquitto` writes, and log all it does."""
    program = require_service("mosquitto", "apt-get install mosquitto")
    issuer = authority.found(tmp_path / "keys", "0x01", datetime.now(UTC))
    port = free_port()
    folder = mosquitto.write(tmp_path, issuer, ("127.0.0.1",), port)
    file = folder / "mosquitto.conf"
    text = file.read_text().replace(f"listener {port}", f"listener {port} 127.0.0.1")
    file.write_text(text + "log_type all\n")
    log = tmp_path / "log"
    with log.open("wb") as opened:
        process = subprocess.Popen([program, "-c", file], stderr=opened)
    try:
        while True:
            assert process.poll() is None, log.read_text()
            with suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
        yield Broker(tmp_path, issuer, port, log)
    finally:
        process.terminate()
        process.wait(10)


async def logged(broker: Broker, words: str) -> None:
    async with asyncio.timeout(10):
        while words not in broker.log.read_text(errors="replace"):  # noqa: ASYNC110 - another process writes
            await asyncio.sleep(0.02)


async def heard(connection: MqttConnection) -> list[Envelope]:
    found = []
    async with asyncio.timeout(20):
        async for envelope in connection:
            if envelope.payload == LAST:
                break
            found.append(envelope)
    return found


@pytest.mark.integration
async def test_a_device_writes_and_reads_only_under_its_own_address(
    broker: Broker,
) -> None:
    async with AsyncExitStack() as stack:
        own, other, coordinator = [
            await stack.enter_async_context(
                MqttConnection(broker.url, broker.identity(name))
            )
            for name in (DEVICE, OTHER, COORDINATOR)
        ]
        await coordinator.subscribe("d/#")
        for each, name in ((own, DEVICE), (other, OTHER)):
            await each.subscribe("n/+", f"c/{name}/#")
        for topic in (
            uplink(DEVICE, "seal"),
            uplink(OTHER, "seal"),
            broadcast("beacon"),
            downlink(OTHER, "ack"),
        ):
            await own.publish(topic, b"by the device")
        await coordinator.publish(broadcast("root"), b"by the coordinator")
        await coordinator.publish(downlink(DEVICE, "ack"), b"for the device")
        await coordinator.publish(broadcast("root"), LAST)
        await own.publish(uplink(DEVICE, "seal"), LAST)
        assert await heard(coordinator) == [
            Envelope(uplink(DEVICE, "seal"), b"by the device")
        ]
        assert await heard(own) == [
            Envelope(broadcast("root"), b"by the coordinator"),
            Envelope(downlink(DEVICE, "ack"), b"for the device"),
        ]
        assert await heard(other) == [
            Envelope(broadcast("root"), b"by the coordinator")
        ]
    for topic in (uplink(OTHER, "seal"), "n/beacon", downlink(OTHER, "ack")):
        await logged(broker, f"Denied PUBLISH from {DEVICE}")
        assert topic in broker.log.read_text()


@pytest.mark.integration
@pytest.mark.parametrize("wanted", ["#", "d/#", "c/+/ack", f"c/{OTHER}/#"])
async def test_listening_in_brings_nothing(broker: Broker, wanted: str) -> None:
    async with (
        MqttConnection(broker.url, broker.identity(DEVICE)) as own,
        MqttConnection(broker.url, broker.identity(OTHER)) as other,
        MqttConnection(broker.url, broker.identity(COORDINATOR)) as coordinator,
    ):
        with suppress(SubscriptionRefused):
            await own.subscribe(wanted)
        await own.subscribe("n/+")
        await other.publish(uplink(OTHER, "seal"), b"of another device")
        await coordinator.publish(downlink(OTHER, "ack"), b"for another device")
        await coordinator.publish(broadcast("root"), LAST)
        assert await heard(own) == []


@pytest.mark.integration
async def test_one_certificate_is_one_client(broker: Broker) -> None:
    """Whoever connects under another's client id gets a session of its own name."""
    async with (
        MqttConnection(broker.url, broker.identity(OTHER)) as victim,
        MqttConnection(broker.url, broker.identity(COORDINATOR)) as coordinator,
    ):
        await victim.subscribe("n/+")
        certificate, key, _ = broker.paper(DEVICE)
        thief = Identity(
            OTHER, None, lambda: client_context(broker.issuer.pem, certificate, key)
        )
        async with MqttConnection(broker.url, thief) as stolen:
            await stolen.subscribe("n/+")
            await coordinator.publish(broadcast("root"), LAST)
            assert await heard(victim) == []
        assert victim.connected


@pytest.mark.integration
@pytest.mark.parametrize("defect", ["none", "expired", "revoked", "foreign"])
async def test_without_a_good_certificate_nobody_connects(
    broker: Broker, defect: str
) -> None:
    certificate, key, serial = broker.paper(DEVICE)
    assert broker.handshake(certificate, key) == bytes.fromhex("20020000")
    if defect == "none":
        refused: tuple[Path | None, Path | None] = (None, None)
    elif defect == "expired":
        old = datetime.now(UTC) - DEVICE_LIFE - timedelta(minutes=1)
        refused = broker.paper(DEVICE, at=old)[:2]
    elif defect == "foreign":
        foreign = authority.found(broker.data / "foreign", "0x01", datetime.now(UTC))
        refused = broker.paper(DEVICE, issuer=foreign)[:2]
    else:
        assert mosquitto.revoke(broker.data, broker.issuer, [serial])
        await logged(broker, "Reloading config")
        await asyncio.sleep(0.2)
        refused = (certificate, key)
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        broker.handshake(*refused)
    await logged(broker, "OpenSSL Error")
    fresh = broker.paper(DEVICE)
    assert broker.handshake(*fresh[:2]) == bytes.fromhex("20020000")


# The MQTT library leaves the socket of a handshake that failed to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.integration
async def test_a_broker_of_another_name_or_authority_is_not_believed(
    broker: Broker, tmp_path: Path
) -> None:
    foreign = authority.found(tmp_path / "foreign", "0x01", datetime.now(UTC))
    certificate, key, _ = broker.paper(DEVICE)
    complaints: list[str] = []
    for url, pem in (
        (broker.url, foreign.pem),
        (broker.url.replace("127.0.0.1", "localhost"), broker.issuer.pem),
    ):

        def context(pem: str = pem) -> ssl.SSLContext:
            return client_context(pem, certificate, key)

        identity = Identity(DEVICE, None, context)
        said = asyncio.Event()

        def complain(why: str, said: asyncio.Event = said) -> None:
            complaints.append(why)
            said.set()

        async with MqttConnection(url, identity, on_disconnect=complain) as connection:
            await asyncio.wait_for(said.wait(), 10)
            assert not connection.connected
    assert all("certificate verify failed" in why for why in complaints), complaints


@pytest.mark.integration
async def test_a_renewed_certificate_serves_from_the_next_connection_on(
    broker: Broker, tmp_path: Path
) -> None:
    """The files are read at each attempt: none, an expired one, and a good one."""
    certificate, key = tmp_path / "client.pem", tmp_path / "client.key"
    complaints: asyncio.Queue[str] = asyncio.Queue()
    identity = Identity(
        DEVICE, None, lambda: client_context(broker.issuer.pem, certificate, key)
    )
    async with MqttConnection(
        broker.url, identity, on_disconnect=complaints.put_nowait
    ) as connection:
        async with asyncio.timeout(30):
            assert "cannot use the certificate" in await complaints.get()
            old = datetime.now(UTC) - 2 * DEVICE_LIFE
            for at in (old, None):
                made = broker.paper(DEVICE, at=at)
                shutil.copy(made[1], key)
                shutil.copy(made[0], certificate)
                if at:
                    await logged(broker, "OpenSSL Error")
            await connection.publish(uplink(DEVICE, "seal"), b"here again")


def test_a_devices_certificate_carries_no_others_messages() -> None:
    """The broker lets it publish under its own address; the intake looks inside."""
    known = View(NETWORK.description, register=Register(RECORD.enrolments))
    known.rosters = {0: known.register.roster(0)}
    for kind, raw in (("heartbeat", beat()), ("seal", seal())):
        with pytest.raises(MessageRefused) as refusal:
            admit(known, Batch(3), topics.uplink(OTHER, kind), raw, 0)
        assert refusal.value.reason is Reason.WRONG_TOPIC


def test_files_that_tls_cannot_use_are_named(tmp_path: Path) -> None:
    issuer = authority.found(tmp_path, "0x01", datetime.now(UTC))
    missing = tmp_path / "client.pem"
    with pytest.raises(CertificateUnusable, match=r"client\.pem") as caught:
        client_context(issuer.pem, missing, missing)
    assert caught.value.hint
    with pytest.raises(CertificateUnusable, match="authority"):
        client_context("no certificate", missing, missing)
