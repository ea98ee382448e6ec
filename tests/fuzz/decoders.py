"""Every decoder of bytes that strangers send, and how each may refuse them.

The first byte of an input chooses the decoder.  Whatever the rest is, a decoder returns
or raises ``EdgeproofError``; what it returns means the same bytes again, where there is
one encoding.
"""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress

from edgeproof.audit import register
from edgeproof.audit.attestation import Attestation
from edgeproof.audit.manifest import Manifest
from edgeproof.audit.model import Change
from edgeproof.coordinator import broker_packets
from edgeproof.coordinator.broker_packets import MAX_PACKET
from edgeproof.coordinator.intake import LARGEST, View, admit
from edgeproof.coordinator.store import Batch
from edgeproof.errors import EdgeproofError
from edgeproof.simulator.epochs import SimulatedNetwork
from edgeproof.telemetry import description, messages, samples, topics
from edgeproof.telemetry.bounded_json import load_object
from edgeproof.telemetry.hexes import from_hex, to_hex
from edgeproof.telemetry.message import Message, Signed, decode_signed

NETWORK = SimulatedNetwork(count=1)
RECORD = NETWORK.epoch()
DEVICE = to_hex(NETWORK.devices[0].key.address)

CLASSES = sorted(
    {
        cls
        for cls in vars(messages).values()
        if isinstance(cls, type) and issubclass(cls, Message) and cls is not Message
    },
    key=lambda cls: cls.TAG,
)
"""Every message type."""


def message(raw: bytes) -> None:
    """Decode one of the message types, chosen by the first byte."""
    cls, rest = CLASSES[raw[0] % len(CLASSES)], raw[1:]
    if cls.SIGNERS:
        signed = decode_signed(cls, rest)
        assert signed.encode() == rest
    else:
        assert cls.decode(rest).encode() == rest


def change(raw: bytes) -> None:
    """Decode what an owner posts."""
    signed: Signed[Change] = register.decode(raw)
    assert signed.encode() == raw


def topic(raw: bytes) -> None:
    """Take a topic apart."""
    text = raw.decode("latin-1")
    found = topics.parse(text)
    assert found is None or str(found) == text
    for action in topics.Action:
        topics.allowed(DEVICE, action, text)


def network(raw: bytes) -> None:
    """Read a network's signed description."""
    assert description.read(raw).sign(NETWORK.coordinator)


def bounded(raw: bytes) -> None:
    """Parse JSON from a stranger."""
    json.dumps(load_object(raw, 4096))


def hexadecimal(raw: bytes) -> None:
    """Read an address."""
    assert len(from_hex(raw.decode("latin-1"), 20)) == 20


def readings(raw: bytes) -> None:
    """Inflate the readings of a device."""
    assert len(samples.unpack(raw).encode()) <= samples.INFLATED


def packet(raw: bytes) -> None:
    """Read packets of a client of the embedded broker, until they end."""

    async def read() -> None:
        reader = asyncio.StreamReader(limit=MAX_PACKET)
        reader.feed_data(raw)
        reader.feed_eof()
        while await broker_packets.read_packet(reader) is not None:
            pass

    asyncio.run(read())


def manifest(raw: bytes) -> None:
    """Read a bundle's manifest."""
    assert Manifest.decode(raw).encode() == raw


def attestation(raw: bytes) -> None:
    """Read an epoch root's signatures."""
    assert Attestation.decode(raw).encode() == raw


def intake(raw: bytes) -> None:
    """Decide on a message of a device, of a kind that the first byte chooses."""
    kinds = sorted(LARGEST)
    view = View(NETWORK.description, register=register.Register(RECORD.enrolments))
    view.rosters = {0: view.register.roster(0)}
    view.beacons = {b.message.slot: b.message.value for b in RECORD.beacons}
    where = topics.uplink(DEVICE, kinds[raw[0] % len(kinds)])
    admit(view, Batch(3), where, raw[1:], NETWORK.parameters.genesis * 1000)


DECODERS: tuple[Callable[[bytes], None], ...] = (
    message,
    change,
    topic,
    network,
    bounded,
    hexadecimal,
    readings,
    packet,
    manifest,
    attestation,
    intake,
)


def one(raw: bytes) -> None:
    """Give one input to the decoder that it chooses."""
    if len(raw) < 2:
        return
    with suppress(EdgeproofError):
        DECODERS[raw[0] % len(DECODERS)](raw[1:])
