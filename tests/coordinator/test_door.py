"""Whom the operator shuts out: the embedded broker cuts the connection at once."""

import asyncio
from pathlib import Path

import pytest

from edgeproof.coordinator.certification import REVOKED
from edgeproof.coordinator.door import Doorkeeper
from edgeproof.coordinator.embedded_broker import EmbeddedBroker
from edgeproof.coordinator.service import authenticator, milliseconds
from edgeproof.telemetry import signing
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.messages import ConnectToken
from edgeproof.telemetry.mqtt import Identity, MqttConnection
from edgeproof.telemetry.signing import Key
from edgeproof.telemetry.topics import uplink
from tests.coordinator.conftest import NETWORK

DESCRIPTION = NETWORK.description


def identity(key: Key) -> Identity:
    def token() -> str:
        message = ConnectToken(key.address, milliseconds())
        return to_hex(signing.sign(message, DESCRIPTION.domain, key).encode())

    return Identity(to_hex(key.address), token)


@pytest.mark.integration
async def test_a_device_that_is_shut_out_is_disconnected_and_kept_out(
    tmp_path: Path,
) -> None:
    door = Doorkeeper(tmp_path)
    may = authenticator(DESCRIPTION, "password", milliseconds, door.shut_out)
    device, other = (each.key for each in NETWORK.devices[:2])
    async with EmbeddedBroker(may) as broker:
        door.kick = broker.kick
        lost: asyncio.Queue[str] = asyncio.Queue()
        async with (
            MqttConnection(
                broker.url, identity(device), on_disconnect=lost.put_nowait
            ) as out,
            MqttConnection(broker.url, identity(other)) as stays,
        ):
            for connection, key in ((out, device), (stays, other)):
                await connection.publish(uplink(to_hex(key.address), "seal"), b"x")
            mark = tmp_path / REVOKED / to_hex(device.address)
            mark.parent.mkdir()
            mark.touch()
            assert door.shut_out() == {device.address}
            async with asyncio.timeout(20):
                await lost.get()  # cut
                await lost.get()  # and not let in again
            assert to_hex(device.address) not in broker.users
            assert stays.connected
            mark.unlink()
            assert door.shut_out() == frozenset()
            async with asyncio.timeout(30):
                await out.publish(uplink(to_hex(device.address), "seal"), b"again")
