"""What a device can show against its coordinator, as one file that anybody judges."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from edgeproof.agent import identity
from edgeproof.agent.evidence import Evidence, Kept
from edgeproof.agent.state import State
from edgeproof.audit.evidence import MOST_CLAIMS, Claim, ClaimKind, Dispute
from edgeproof.errors import EdgeproofError
from edgeproof.proofs import timetable, uptime
from edgeproof.proofs.parameters import Parameters
from edgeproof.telemetry.messages import (
    Beacon,
    Entropy,
    IntakeRoot,
    Receipt,
    Seal,
    Statement,
)


class NothingToDispute(EdgeproofError):  # noqa: N818 - an answer, not a fault
    """What is kept of an epoch contradicts nothing."""


def prepare(folder: Path, epoch: int, *, everything: bool = False) -> Dispute:
    """Return what the device in ``folder`` can claim about ``epoch``.

    ``everything``: also that the epoch's bundle must hold each word that is kept, for
    whoever has that bundle.  Raises ``NothingToDispute`` or ``NotEnrolled``.
    """
    with closing(State(folder, read_only=True)) as state:
        network = state.network()
        text = state.get("description")
        device = identity.device_key(folder).address
        kept = Evidence(state.store, network, device).of(epoch)
    found = _Found(network.parameters, epoch, kept)
    claims = [*found.two_words(), *found.void_slots(), *found.not_accepted()]
    if everything:
        claims += found.all()
    if not claims:
        raise NothingToDispute(found.why_nothing(), hint=_HINT)
    return Dispute(text, device, epoch, tuple(claims[:MOST_CLAIMS]))


def write(file: Path, dispute: Dispute) -> None:
    """Write the evidence to ``file``; raise ``EdgeproofError`` where that fails."""
    try:
        file.write_bytes(dispute.encode())
    except OSError as error:
        msg = f"cannot write {file}: {error.strerror}"
        raise EdgeproofError(msg, hint="name another place: --out FILE") from None


_HINT = "--all writes all that is kept, to be compared with the epoch's bundle"


class _Found:
    def __init__(self, network: Parameters, epoch: int, kept: list[Kept]) -> None:
        self._network = network
        self._epoch = epoch
        self._kept = kept
        self._first = timetable.first_slot(network, epoch)
        self._statement = next(
            (each for each in kept if isinstance(each.word, Statement)), None
        )
        self._beacons = self._by_slot(Beacon)
        self._roots = self._by_slot(IntakeRoot)

    def _by_slot(self, cls: type[Any]) -> dict[int, Kept]:
        return {
            each.word.slot: each
            for each in self._kept
            if isinstance(each.word, cls)
            and not isinstance(each.word, Seal | Statement)
        }

    def two_words(self) -> Iterator[Claim]:
        """Yield two words of one thing that differ, once for each thing."""
        about: dict[tuple[str, int], dict[Any, Kept]] = defaultdict(dict)
        for each in self._kept:
            word = each.word
            if isinstance(word, Receipt | IntakeRoot):
                said: Any = (word.root, word.size)
                about["root", word.slot].setdefault(said, each)
            elif isinstance(word, Beacon | Entropy):
                about[type(word).__name__, word.slot].setdefault(each.digest, each)
            elif isinstance(word, Statement):
                about["statement", word.epoch].setdefault(each.digest, each)
        for different in about.values():
            if len(different) > 1:
                one, other, *_ = different.values()
                yield Claim(ClaimKind.TWO_WORDS, (one.raw, other.raw))

    def void_slots(self) -> Iterator[Claim]:
        """Yield a claim if more slots were whole than the statement counts."""
        if self._statement is None or not isinstance(self._statement.word, Statement):
            return
        whole = [slot for slot in self._own() if self._is_whole(slot)]
        counted = self._statement.word.counted
        if len(whole) > counted:
            pairs = [
                each.raw
                for slot in whole[: counted + 1]
                for each in (self._beacons[slot], self._roots[slot])
            ]
            yield Claim(ClaimKind.VOID_SLOT, (self._statement.raw, *pairs))

    def not_accepted(self) -> Iterator[Claim]:
        """Yield each slot that a seal with a receipt claims, and the statement lacks.

        Whether the device was heard in it, only the bundle's bitmap says.
        """
        if self._statement is None or not isinstance(self._statement.word, Statement):
            return
        accepted = uptime.bits(self._statement.word.slots)
        receipts = {
            each.word.message: each
            for each in self._kept
            if isinstance(each.word, Receipt)
        }
        claimed: dict[int, tuple[Kept, Kept]] = {}
        for each in self._kept:
            if isinstance(each.word, Seal) and each.digest in receipts:
                for offset in range(self._network.slots_per_epoch):
                    if uptime.bits(each.word.slots) >> offset & 1:
                        claimed.setdefault(offset, (each, receipts[each.digest]))
        for offset, (seal, receipt) in sorted(claimed.items()):
            slot = self._first + offset
            if not accepted >> offset & 1 and self._is_whole(slot):
                root = self._roots[slot]
                messages = (self._statement.raw, seal.raw, receipt.raw, root.raw)
                yield Claim(ClaimKind.NOT_ACCEPTED, messages)

    def all(self) -> Iterator[Claim]:
        """Yield that the bundle must hold all that was said."""
        words = [each.raw for each in self._kept if not isinstance(each.word, Seal)]
        if words:
            yield Claim(ClaimKind.NOT_IN_BUNDLE, tuple(words))

    def why_nothing(self) -> str:
        """Return why there is no claim."""
        head = f"nothing to dispute in epoch {self._epoch}: "
        if not self._kept:
            return head + "nothing of it is kept"
        if self._statement is None or not isinstance(self._statement.word, Statement):
            return (
                head + "no two words contradict each other, and no statement came yet"
            )
        accepted = uptime.bits(self._statement.word.slots).bit_count()
        counted = self._statement.word.counted
        return (
            f"{head}no two words contradict each other, and the statement accepts"
            f" {accepted} of {counted} slots, all that seals with a receipt claim"
        )

    def _own(self) -> range:
        return range(self._first, self._first + self._network.slots_per_epoch)

    def _is_whole(self, slot: int) -> bool:
        return slot in self._beacons and slot in self._roots
