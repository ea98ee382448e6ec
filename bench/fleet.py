"""Devices that only talk: a network of any size, and what its devices say in a slot."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgeproof.audit.model import Enrolment
from edgeproof.audit.register import Register
from edgeproof.coordinator.intake import View
from edgeproof.proofs import timetable, uptime
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.parameters import Parameters
from edgeproof.simulator.epochs import SimulatedNetwork
from edgeproof.telemetry import topics
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.message import Signed
from edgeproof.telemetry.messages import ZERO, Enrol, Heartbeat, Seal
from edgeproof.telemetry.signing import Key, sign

OWNER = bytes(19) + b"\x01"
SIGNATURES = (bytes(65), bytes(65))
"""Of enrolments that nobody checks again."""

Said = tuple[str, bytes]
"""A topic and a payload."""


@dataclass(frozen=True)
class Fleet:
    """A network of so many devices, enrolled from its first slot on."""

    network: SimulatedNetwork
    keys: Sequence[Key]

    @property
    def description(self) -> Description:
        """The network's description."""
        return self.network.description

    @property
    def parameters(self) -> Parameters:
        """Its parameters."""
        return self.network.parameters

    def enrolments(self) -> list[Enrolment]:
        """Return every device's enrolment."""
        return [
            Enrolment(Signed(Enrol(key.address, OWNER, 1, 0), SIGNATURES), 0)
            for key in self.keys
        ]

    def view(self) -> View:
        """Return what the intake knows in epoch 0."""
        view = View(self.description, register=Register(self.enrolments()))
        view.rosters = {0: view.register.roster(0)}
        for slot in range(self.parameters.slots_per_epoch):
            view.beacons[slot] = self.network.beacons.value(slot)
        return view

    def beats(self, slot: int) -> Iterator[Said]:
        """Yield every device's heartbeat of a slot."""
        value = self.network.beacons.value(slot)
        for key in self.keys:
            beat = Heartbeat(key.address, bytes(16), slot, slot, value, ZERO, ZERO)
            yield topics.uplink(to_hex(key.address), "heartbeat"), beat.encode()

    def seals(self, slot: int, part: int, parts: int) -> Iterator[Said]:
        """Yield the seals of one of ``parts`` of the devices, up to ``slot``."""
        epoch = timetable.epoch_of(self.parameters, slot)
        first = timetable.first_slot(self.parameters, epoch)
        count = self.parameters.slots_per_epoch
        claimed = uptime.bitmap((1 << slot - first + 1) - 1, count)
        for key in self.keys[part::parts]:
            seal = Seal(key.address, bytes(16), epoch, claimed, ZERO)
            signed = sign(seal, self.description.domain, key)
            yield topics.uplink(to_hex(key.address), "seal"), signed.encode()


def fleet(devices: int, parameters: Parameters | None = None) -> Fleet:
    """Return a network of so many devices with keys of their own."""
    network = SimulatedNetwork(count=1)
    if parameters is not None:
        network = SimulatedNetwork(count=1, parameters=parameters)
    names = (number.to_bytes(4, "big") for number in range(devices))
    return Fleet(network, [Key(keccak(b"bench", name)) for name in names])
