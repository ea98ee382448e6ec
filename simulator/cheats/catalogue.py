"""Every cheat by its name, with what must become of it."""

from collections.abc import Mapping

from edgeproof.errors import EdgeproofError
from edgeproof.proofs.parameters import Bucket
from edgeproof.proofs.reasons import Reason
from edgeproof.simulator.cheats import cards, devices, letters, memories
from edgeproof.simulator.cheats.cheat import Cheat

DEFAULT = "garbage"
"""The cheat of a demo that is not asked for another one."""

ALL = (Bucket.COMPUTE, Bucket.MEMORY, Bucket.HASH)


class UnknownCheat(EdgeproofError):  # noqa: N818 - reads as what it is about
    """No cheat has that name."""


def by_kind(kind: str) -> Cheat:
    """Return the cheat of that name; raise ``UnknownCheat``, which lists them all."""
    if kind not in CHEATS:
        msg = f"{kind!r} is no cheat that is known"
        raise UnknownCheat(msg, hint=f"one of {', '.join(CHEATS)}")
    return CHEATS[kind]


def _by(bucket: Bucket, *reasons: Reason) -> Mapping[Bucket, frozenset[Reason]]:
    return {bucket: frozenset(reasons)}


def _everywhere(*reasons: Reason) -> Mapping[Bucket, frozenset[Reason]]:
    return dict.fromkeys(ALL, frozenset(reasons))


_WORK_OF_ANOTHER = {
    Bucket.COMPUTE: frozenset({Reason.WRONG_TILE}),
    Bucket.MEMORY: frozenset({Reason.WRONG_LANE}),
    Bucket.HASH: frozenset({Reason.BAD_NONCE}),
}
_WRONG_TILE = _by(Bucket.COMPUTE, Reason.WRONG_TILE)
_BAD_PATH = _by(Bucket.COMPUTE, Reason.BAD_PATH)
_WRONG_LANE = _by(Bucket.MEMORY, Reason.WRONG_LANE)
_UNHEARD = _by(Bucket.COMPUTE, Reason.NO_COMMITMENT)

_CATALOGUE = (
    # Products.
    Cheat(
        kind="garbage",
        description="invents 30 % of its tiles, of its lanes and of its nonces",
        unpaid=_WORK_OF_ANOTHER,
        card=cards.Garbage,
    ),
    Cheat(
        kind="garbage-tiles-10",
        description="invents one tile in ten",
        unpaid=_WRONG_TILE,
        card=cards.Garbage10,
    ),
    Cheat(
        kind="garbage-tiles-25",
        description="invents one tile in four",
        unpaid=_WRONG_TILE,
        card=cards.Garbage25,
    ),
    Cheat(
        kind="garbage-tiles-50",
        description="invents every other tile",
        unpaid=_WRONG_TILE,
        card=cards.Garbage50,
    ),
    Cheat(
        kind="structured-matrices",
        description="multiplies matrices whose rows repeat, in n^2 steps",
        unpaid=_WRONG_TILE,
        card=cards.StructuredMatrices,
    ),
    Cheat(
        kind="linear-fold",
        description="takes each tile's digest from row and column sums, in n^2 steps",
        unpaid=_WRONG_TILE,
        card=cards.LinearFold,
    ),
    Cheat(
        kind="root-first",
        description="commits to invented roots and makes only the tiles that are drawn",
        unpaid=_BAD_PATH,
        device=devices.RootFirst,
    ),
    Cheat(
        kind="changed-size",
        description="goes on with a larger n once it sees how the products go",
        unpaid=_by(Bucket.COMPUTE, Reason.WRONG_SIZE),
        device=devices.ChangedSize,
    ),
    Cheat(
        kind="larger-size",
        description="claims an n of twice the size, eight times the work",
        unpaid=_by(Bucket.COMPUTE, Reason.BAD_OPENING),
        device=devices.LargerSize,
    ),
    # Openings.
    Cheat(
        kind="other-tiles",
        description="opens tiles of its own choice instead of those drawn",
        unpaid=_BAD_PATH,
        device=devices.OtherTiles,
    ),
    Cheat(
        kind="empty-opening",
        description="answers the draw with an empty opening",
        unpaid=_by(Bucket.COMPUTE, Reason.BAD_OPENING),
        device=devices.EmptyOpening,
    ),
    Cheat(
        kind="no-opening",
        description="does not answer the draw",
        unpaid=_by(Bucket.COMPUTE, Reason.NO_OPENING),
        device=devices.NoOpening,
    ),
    Cheat(
        kind="late-skip",
        description="skips for its owner's sake once it knows what it must open",
        unpaid=_by(Bucket.COMPUTE, Reason.NO_OPENING),
        refused=Reason.LATE,
        device=devices.LateSkip,
    ),
    Cheat(
        kind="two-openings",
        description="answers the draw twice, each time with something else",
        unpaid=_by(Bucket.COMPUTE, Reason.CONTRADICTION),
        device=devices.TwoOpenings,
    ),
    Cheat(
        kind="repeated-tile",
        description="opens one good tile as often as tiles were drawn",
        unpaid=_BAD_PATH,
        device=devices.RepeatedTile,
    ),
    Cheat(
        kind="reordered-opening",
        description="opens the drawn tiles in another order",
        unpaid=_BAD_PATH,
        device=devices.ReorderedOpening,
    ),
    Cheat(
        kind="opening-of-another-round",
        description="opens the products of an earlier round",
        unpaid=_BAD_PATH,
        device=devices.OpeningOfAnotherRound,
    ),
    Cheat(
        kind="opening-of-another-card",
        description="opens the products of its other card",
        unpaid=_BAD_PATH,
        device=devices.OpeningOfAnotherCard,
    ),
    Cheat(
        kind="opening-of-another-device",
        description="opens the products of another device",
        unpaid=_BAD_PATH,
        device=devices.OpeningOfAnotherDevice,
    ),
    # Whose work it is, and when it was done.
    Cheat(
        kind="another-card",
        description="hands in the work of its other card",
        unpaid=_WORK_OF_ANOTHER,
        device=devices.AnotherCard,
    ),
    Cheat(
        kind="another-device",
        description="hands in another device's work under its own name",
        unpaid=_WORK_OF_ANOTHER,
        device=devices.AnotherDevice,
    ),
    Cheat(
        kind="identities-at-once",
        description="one card for several identities at once: they share its work",
        unpaid=_WORK_OF_ANOTHER,
        device=devices.AnotherDevice,
    ),
    Cheat(
        kind="identities-in-turn",
        description="one card for several identities: its turn comes after the window",
        unpaid=_everywhere(Reason.NO_COMMITMENT),
        refused=Reason.LATE,
        letters=letters.in_turn,
    ),
    Cheat(
        kind="work-before-seed",
        description="works before the seed is published, on a guess of it",
        unpaid=_WORK_OF_ANOTHER,
        device=devices.WorkBeforeSeed,
    ),
    Cheat(
        kind="old-work",
        description="signs the products of an earlier round anew",
        unpaid=_WRONG_TILE,
        device=devices.OldWork,
    ),
    Cheat(
        kind="replayed-commitment",
        description="sends the commitments of an earlier round again, byte by byte",
        unpaid=_everywhere(Reason.NO_COMMITMENT, Reason.NOTHING_PROVEN),
        refused=Reason.LATE,
        device=devices.Replayed,
    ),
    Cheat(
        kind="one-round-of-two",
        description="takes part in every other round, to be paid for all of them",
        unpaid=_everywhere(Reason.NOTHING_PROVEN),
        device=devices.OneRoundOfTwo,
    ),
    Cheat(
        kind="late-commitment",
        description="commits when the phase is over",
        unpaid=_everywhere(Reason.NO_COMMITMENT),
        refused=Reason.LATE,
        letters=letters.late,
    ),
    Cheat(
        kind="forked-chain",
        description="commits twice under one number, to open the better one",
        unpaid=_everywhere(Reason.CONTRADICTION),
        device=devices.ForkedChain,
    ),
    Cheat(
        kind="broken-chain",
        description="leaves open which commitment follows which",
        unpaid=_everywhere(Reason.BROKEN_CHAIN),
        device=devices.BrokenChain,
    ),
    # Nonces.
    Cheat(
        kind="invented-nonces",
        description="hands in nonces that nobody has tried",
        unpaid=_by(Bucket.HASH, Reason.BAD_NONCE),
        device=devices.InventedNonces,
    ),
    Cheat(
        kind="repeated-nonces",
        description="hands in each nonce twice",
        unpaid=_by(Bucket.HASH, Reason.NONCE_ORDER),
        device=devices.RepeatedNonces,
    ),
    Cheat(
        kind="nonces-out-of-range",
        description="hands in nonces of more than 64 bits",
        unpaid=_by(Bucket.HASH, Reason.MALFORMED),
        device=devices.NoncesOutOfRange,
    ),
    Cheat(
        kind="nonces-of-another-seed",
        description="hands in nonces that meet the target under another seed",
        unpaid=_by(Bucket.HASH, Reason.BAD_NONCE),
        device=devices.AnotherCard,
    ),
    Cheat(
        kind="chosen-target",
        description="names a harder target after it has seen its nonces",
        unpaid=_by(Bucket.HASH, Reason.WRONG_DIFFICULTY),
        device=devices.ChosenTarget,
    ),
    # Memory.
    Cheat(
        kind="half-memory",
        description="holds half of its items and makes the others when they are read",
        unpaid=_WRONG_LANE,
        card=memories.Half,
    ),
    Cheat(
        kind="no-memory",
        description="holds nothing and makes each item when it is read",
        unpaid=_WRONG_LANE,
        card=memories.Nothing,
    ),
    Cheat(
        kind="skipped-fill",
        description="walks over a memory that it has not filled",
        unpaid=_WRONG_LANE,
        card=memories.Unfilled,
    ),
    Cheat(
        kind="short-walks",
        description="reads 32 items in each lane instead of 256",
        unpaid=_WRONG_LANE,
        card=memories.ShortWalks,
    ),
    Cheat(
        kind="memory-given-back",
        description="gives its memory back before the second walk",
        unpaid=_WRONG_LANE,
        card=memories.GivenBack,
    ),
    # Time and bytes.
    Cheat(
        kind="lying-clock",
        description="beats for the slot that its clock says it is",
        unpaid=_everywhere(Reason.NO_UPTIME),
        refused=Reason.WRONG_BEACON,
        heard=False,
        letters=letters.lying_clock,
    ),
    Cheat(
        kind="claimed-uptime",
        description="claims every slot in its seals and beats in none",
        unpaid=_everywhere(Reason.NO_UPTIME),
        heard=False,
        letters=letters.silent,
    ),
    Cheat(
        kind="forged-signature",
        description="sends commitments in its name that another key has signed",
        unpaid=_UNHEARD,
        refused=Reason.WRONG_SIGNER,
        letters=letters.forged,
    ),
    Cheat(
        kind="empty-message",
        description="sends no bytes in place of commitments",
        unpaid=_UNHEARD,
        refused=Reason.MALFORMED,
        letters=letters.empty,
    ),
    Cheat(
        kind="truncated-message",
        description="sends the first half of commitments",
        unpaid=_UNHEARD,
        refused=Reason.MALFORMED,
        letters=letters.truncated,
    ),
    Cheat(
        kind="huge-message",
        description="sends commitments of ten megabytes",
        unpaid=_UNHEARD,
        refused=Reason.TOO_LARGE,
        told=False,
        letters=letters.huge,
    ),
    Cheat(
        kind="integers-not-canonical",
        description="sends commitments with an integer in more bytes than it needs",
        unpaid=_UNHEARD,
        refused=Reason.NOT_CANONICAL,
        letters=letters.not_canonical,
    ),
)

CHEATS: Mapping[str, Cheat] = {cheat.kind: cheat for cheat in _CATALOGUE}
"""By kind, in the order of what they attack."""
