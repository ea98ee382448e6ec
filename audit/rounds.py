"""The verdict on each card's work in each round, from what the intake roots hold.

Steps, numbered here and at each:

1. A round is void for a bucket, for everybody, unless the values of its phases and the
   intake roots that carry its commitments and openings were published, and its draws
   came in time.
2. A card that said it skips a phase of the bucket, the fill of a memory included, and
   said so under an intake root up to that phase's commit slot, has nothing, for its own
   reason, whatever it committed: nobody can skip once the draw is known.
3. What counts is the contiguous, chained prefix of a card's commitments; two different
   messages with one sequence number void the card's phase.
4. The size is one and the same, and for pow the one that the card's past sets.
5. The draw follows from the prefix's last message and later entropy; one opening
   answers it.
6. The proof holds, if it is verified at all (``audit.sampling``).
7. What a bucket is measured in several phases for, the least of them shows: of memory
   that is the lower of both walks, and nothing if one was left out or fails.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from edgeproof.audit import sampling
from edgeproof.audit.model import Arrived, EpochRecord, Verdict
from edgeproof.audit.sampling import Ledger
from edgeproof.audit.schedule import BucketRound, Part, Schedule, needed
from edgeproof.kernels.shapes import (
    FEWEST_ITEMS,
    MAX_PRODUCTS,
    MAX_SOLUTIONS,
    MOST_ITEMS,
    SIZES,
)
from edgeproof.proofs import (
    challenge,
    matmul,
    memory,
    proof_of_work,
    scores,
    timetable,
)
from edgeproof.proofs.parameters import Bucket, Parameters, Phase
from edgeproof.proofs.reasons import SKIPS, Reason
from edgeproof.telemetry.eip712 import Domain
from edgeproof.telemetry.messages import ZERO, Commitment, Opening, Skip

PAYLOAD_BYTES: Mapping[Bucket, int] = {
    Bucket.COMPUTE: 32,
    Bucket.MEMORY: 32,
    Bucket.HASH: 8,
}
"""Length of one item of a commitment's payload: a product's root, a walk's, a nonce."""

MOST_ROOTS: Mapping[Bucket, int] = {Bucket.COMPUTE: MAX_PRODUCTS, Bucket.MEMORY: 1}
"""Roots that a card may commit to in a phase; of nonces, the rest is just unpaid."""


@dataclass(frozen=True, slots=True)
class ProofCase:
    """All that a verifier needs to know of one card's work in one phase.

    ``items`` are the payloads of the prefix, joined.  ``draw`` and ``opening`` are
    empty for pow, whose nonces prove themselves.  ``fill_seed`` and ``permutations``
    say what a walk reads, and are empty for all else.
    """

    bucket: Bucket
    seed: bytes
    size: int
    items: bytes
    draw: bytes
    opening: bytes
    opened: int
    fill_seed: bytes = b""
    permutations: int = 0


Verifier = Callable[[ProofCase], Reason]


def verify_proof(case: ProofCase) -> Reason:
    """Return ``Reason.NONE`` if the proof holds.  Pure, and the expensive part."""
    if case.bucket is Bucket.HASH:
        return proof_of_work.verify(case.seed, case.size, case.items)
    if case.bucket is Bucket.MEMORY:
        return memory.verify(
            case.fill_seed,
            case.seed,
            case.size,
            case.items,
            case.draw,
            case.opening,
            case.permutations,
            case.opened,
        )
    roots = [case.items[at : at + 32] for at in range(0, len(case.items), 32)]
    return matmul.verify(
        case.seed, case.size, roots, case.draw, case.opening, case.opened
    )


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
        self._records = record.carried.records
        self._ledger = Ledger(schedule.network, record.carried.figures)
        self._commitments = _by_place(record.commitments)
        self._openings = _by_place(record.openings)
        self._skips = _by_place(record.skips)
        self.hashes = dict(record.carried.hashes)

    def difficulty(self, device: bytes, card: int) -> int:
        """Return the pow difficulty that the card's past work sets."""
        return difficulty(self._network, self.hashes.get((device, card)))

    def judge(self, decided: BucketRound) -> list[Verdict]:
        """Return the verdict on every card that spoke in a round that counts."""
        opened, bucket = decided.opened, decided.bucket
        cards = {
            card
            for part in decided.parts
            for card in self._commitments.get((opened, int(part.phase)), {})
        }
        cards |= {
            card
            for phase in needed(bucket)
            for card in self._skips.get((opened, int(phase)), {})
            if self._skipped(decided, *card)
        }
        verdicts = []
        for device, card in sorted(cards):
            held: list[ProofCase] = []
            verify = self._verify if self._drawn(decided, device) else _later(held)
            work, reason = self._worth(decided, device, card, verify)
            if work and bucket is Bucket.HASH:
                self.hashes[device, card] = work
            figure = scores.figure(self._network, bucket, work)
            verdict = Verdict(opened, bucket, device, card, work, figure, reason)
            if reason:
                held.clear()  # it failed without them, and rests on nothing later
            elif held and not self._ledger.believes(verdict):
                if reason := sampling.first_failure(self._verify, held):
                    verdict = replace(verdict, work=0, figure=0, reason=reason)
                held.clear()
            self._ledger.note(verdict, held)
            verdicts.append(verdict)
        return verdicts

    def settled(self) -> list[Verdict]:
        """Return every verdict so far, with what later ones make of earlier ones.

        The same as ``judge`` returned where everything is verified.
        """
        close = timetable.close_of(self._network, self._schedule.epoch)
        if self._schedule.close >= close:
            self._ledger.settle(self._schedule.epoch, self._verify)
        return self._ledger.verdicts

    def _drawn(self, decided: BucketRound, device: bytes) -> bool:
        draw, bucket = decided.parts[-1].draw, decided.bucket
        entropy = b"" if draw is None else self._schedule.entropies[draw]
        failed = self._ledger.failed(device)
        record = 0 if failed else self._records.get(device, 0)
        return sampling.drawn(self._network, record, bucket, entropy, device)

    def _worth(
        self, decided: BucketRound, device: bytes, card: int, verify: Verifier
    ) -> tuple[int, Reason]:
        skipped = self._skipped(decided, device, card)
        if skipped:
            return 0, skipped
        # (7) The least that a part shows; the first reason where one fails.
        least = None
        for part in decided.parts:
            work, reason = self._part(decided, part, (device, card), verify)
            if reason:
                return 0, reason
            least = work if least is None else min(least, work)
        return least or 0, Reason.NONE

    def _skipped(self, decided: BucketRound, device: bytes, card: int) -> Reason:
        # (2) The first reason of those that came in time; NONE if none did.
        said = [
            Reason(each.signed.message.reason)
            for phase in needed(decided.bucket)
            for each in self._skips.get((decided.opened, int(phase)), {}).get(
                (device, card), ()
            )
            if each.slot <= timetable.commit_slot(self._network, decided.opened, phase)
            and each.signed.message.reason in SKIPS
        ]
        return min(said, default=Reason.NONE)

    def _part(
        self, decided: BucketRound, part: Part, name: "CardName", verify: Verifier
    ) -> tuple[int, Reason]:
        """Return the work of one card in one phase, or why it is worth nothing."""
        opened, bucket = decided.opened, decided.bucket
        place, (device, card) = (opened, int(part.phase)), name
        # (3) The prefix.
        messages = self._commitments.get(place, {}).get(name, [])
        last_slot = timetable.commit_slot(self._network, opened, part.phase)
        in_time = [each for each in messages if each.slot <= last_slot]
        prefix, reason = prefix_of(in_time, self._domain)
        if reason:
            return 0, reason
        # (4) The size.
        size, reason = self._size(bucket, device, card, prefix)
        if reason:
            return 0, reason
        items = b"".join(message.payload for message in prefix)
        width = PAYLOAD_BYTES[bucket]
        if len(items) % width or not items:
            return 0, Reason.MALFORMED
        count = len(items) // width
        if bucket is Bucket.HASH:
            count = min(count, MAX_SOLUTIONS)
            items = items[: count * width]
        elif count > MOST_ROOTS[bucket]:
            return 0, Reason.TOO_MUCH_WORK
        # (5) The draw and its opening.
        draw, opening = b"", b""
        if part.draw is not None:
            committed = prefix[-1].digest(self._domain)
            draw = challenge.draw(committed, self._schedule.entropies[part.draw])
            due = timetable.opening_deadline(self._network, part.draw)
            answers = {
                each.signed.message.payload
                for each in self._openings.get(place, {}).get(name, [])
                if each.slot <= due and each.signed.message.commitment == committed
            }
            if len(answers) != 1:
                return 0, Reason.CONTRADICTION if answers else Reason.NO_OPENING
            (opening,) = answers
        # (6) The proof.
        case = ProofCase(
            bucket=bucket,
            seed=self.seed(opened, part.phase, device, card),
            size=size,
            items=items,
            draw=draw,
            opening=opening,
            opened=self._network.opened_tiles,
        )
        if bucket is Bucket.MEMORY:
            case = replace(
                case,
                opened=self._network.opened_lanes,
                fill_seed=self.seed(opened, Phase.FILL, device, card),
                permutations=self._network.fill_permutations,
            )
        return work_of(bucket, count, size), verify(case)

    def seed(self, opened: int, phase: Phase, device: bytes, card: int) -> bytes:
        """Return the card's seed for a phase of the round that opened in a slot."""
        return challenge.card_seed(
            challenge.DOMAINS[phase],
            self._schedule.entropies[opened],
            self._schedule.phases[opened, phase],
            device,
            card,
        )

    def _size(
        self, bucket: Bucket, device: bytes, card: int, prefix: list[Commitment]
    ) -> tuple[int, Reason]:
        sizes = {message.size for message in prefix}
        size = prefix[0].size
        if bucket is Bucket.HASH:
            wanted = self.difficulty(device, card)
            return size, Reason.NONE if sizes == {wanted} else Reason.WRONG_DIFFICULTY
        allowed = SIZES if bucket is Bucket.COMPUTE else MEMORY_SIZES
        right = len(sizes) == 1 and size in allowed
        return size, Reason.NONE if right else Reason.WRONG_SIZE


def _later(held: list[ProofCase]) -> Verifier:
    """Return what believes every proof for now, and keeps it in ``held``."""

    def believe(case: ProofCase) -> Reason:
        held.append(case)
        return Reason.NONE

    return believe


MEMORY_SIZES = range(FEWEST_ITEMS, MOST_ITEMS + 1)
"""The numbers of items that a walk may claim."""


def work_of(bucket: Bucket, count: int, size: int) -> int:
    """Return the work of ``count`` items: multiply-accumulates, bytes, or keccaks."""
    if bucket is Bucket.HASH:
        return proof_of_work.work(count, size)
    if bucket is Bucket.MEMORY:
        return memory.work(size)
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
M = TypeVar("M", Commitment, Opening, Skip)


def _by_place(
    rows: Iterable[Arrived[M]],
) -> dict[Place, dict[CardName, list[Arrived[M]]]]:
    places: dict[Place, dict[CardName, list[Arrived[M]]]] = defaultdict(dict)
    for row in rows:
        message = row.signed.message
        cards = places[message.round, message.phase]
        cards.setdefault((message.device, message.card), []).append(row)
    return places
