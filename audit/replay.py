"""One epoch, from its published inputs to its root: the transition function.

Pure and deterministic.  The coordinator closes an epoch with it and anybody audits one
with it, so they cannot disagree about the rules.  Signatures and intake roots are
checked before (``audit.published``); here everything in the record is taken as said.

Steps, numbered here and at each:

1. Rosters: who counts, and for which owner.
2. Attendance: claimed by a seal AND heard by an intake root, until the owner retires
   the device.
3. Rounds: a verdict on each card's work (``audit.rounds``).
4. Weights: over the accepted slots, the lower of the figures around each.
5. Split: each bucket's budget by weight; what nobody earned stays unallocated.
6. Balances, cumulative by owner, and the tree that they are claimed from.
7. The state that the next epoch starts from.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgeproof.audit import sampling
from edgeproof.audit.attendance import attend
from edgeproof.audit.model import (
    Attendance,
    Carried,
    EpochRecord,
    Figure,
    Outcome,
    Payout,
    Verdict,
)
from edgeproof.audit.register import Register
from edgeproof.audit.rounds import RoundJudge, Verifier, difficulty, verify_proof
from edgeproof.audit.schedule import Schedule
from edgeproof.proofs import payout_tree, scores, split, timetable
from edgeproof.proofs.parameters import BUCKET_PHASES, Bucket
from edgeproof.proofs.reasons import SKIPS, Reason


@dataclass(slots=True)
class _Track:
    """One bucket's rounds that were not void, and each card's figure in them."""

    opened: list[int] = field(default_factory=list)
    figures: dict[bytes, dict[int, dict[int, int]]] = field(default_factory=dict)
    """By device, card and round."""

    def note(self, device: bytes, card: int, opened: int, figure: int) -> None:
        cards = self.figures.setdefault(device, {})
        cards.setdefault(card, {})[opened] = figure

    def last(self, end: int) -> tuple[int, ...]:
        """Return the last rounds before the slot ``end``, as many as are carried."""
        return tuple(sorted(slot for slot in self.opened if slot < end)[-scores.LAST :])

    def cards_of(self, device: bytes) -> list[list[int]]:
        """Return the figures of each of the device's cards, in the rounds' order."""
        return [
            [by_round.get(slot, 0) for slot in self.opened]
            for by_round in self.figures.get(device, {}).values()
        ]


def replay(record: EpochRecord, verify: Verifier = verify_proof) -> Outcome:
    """Return everything that follows from ``record``.

    ``verify`` judges one proof; pass a memo of ``verify_proof`` to reuse its verdicts.
    """
    network = record.description.parameters
    first = timetable.first_slot(network, record.epoch)
    # (1) Rosters.
    register = Register(record.enrolments)
    # (2) Attendance.
    countable = _countable(record, first)
    attendance = attend(record, register, countable)
    # (3) Rounds.
    schedule = Schedule.of(record)
    judge = RoundJudge(record, schedule, verify)
    tracks = _carried_tracks(record.carried)
    voids: list[tuple[int, Bucket]] = []
    hashes_at_end = dict(judge.hashes)
    for decided in schedule.decided():
        if decided.void:
            voids.append((decided.opened, decided.bucket))
            continue
        tracks[decided.bucket].opened.append(decided.opened)
        judge.judge(decided)
        if timetable.epoch_of(network, decided.opened) == record.epoch:
            hashes_at_end = dict(judge.hashes)
    verdicts = judge.settled()
    for verdict in verdicts:
        track = tracks[verdict.bucket]
        track.note(verdict.device, verdict.card, verdict.round, verdict.figure)
    # (4) Weights.
    weights = {
        bucket: {
            row.device: sum(
                scores.weight(row.slots, first, tracks[bucket].opened, figures)
                for figures in tracks[bucket].cards_of(row.device)
            )
            for row in attendance
        }
        for bucket in Bucket
    }
    # (5) Split.
    rewards = _rewards(record, weights, countable.bit_count())
    why = _Reasons(tracks, verdicts, voids)
    payouts = tuple(
        Payout(
            row.device,
            row.owner,
            bucket,
            weights[bucket][row.device],
            rewards[bucket][row.device],
            why.of(row, bucket, weights, rewards),
        )
        for row in attendance
        for bucket in Bucket
    )
    # (6) Balances and tree.
    earned: dict[bytes, int] = defaultdict(int)
    for payout in payouts:
        earned[payout.owner] += payout.reward
    before = record.carried.balances
    balances = tuple(
        (owner, before.get(owner, 0), before.get(owner, 0) + earned.get(owner, 0))
        for owner in sorted(
            before.keys() | {o for o, amount in earned.items() if amount}
        )
    )
    current = {owner: amount for owner, _, amount in balances}
    # (7) The next state.
    sums = (
        record.epoch,
        countable.bit_count(),
        tuple(sum(weights[bucket].values()) for bucket in Bucket),
    )
    budget = network.cap(record.epoch)
    end = timetable.first_slot(network, record.epoch + 1)
    return Outcome(
        countable=countable,
        verdicts=tuple(sorted(verdicts)),
        voids=tuple(sorted(voids)),
        attendance=tuple(attendance),
        payouts=payouts,
        balances=balances,
        budget=budget,
        unallocated=budget - sum(earned.values()),
        root=payout_tree.build(current).root,
        cumulative_total=sum(current.values()),
        difficulties={
            card: difficulty(network, work) for card, work in judge.hashes.items()
        },
        carried=Carried(
            last_round=max(
                (slot for slot in schedule.rounds() if slot < end),
                default=record.carried.last_round,
            ),
            rounds={
                bucket: last
                for bucket, track in tracks.items()
                if (last := track.last(end))
            },
            figures=_last_figures(tracks, end),
            hashes=hashes_at_end,
            sums=(*record.carried.sums, sums)[-split.HISTORY :],
            balances=current,
            records=sampling.records(
                network,
                record.carried.records,
                verdicts,
                end,
            ),
            previous_bundle=b"",
        ),
    )


def _countable(record: EpochRecord, first: int) -> int:
    """Return the epoch's slots with both a beacon and an intake root."""
    slots = 0
    beacons = {beacon.message.slot for beacon in record.beacons}
    for heard in record.intake:
        slot = heard.signed.message.slot
        inside = 0 <= slot - first < record.description.parameters.slots_per_epoch
        if inside and slot in beacons:
            slots |= 1 << slot - first
    return slots


def _carried_tracks(carried: Carried) -> dict[Bucket, _Track]:
    tracks = {bucket: _Track() for bucket in Bucket}
    for bucket, slots in carried.rounds.items():
        tracks[bucket].opened += slots
    for row in carried.figures:
        tracks[row.bucket].note(row.device, row.card, row.round, row.figure)
    return tracks


def _last_figures(tracks: Mapping[Bucket, _Track], end: int) -> tuple[Figure, ...]:
    rows = []
    for bucket, track in tracks.items():
        rows += [
            Figure(bucket, opened, device, card, by_round[opened])
            for opened in track.last(end)
            for device, cards in track.figures.items()
            for card, by_round in cards.items()
            if by_round.get(opened)
        ]
    return tuple(sorted(rows))


def _rewards(
    record: EpochRecord, weights: Mapping[Bucket, Mapping[bytes, int]], slots: int
) -> dict[Bucket, dict[bytes, int]]:
    network = record.description.parameters
    budgets = split.bucket_budgets(network.cap(record.epoch), network.bucket_shares)
    rewards = {}
    for bucket in Bucket:
        history = [
            split.WeightSum(totals[bucket], countable)
            for _, countable, totals in record.carried.sums
        ]
        floor = split.floor_weight(history, slots, network.floor_weights[bucket])
        rewards[bucket] = split.split(budgets[bucket], weights[bucket], floor)
    return rewards


class _Reasons:
    """Why a reward is zero: the first failure, where there was one.

    What a device skipped comes after failures, and after its absence.
    """

    def __init__(
        self,
        tracks: Mapping[Bucket, _Track],
        verdicts: Sequence[Verdict],
        voids: Sequence[tuple[int, Bucket]],
    ) -> None:
        self._tracks = tracks
        self._voids = {bucket for _, bucket in voids}
        self._failed: dict[tuple[bytes, Bucket], Reason] = {}
        self._skipped: dict[tuple[bytes, Bucket], Reason] = {}
        self._seen: set[tuple[bytes, Bucket]] = set()
        for verdict in verdicts:
            key = (verdict.device, verdict.bucket)
            self._seen.add(key)
            if verdict.reason in SKIPS:
                self._skipped.setdefault(key, verdict.reason)
            elif verdict.reason and verdict.reason is not Reason.VOID_UNVERIFIED:
                # What is void for a failure never stands without it.
                self._failed.setdefault(key, verdict.reason)

    def of(
        self,
        row: Attendance,
        bucket: Bucket,
        weights: Mapping[Bucket, Mapping[bytes, int]],
        rewards: Mapping[Bucket, Mapping[bytes, int]],
    ) -> Reason:
        if rewards[bucket][row.device]:
            return Reason.NONE
        if bucket not in BUCKET_PHASES:
            return Reason.BUCKET_NOT_MEASURED
        if weights[bucket][row.device]:
            return Reason.SHARE_BELOW_ONE_UNIT
        return self._without_weight(row, bucket)

    def _without_weight(self, row: Attendance, bucket: Bucket) -> Reason:
        key = (row.device, bucket)
        if key in self._failed:
            return self._failed[key]
        if not row.slots:
            return Reason.NO_UPTIME
        if key in self._skipped:
            return self._skipped[key]
        if not self._tracks[bucket].opened:
            return Reason.PHASE_VOID if bucket in self._voids else Reason.NO_ROUND_YET
        return Reason.NOTHING_PROVEN if key in self._seen else Reason.NO_COMMITMENT
