"""What counts of what arrives: one pure decision per message.

Checks, numbered here and at each.  A message that fails one is refused with the reason
code beside it, and loses nothing that was good before.

1. The topic is one of a device's (WRONG_TOPIC).
2. The bytes are within the kind's bound (TOO_LARGE) and are its one encoding
   (MALFORMED, NOT_CANONICAL, OUT_OF_RANGE).
3. The subject is the device of the topic (WRONG_TOPIC).
4. The device is enrolled (NOT_ENROLLED) and not retired or shut out (RETIRED,
   REVOKED).
5. The signers are the subject's (BAD_SIGNATURE, WRONG_SIGNER).
6. It comes in time and fits what was published (LATE, WRONG_BEACON, UNKNOWN_ROUND,
   QUOTA).

What owners say comes another way, to ``enrolling``.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edgeproof.audit.register import Register
from edgeproof.coordinator.gaps import Link
from edgeproof.coordinator.store import Batch, Kept
from edgeproof.proofs import timetable
from edgeproof.proofs.parameters import PHASE_BUCKET, Bucket, Phase
from edgeproof.proofs.reasons import SKIPS, Reason
from edgeproof.telemetry import samples, signing, topics
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.kinds import PAYLOAD_LIMIT
from edgeproof.telemetry.message import M, Signed, decode_signed
from edgeproof.telemetry.messages import (
    Commitment,
    Heartbeat,
    Opening,
    Presence,
    Seal,
    Skip,
    Status,
    Telemetry,
)

LARGEST: Mapping[str, int] = {
    "heartbeat": 256,
    "telemetry": 4352,
    "seal": 1280,
    "commitment": PAYLOAD_LIMIT + 512,
    "opening": PAYLOAD_LIMIT + 512,
    "skip": 256,
    "status": 64,
}
"""Bytes of the largest message of each kind."""

QUOTA = 512
"""Device-signed messages that one device may send in one slot."""

MOST_CARDS = 64
"""Cards of one device."""


@dataclass(slots=True)
class View:
    """What the coordinator knows when it decides.

    ``register``: every change so far; ``rosters``: owner by device for each epoch that
    messages may still speak of.
    ``beacons``: the value of each recent slot; ``sealed`` the last slot whose intake
    root is made; ``rounds`` the slots of recent rounds; ``entropies`` the slots with
    entropy; ``revoked`` the devices that the operator has shut out.
    """

    description: Description
    rosters: dict[int, Mapping[bytes, bytes]] = field(default_factory=dict)
    register: Register = field(default_factory=Register, compare=False)
    beacons: dict[int, bytes] = field(default_factory=dict)
    rounds: set[int] = field(default_factory=set)
    entropies: set[int] = field(default_factory=set)
    sealed: int = -1
    revoked: frozenset[bytes] = frozenset()
    sent: Counter[tuple[int, bytes]] = field(default_factory=Counter)
    """Device-signed messages by (slot, device), for the quota."""

    def enrolled(self, epoch: int, device: bytes) -> bool:
        """Return whether the device counts in ``epoch``."""
        return device in self.rosters.get(epoch, {})


def admit(view: View, batch: Batch, topic: str, payload: bytes, now: int) -> None:
    """Add the message to ``batch``, or raise ``MessageRefused``.

    ``now`` is its arrival, Unix milliseconds, and lies in ``batch.slot``.
    """
    # (1) The topic.
    place = topics.parse(topic)
    if place is None or place.family is not topics.Family.UPLINK:
        raise MessageRefused(Reason.WRONG_TOPIC, topic[:80])
    # (2) The bound; the encoding follows in each kind's own function.
    if len(payload) > LARGEST[place.kind]:
        detail = f"{len(payload)} bytes, at most {LARGEST[place.kind]}"
        raise MessageRefused(Reason.TOO_LARGE, detail)
    _Admission(view, batch, place.device, payload, now).of(place.kind)


@dataclass(slots=True)  # not frozen: setting five fields would take thrice as long
class _Admission:
    view: View
    batch: Batch
    device: str
    payload: bytes
    now: int

    def of(self, kind: str) -> None:
        if kind == "heartbeat":
            self._heartbeat()
        elif kind == "telemetry":
            self._telemetry()
        elif kind == "seal":
            self._seal()
        elif kind == "commitment":
            self._commitment()
        elif kind == "opening":
            self._opening()
        elif kind == "skip":
            self._skip()
        else:
            self._status()

    def _subject(self, device: bytes) -> None:
        # (3) The subject.
        if to_hex(device) != self.device:
            raise MessageRefused(Reason.WRONG_TOPIC, f"it is about {to_hex(device)}")

    def _enrolled(self, epoch: int, device: bytes) -> None:
        # (4) Enrolment.
        self._at_work(device)
        if not self.view.enrolled(epoch, device):
            raise MessageRefused(Reason.NOT_ENROLLED, f"epoch {epoch}")

    def _known(self, device: bytes) -> None:
        """Raise unless the device ever enrolled: its words are shown, not paid."""
        self._at_work(device)
        if self.view.register.last(device) is None:
            raise MessageRefused(Reason.NOT_ENROLLED)

    def _at_work(self, device: bytes) -> None:
        if device in self.view.revoked:
            raise MessageRefused(Reason.REVOKED, to_hex(device))
        if self.view.register.retired(device, self.batch.slot):
            raise MessageRefused(Reason.RETIRED, to_hex(device))

    def _heartbeat(self) -> None:
        message = Heartbeat.decode(self.payload)
        self._subject(message.device)
        network = self.view.description.parameters
        self._enrolled(timetable.epoch_of(network, message.slot), message.device)
        # (6) Within the slot and its grace, and with the slot's beacon.
        end = timetable.slot_start(network, message.slot + 1)
        where = (message.slot, message.device)
        value = self.view.beacons.get(message.slot)
        if value is None:
            raise MessageRefused(Reason.WRONG_BEACON, f"slot {message.slot} has none")
        if value != message.beacon:
            self.batch.missed[where] = Reason.BEAT_REFUSED
            raise MessageRefused(Reason.WRONG_BEACON, f"slot {message.slot}")
        if self.now >= end + network.beat_grace_ms or message.slot <= self.view.sealed:
            self.batch.missed[where] = Reason.LATE_BEAT
            raise MessageRefused(Reason.LATE, f"slot {message.slot}")
        self.batch.beats.append(where)
        self._link(message, message.boot)

    def _telemetry(self) -> None:
        message = Telemetry.decode(self.payload)
        self._subject(message.device)
        self._known(message.device)
        samples.unpack(message.readings)
        self.batch.telemetry.append(message)
        self._link(message, message.boot)

    def _seal(self) -> None:
        signed = decode_signed(Seal, self.payload)
        message = signed.message
        self._subject(message.device)
        self._enrolled(message.epoch, message.device)
        network = self.view.description.parameters
        digest = self._signed_by_device(signed, message.device)
        # (6) Before the epoch's close.
        if self.batch.slot >= timetable.close_of(network, message.epoch):
            raise MessageRefused(Reason.LATE, f"epoch {message.epoch} is closed")
        self._keep("seal", message.device, digest)

    def _commitment(self) -> None:
        signed = decode_signed(Commitment, self.payload)
        message = signed.message
        self._subject(message.device)
        phase = self._round(message, PHASE_BUCKET)
        digest = self._signed_by_device(signed, message.device)
        self._within(message.round, phase)
        self._keep("commitment", message.device, digest)
        chain = b"%d/%d/%d" % (message.round, message.card, message.phase)
        self._link(message, chain)

    def _skip(self) -> None:
        signed = decode_signed(Skip, self.payload)
        message = signed.message
        self._subject(message.device)
        phase = self._round(message, Phase)
        if message.reason not in SKIPS:
            detail = f"reason {message.reason} is none to skip a phase for"
            raise MessageRefused(Reason.OUT_OF_RANGE, detail)
        digest = self._signed_by_device(signed, message.device)
        self._within(message.round, phase)
        self._keep("skip", message.device, digest)

    def _within(self, opened: int, phase: Phase) -> None:
        # (6) Between the start of the phase and its end with grace.
        network = self.view.description.parameters
        _, end = timetable.phase_bounds(network, opened, phase)
        if self.now >= end + network.commit_grace_ms:
            late = self.now - end
            raise MessageRefused(Reason.LATE, f"{late} ms after the phase ended")

    def _opening(self) -> None:
        signed = decode_signed(Opening, self.payload)
        message = signed.message
        self._subject(message.device)
        phase = self._round(message, PHASE_BUCKET)
        if PHASE_BUCKET[phase] is Bucket.HASH:
            raise MessageRefused(Reason.OUT_OF_RANGE, "pow has no openings")
        digest = self._signed_by_device(signed, message.device)
        # (6) Until the slots after its draw are over.
        network = self.view.description.parameters
        entropies = self.view.entropies
        draw = timetable.draw_slot(network, message.round, phase, entropies)
        if draw is None:
            raise MessageRefused(Reason.PHASE_VOID)
        if self.batch.slot > timetable.opening_deadline(network, draw):
            raise MessageRefused(Reason.LATE, f"drawn in slot {draw}")
        self._keep("opening", message.device, digest)

    def _status(self) -> None:
        message = Status.decode(self.payload)
        self._subject(message.device)
        self._known(message.device)
        if message.online not in set(Presence):
            raise MessageRefused(Reason.OUT_OF_RANGE, f"online {message.online}")
        self.batch.presence[message.device] = Presence(message.online)

    def _round(
        self, message: Commitment | Opening | Skip, phases: Iterable[Phase]
    ) -> Phase:
        network, opened = self.view.description.parameters, message.round
        self._enrolled(timetable.epoch_of(network, opened), message.device)
        if opened not in self.view.rounds:
            raise MessageRefused(Reason.UNKNOWN_ROUND, f"slot {opened}")
        if message.phase not in set(phases) or message.card >= MOST_CARDS:
            detail = f"card {message.card}, phase {message.phase}"
            raise MessageRefused(Reason.OUT_OF_RANGE, detail)
        return Phase(message.phase)

    def _signed_by_device(self, signed: Signed[M], device: bytes) -> bytes:
        # (5) The device signs.
        return signing.check(signed, self.view.description.domain, device)

    def _link(self, message: Heartbeat | Telemetry | Commitment, chain: bytes) -> None:
        link = Link(message.device, message.TAG, chain, message.sequence)
        self.batch.links.append(link)

    def _keep(self, kind: str, device: bytes, digest: bytes) -> None:
        # (6) The quota bounds what one device makes everybody keep.
        key = (self.batch.slot, device)
        if self.view.sent[key] >= QUOTA:
            raise MessageRefused(Reason.QUOTA, f"{QUOTA} messages in a slot")
        self.view.sent[key] += 1
        self.batch.messages.append(Kept(digest, kind, device, self.payload))
