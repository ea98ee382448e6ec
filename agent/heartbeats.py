"""One boot's beats: chained, one a slot, claimed by seals.  Pure.

The chain makes telemetry tamper-evident: a beat names the hash of the beat before it
and of the telemetry in between, and a seal names the last beat.
"""

from edgeproof.proofs import timetable
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.parameters import Parameters
from edgeproof.proofs.uptime import bitmap
from edgeproof.telemetry.messages import ZERO, Heartbeat, Seal, Telemetry


class Heartbeats:
    """The beats and claims of one boot; ``boot`` is 16 random bytes, never reused."""

    def __init__(self, network: Parameters, device: bytes, boot: bytes) -> None:
        self._network = network
        self._device = device
        self._boot = boot
        self._sequence = 0
        self._samples: list[bytes] = []
        self._head = ZERO
        self._last = -1
        self._claims: dict[int, _Claim] = {}

    def sampled(self, sample: Telemetry) -> None:
        """Cover ``sample`` by the next beat."""
        self._samples.append(keccak(sample.encode()))

    def beat(self, slot: int, value: bytes) -> Heartbeat | None:
        """Return the beat for ``slot``, whose beacon has ``value``, and claim the slot.

        None if this boot has beaten in it, or in a later one, already.
        """
        if slot <= self._last:
            return None
        beat = Heartbeat(
            device=self._device,
            boot=self._boot,
            sequence=self._sequence,
            slot=slot,
            beacon=value,
            previous=self._head,
            body=keccak(*self._samples),  # intake.telemetry_hash, without keeping them
        )
        self._head = keccak(beat.encode())
        self._sequence += 1
        self._samples.clear()
        self._last = slot
        epoch = timetable.epoch_of(self._network, slot)
        claim = self._claims.setdefault(epoch, _Claim())
        claim.slots |= 1 << slot - timetable.first_slot(self._network, epoch)
        claim.head = self._head
        return beat

    def seals(self, slot: int) -> list[Seal]:
        """Return the seals that are due once the beacon of ``slot`` was answered.

        One after every ``seal_slots`` slots of an epoch and after its last one; where
        that one was missed, on the first call of a later epoch.
        """
        now = timetable.epoch_of(self._network, slot)
        passed = slot - timetable.first_slot(self._network, now) + 1
        due = [epoch for epoch in sorted(self._claims) if epoch < now]
        claim = self._claims.get(now)
        if claim is not None and self._is_due(claim, passed):
            claim.sealed_at = passed
            due.append(now)
        return self._seal(due, now)

    def unsealed(self) -> list[Seal]:
        """Return seals for every claim that has none yet: for a goodbye."""
        return self._seal(sorted(self._claims), max(self._claims, default=0))

    def _is_due(self, claim: "_Claim", passed: int) -> bool:
        every = self._network.seal_slots
        whole = passed // every > claim.sealed_at // every
        return whole or passed == self._network.slots_per_epoch

    def _seal(self, epochs: list[int], now: int) -> list[Seal]:
        made = []
        for epoch in epochs:
            claim = self._claims[epoch]
            if claim.slots != claim.sealed:
                claim.sealed = claim.slots
                count = self._network.slots_per_epoch
                slots = bitmap(claim.slots, count)
                made.append(Seal(self._device, self._boot, epoch, slots, claim.head))
            if epoch < now:
                del self._claims[epoch]
        return made


class _Claim:
    """What this boot claims of one epoch."""

    def __init__(self) -> None:
        self.slots = 0
        self.sealed = 0
        self.sealed_at = 0
        self.head = ZERO
