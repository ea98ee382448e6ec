"""A small network with a coordinator that does just what an agent can see of one."""

import asyncio
import random
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edgeproof.agent import enrolment, identity
from edgeproof.agent.control import Standing
from edgeproof.agent.options import Options
from edgeproof.proofs import merkle, timetable
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.parameters import Parameters
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry import intake, signing, topics
from edgeproof.telemetry.broker import Connection
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.message import Message, decode_signed
from edgeproof.telemetry.messages import (
    Ack,
    Beacon,
    Commitment,
    Entropy,
    Heartbeat,
    IntakeRoot,
    Opening,
    Phase,
    Receipt,
    Seal,
    Skip,
    Statement,
    Status,
    Telemetry,
)
from edgeproof.telemetry.signing import Key

CHAIN = 64
KINDS: dict[str, type[Message]] = {
    "heartbeat": Heartbeat,
    "telemetry": Telemetry,
    "seal": Seal,
    "commitment": Commitment,
    "opening": Opening,
    "skip": Skip,
    "status": Status,
}


def small(genesis: int = 1, **changes: Any) -> Parameters:
    """Slots of a second, epochs of six, a round of a good second whenever one may."""
    values: dict[str, Any] = {
        "genesis": genesis,
        "slot_ms": 1000,
        "slots_per_epoch": 6,
        "close_slot": 5,
        "beat_grace_ms": 300,
        "commit_grace_ms": 200,
        "seal_slots": 2,
        "chain_slots": CHAIN,
        "round_one_in": 1,
        "round_gap": 6,
        "phase_ms": (100, 100, 500, 100, 300),
        "opening_slots": 1,
        "opened_tiles": 4,
        "opened_lanes": 4,
        "fill_permutations": 2,
        "first_difficulty": 8,
        "epochs_per_root": 1,
        "challenge_s": 3,
        "confirmations": 0,
    }
    return Parameters(**(values | changes))


@dataclass
class Coordinator:
    """Publishes, acknowledges, receipts; remembers what it heard."""

    parameters: Parameters = field(default_factory=small)
    key: Key = field(default_factory=lambda: Key(b"\x01" * 32))
    acknowledges: bool = True

    def __post_init__(self) -> None:
        self.values = [keccak(b"end of the chain")]
        for _ in range(CHAIN):
            self.values.insert(0, keccak(self.values[0]))
        self.heard: dict[str, list[tuple[int, Any]]] = defaultdict(list)
        self.copies: dict[bytes, int] = defaultdict(int)
        self.slot = -1
        self.last_round = timetable.NO_ROUND
        self.waiting: list[tuple[bytes, bytes]] = []

    @property
    def description(self) -> Description:
        return Description(
            network_id=keccak(b"network"),
            chain_id=31337,
            token=b"\x02" * 20,
            distributor=b"\x03" * 20,
            coordinator=self.key.address,
            attestors=(self.key.address,),
            threshold=1,
            beacon_anchor=self.values[0],
            broker="mqtt://127.0.0.1:1",
            api="http://127.0.0.1:1",
            parameters=self.parameters,
        )

    def sign(self, message: Message) -> bytes:
        return signing.sign(message, self.description.domain, self.key).encode()

    def phase_value(self, slot: int, phase: int) -> bytes:
        value = keccak(b"round", slot.to_bytes(8, "big"))
        for _ in range(4 - phase):
            value = keccak(value)
        return value

    def beacon(self, slot: int) -> Beacon:
        anchor = keccak(self.phase_value(slot, 0))
        return Beacon(slot, self.values[slot + 1], anchor, bytes(32))

    def entropy(self, slot: int) -> Entropy:
        value = keccak(self.values[slot + 1], b"")
        return Entropy(slot, value, b"")

    def statement(
        self, device: bytes, epoch: int, difficulties: tuple[int, ...] = ()
    ) -> Statement:
        return Statement(
            device=device,
            owner=b"\x09" * 20,
            epoch=epoch,
            slots=b"\x07",
            missing=bytes([0, 0, 0, Reason.NO_BEAT, Reason.UNSEALED, Reason.NO_BEAT]),
            counted=6,
            weights=(1, 0, 0, 2),
            rewards=(10**18, 0, 0, 5),
            reasons=(0, 65, 62, 0),
            difficulties=difficulties,
        )

    async def run(self, connection: Connection, slots: int) -> None:
        """Live for so many slots, beginning now."""
        async with asyncio.TaskGroup() as group:
            for slot in range(slots):
                await self._publish_root(connection)
                self.slot = slot
                await connection.publish(
                    "n/beacon", self.sign(self.beacon(slot)), retain=True
                )
                entropy = self.entropy(slot)
                await connection.publish("n/entropy", self.sign(entropy))
                if timetable.round_opens(
                    self.parameters, slot, entropy.value, self.last_round
                ):
                    self.last_round = slot
                    group.create_task(self._round(connection, slot))
                await asyncio.sleep(self.parameters.slot_ms / 1000)

    async def _round(self, connection: Connection, slot: int) -> None:
        for phase, milliseconds in enumerate(self.parameters.phase_ms):
            message = Phase(slot, phase, self.phase_value(slot, phase))
            await connection.publish("n/phase", message.encode())
            await asyncio.sleep(milliseconds / 1000)

    async def _publish_root(self, connection: Connection) -> None:
        if self.slot < 0:
            return
        waiting, self.waiting = self.waiting, []
        digests = [digest for _, digest in waiting]
        leaves = intake.leaves(b"", digests)
        root = merkle.root(leaves)
        message = IntakeRoot(self.slot, len(leaves), root)
        await connection.publish("n/root", self.sign(message))
        for device, digest in dict.fromkeys(waiting):
            index = leaves.index(digest)
            path = tuple(merkle.path(leaves, index))
            receipt = Receipt(device, self.slot, digest, index, len(leaves), path, root)
            topic = topics.downlink(to_hex(device), "receipt")
            await connection.publish(topic, self.sign(receipt))

    async def listen(self, connection: Connection) -> None:
        """Hear every device until cancelled."""
        await connection.subscribe("d/#")
        async for envelope in connection:
            topic = topics.parse(envelope.topic)
            assert topic is not None
            kind = topic.kind
            cls, raw = KINDS[kind], envelope.payload
            self.copies[keccak(raw)] += 1
            message: Any = (
                decode_signed(cls, raw).message if cls.SIGNERS else cls.decode(raw)
            )
            if self.copies[keccak(raw)] == 1:
                self.heard[kind].append((self.slot, message))
                if kind in {"seal", "commitment", "opening", "skip"}:
                    digest = message.digest(self.description.domain)
                    self.waiting.append((message.device, digest))
            if self.acknowledges and kind != "status":
                ack = Ack(message.device, (keccak(raw),), (0,))
                where = topics.downlink(to_hex(message.device), "ack")
                await connection.publish(where, self.sign(ack))


@pytest.fixture
def coordinator() -> Coordinator:
    """A coordinator of a small network that is born now."""
    return Coordinator(small(int(time.time())))


@pytest.fixture
def device() -> Key:
    return Key(b"\x05" * 32)


@pytest.fixture
def rng() -> random.Random:
    return random.Random(7)  # noqa: S311 - a test repeats itself


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return Options(
        state_dir=tmp_path / "state",
        telemetry_s=0.5,
        resend_s=0.5,
        prover_linger_s=0.2,
        prover_threads=1,
        commit_margin_ms=100,
    )


class FakeControl:
    """A coordinator that admits whatever it is told, as ``Control`` sees it."""

    def __init__(self, owner: bytes = b"\x09" * 20) -> None:
        self.owner = owner
        self.told: list[bytes] = []

    def enrol(self, raw: bytes) -> Standing:
        self.told.append(raw)
        return Standing(to_hex(self.owner), "enrol", 1, to_hex(raw))

    def standing(self, device: str) -> Standing | None:
        del device
        if not self.told:
            return None
        return Standing(to_hex(self.owner), "enrol", 1, to_hex(self.told[-1]))


def enrolled(coordinator: Coordinator, options: Options) -> bytes:
    """Enrol a device in the coordinator's network; return its address."""
    text = coordinator.description.sign(coordinator.key)
    network = enrolment.pin(options, text)
    enrolment.by_key(options, network, Key(b"\x06" * 32), FakeControl())
    return identity.device_key(options.state_dir).address
