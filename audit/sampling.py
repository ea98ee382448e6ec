"""Which proofs are verified where only a share is, and what rests on them.  Pure.

A network may verify a share of its devices' rounds, once a device has a record.  Whose
round it is, is drawn when nothing can be committed any more.  A round that was not
drawn counts as it was claimed until a later one of that card is verified:

1. It holds, and so do the unchecked ones before it.
2. It fails, for whatever reason: the unchecked ones before it, back to the last one
   that was verified, are worth nothing, and the device has no record any more.
3. The last unchecked round of the epoch is verified when the epoch is over, so its pay
   never rests on a claim, and nothing that was minted has to be taken back.
4. A claim of more than that card has proven is verified at once: otherwise whoever has
   a record could claim a whole bucket in a round that was not drawn.

Of the next epoch's first rounds, which only bound what the last slots earn, nothing is
verified beyond the draw: that epoch's close decides on them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from edgeproof.audit.model import Figure, Verdict
from edgeproof.proofs import challenge, timetable
from edgeproof.proofs.parameters import EVERYTHING, Bucket, Parameters
from edgeproof.proofs.reasons import SKIPS, Reason

Chain = tuple[bytes, int, Bucket, int]
"""A card's rounds of one bucket in one epoch: device, card, bucket, epoch."""


def drawn(
    network: Parameters, record: int, bucket: Bucket, entropy: bytes, device: bytes
) -> bool:
    """Return whether a device's round is verified for a bucket.

    ``record`` is the number of clean epochs that it has behind it, ``entropy`` that of
    the slot which draws the last openings of the bucket.  Nonces always are: it costs
    next to nothing, and sets the next target.
    """
    if network.verified_share >= EVERYTHING or record < network.record_epochs:
        return True
    if bucket is Bucket.HASH:
        return True
    return challenge.share_draw(entropy, device) < network.verified_share


def records(
    network: Parameters,
    before: Mapping[bytes, int],
    verdicts: Iterable[Verdict],
    end: int,
) -> dict[bytes, int]:
    """Return the clean epochs of each device after one that ended before slot ``end``.

    One in which something was verified and nothing failed adds one, up to as many as
    are asked for; a failure leaves none, one in the next epoch's first rounds included;
    what a device skips changes nothing.  Empty where everything is verified anyway.
    """
    if network.verified_share >= EVERYTHING:
        return {}
    failed, held = set(), set()
    for verdict in verdicts:
        if verdict.reason and verdict.reason not in SKIPS:
            failed.add(verdict.device)
        elif verdict.verified and verdict.figure and verdict.round < end:
            held.add(verdict.device)
    return {
        device: min(network.record_epochs, before.get(device, 0) + (device in held))
        for device in sorted(before.keys() | held)
        if device not in failed
    }


def first_failure(verify: Callable[..., Reason], cases: Iterable[object]) -> Reason:
    """Return why the first of the proofs that does not hold fails."""
    return next(filter(None, map(verify, cases)), Reason.NONE)


class Ledger:
    """The verdicts so far, and which of them rest on a later one.

    ``proven``: figures of the epoch before, which rest on nothing any more.
    """

    def __init__(self, network: Parameters, proven: Iterable[Figure] = ()) -> None:
        self._network = network
        self._verdicts: list[Verdict] = []
        self._failed: set[bytes] = set()
        self._proven: dict[tuple[bytes, int, Bucket], int] = {}
        for row in proven:
            self._prove(row)
        self._unchecked: defaultdict[Chain, list[tuple[int, Sequence[object]]]] = (
            defaultdict(list)
        )

    def failed(self, device: bytes) -> bool:
        """Return whether anything of the device failed so far."""
        return device in self._failed

    def believes(self, verdict: Verdict) -> bool:
        """Return whether the card has proven as much as it claims now."""
        chain = (verdict.device, verdict.card, verdict.bucket)
        return verdict.figure <= self._proven.get(chain, 0)

    def note(self, verdict: Verdict, cases: Sequence[object]) -> None:
        """Note a verdict; ``cases`` are what was not verified of it, if anything."""
        place, chain = len(self._verdicts), self._chain(verdict)
        self._verdicts.append(replace(verdict, verified=not cases))
        if verdict.reason in SKIPS:
            return
        if verdict.reason:
            self._failed.add(verdict.device)
            self._void(self._unchecked.pop(chain, []))  # (2)
        elif cases:
            self._unchecked[chain].append((place, cases))
        else:
            self._unchecked.pop(chain, None)  # (1)
            self._prove(verdict)

    def settle(self, epoch: int, verify: Callable[..., Reason]) -> None:
        """Verify what the pay of an epoch that is over would rest on."""
        for chain, rounds in self._unchecked.items():
            if chain[-1] != epoch or not rounds:
                continue
            # (3) The last one, and by it the others.
            place, cases = rounds[-1]
            reason = first_failure(verify, cases)
            if reason:
                self._void(rounds[:-1])
                self._fail(place, reason)
            else:
                self._verdicts[place] = replace(self._verdicts[place], verified=True)
            rounds.clear()

    @property
    def verdicts(self) -> list[Verdict]:
        """Every verdict, in the order of the rounds."""
        return list(self._verdicts)

    def _prove(self, row: Figure | Verdict) -> None:
        chain = (row.device, row.card, row.bucket)
        self._proven[chain] = max(row.figure, self._proven.get(chain, 0))

    def _void(self, rounds: Iterable[tuple[int, Sequence[object]]]) -> None:
        for place, _ in rounds:
            self._fail(place, Reason.VOID_UNVERIFIED, verified=False)

    def _fail(self, place: int, reason: Reason, *, verified: bool = True) -> None:
        self._verdicts[place] = replace(
            self._verdicts[place], work=0, figure=0, reason=reason, verified=verified
        )

    def _chain(self, verdict: Verdict) -> Chain:
        epoch = timetable.epoch_of(self._network, verdict.round)
        return verdict.device, verdict.card, verdict.bucket, epoch
