"""Which rounds an epoch decides, from what the network published: the same for all.

A round is void for a bucket, for everybody, unless the values of its phases and the
intake roots that carry its commitments and openings were published, and its draws came
in time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edgeproof.audit.model import EpochRecord
from edgeproof.proofs import timetable
from edgeproof.proofs.parameters import BUCKET_PHASES, Bucket, Parameters, Phase


@dataclass(frozen=True, slots=True)
class Part:
    """A phase in which a bucket is measured; ``draw``: the slot whose entropy draws."""

    phase: Phase
    draw: int | None


@dataclass(frozen=True, slots=True)
class BucketRound:
    """What the round that opened in a slot is for one bucket: decided, or void."""

    opened: int
    bucket: Bucket
    parts: tuple[Part, ...]
    void: bool


@dataclass(frozen=True, slots=True)
class Schedule:
    """What the network published, indexed by slot: the same for every card."""

    network: Parameters
    close: int
    epoch: int
    entropies: Mapping[int, bytes]
    phases: Mapping[tuple[int, int], bytes]
    roots: frozenset[int]
    last_round: int

    @classmethod
    def of(cls, record: EpochRecord, close: int | None = None) -> "Schedule":
        """Return the schedule of a record, as it stands before the slot ``close``.

        By default that is the close of the epoch.
        """
        network = record.description.parameters
        return cls(
            network=network,
            close=timetable.close_of(network, record.epoch) if close is None else close,
            epoch=record.epoch,
            entropies={e.message.slot: e.message.value for e in record.entropies},
            phases={(p.round, p.phase): p.value for p in record.phases},
            roots=frozenset(h.signed.message.slot for h in record.intake),
            last_round=record.carried.last_round,
        )

    def rounds(self) -> list[int]:
        """Return the slots in which rounds opened, up to the close."""
        return list(timetable.rounds(self.network, self.entropies, self.last_round))

    def decided(self) -> Iterator[BucketRound]:
        """Yield what each round is for each bucket, once it is decided or void.

        Of the epoch's own rounds that is every one; of the next epoch's first rounds
        those whose last openings are due before the close.
        """
        for opened in self.rounds():
            for bucket in BUCKET_PHASES:
                found = self._round(opened, bucket)
                if found is not None:
                    yield found

    def _round(self, opened: int, bucket: Bucket) -> BucketRound | None:
        parts = []
        last = opened
        for phase in BUCKET_PHASES[bucket]:
            draw = None
            due = timetable.commit_slot(self.network, opened, phase)
            if bucket is not Bucket.HASH:
                draw = self._draw(opened, phase)
                if draw is None:
                    own = timetable.epoch_of(self.network, opened) == self.epoch
                    return BucketRound(opened, bucket, (), void=True) if own else None
                due = timetable.opening_deadline(self.network, draw)
            parts.append(Part(phase, draw))
            last = max(last, due)
        if last >= self.close:
            return None
        # (1) Every slot in which a device may have spoken must have its intake root.
        roots = all(slot in self.roots for slot in range(opened, last + 1))
        values = all((opened, phase) in self.phases for phase in needed(bucket))
        return BucketRound(opened, bucket, tuple(parts), void=not (roots and values))

    def _draw(self, opened: int, phase: Phase) -> int | None:
        draw = timetable.draw_slot(self.network, opened, phase, self.entropies)
        if draw is None:
            return None
        due = timetable.opening_deadline(self.network, draw)
        return draw if due < self.close else None


def needed(bucket: Bucket) -> tuple[Phase, ...]:
    """Return the phases whose values a device must know to prove work in a bucket."""
    phases = BUCKET_PHASES[bucket]
    return (Phase.FILL, *phases) if bucket is Bucket.MEMORY else phases
