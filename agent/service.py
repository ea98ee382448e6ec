"""The agent at work: hears the network, beats, reports, proves, until told to stop.

Light on purpose: no settings library, no command line, no numbers or kernels are
imported here, since this process runs all day; ``serving`` starts it.
"""

import asyncio
import random
import secrets
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any

from edgeproof.agent import beacons, rotation
from edgeproof.agent.beacons import Follower
from edgeproof.agent.certificate import Certificates
from edgeproof.agent.delivery import Delivery, notice_cancellation, wall_ms
from edgeproof.agent.evidence import Evidence
from edgeproof.agent.figures import figures
from edgeproof.agent.heartbeats import Heartbeats
from edgeproof.agent.options import Options
from edgeproof.agent.outbox import OUTBOX_FILE, Outbox, OutboxFull
from edgeproof.agent.prover_process import ProverFailed
from edgeproof.agent.proving import MakeRounds, Message, Proving
from edgeproof.agent.rounds import Rounds
from edgeproof.agent.sensors import Sampler
from edgeproof.agent.state import DISK_FULL_FILE, State
from edgeproof.logs import logger
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry import samples, signing, topics
from edgeproof.telemetry.broker import BrokerUnavailable, Connection, Envelope, Will
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.message import Signed
from edgeproof.telemetry.messages import (
    Beacon,
    Commitment,
    Heartbeat,
    Presence,
    Seal,
    Status,
    Telemetry,
)
from edgeproof.telemetry.signing import Key

GOODBYE_S = 3.0
"""Seconds that the last messages may take at a shutdown."""

WARM_AGAIN_S = 300.0
"""A prover that could not be made ready is given another chance after this long."""

MOST_SAMPLES = 12
"""Samples that wait for a beat; without beacons they are sent by so many."""

KINDS = {cls.TAG: cls.__name__.lower() for cls in (Heartbeat, Telemetry, Commitment)}
"""What the coordinator can ask for again: kinds in the outbox by their tags."""

KEEP_S = 15.0
"""How old what a status shows of the cards' work can be."""

Connect = Callable[[Will, Callable[[], None], Callable[[str], None]], Connection]
"""Make a connection from a will, ``on_connect()`` and ``on_disconnect(reason)``."""


class AgentService:
    """One boot of one device.

    Safe to kill at any line: what was to be sent lies in the outbox, what was heard in
    the state, and the next boot draws a new boot id.
    """

    def __init__(  # noqa: PLR0913 - what a test or a cheat replaces comes last
        self,
        options: Options,
        description: Description,
        key: Key,
        *,
        connect: Connect,
        sampler: Sampler | None = None,
        make_rounds: MakeRounds = Rounds,
    ) -> None:
        self._options = options
        self._description = description
        self._network = description.parameters
        self._key = key
        self._device = to_hex(key.address)
        self._connect = connect
        self._sampler = sampler or Sampler()
        self._boot = secrets.token_bytes(16)
        self._rng = random.SystemRandom()
        self._log = logger()
        (options.state_dir / DISK_FULL_FILE).unlink(missing_ok=True)
        self._full = False
        self._state = State(options.state_dir, on_full=self._disk_full)
        self._outbox = Outbox(
            options.state_dir / OUTBOX_FILE,
            limit_bytes=options.outbox_bytes,
            on_full=self._disk_full,
        )
        position = self._state.position() or beacons.start(description)
        self._follower = Follower(description, key.address, position)
        self._evidence = Evidence(self._state.store, description, key.address)
        self._beats = Heartbeats(self._network, key.address, self._boot)
        resend = int(options.resend_s * 1000)
        self._delivery = Delivery(self._outbox, self._device, resend_ms=resend)
        self._proving = Proving(
            description,
            key,
            options,
            send=self._send_signed,
            make_rounds=make_rounds,
            on_end=lambda job, reason: self._state.save_end(job, reason, wall_ms()),
        )
        self._proving.remember(self._state.get("memory") or {})
        self._proving.load.remember(self._state.get("load") or {})
        self._certificates = Certificates(self._state, options.state_dir, rng=self._rng)
        self._reactions: Mapping[str, Callable[[bytes], None]] = {
            "ack": self._on_ack,
            "beacon": self._on_beacon,
            "entropy": self._on_entropy,
            "phase": self._on_phase,
            "receipt": self._on_receipt,
            "resend": self._on_resend,
            "root": self._on_root,
            "statement": self._on_statement,
        }
        self._beacon: Beacon | None = None
        self._samples: list[Mapping[str, Any]] = []
        self._reported = 0
        self._resent = -1
        self.ready = asyncio.Event()
        """Set once the kernels are compiled, or were found not to work."""
        self.replaced = False
        """Whether ``run`` returned because this device's key has a successor."""
        self._heard = asyncio.Event()
        self._successor = asyncio.Event()
        self._greet = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Return after ``stop`` is set, with nothing left running."""
        self._log.info("agent starts", device=self._device, boot=self._boot.hex())
        will = Will(topics.uplink(self._device, "status"), self._status(Presence.LOST))
        self._outbox.send_again()
        try:
            async with AsyncExitStack() as stack:
                connection = await stack.enter_async_context(
                    self._connect(will, self._connected, self._disconnected)
                )
                async with asyncio.TaskGroup() as group:
                    tasks = [
                        group.create_task(work)
                        for work in (
                            self._listen(connection),
                            self._delivery.run(connection),
                            self._beat(),
                            self._report(),
                            self._prove(),
                            self._keep(),
                            self._say_hello(connection),
                            self._certify(),
                        )
                    ]
                    await self._until(stop)
                    for task in tasks:
                        task.cancel()
                await self._say_goodbye(connection)
        finally:
            self._save_load()
            self._state.save_position(self._follower.position)
            self._outbox.close()
            self._state.close()
            self._log.info("agent stopped", device=self._device)

    async def _until(self, stop: asyncio.Event) -> None:
        """Wait until we are stopped, or this device's successor takes over."""
        ends = [asyncio.ensure_future(e.wait()) for e in (stop, self._successor)]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
        self.replaced = self._successor.is_set() and not stop.is_set()

    def _connected(self) -> None:
        self._log.info("broker connected")
        self._delivery.reconnected()
        self._greet.set()

    def _disconnected(self, reason: str) -> None:
        self._log.warning("broker lost", why=reason)

    def _status(self, presence: Presence) -> bytes:
        return Status(self._key.address, self._boot, presence).encode()

    async def _say_hello(self, connection: Connection) -> None:
        """Publish our birth after every connect."""
        topic = topics.uplink(self._device, "status")
        while True:
            await self._greet.wait()
            self._greet.clear()
            with suppress(BrokerUnavailable):
                await connection.publish(topic, self._status(Presence.ONLINE))
            notice_cancellation()

    async def _say_goodbye(self, connection: Connection) -> None:
        """Seal what was beaten, send what waits, and say that we leave."""
        for seal in self._beats.unsealed():
            self._seal(seal)
        topic = topics.uplink(self._device, "status")
        with suppress(TimeoutError, BrokerUnavailable):
            async with asyncio.timeout(GOODBYE_S):
                await self._delivery.flush(connection)
                if connection.connected:
                    await connection.publish(topic, self._status(Presence.STOPPED))

    async def _prove(self) -> None:
        while True:
            if await self._warm():
                await self._proving.run()
            await asyncio.sleep(WARM_AGAIN_S)

    async def _warm(self) -> bool:
        """Compile the kernels; return whether there are any to prove with."""
        try:
            await self._proving.warm()
        except ProverFailed as error:
            # Without proofs there is still uptime to show, and a person to see why.
            self._log.error("no proofs", why=str(error), hint=error.hint)
            self._state.save_end(None, error.reason, wall_ms())
        cards = [
            {"card": c.card, "name": c.name, "kind": c.kind, "size": c.size}
            for c in self._proving.cards
        ]
        self._state.put("cards", cards)
        self._log.info("prover ready", cards=cards)
        self.ready.set()
        return bool(cards)

    async def _keep(self) -> None:
        """Keep on disk what a status shows of the work, once a while."""
        while True:
            await asyncio.sleep(KEEP_S)
            self._save_load()
            self._outbox.store.retry()
            self._state.store.retry()

    async def _certify(self) -> None:
        """Keep a certificate where the network's broker asks for one."""
        if self._description.authority:
            await self._certificates.run()

    def _save_load(self) -> None:
        if self._proving.load.changed:
            self._state.put("load", self._proving.load.memory(wall_ms() / 1000))

    def _disk_full(self, full: bool) -> None:  # noqa: FBT001 - what a store calls
        """Say that messages and state are in memory for now, or on the disk again."""
        if not full:
            full = self._outbox.store.full or self._state.store.full
        if full == self._full:
            return
        self._full = full
        # A file without content, since there may be room for no other word.
        marker = self._options.state_dir / DISK_FULL_FILE
        with suppress(OSError):
            if full:
                marker.touch(mode=0o600)
            else:
                marker.unlink()
        if full:
            hint = "free some room; until then a restart loses what waits"
            reason = Reason.DISK_FULL
            self._log.error("the disk is full", reason=reason.name, hint=hint)
            self._state.save_end(None, reason, wall_ms())
        else:
            self._log.info("the disk has room again")

    async def _listen(self, connection: Connection) -> None:
        while True:
            try:
                await connection.subscribe("n/+", f"c/{self._device}/#")
                notice_cancellation()
                break
            except BrokerUnavailable as error:
                self._log.warning("not subscribed yet", why=str(error))
        async for envelope in connection:
            try:
                self._hear(envelope)
            except MessageRefused as error:
                self._log.warning(
                    "ignored",
                    topic=envelope.topic,
                    reason=error.reason.name,
                    why=str(error),
                )

    def _hear(self, envelope: Envelope) -> None:
        topic = topics.parse(envelope.topic)
        react = self._reactions.get(topic.kind) if topic else None
        if topic is not None and react is not None:
            try:
                react(envelope.payload)
            finally:  # what is not believed is evidence all the more
                slot = self._follower.slot
                self._evidence.note(topic.kind, envelope.payload, slot)

    def _on_beacon(self, raw: bytes) -> None:
        beacon = self._follower.beacon(raw)
        if beacon is not None:
            self._beacon = beacon
            self._heard.set()
            self._proving.beacon(beacon.slot)
            self._state.save_position(self._follower.position)
            self._look_for_successor(beacon.slot)

    def _look_for_successor(self, slot: int) -> None:
        announced = rotation.announced(self._state, self._options.state_dir)
        settled = not self._outbox.holds_signed
        if announced and announced.due(self._network, slot, settled=settled):
            self._log.info("another key takes over", epoch=announced.epoch)
            self._successor.set()

    def _on_entropy(self, raw: bytes) -> None:
        entropy = self._follower.entropy(raw)
        if entropy is not None:
            self._proving.drawn(entropy.slot, entropy.value)
            if self._follower.opens(entropy.slot):
                self._log.info("round opens", slot=entropy.slot)
                self._proving.expect_round()

    def _on_phase(self, raw: bytes) -> None:
        value = self._follower.phase(raw)
        entropy = self._follower.entropy_of(value.round) if value else None
        if value is not None and entropy is not None:
            self._proving.phase(value, entropy)

    def _on_root(self, raw: bytes) -> None:
        self._follower.root(raw)

    def _on_receipt(self, raw: bytes) -> None:
        self._proving.receipt(self._follower.receipt(raw))
        self._note_figures()

    def _on_resend(self, raw: bytes) -> None:
        asked = self._follower.resend(raw)
        kinds = [KINDS[tag] for tag in asked.tags if tag in KINDS]
        if kinds and asked.slot > self._resent:  # however often it is said
            self._resent = asked.slot
            self._log.info("sent again", kinds=kinds, slot=asked.slot)
            self._outbox.send_again(*kinds)
            self._delivery.wake()

    def _on_statement(self, raw: bytes) -> None:
        statement = self._follower.statement(raw)
        self._proving.statement(statement)
        self._state.put("memory", self._proving.memory)
        self._state.save_statement(statement)
        rewards = [str(reward) for reward in statement.rewards]
        self._log.info("statement", epoch=statement.epoch, rewards=rewards)

    def _on_ack(self, raw: bytes) -> None:
        ack = self._follower.ack(raw)
        reasons = dict(zip(ack.messages, ack.reasons, strict=True))
        self._proving.stored(wire for wire, reason in reasons.items() if not reason)
        for message in self._outbox.acknowledge(ack.messages):
            reason = reasons[message.wire]
            if reason:
                self._log.warning("refused", kind=message.kind, reason=reason)
                self._state.save_refusal(message.kind, reason, wall_ms())
            elif message.kind == "heartbeat":
                acknowledged = {"slot": message.slot, "at": wall_ms()}
                self._state.put("acknowledged", acknowledged)

    def _note_figures(self) -> None:
        """Remember what the latest receipts prove."""
        found = figures(self._network, self._proving.work)
        if found:
            self._state.put("figures", found)
            self._state.put("memory", self._proving.memory)

    async def _beat(self) -> None:
        """Beat once for the latest beacon, a little after it; late ones are passed."""
        network = self._network
        spread = min(network.beat_grace_ms, network.slot_ms // 4) / 1000
        while True:
            await self._heard.wait()
            self._heard.clear()
            await asyncio.sleep(self._rng.random() * spread)
            beacon = self._beacon
            if beacon is None:
                continue
            self._send_samples()
            beat = self._beats.beat(beacon.slot, beacon.value)
            if beat is not None:
                useless = wall_ms() + network.slot_ms + network.beat_grace_ms
                self.send("heartbeat", beat.encode(), slot=beat.slot, expires=useless)
            for seal in self._beats.seals(beacon.slot):
                self._seal(seal)

    def _seal(self, seal: Seal) -> None:
        signed = signing.sign(seal, self._description.domain, self._key)
        self._evidence.note("seal", signed.encode(), self._follower.slot)
        self._send_signed(signed)

    async def _report(self) -> None:
        """Take a sample every ``telemetry_s`` seconds; a beat sends what there is."""
        while True:
            readings = await self._sampler.sample()
            if readings is None:
                self._log.warning("no reading", why="the sensors do not answer")
            else:
                self._samples.append({"at": wall_ms(), **readings})
                if len(self._samples) >= MOST_SAMPLES:
                    self._send_samples()
            await asyncio.sleep(self._options.telemetry_s)

    def _send_samples(self) -> None:
        """Send the samples since the last time, to be covered by the next beat."""
        if not self._samples:
            return
        message = Telemetry(
            device=self._key.address,
            boot=self._boot,
            sequence=self._reported,
            taken_at=self._samples[-1]["at"],
            salt=secrets.token_bytes(16),
            readings=samples.pack(self._samples),
        )
        self._samples.clear()
        self._reported += 1
        self.send("telemetry", message.encode())
        self._beats.sampled(message)

    def send(
        self,
        kind: str,
        raw: bytes,
        *,
        slot: int | None = None,
        expires: int | None = None,
    ) -> None:
        """Put a message in the outbox; see ``Outbox.put``."""
        try:
            self._outbox.put(kind, raw, slot=slot, expires=expires)
        except OutboxFull as error:
            self._log.error("message lost", kind=kind, why=str(error))
        self._delivery.wake()

    def _send_signed(self, signed: Signed[Seal] | Message) -> None:
        self.send(type(signed.message).__name__.lower(), signed.encode())
