"""Whole epochs as records, without a broker, a clock or a process.

Keys, signatures, beacons, intake roots and nonces are real, and everything follows
from a seed, so the same arguments give the same record, byte for byte.  Products and
walks are not computed: what stands for them is judged by ``judge_stand_ins``.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from edgeproof.audit.model import (
    Arrived,
    Carried,
    Enrolment,
    EpochRecord,
    Heard,
    Outcome,
)
from edgeproof.audit.rounds import ProofCase, difficulty, verify_proof
from edgeproof.coordinator.beacon_chain import BeaconChain
from edgeproof.coordinator.carried import GENESIS
from edgeproof.kernels import shapes
from edgeproof.proofs import challenge, outside, proof_of_work, timetable, uptime
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.parameters import PHASE_BUCKET, Bucket, Parameters, demo
from edgeproof.proofs.parameters import Phase as PhaseName
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry import intake
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.message import Signed
from edgeproof.telemetry.messages import (
    ZERO,
    Beacon,
    Commitment,
    Enrol,
    Entropy,
    EpochRoot,
    IntakeRoot,
    Opening,
    Phase,
    Seal,
    Skip,
)
from edgeproof.telemetry.signing import Key, sign

GENESIS_TIME = 1_700_000_000
"""Unix second at which simulated networks start."""

HONEST = b"honest work"
"""Opening of products and of walks that are right; any other one is of wrong ones."""

SIZE = min(shapes.SIZES)
"""Rows of every product."""

ITEMS: Mapping[PhaseName, int] = {PhaseName.WALK: 5000, PhaseName.SECOND_WALK: 4000}
"""Items that each device walks over: fewer, the second time, than it holds."""

NONCES = 6
"""Nonces that each device finds in each pow phase."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a device does in an epoch.

    ``absent``: the slots, counted from the epoch's first, in which it is silent.
    ``said``: the phases that it says it skips, and why; it commits all the same.
    """

    absent: frozenset[int] = frozenset()
    skips: frozenset[Bucket] = frozenset()
    said: Mapping[PhaseName, Reason] = field(default_factory=dict)
    withholds: bool = False
    garbage: bool = False


@dataclass(frozen=True, slots=True)
class Device:
    """A device and its owner."""

    key: Key
    owner: Key


@dataclass(slots=True)
class SimulatedNetwork:
    """A network of ``count`` devices; each has its own owner.

    Another ``name`` is another network, with other keys and beacons.
    """

    count: int = 3
    name: str = ""
    parameters: Parameters = field(
        default_factory=lambda: replace(demo(GENESIS_TIME), first_difficulty=3)
    )
    outside: Callable[[int], bytes] = lambda _slot: b""
    """What the entropy of a slot takes from outside."""
    coordinator: Key = field(init=False)
    attestors: tuple[Key, ...] = field(init=False)
    devices: tuple[Device, ...] = field(init=False)
    beacons: BeaconChain = field(init=False)
    description: Description = field(init=False)

    def __post_init__(self) -> None:
        """Derive every key from its name."""
        self.coordinator = self._key("coordinator")
        self.attestors = tuple(self._key(f"attestor {i}") for i in range(3))
        devices = [
            Device(self._key(f"device {i}"), self._key(f"owner {i}"))
            for i in range(self.count)
        ]
        self.devices = tuple(sorted(devices, key=lambda d: d.key.address))
        self.beacons = BeaconChain(
            keccak(b"beacons", self.name.encode()), self.parameters
        )
        self.description = Description(
            network_id=keccak(b"simulated network", self.name.encode()),
            chain_id=1337,
            token=self._key("token").address,
            distributor=self._key("distributor").address,
            coordinator=self.coordinator.address,
            attestors=tuple(key.address for key in self.attestors),
            threshold=2,
            beacon_anchor=self.beacons.anchor(0),
            broker="mqtt://localhost:1883",
            api="http://localhost:8000",
            parameters=self.parameters,
        )

    def beacon(self, slot: int) -> Signed[Beacon]:
        """Return the beacon of a slot."""
        chain = self.beacons
        message = Beacon(
            slot, chain.value(slot), chain.round_anchor(slot), chain.next_anchor(slot)
        )
        return sign(message, self.description.domain, self.coordinator)

    def entropy(self, slot: int) -> Signed[Entropy]:
        """Return the entropy of a slot."""
        found = self.outside(slot)
        value = outside.entropy(self.beacons.value(slot), found)
        message = Entropy(slot, value, found)
        return sign(message, self.description.domain, self.coordinator)

    def phases(self, opened: int) -> tuple[Phase, ...]:
        """Return the values of a round's phases, in order."""
        values = enumerate(self.beacons.phase_values(opened))
        return tuple(Phase(opened, phase, value) for phase, value in values)

    def enrolments(self) -> tuple[Enrolment, ...]:
        """Return every device's enrolment, from slot 0 on."""
        return tuple(
            Enrolment(
                sign(
                    Enrol(device.key.address, device.owner.address, 1, 0),
                    self.description.domain,
                    device.key,
                    device.owner,
                ),
                0,
            )
            for device in self.devices
        )

    def _key(self, name: str) -> Key:
        return Key(keccak(b"edgeproof/simulator", (self.name + name).encode()))

    def epoch(
        self,
        number: int = 0,
        behaviours: Mapping[int, Behaviour] | None = None,
        carried: Carried = GENESIS,
    ) -> EpochRecord:
        """Return the record of an epoch; ``behaviours`` by index of the device.

        Whoever is not in it is honest and always there.
        """
        return _Epoch(self, number, behaviours or {}, carried).record()

    def attestation(
        self, record: EpochRecord, outcome: Outcome, data_hash: bytes
    ) -> tuple[EpochRoot, dict[bytes, bytes]]:
        """Return the epoch's root and the signatures of as many as are needed."""
        root = EpochRoot(
            record.epoch,
            record.epoch,
            outcome.root,
            outcome.cumulative_total,
            data_hash,
        )
        digest = root.digest(self.description.root_domain)
        signers = self.attestors[: self.description.threshold]
        return root, {key.address: key.sign_digest(digest) for key in signers}


def judge_stand_ins(case: ProofCase) -> Reason:
    """Judge a proof: nonces in earnest, products and walks by what stands for them."""
    if case.bucket is Bucket.HASH:
        return verify_proof(case)
    if case.opening == HONEST:
        return Reason.NONE
    return Reason.WRONG_LANE if case.bucket is Bucket.MEMORY else Reason.WRONG_TILE


class _Epoch:
    def __init__(
        self,
        network: SimulatedNetwork,
        number: int,
        behaviours: Mapping[int, Behaviour],
        carried: Carried,
    ) -> None:
        self._network = network
        self._parameters = network.parameters
        self._domain = network.description.domain
        self._number = number
        self._behaviours = behaviours
        self._carried = carried
        self._first = timetable.first_slot(self._parameters, number)
        self._close = timetable.close_of(self._parameters, number)
        self._slots = range(self._first, self._close)
        said = (network.entropy(slot).message for slot in self._slots)
        self._entropy = {each.slot: each.value for each in said}
        self._rounds = list(
            timetable.rounds(self._parameters, self._entropy, carried.last_round)
        )
        self._hashes = dict(carried.hashes)
        self._commitments: list[Arrived[Commitment]] = []
        self._openings: list[Arrived[Opening]] = []
        self._skips: list[Arrived[Skip]] = []

    def record(self) -> EpochRecord:
        seals = [
            seal
            for index, device in enumerate(self._network.devices)
            for seal in self._seals(index, device)
        ]
        for opened in self._rounds:
            for index, device in enumerate(self._network.devices):
                for phase in PHASE_BUCKET:
                    self._work(opened, phase, index, device)
                for phase, reason in self._behaviour(index).said.items():
                    self._skip(opened, phase, reason, device)
        digests: dict[int, set[bytes]] = defaultdict(set)
        for slot, message in (
            *((each.slot, each.signed.message) for each in seals),
            *((each.slot, each.signed.message) for each in self._commitments),
            *((each.slot, each.signed.message) for each in self._openings),
            *((each.slot, each.signed.message) for each in self._skips),
        ):
            digests[slot].add(message.digest(self._domain))
        return EpochRecord(
            description=self._network.description,
            epoch=self._number,
            beacons=tuple(self._network.beacon(slot) for slot in self._slots),
            entropies=tuple(self._network.entropy(slot) for slot in self._slots),
            phases=tuple(
                phase
                for opened in self._rounds
                for phase in self._network.phases(opened)
            ),
            intake=tuple(self._heard(slot, digests[slot]) for slot in self._slots),
            enrolments=self._network.enrolments(),
            seals=tuple(seals),
            commitments=tuple(self._commitments),
            openings=tuple(self._openings),
            skips=tuple(self._skips),
            carried=self._carried,
        )

    def _behaviour(self, index: int) -> Behaviour:
        return self._behaviours.get(index, Behaviour())

    def _seals(self, index: int, device: Device) -> Iterator[Arrived[Seal]]:
        """Yield a seal after every ``seal_slots`` slots: all that it claims so far."""
        claimed, count = 0, self._parameters.slots_per_epoch
        for offset in range(count):
            if offset not in self._behaviour(index).absent:
                claimed |= 1 << offset
            if (offset + 1) % self._parameters.seal_slots and offset + 1 < count:
                continue
            seal = Seal(
                device.key.address,
                keccak(device.key.address)[:16],
                self._number,
                uptime.bitmap(claimed, count),
                keccak(b"head", bytes([offset])),
            )
            yield Arrived(
                self._first + offset + 1, sign(seal, self._domain, device.key)
            )

    def _heard(self, slot: int, digests: set[bytes]) -> Heard:
        roster = [device.key.address for device in self._network.devices]
        there = [
            address
            for index, address in enumerate(roster)
            if slot - self._first not in self._behaviour(index).absent
        ]
        heard = intake.heard_bitmap(roster, there)
        root, size = intake.root(heard, digests)
        message = IntakeRoot(slot, size, root)
        return Heard(sign(message, self._domain, self._network.coordinator), heard)

    def _work(self, opened: int, phase: PhaseName, index: int, device: Device) -> None:
        bucket, behaviour = PHASE_BUCKET[phase], self._behaviour(index)
        last = timetable.commit_slot(self._parameters, opened, phase)
        if bucket in behaviour.skips or last >= self._close:
            return
        if bucket is Bucket.HASH:
            size, payload = self._mine(opened, phase, device)
            if not behaviour.garbage and phase not in behaviour.said:
                work = proof_of_work.work(NONCES, size)
                self._hashes[device.key.address, 0] = work
        elif bucket is Bucket.MEMORY:
            size, payload = ITEMS[phase], keccak(device.key.address)
        else:
            size, payload = SIZE, keccak(device.key.address) * 3
        if behaviour.garbage and bucket is Bucket.HASH:
            payload = payload[::-1]
        commitment = Commitment(
            device.key.address, opened, 0, int(phase), 0, size, ZERO, payload
        )
        self._commitments.append(
            Arrived(last, sign(commitment, self._domain, device.key))
        )
        if bucket is Bucket.HASH or behaviour.withholds:
            return
        draw = timetable.draw_slot(self._parameters, opened, phase, self._entropy)
        if draw is None or draw >= self._close:
            return
        opening = Opening(
            device.key.address,
            opened,
            0,
            int(phase),
            commitment.digest(self._domain),
            b"garbage" if behaviour.garbage else HONEST,
        )
        self._openings.append(Arrived(draw, sign(opening, self._domain, device.key)))

    def _skip(
        self, opened: int, phase: PhaseName, reason: Reason, device: Device
    ) -> None:
        last = timetable.commit_slot(self._parameters, opened, phase)
        if last < self._close:
            skip = Skip(device.key.address, opened, 0, int(phase), int(reason))
            self._skips.append(Arrived(last, sign(skip, self._domain, device.key)))

    def _mine(self, opened: int, phase: PhaseName, device: Device) -> tuple[int, bytes]:
        """Return the difficulty and nonces that meet it."""
        card = (device.key.address, 0)
        zeros = difficulty(self._parameters, self._hashes.get(card))
        value = self._network.beacons.phase_values(opened)[phase]
        seed = challenge.card_seed(challenge.POW, self._entropy[opened], value, *card)
        found: list[bytes] = []
        nonce = 0
        while len(found) < NONCES:
            raw = nonce.to_bytes(proof_of_work.NONCE_BYTES, "big")
            if int.from_bytes(keccak(seed, raw), "big") < 1 << 256 - zeros:
                found.append(raw)
            nonce += 1
        return zeros, b"".join(found)
