"""Write the committed corpus anew: one well-formed input for each decoder and type."""

import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from edgeproof.audit.bundle import attest, write_bundle
from edgeproof.audit.replay import replay
from edgeproof.coordinator import broker_packets
from edgeproof.coordinator.broker_mailbox import Message as Sent
from edgeproof.coordinator.intake import LARGEST
from edgeproof.simulator.epochs import judge_stand_ins
from edgeproof.telemetry.message import Message, Signed, kinds_of
from tests.fuzz import decoders
from tests.fuzz.decoders import CLASSES, DECODERS, NETWORK, RECORD

CORPUS = Path(__file__).parent / "corpus"
CONNECT = bytes.fromhex("101000044d51545404020014000464657631")
SUBSCRIBE = bytes.fromhex("82080001000361232301")


def example(cls: type[Message]) -> bytes:
    """Return the encoding of some message of a type."""
    values: list[Any] = []
    for _, kind in kinds_of(cls):
        if kind.item is not None:
            values.append((1,) if kind.item.bits else (bytes(32),))
        elif kind.bits:
            values.append(3)
        else:
            values.append(bytes(kind.exact or 4))
    message = cls(*values)
    return Signed(message, (bytes(65),) * cls.SIGNERS).encode()


def inputs() -> Iterator[tuple[str, bytes]]:
    """Yield a name and an input, each of which its decoder takes or knows."""
    number = {decoder: bytes([i]) for i, decoder in enumerate(DECODERS)}
    for place, cls in enumerate(CLASSES):
        head = number[decoders.message] + bytes([place])
        yield f"message-{cls.__name__}", head + example(cls)
    enrolment = RECORD.enrolments[0].signed.encode()
    yield "change", number[decoders.change] + enrolment
    yield "topic", number[decoders.topic] + b"d/" + decoders.DEVICE.encode() + b"/seal"
    text = NETWORK.description.sign(NETWORK.coordinator).encode()
    yield "network", number[decoders.network] + text
    yield "bounded", number[decoders.bounded] + b'{"a":[1,{"b":"c"}]}'
    yield "hexadecimal", number[decoders.hexadecimal] + decoders.DEVICE.encode()
    small = zlib.compress(b'{"samples":[{"at":1}]}')
    yield "readings", number[decoders.readings] + small
    publish = broker_packets.publish(Sent("n/beacon", b"x"))
    packets = CONNECT + SUBSCRIBE + publish
    yield "packet", number[decoders.packet] + packets
    outcome = replay(RECORD, judge_stand_ins)
    with TemporaryDirectory() as folder:
        bundle = Path(folder) / "0"
        data_hash = write_bundle(bundle, RECORD, outcome)
        attest(bundle, *NETWORK.attestation(RECORD, outcome, data_hash))
        for decoder in (decoders.manifest, decoders.attestation):
            file = bundle / f"{decoder.__name__}.json"
            yield decoder.__name__, number[decoder] + file.read_bytes()
    seal = RECORD.seals[0].signed.encode()
    for place in range(len(LARGEST)):
        yield f"intake-{place}", number[decoders.intake] + bytes([place]) + seal


def main() -> int:
    """Write the corpus; return how many files there are."""
    CORPUS.mkdir(exist_ok=True)
    for old in CORPUS.iterdir():
        old.unlink()
    for name, raw in inputs():
        (CORPUS / name).write_bytes(raw)
    return len(list(CORPUS.iterdir()))


if __name__ == "__main__":
    sys.stdout.write(f"{main()} files\n")
