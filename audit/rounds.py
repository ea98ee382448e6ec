"""The verdict on each card's work in each round, from what the intake roots hold.

Steps, numbered here and at each:

1. A phase is void, for everybody, unless its value and the intake roots that carry its
   commitments and openings were published, and its draw came in time.
2. What counts is the contiguous, chained prefix of a card's commitments; two different
   messages with one sequence number void the card's phase.
3. The size is one and the same, and for pow the one that the card's past sets.
4. The draw follows from the prefix's last message and later entropy; one opening
   answers it.
5. The proof holds.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from edgeproof.audit.model import Arrived, EpochRecord, Verdict
from edgeproof.kernels.shapes import MAX_PRODUCTS, MAX_SOLUTIONS, SIZES
from edgeproof.proofs import challenge, matmul, proof_of_work, scores, timetable
from edgeproof.proofs.parameters import PHASE_BUCKET, Bucket, Parameters, Phase
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry.eip712 import Domain
from edgeproof.telemetry.messages import ZERO, Commitment, Opening

ITEM_BYTES: Mapping[Bucket, int] = {Bucket.COMPUTE: 32, Bucket.HASH: 8}
"""Length of one item of a commitment's payload: a root, a nonce."""


@dataclass(frozen=True, slots=True)
class ProofCase:
    """All that a verifier needs to know of one card's work in one phase.

    ``items`` are the payloads of the prefix, joined.  ``draw`` and ``opening`` are
    empty for pow, whose nonces prove themselves.
    """

    bucket: Bucket
    seed: bytes
    size: int
    items: bytes
    draw: bytes
    opening: bytes
    opened: int


Verifier = Callable[[ProofCase], Reason]


def verify_proof(case: ProofCase) -> Reason:
    """Return ``Reason.NONE`` if the proof holds.  Pure, and the expensive part."""
    if case.bucket is Bucket.HASH:
        return proof_of_work.verify(case.seed, case.size, case.items)
    roots = [case.items[at : at + 32] for at in range(0, len(case.items), 32)]
    return matmul.verify(
        case.seed, case.size, roots, case.draw, case.opening, case.opened
    )


@dataclass(frozen=True, slots=True)
class RoundPhase:
    """One measured phase of one round; ``draw`` is the slot whose entropy draws."""

    opened: int
    phase: Phase
    draw: int | None
    void: bool

    @property
    def bucket(self) -> Bucket:
        """The bucket that the phase measures."""
        return PHASE_BUCKET[self.phase]


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

    def decided(self) -> Iterator[RoundPhase]:
        """Yield each measured phase that is decided, or void, before the close.

        Of the epoch's own rounds that is every one; of the next epoch's first rounds
        those whose openings are due by then.
        """
        for opened in self.rounds():
            for phase in PHASE_BUCKET:
                found = self._phase(opened, phase)
                if found is not None:
                    yield found

    def _phase(self, opened: int, phase: Phase) -> RoundPhase | None:
        own = timetable.epoch_of(self.network, opened) == self.epoch
        last = timetable.commit_slot(self.network, opened, phase)
        draw = None
        if PHASE_BUCKET[phase] is not Bucket.HASH:
            draw = self._draw(opened, phase)
            if draw is None:
                return RoundPhase(opened, phase, None, void=True) if own else None
            last = timetable.opening_deadline(self.network, draw)
        if last >= self.close:
            return None
        # (1) Every slot in which a device may have spoken must have its intake root.
        spoken = range(opened, last + 1)
        published = all(slot in self.roots for slot in spoken)
        void = not published or (opened, phase) not in self.phases
        return RoundPhase(opened, phase, draw, void=void)

    def _draw(self, opened: int, phase: Phase) -> int | None:
        draw = timetable.draw_slot(self.network, opened, phase, self.entropies)
        if draw is None:
            return None
        due = timetable.opening_deadline(self.network, draw)
        return draw if due < self.close else None


class RoundJudge:
    """Judge rounds in order; remembers what sets each card's next pow difficulty."""

    def __init__(
        self,
        record: EpochRecord,
        schedule: Schedule,
        verify: Verifier,
    ) -> None:
        self._domain = record.description.domain
        self._network = schedule.network
        self._schedule = schedule
        self._verify = verify
        self._commitments = _by_place(record.commitments)
        self._openings = _by_place(record.openings)
        self.hashes = dict(record.carried.hashes)

    def difficulty(self, device: bytes, card: int) -> int:
        """Return the pow difficulty that the card's past work sets."""
        return difficulty(self._network, self.hashes.get((device, card)))

    def judge(self, phase: RoundPhase) -> list[Verdict]:
        """Return the verdict on every card that committed in ``phase``."""
        place = (phase.opened, int(phase.phase))
        openings = self._openings.get(place, {})
        verdicts = []
        for (device, card), messages in sorted(
            self._commitments.get(place, {}).items()
        ):
            work, reason = self._card(
                phase, device, card, messages, openings.get((device, card), [])
            )
            work = 0 if reason else work
            if work and phase.bucket is Bucket.HASH:
                self.hashes[device, card] = work
            rate = scores.figure(work, self._network.phase_ms[phase.phase])
            verdicts.append(
                Verdict(phase.opened, phase.bucket, device, card, work, rate, reason)
            )
        return verdicts

    def _card(
        self,
        phase: RoundPhase,
        device: bytes,
        card: int,
        messages: list[Arrived[Commitment]],
        openings: list[Arrived[Opening]],
    ) -> tuple[int, Reason]:
        # (2) The prefix.
        last_slot = timetable.commit_slot(self._network, phase.opened, phase.phase)
        in_time = [each for each in messages if each.slot <= last_slot]
        prefix, reason = prefix_of(in_time, self._domain)
        if reason:
            return 0, reason
        # (3) The size.
        size, reason = self._size(phase, device, card, prefix)
        if reason:
            return 0, reason
        items = b"".join(message.payload for message in prefix)
        width = ITEM_BYTES[phase.bucket]
        if len(items) % width or not items:
            return 0, Reason.MALFORMED
        count = len(items) // width
        if phase.bucket is Bucket.HASH:
            count = min(count, MAX_SOLUTIONS)
            items = items[: count * width]
        elif count > MAX_PRODUCTS:
            return 0, Reason.TOO_MUCH_WORK
        # (4) The draw and its opening.
        draw, opening = b"", b""
        if phase.draw is not None:
            committed = prefix[-1].digest(self._domain)
            draw = challenge.draw(committed, self._schedule.entropies[phase.draw])
            due = timetable.opening_deadline(self._network, phase.draw)
            answers = {
                each.signed.message.payload
                for each in openings
                if each.slot <= due and each.signed.message.commitment == committed
            }
            if len(answers) != 1:
                return 0, Reason.CONTRADICTION if answers else Reason.NO_OPENING
            (opening,) = answers
        # (5) The proof.
        reason = self._verify(
            ProofCase(
                bucket=phase.bucket,
                seed=self.seed(phase, device, card),
                size=size,
                items=items,
                draw=draw,
                opening=opening,
                opened=self._network.opened_tiles,
            )
        )
        return work_of(phase.bucket, count, size), reason

    def seed(self, phase: RoundPhase, device: bytes, card: int) -> bytes:
        """Return the card's seed for ``phase``."""
        return challenge.card_seed(
            DOMAINS[phase.bucket],
            self._schedule.entropies[phase.opened],
            self._schedule.phases[phase.opened, phase.phase],
            device,
            card,
        )

    def _size(
        self, phase: RoundPhase, device: bytes, card: int, prefix: list[Commitment]
    ) -> tuple[int, Reason]:
        sizes = {message.size for message in prefix}
        size = prefix[0].size
        if phase.bucket is Bucket.HASH:
            wanted = self.difficulty(device, card)
            return size, Reason.NONE if sizes == {wanted} else Reason.WRONG_DIFFICULTY
        allowed = len(sizes) == 1 and size in SIZES
        return size, Reason.NONE if allowed else Reason.WRONG_SIZE


DOMAINS: Mapping[Bucket, bytes] = {
    Bucket.COMPUTE: challenge.MATMUL,
    Bucket.HASH: challenge.POW,
}


def work_of(bucket: Bucket, count: int, size: int) -> int:
    """Return the work of ``count`` items: multiply-accumulates, or keccaks."""
    if bucket is Bucket.HASH:
        return proof_of_work.work(count, size)
    return matmul.work(count, size)


def difficulty(network: Parameters, hashes: int | None) -> int:
    """Return the difficulty after a pow of ``hashes`` keccaks; None: after none."""
    if hashes is None:
        return network.first_difficulty
    return proof_of_work.next_difficulty(hashes)


def prefix_of(
    messages: Iterable[Arrived[Commitment]], domain: Domain
) -> tuple[list[Commitment], Reason]:
    """Return the contiguous prefix of a card's commitments in one phase, in order.

    Empty with a reason where none counts: NO_COMMITMENT (the first is missing),
    CONTRADICTION (two with one sequence number), BROKEN_CHAIN.
    """
    by_sequence: dict[int, Commitment] = {}
    for each in messages:
        message = each.signed.message
        if by_sequence.setdefault(message.sequence, message) != message:
            return [], Reason.CONTRADICTION
    prefix: list[Commitment] = []
    previous = ZERO
    while (following := by_sequence.get(len(prefix))) is not None:
        if following.previous != previous:
            return [], Reason.BROKEN_CHAIN
        prefix.append(following)
        previous = following.digest(domain)
    return prefix, Reason.NONE if prefix else Reason.NO_COMMITMENT


Place = tuple[int, int]
CardName = tuple[bytes, int]
M = TypeVar("M", Commitment, Opening)


def _by_place(
    rows: Iterable[Arrived[M]],
) -> dict[Place, dict[CardName, list[Arrived[M]]]]:
    places: dict[Place, dict[CardName, list[Arrived[M]]]] = defaultdict(dict)
    for row in rows:
        message = row.signed.message
        cards = places[message.round, message.phase]
        cards.setdefault((message.device, message.card), []).append(row)
    return places
