"""What the coordinator said, believed only after its checks.  Pure.

Every method takes the bytes as they came.  It returns the message, or None for one
that is known already, and raises ``MessageRefused`` for one that is not to be
believed; a refused message changes nothing.
"""

from dataclasses import dataclass
from typing import TypeVar

from edgeproof.proofs import merkle, outside, timetable, uptime
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.parameters import Phase as PhaseNumber
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry import signing
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.message import Message, decode_signed
from edgeproof.telemetry.messages import (
    ZERO,
    Ack,
    Beacon,
    Entropy,
    IntakeRoot,
    Phase,
    Receipt,
    Resend,
    Statement,
)

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Position:
    """How far the beacons have been followed; kept across restarts.

    ``slot`` is -1 and ``value`` the anchor before the first beacon.  ``next_anchor``
    is all zero while unknown.  ``last_round`` is the slot of the last round,
    ``NO_ROUND`` before the first, None where a gap may hide one.
    """

    slot: int
    value: bytes
    next_anchor: bytes
    last_round: int | None


def start(description: Description) -> Position:
    """Return the position at the network's birth."""
    return Position(-1, description.beacon_anchor, ZERO, timetable.NO_ROUND)


class Follower:
    """Follow one network's coordinator as one device."""

    def __init__(
        self, description: Description, device: bytes, position: Position
    ) -> None:
        self._description = description
        self._network = description.parameters
        self._device = device
        self._slot = position.slot
        self._value = position.value
        self._next_anchor = position.next_anchor
        self._last_round = position.last_round
        self._drawn_to = position.slot
        self._beacons: dict[int, Beacon] = {}
        self._entropies: dict[int, bytes] = {}
        self._roots: dict[int, IntakeRoot] = {}
        self._phases: set[tuple[int, int]] = set()

    @property
    def position(self) -> Position:
        """How far we are, to go on from after a restart."""
        whole = self._drawn_to == self._slot  # else a round may be just opening
        last = self._last_round if whole else None
        return Position(self._slot, self._value, self._next_anchor, last)

    @property
    def slot(self) -> int:
        """The slot of the latest beacon."""
        return self._slot

    def entropy_of(self, slot: int) -> bytes | None:
        """Return the entropy of a recent ``slot``, if it came."""
        return self._entropies.get(slot)

    def beacon(self, raw: bytes) -> Beacon | None:
        """Check: 1. signature, 2. not older than known, 3. link to the last value.

        Only the signature vouches for the first value of a chain whose anchor never
        reached us; every later one must hash to it.
        """
        beacon, known = self._signed(Beacon, raw), self._beacons
        if beacon.slot in known:
            if known[beacon.slot] == beacon:
                return None
            detail = f"two beacons for slot {beacon.slot}"
            raise MessageRefused(Reason.CONTRADICTION, detail)
        if beacon.slot <= self._slot:  # 2
            detail = f"beacon of slot {beacon.slot} after that of {self._slot}"
            raise MessageRefused(Reason.LATE, detail)
        self._check_link(beacon)  # 3
        self._slot, self._value = beacon.slot, beacon.value
        self._next_anchor = beacon.next_anchor
        known[beacon.slot] = beacon
        self._forget()
        return beacon

    def entropy(self, raw: bytes) -> Entropy | None:
        """Check: 1. signature, 2. its beacon is known, 3. it follows from it.

        4. What is from outside has the layout of the network's source.  That it is the
        right block or round is the coordinator's word until somebody audits it.
        """
        entropy = self._signed(Entropy, raw)
        slot = entropy.slot
        if slot in self._entropies:
            return None
        beacon = self._beacons.get(slot)
        if beacon is None:  # 2
            detail = f"entropy of slot {slot}, whose beacon is not known"
            raise MessageRefused(Reason.WRONG_BEACON, detail)
        if outside.entropy(beacon.value, entropy.outside) != entropy.value:  # 3
            detail = f"entropy of slot {slot} does not follow from its beacon"
            raise MessageRefused(Reason.WRONG_BEACON, detail)
        if not outside.well_formed(self._network, entropy.outside):  # 4
            detail = f"{len(entropy.outside)} bytes from outside in slot {slot}"
            raise MessageRefused(Reason.WRONG_BEACON, detail)
        if slot != self._drawn_to + 1:
            self._last_round = None  # one may have opened where we heard nothing
        self._drawn_to = max(slot, self._drawn_to)
        self._entropies[slot] = entropy.value
        return entropy

    def opens(self, slot: int) -> bool | None:
        """Tell whether a round opens in ``slot``; None where we cannot know.

        Of an earlier round than the last one, nothing is known any more.
        """
        entropy, last = self._entropies.get(slot), self._last_round
        if entropy is None or last is None or slot < last:
            return None
        if slot == last:
            return True
        return timetable.round_opens(self._network, slot, entropy, last)

    def phase(self, raw: bytes) -> Phase | None:
        """Check: 1. a round opened there, 2. the value hashes to the beacon's anchor.

        A valid value proves the round where a gap keeps us from knowing.
        """
        phase = Phase.decode(raw)
        if phase.phase >= len(PhaseNumber):
            raise MessageRefused(Reason.OUT_OF_RANGE, f"phase {phase.phase}")
        if (phase.round, phase.phase) in self._phases:
            return None
        beacon = self._beacons.get(phase.round)
        if beacon is None or phase.round not in self._entropies:
            detail = f"phase of slot {phase.round}, of which we have no entropy"
            raise MessageRefused(Reason.UNKNOWN_ROUND, detail)
        if self.opens(phase.round) is False:  # 1
            detail = f"no round opens in slot {phase.round}"
            raise MessageRefused(Reason.UNKNOWN_ROUND, detail)
        if _hashed(phase.value, phase.phase + 1) != beacon.round_anchor:  # 2
            detail = f"phase {phase.phase} of slot {phase.round} is not its value"
            raise MessageRefused(Reason.WRONG_BEACON, detail)
        self._phases.add((phase.round, phase.phase))
        if self._last_round is None or phase.round > self._last_round:
            self._last_round = phase.round
        return phase

    def root(self, raw: bytes) -> IntakeRoot | None:
        """Check: 1. signature, 2. no other root for the slot."""
        root = self._signed(IntakeRoot, raw)
        known = self._roots.get(root.slot)
        if known is None:
            self._roots[root.slot] = root
            return root
        if known != root:  # 2
            detail = f"two intake roots for slot {root.slot}"
            raise MessageRefused(Reason.CONTRADICTION, detail)
        return None

    def receipt(self, raw: bytes) -> Receipt:
        """Check: 1. signature and device, 2. path, 3. the slot's root, if known."""
        receipt = self._signed(Receipt, raw)
        self._check_device(receipt.device)
        whole = merkle.check_path(
            receipt.message, receipt.index, receipt.size, receipt.path, receipt.root
        )
        if not whole:  # 2
            raise MessageRefused(Reason.BAD_PATH, f"receipt of slot {receipt.slot}")
        root = self._roots.get(receipt.slot)
        if root is not None and (root.root, root.size) != (receipt.root, receipt.size):
            detail = f"receipt under another root of slot {receipt.slot}"  # 3
            raise MessageRefused(Reason.CONTRADICTION, detail)
        return receipt

    def ack(self, raw: bytes) -> Ack:
        """Check: 1. signature and device, 2. as many reasons as messages."""
        ack = self._signed(Ack, raw)
        self._check_device(ack.device)
        if len(ack.messages) != len(ack.reasons):  # 2
            raise MessageRefused(Reason.OUT_OF_RANGE, "reasons do not match messages")
        return ack

    def resend(self, raw: bytes) -> Resend:
        """Check: 1. signature and device."""
        asked = self._signed(Resend, raw)
        self._check_device(asked.device)
        return asked

    def statement(self, raw: bytes) -> Statement:
        """Check: 1. signature and device, 2. lengths, 3. what is missing was not there.

        Difficulties come in pairs, and each slot of the epoch has one reason.
        """
        statement = self._signed(Statement, raw)
        self._check_device(statement.device)
        if len(statement.difficulties) % 2:  # 2
            raise MessageRefused(Reason.OUT_OF_RANGE, "a card without difficulty")
        if len(statement.missing) != self._network.slots_per_epoch:  # 2
            raise MessageRefused(Reason.OUT_OF_RANGE, "not one reason for each slot")
        accepted = uptime.bits(statement.slots)
        there = sum(1 << i for i, code in enumerate(statement.missing) if not code)
        if accepted != there:  # 3
            raise MessageRefused(Reason.CONTRADICTION, "reasons for accepted slots")
        return statement

    def _signed(self, cls: type[M], raw: bytes) -> M:
        signed = decode_signed(cls, raw)
        description = self._description
        signing.check(signed, description.domain, description.coordinator)
        return signed.message

    def _check_device(self, device: bytes) -> None:
        if device != self._device:
            raise MessageRefused(Reason.WRONG_TOPIC, f"it is for 0x{device.hex()}")

    def _check_link(self, beacon: Beacon) -> None:
        length = self._network.chain_slots
        chain, place = divmod(beacon.slot, length)
        known = max(self._slot, 0) // length
        if chain > known:
            if chain > known + 1 or self._next_anchor == ZERO:
                return  # an anchor that we never saw
            anchor, steps = self._next_anchor, place + 1
        else:
            anchor, steps = self._value, beacon.slot - self._slot
        if _hashed(beacon.value, steps) != anchor:
            detail = f"beacon of slot {beacon.slot} does not lead to its predecessor"
            raise MessageRefused(Reason.WRONG_BEACON, detail)

    def _forget(self) -> None:
        """Keep what a round can still need, and not more."""
        oldest = self._slot - self._network.decided_after - self._network.round_slots
        for table in (self._beacons, self._entropies, self._roots):
            for slot in [slot for slot in table if slot < oldest]:
                del table[slot]
        self._phases = {key for key in self._phases if key[0] >= oldest}


def _hashed(value: bytes, times: int) -> bytes:
    for _ in range(times):
        value = keccak(value)
    return value
