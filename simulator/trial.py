"""A network in virtual time, in which one device cheats and the others do not.

What decides is the real thing: each device's ``Rounds``, ``CardProver`` and
``Heartbeats``, the coordinator's ``admit``, and ``replay`` with the real verifier.
Kernels compute for real, at the smallest sizes; clocks, wires and processes are
played by a queue of events.  The same arguments give the same epoch.
"""

import heapq
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from edgeproof.agent.card_prover import CardProver
from edgeproof.agent.heartbeats import Heartbeats
from edgeproof.agent.orders import (
    Fill,
    Multiply,
    Open,
    Order,
    Release,
    Search,
    Send,
    Walk,
)
from edgeproof.agent.rounds import Rounds
from edgeproof.agent.work import Job
from edgeproof.audit.model import Arrived, EpochRecord, Heard, Outcome
from edgeproof.audit.register import Register
from edgeproof.audit.replay import replay
from edgeproof.coordinator.carried import GENESIS
from edgeproof.coordinator.intake import View, admit
from edgeproof.coordinator.store import Batch, Kept
from edgeproof.kernels.card import Card, Memory
from edgeproof.kernels.cpu.card import CpuCard
from edgeproof.proofs import timetable
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.parameters import SECOND, Bucket, Phase
from edgeproof.proofs.reasons import Reason
from edgeproof.simulator.cheats.cards import Disguise, MemoryInDisguise
from edgeproof.simulator.cheats.cheat import Cheat
from edgeproof.simulator.cheats.scheme import Scheme
from edgeproof.simulator.epochs import SIZE, Device, SimulatedNetwork
from edgeproof.telemetry import intake, topics
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.message import M, decode_signed
from edgeproof.telemetry.messages import (
    Beacon,
    Commitment,
    IntakeRoot,
    Opening,
    Receipt,
    Seal,
    Skip,
)
from edgeproof.telemetry.messages import Phase as PhaseValue
from edgeproof.telemetry.signing import sign

STEP_S = 0.06
"""What each look at a card's clock takes: so a phase holds a handful of products."""

ITEMS = 1024
"""Items of each memory."""

LATENCY_MS = 20
"""From a device to the coordinator and back."""

MARGIN_MS = 150
"""See ``Options.commit_margin_ms``."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of one epoch; device 0 is honest, the last ones cheat.

    ``refused`` counts what the coordinator refused, by device and reason.
    """

    devices: Sequence[bytes]
    outcome: Outcome
    refused: Mapping[tuple[bytes, Reason], int]

    def reward(self, device: bytes) -> int:
        """Return what a device earned."""
        return sum(p.reward for p in self.outcome.payouts if p.device == device)

    def reason(self, device: bytes, bucket: Bucket) -> Reason:
        """Return why a device earned nothing in a bucket."""
        (payout,) = [
            each
            for each in self.outcome.payouts
            if each.device == device and each.bucket is bucket
        ]
        return payout.reason

    def figures(self, bucket: Bucket) -> dict[int, dict[bytes, int]]:
        """Return by round, and device, what was proven."""
        found: dict[int, dict[bytes, int]] = {}
        for verdict in self.outcome.verdicts:
            if verdict.bucket is bucket:
                found.setdefault(verdict.round, {})[verdict.device] = verdict.figure
        return found


def run(cheat: Cheat | None, *, cheaters: int = 1, seed: int = 0) -> Trial:
    """Return what becomes of an epoch in which the last ``cheaters`` devices cheat.

    There is one more device, which is honest; without a cheat, so are all.  The twin
    that a cheater's scheme names is the honest one.  ``seed`` makes another network.
    """
    network = SimulatedNetwork(1 + cheaters, name=f"trial {seed}")
    return _Trial(network, cheat, random.Random(seed)).run()  # noqa: S311 - a simulation


class _SmallCard(Disguise):
    """The CPU, with room for little: what a phase takes does not depend on it."""

    def __init__(self) -> None:
        self.honest = CpuCard()

    def room(self, share: float) -> int:
        return ITEMS if share else 0

    def walk_items(self, seconds: float) -> int:
        del seconds
        return ITEMS

    def memory(self, seed: bytes, permutations: int, most: int) -> Memory:
        return _SmallMemory(self.honest.memory(seed, permutations, most))


class _SmallMemory(MemoryInDisguise):
    def walk_items(self, seconds: float) -> int:
        del seconds
        return self.items


class _Clock:
    """A card's clock: every look at it takes ``STEP_S``."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += STEP_S
        return self.now


class _Simulated:
    """One device."""

    def __init__(self, trial: "_Trial", device: Device, cheat: Cheat | None) -> None:
        network = trial.network.description
        self.trial = trial
        self.key = device.key
        self.topic = partial(topics.uplink, to_hex(device.key.address))
        self.scheme = Scheme(network, device.key, trial.twin, lambda: True)
        self.cheat = cheat
        if cheat is None:
            self.rounds = Rounds(
                network, device.key, margin_ms=MARGIN_MS, rng=trial.rng
            )
        else:
            self.rounds = cheat.device(
                self.scheme, cheat.phases, margin_ms=MARGIN_MS, rng=trial.rng
            )
        self.rounds.sizes = {0: SIZE}
        self.beats = Heartbeats(
            network.parameters, device.key.address, device.key.address[:16]
        )
        card: Card = _SmallCard()
        if cheat is not None:
            card = cheat.card(card, self.scheme.active)
        self.clock = _Clock()
        self.jobs: dict[int, Job] = {}
        self.prover = CardProver(card, self.answered, self.clock)
        self.asked = 0

    def do(self, orders: Sequence[Order]) -> None:
        """Carry out orders, as ``agent.proving`` does; then wait for what is due."""
        for order in orders:
            match order:
                case Send(signed):
                    self.send(type(signed.message).__name__.lower(), signed.encode())
                case Fill() | Walk() | Multiply() | Search() | Open():
                    self.order(order)
                case Release():
                    pass  # the next fill does it
                case _:
                    pass  # what was not finished in its phase is not sent
        due = self.rounds.next_due()
        if due is not None:
            self.trial.at(max(due, self.trial.now), self.look)

    def look(self) -> None:
        """Do what is due by now."""
        due = self.rounds.next_due()
        if due is not None and due <= self.trial.now:
            self.do(self.rounds.due(self.trial.now))

    def order(self, order: Fill | Walk | Multiply | Search | Open) -> None:
        """Have the card carry it out, at once; its answers come when they are due."""
        number = len(self.jobs)
        self.jobs[number] = order.job
        command: dict[str, Any] = {"job": number, "card": order.job.card}
        if not isinstance(order, Open):
            left = order.until - self.trial.now
            command |= {"seed": order.seed.hex(), "milliseconds": left}
        network = self.trial.network.parameters
        match order:
            case Fill():
                command |= {"do": "fill", "permutations": network.fill_permutations}
                command |= {"walk_ms": order.walk_ms, "share": 1.0}
            case Walk():
                fills = {job: number for number, job in self.jobs.items()}
                command |= {"do": "walk", "fill": fills.get(order.fill, -1)}
            case Multiply():
                command |= {"do": "multiply", "size": order.size}
            case Search():
                command |= {"do": "search", "difficulty": order.difficulty}
                command |= {"hashes": order.hashes}
            case Open():
                made = next(n for n, job in self.jobs.items() if job == order.job)
                command |= {"do": "open", "draw": order.draw.hex(), "job": made}
                command |= {"items": order.items, "count": order.count}
        self.asked, self.clock.now = self.trial.now, 0.0
        self.prover.serve(command, 0.0)

    def answered(self, answer: Mapping[str, Any]) -> None:
        """Take an answer when the card's clock says that it came."""
        moment = self.asked + int(self.clock.now * SECOND)
        self.trial.at(moment, partial(self.take, answer))

    def take(self, answer: Mapping[str, Any]) -> None:
        """Take an answer now."""
        job = self.jobs[answer["job"]]
        match answer["is"]:
            case "found":
                items = [bytes.fromhex(item) for item in answer["items"]]
                self.rounds.found(job, answer["size"], items)
                self.do([])
            case "opening":
                payload = bytes.fromhex(answer["payload"])
                self.do(self.rounds.opened(job, payload))
            case "done":
                self.do(self.rounds.finished(job, self.trial.now))
            case _:
                raise AssertionError(answer)

    def send(self, kind: str, raw: bytes) -> None:
        """Put a message on the wire, or what the cheat makes of it."""
        now = self.trial.now
        if self.cheat is None:
            self.trial.post(self, kind, raw, 0)
            return
        for letter in self.cheat.letters(self.scheme, kind, raw, now):
            self.trial.post(self, kind, letter.raw, letter.delay_ms)

    def beacon(self, beacon: Beacon) -> None:
        """Beat, and seal what is to be sealed."""
        self.do(self.rounds.beacon(beacon.slot))
        beat = self.beats.beat(beacon.slot, beacon.value)
        if beat is not None:
            self.send("heartbeat", beat.encode())
        for seal in self.beats.seals(beacon.slot):
            signed = sign(seal, self.scheme.description.domain, self.key)
            self.send("seal", signed.encode())


@dataclass(slots=True)
class _Inbox:
    """What the coordinator keeps."""

    beats: set[tuple[int, bytes]] = field(default_factory=set)
    fresh: dict[bytes, tuple[int, Kept]] = field(default_factory=dict)
    """Messages under no intake root yet, by digest, with the slot of arrival."""
    placed: dict[bytes, tuple[int, Kept]] = field(default_factory=dict)
    """The others, with the slot of their intake root."""
    heard: list[Heard] = field(default_factory=list)


class _Trial:
    def __init__(
        self, network: SimulatedNetwork, cheat: Cheat | None, rng: random.Random
    ) -> None:
        self.network = network
        self.rng = rng
        self.now = 0
        self.twin = network.devices[0].key.address
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self._close = timetable.close_of(network.parameters, 0)
        self._last_round = timetable.NO_ROUND
        self._inbox = _Inbox()
        self._refused: Counter[tuple[bytes, Reason]] = Counter()
        register = Register(network.enrolments())
        roster = register.roster(0)
        self._view = View(
            network.description, register=register, rosters={0: roster, 1: roster}
        )
        self._devices = [
            _Simulated(self, device, cheat if number else None)
            for number, device in enumerate(network.devices)
        ]

    def at(self, moment: int, what: Callable[[], None]) -> None:
        """Do something at that Unix millisecond, after what is to be done before."""
        self._count += 1
        heapq.heappush(self._events, (moment, self._count, what))

    def post(self, device: _Simulated, kind: str, raw: bytes, delay_ms: int) -> None:
        """Have a message arrive."""
        moment = self.now + LATENCY_MS + delay_ms
        self.at(moment, partial(self._arrive, device, kind, raw))

    def run(self) -> Trial:
        """Return what becomes of epoch 0."""
        network = self.network.parameters
        for slot in range(self._close + 1):
            start = timetable.slot_start(network, slot)
            self.at(start, partial(self._begin, slot))
            self.at(start + network.beat_grace_ms, partial(self._end, slot - 1))
        end = timetable.slot_start(network, self._close) + network.beat_grace_ms
        while self._events and self._events[0][0] <= end:
            self.now, _, what = heapq.heappop(self._events)
            what()
        return Trial(
            [device.key.address for device in self._devices],
            replay(self._record()),
            self._refused,
        )

    def _begin(self, slot: int) -> None:
        if slot >= self._close:
            return
        beacon = self.network.beacon(slot).message
        entropy = self.network.entropy(slot).message
        self._view.beacons[slot] = beacon.value
        self._view.entropies.add(slot)
        if timetable.round_opens(
            self.network.parameters, slot, entropy.value, self._last_round
        ):
            self._last_round = slot
            self._view.rounds.add(slot)
            for value in self.network.phases(slot):
                start, _ = timetable.phase_bounds(
                    self.network.parameters, slot, Phase(value.phase)
                )
                self.at(start, partial(self._phase, value, entropy.value))
        for device in self._devices:
            device.beacon(beacon)
            device.do(device.rounds.drawn(slot, entropy.value, self.now))

    def _phase(self, value: PhaseValue, entropy: bytes) -> None:
        for device in self._devices:
            device.do(device.rounds.phase(value, entropy, self.now))

    def _arrive(self, device: _Simulated, kind: str, raw: bytes) -> None:
        batch = Batch(timetable.slot_at(self.network.parameters, self.now))
        try:
            admit(self._view, batch, device.topic(kind), raw, self.now)
        except MessageRefused as refusal:
            self._refused[device.key.address, refusal.reason] += 1
            return
        self._inbox.beats |= set(batch.beats)
        for each in batch.messages:
            if each.digest not in self._inbox.placed:
                self._inbox.fresh.setdefault(each.digest, (batch.slot, each))
        device.rounds.stored([keccak(raw)])

    def _end(self, slot: int) -> None:
        if slot < 0:
            return
        self._view.sealed = slot
        inbox = self._inbox
        epoch = timetable.epoch_of(self.network.parameters, slot)
        bitmap = intake.heard_bitmap(
            list(self._view.rosters[epoch]),
            [device for beaten, device in inbox.beats if beaten == slot],
        )
        # What came in the slot that has just begun is for that slot's root.
        digests = sorted(d for d, (came, _) in inbox.fresh.items() if came <= slot)
        root, size = intake.root(bitmap, digests)
        message = IntakeRoot(slot, size, root)
        domain = self.network.description.domain
        signed = sign(message, domain, self.network.coordinator)
        inbox.heard.append(Heard(signed, bitmap))
        for index, digest in enumerate(digests, start=1):
            _, kept = inbox.fresh.pop(digest)
            inbox.placed[digest] = slot, kept
            receipt = Receipt(kept.device, slot, digest, index, size, (), root)
            for device in self._devices:
                if device.key.address == kept.device:
                    device.do(device.rounds.receipt(receipt, self.now))

    def _record(self) -> EpochRecord:
        network, slots = self.network, range(self._close)
        return EpochRecord(
            description=network.description,
            epoch=0,
            beacons=tuple(network.beacon(slot) for slot in slots),
            entropies=tuple(network.entropy(slot) for slot in slots),
            phases=tuple(
                phase
                for opened in sorted(self._view.rounds)
                for phase in network.phases(opened)
            ),
            intake=tuple(
                each
                for each in self._inbox.heard
                if each.signed.message.slot < self._close
            ),
            enrolments=network.enrolments(),
            seals=self._kept("seal", Seal),
            commitments=self._kept("commitment", Commitment),
            openings=self._kept("opening", Opening),
            skips=self._kept("skip", Skip),
            carried=GENESIS,
        )

    def _kept(self, kind: str, cls: type[M]) -> tuple[Arrived[M], ...]:
        return tuple(
            Arrived(slot, decode_signed(cls, kept.raw))
            for slot, kept in self._inbox.placed.values()
            if kept.kind == kind and slot < self._close
        )
