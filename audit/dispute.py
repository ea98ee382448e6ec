"""Did the coordinator contradict itself?  Evidence from one device, judged by anybody.

Pure: what is read from files comes in as values, and a verdict goes out.  Only signed
words count.  A ``Receipt`` proves that its message stands under the intake root that it
names, and no more; that a device was heard in a slot, only that slot's bitmap proves,
which the epoch's bundle holds.  So some claims stand by themselves and others need the
bundle.  What is not proven blocks nothing and costs nobody anything.

Checks, numbered here and at each:

1. The file is within its bounds, its description is signed by the coordinator that it
   names, and where there is a bundle, that is of the same network and epoch.
2. Each message is the one encoding of a kind that the claim is made of.
3. The coordinator signed it; a seal, the device.
4. It is about this device and this epoch.
5. A receipt's path leads to its root.
6. The messages contradict each other, or the bundle.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from edgeproof.audit.evidence import (
    KINDS,
    BadDispute,
    Claim,
    ClaimKind,
    Dispute,
    Word,
)
from edgeproof.audit.model import EpochRecord, Outcome
from edgeproof.audit.register import Register
from edgeproof.errors import EdgeproofError
from edgeproof.proofs import merkle, timetable, uptime
from edgeproof.proofs.parameters import BadParameters, Bucket, Parameters
from edgeproof.telemetry import codec, description, intake, signing
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.message import Message, Signed, decode_signed
from edgeproof.telemetry.messages import (
    Beacon,
    IntakeRoot,
    Receipt,
    Seal,
    Statement,
)

W = TypeVar("W", bound=Message)


class NotProven(EdgeproofError):  # noqa: N818 - a verdict
    """A claim that its messages do not prove."""


class NeedsBundle(NotProven):
    """A claim that cannot be judged without the epoch's bundle."""


@dataclass(frozen=True, slots=True)
class Published:
    """The epoch's bundle, its attestors' signatures checked; devices in their order."""

    record: EpochRecord
    outcome: Outcome
    roster: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a claim was found to be worth, and why."""

    kind: ClaimKind
    proven: bool
    why: str
    needs_bundle: bool = False
    """Whether it can only be judged with the bundle, which was not shown."""


def judge(dispute: Dispute, published: Published | None = None) -> list[Finding]:
    """Return a finding for each claim, in order.

    Raises ``BadDispute`` for a description that nobody signed, and for a bundle of
    another network or epoch: then nothing can be said of any claim.
    """
    # (1) Whose words these are.
    try:
        network = description.read(dispute.network)
    except (MessageRefused, BadParameters) as error:
        msg = f"the network's description does not hold: {error}"
        raise BadDispute(msg) from None
    if published is not None:
        _check_same(network, dispute.epoch, published)
    court = _Court(dispute, network, published)
    return [court.find(claim) for claim in dispute.claims]


def _check_same(network: Description, epoch: int, published: Published) -> None:
    other = published.record.description
    for name in ("network_id", "chain_id", "coordinator", "parameters"):
        if getattr(other, name) != getattr(network, name):
            msg = f"the bundle is of another network: its {name} differs"
            raise BadDispute(msg)
    if published.record.epoch != epoch:
        msg = f"the bundle is of epoch {published.record.epoch}, not of {epoch}"
        raise BadDispute(msg, hint=f"name the bundle of epoch {epoch}")


@dataclass(frozen=True, slots=True)
class _Court:
    dispute: Dispute
    network: Description
    published: Published | None

    def find(self, claim: Claim) -> Finding:
        rules: Mapping[ClaimKind, Callable[[list[Word]], str]] = {
            ClaimKind.TWO_WORDS: self._two_words,
            ClaimKind.VOID_SLOT: self._void_slot,
            ClaimKind.NOT_ACCEPTED: self._not_accepted,
            ClaimKind.NOT_IN_BUNDLE: self._not_in_bundle,
        }
        try:
            words = [self._word(raw) for raw in claim.messages]
            return Finding(claim.kind, proven=True, why=rules[claim.kind](words))
        except NeedsBundle as verdict:
            return Finding(claim.kind, False, str(verdict), needs_bundle=True)  # noqa: FBT003 - not proven
        except (NotProven, MessageRefused) as verdict:
            return Finding(claim.kind, proven=False, why=str(verdict))

    @property
    def _parameters(self) -> Parameters:
        return self.network.parameters

    def _word(self, raw: bytes) -> Word:
        # (2) One encoding.
        tag = codec.tag_of(raw)
        if tag not in KINDS:
            msg = f"a message with tag {tag} is no evidence"
            raise NotProven(msg)
        signed: Signed[Any] = decode_signed(KINDS[tag], raw)
        word: Word = signed.message
        # (3) The signer.
        by = self.dispute.device if isinstance(word, Seal) else self.network.coordinator
        signing.check(signed, self.network.domain, by)
        # (4) This device, this epoch.
        self._check_about(word)
        # (5) The path.
        if isinstance(word, Receipt) and not merkle.check_path(
            word.message, word.index, word.size, word.path, word.root
        ):
            msg = f"the receipt of slot {word.slot} does not lead to its root"
            raise NotProven(msg)
        return word

    def _check_about(self, word: Word) -> None:
        device, epoch = self.dispute.device, self.dispute.epoch
        if isinstance(word, Receipt | Seal | Statement) and word.device != device:
            msg = f"a {_name(word)} of another device, {to_hex(word.device)}"
            raise NotProven(msg)
        if isinstance(word, Seal | Statement):
            if word.epoch != epoch:
                msg = f"a {_name(word)} of epoch {word.epoch}, not of {epoch}"
                raise NotProven(msg)
            return
        first = timetable.first_slot(self._parameters, epoch)
        close = timetable.close_of(self._parameters, epoch)
        if not first <= word.slot < close:
            msg = f"slot {word.slot} is none of {first} to {close - 1}"
            raise NotProven(msg)

    def _two_words(self, words: list[Word]) -> str:
        # (6) Both cannot be true.
        if len(words) != 2:
            msg = f"{len(words)} messages instead of two"
            raise NotProven(msg)
        one, other = words
        roots = _root_of(one), _root_of(other)
        if _subject(one) != _subject(other) or isinstance(one, Seal):
            msg = f"{_name(one)} and {_name(other)} are about different things"
            raise NotProven(msg)
        same = one == other if roots[0] is None else roots[0] == roots[1]
        if same:
            msg = f"the two say the same of {_place(one)}"
            raise NotProven(msg)
        return f"{_name(one)} and {_name(other)} of {_place(one)} differ"

    def _void_slot(self, words: list[Word]) -> str:
        # (6) More slots have both than the statement counts.
        statement = _only(words, Statement)
        beacons = {word.slot for word in words if isinstance(word, Beacon)}
        roots = {word.slot for word in words if isinstance(word, IntakeRoot)}
        own = range(
            timetable.first_slot(self._parameters, self.dispute.epoch),
            timetable.first_slot(self._parameters, self.dispute.epoch + 1),
        )
        whole = len([slot for slot in own if slot in beacons and slot in roots])
        if whole <= statement.counted:
            msg = (
                f"beacon and intake root of {whole} slots are shown, and the statement"
                f" counts {statement.counted}"
            )
            raise NotProven(msg)
        return (
            f"{whole} slots have beacon and intake root, and the statement counts"
            f" {statement.counted}"
        )

    def _not_accepted(self, words: list[Word]) -> str:
        # (6) Claimed, heard, countable, and yet not accepted.
        statement, seal = _only(words, Statement), _only(words, Seal)
        receipt, root = _only(words, Receipt), _only(words, IntakeRoot)
        offset = root.slot - timetable.first_slot(self._parameters, self.dispute.epoch)
        if offset >= self._parameters.slots_per_epoch:
            msg = f"slot {root.slot} is of the next epoch"
            raise NotProven(msg)
        if receipt.message != seal.digest(self.network.domain):
            msg = "the receipt is of another message than the seal"
            raise NotProven(msg)
        if not uptime.bits(seal.slots) >> offset & 1:
            msg = f"the seal does not claim slot {root.slot}"
            raise NotProven(msg)
        if uptime.bits(statement.slots) >> offset & 1:
            msg = f"the statement accepts slot {root.slot}"
            raise NotProven(msg)
        heard = self._heard(root)
        if not heard:
            msg = f"the device was not heard in slot {root.slot}"
            raise NotProven(msg)
        self._check_at_work(root.slot)
        return (
            f"slot {root.slot} is sealed under the root of slot {receipt.slot} and was"
            " heard, and the statement does not accept it"
        )

    def _check_at_work(self, slot: int) -> None:
        """Raise if the device's owner had retired it by then."""
        network = self._parameters
        first = timetable.first_slot(network, self.dispute.epoch)
        register = Register(self._bundle().record.enrolments)
        end = first + network.slots_per_epoch
        ends = register.ends(self.dispute.device, first, end)
        if slot >= ends:
            msg = f"the device's owner had retired it from slot {ends} on"
            raise NotProven(msg)

    def _heard(self, root: IntakeRoot) -> bool:
        """Return whether the bitmap under ``root`` has the device's bit."""
        published, device = self._bundle(), self.dispute.device
        record = published.record
        row = next((r for r in record.intake if r.signed.message == root), None)
        if row is None or _said(record, Beacon, root.slot) is None:
            msg = f"the bundle has another slot {root.slot}: claim {_MISSING} instead"
            raise NotProven(msg)
        digests = _digests(record, self.network, root.slot)
        if intake.root(row.heard, digests) != (root.root, root.size):
            msg = f"the bundle's bitmap of slot {root.slot} is not under its root"
            raise NotProven(msg)
        if device not in published.roster:
            msg = "the device is not in the epoch's roster"
            raise NotProven(msg)
        return bool(uptime.bits(row.heard) >> list(published.roster).index(device) & 1)

    def _not_in_bundle(self, words: list[Word]) -> str:
        # (6) The bundle says something else, or nothing.
        published = self._bundle()
        for word in words:
            why = self._missing(word, published)
            if why:
                return why
        msg = f"the bundle holds all {len(words)}, as they were said"
        raise NotProven(msg)

    def _missing(self, word: Word, published: Published) -> str:
        """Return how the bundle contradicts the word; empty if it holds it."""
        record = published.record
        if isinstance(word, Seal):
            msg = "a seal alone proves nothing: show its receipt"
            raise NotProven(msg)
        if isinstance(word, Statement):
            return _other_statement(word, published)
        if isinstance(word, Receipt):
            digests = _digests(record, self.network, word.slot)
            return _other_root(word, _said(record, IntakeRoot, word.slot), digests)
        said = _said(record, type(word), word.slot)
        if said is None:
            return f"the bundle has no {_name(word)} of slot {word.slot}"
        return "" if said == word else f"another {_name(word)} of slot {word.slot}"

    def _bundle(self) -> Published:
        if self.published is None:
            msg = f"this needs the bundle of epoch {self.dispute.epoch}"
            raise NeedsBundle(msg)
        return self.published


_MISSING = ClaimKind.NOT_IN_BUNDLE.value


def _name(word: Word) -> str:
    return (
        "intake root" if isinstance(word, IntakeRoot) else type(word).__name__.lower()
    )


def _place(word: Word) -> str:
    if isinstance(word, Seal | Statement):
        return f"epoch {word.epoch}"
    return f"slot {word.slot}"


def _subject(word: Word) -> tuple[str, int]:
    """Return what a word is about: of one thing only one thing can be said."""
    if isinstance(word, Seal | Statement):
        return _name(word), word.epoch
    return "root" if isinstance(word, Receipt | IntakeRoot) else _name(word), word.slot


def _root_of(word: Word) -> tuple[bytes, int] | None:
    return (word.root, word.size) if isinstance(word, Receipt | IntakeRoot) else None


def _only(words: Sequence[Word], cls: type[W]) -> W:
    found = [word for word in words if isinstance(word, cls)]
    if len(found) != 1:
        msg = f"{len(found)} messages of the kind {cls.__name__}, not one"
        raise NotProven(msg)
    return found[0]


def _said(record: EpochRecord, cls: type[W], slot: int) -> W | None:
    """Return the one ``cls`` of a slot that the bundle holds."""
    signed: Sequence[Signed[Any]] = (
        *record.beacons,
        *record.entropies,
        *(each.signed for each in record.intake),
    )
    for each in signed:
        message = each.message
        if isinstance(message, cls) and each.message.slot == slot:
            return message
    return None


def _digests(record: EpochRecord, network: Description, slot: int) -> set[bytes]:
    """Return the messages that the bundle holds under a slot's intake root."""
    return {
        row.signed.message.digest(network.domain)
        for rows in (record.seals, record.commitments, record.openings, record.skips)
        for row in rows
        if row.slot == slot
    }


def _other_root(receipt: Receipt, held: IntakeRoot | None, digests: set[bytes]) -> str:
    """Return what of the receipt the bundle contradicts; empty if nothing."""
    if held is None:
        return f"the bundle has no intake root of slot {receipt.slot}"
    if (held.root, held.size) != (receipt.root, receipt.size):
        return f"the receipt names another root of slot {receipt.slot}"
    if receipt.message not in digests:
        return f"the message {to_hex(receipt.message)} was left out of the bundle"
    return ""


def _other_statement(said: Statement, published: Published) -> str:
    """Return what of the statement the bundle contradicts; empty if nothing."""
    outcome = published.outcome
    rows = [row for row in outcome.attendance if row.device == said.device]
    if not rows:
        return "the bundle does not know the device"
    payouts = {p.bucket: p for p in outcome.payouts if p.device == said.device}
    mine = [payouts[bucket] for bucket in Bucket if bucket in payouts]
    for name, stated, held in (
        ("owner", said.owner, rows[0].owner),
        ("slots", uptime.bits(said.slots), rows[0].slots),
        ("counted", said.counted, outcome.countable.bit_count()),
        ("weights", said.weights, tuple(p.weight for p in mine)),
        ("rewards", said.rewards, tuple(p.reward for p in mine)),
        ("reasons", said.reasons, tuple(int(p.reason) for p in mine)),
    ):
        if stated != held:
            return f"the statement's {name} are not the bundle's"
    return ""
