"""When things happen, from the parameters and the published entropy alone."""

from collections.abc import Container, Iterator, Mapping

from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.parameters import (
    DRAW_SLOTS,
    LATEST_DRAW,
    SECOND,
    Parameters,
    Phase,
)

ROUND = b"edgeproof/v1/round"
"""Domain of the draw that opens rounds."""

NO_ROUND = -1
"""The slot of the last round before there was one."""


def slot_start(network: Parameters, slot: int) -> int:
    """Return when ``slot`` starts, Unix milliseconds."""
    return network.genesis * SECOND + slot * network.slot_ms


def slot_at(network: Parameters, now: int) -> int:
    """Return the slot that ``now`` (Unix milliseconds) lies in; negative before."""
    return (now - network.genesis * SECOND) // network.slot_ms


def epoch_of(network: Parameters, slot: int) -> int:
    """Return the epoch of ``slot``."""
    return slot // network.slots_per_epoch


def first_slot(network: Parameters, epoch: int) -> int:
    """Return the first slot of ``epoch``."""
    return epoch * network.slots_per_epoch


def close_of(network: Parameters, epoch: int) -> int:
    """Return the first slot whose messages no longer count for ``epoch``."""
    return first_slot(network, epoch + 1) + network.close_slot


def ends_root(network: Parameters, epoch: int) -> bool:
    """Return whether ``epoch`` is the last of those that one root covers.

    Only its root is signed: anyone may post a signed one, and one of an earlier epoch
    would settle the group and forfeit the rest of it.
    """
    return (epoch + 1) % network.epochs_per_root == 0


def phase_bounds(network: Parameters, opened: int, phase: Phase) -> tuple[int, int]:
    """Return start and end of ``phase`` of the round opened in slot ``opened``, ms.

    The first one starts when the slot's entropy is known, at ``entropy_ms``.
    """
    drawn = slot_start(network, opened) + network.entropy_ms
    start = drawn + sum(network.phase_ms[:phase])
    return start, start + network.phase_ms[phase]


def commit_slot(network: Parameters, opened: int, phase: Phase) -> int:
    """Return the slot whose intake root is the last to hold commitments of ``phase``.

    It is the slot in which the phase, with its grace, ends.
    """
    _, end = phase_bounds(network, opened, phase)
    return slot_at(network, end + network.commit_grace_ms - 1)


def draw_slot(
    network: Parameters, opened: int, phase: Phase, drawn: Container[int]
) -> int | None:
    """Return the slot whose entropy draws the openings of ``phase``; None is void.

    It is the first slot of ``drawn`` (the slots with entropy) whose beacon follows the
    intake root that closed the commitments.  Void is a draw more than ``LATEST_DRAW``
    slots late, or so late that its openings could not be due before the close of the
    round's epoch: so every round of an epoch is decided when the epoch closes.
    """
    earliest = commit_slot(network, opened, phase) + DRAW_SLOTS
    close = close_of(network, epoch_of(network, opened))
    for slot in range(earliest, earliest + LATEST_DRAW + 1):
        if slot in drawn and opening_deadline(network, slot) < close:
            return slot
    return None


def opening_deadline(network: Parameters, draw: int) -> int:
    """Return the last slot in which openings drawn in slot ``draw`` count."""
    return draw + network.opening_slots


def round_opens(network: Parameters, slot: int, entropy: bytes, last: int) -> bool:
    """Return whether a round opens in ``slot``, the last one having opened at ``last``.

    One in ``round_one_in`` by entropy; certainly ``round_gap`` slots after ``last``;
    never while one runs.
    """
    if last != NO_ROUND and slot < last + network.round_slots:
        return False
    if slot >= last + network.round_gap:
        return True
    return int.from_bytes(keccak(ROUND, entropy), "big") * network.round_one_in < 2**256


def rounds(
    network: Parameters, entropies: Mapping[int, bytes], last: int
) -> Iterator[int]:
    """Yield the slots in which rounds opened, among the slots of ``entropies``."""
    for slot in sorted(entropies):
        if round_opens(network, slot, entropies[slot], last):
            last = slot
            yield slot


def expected_load(network: Parameters, margin_ms: int = 0) -> float:
    """Return the seconds of an hour that rounds take, on average over entropy.

    Of each phase its last ``margin_ms`` are not worked in, half of it at the most.

    Rounds open by a draw in every slot that may hold one, so that the slots between
    two are 1 + q + q^2 + ... on average, q being the probability of no round.
    """
    quiet = 1 - 1 / network.round_one_in
    draws = network.round_gap - network.round_slots
    slots = network.round_slots + sum(quiet**n for n in range(1, draws + 1))
    worked = sum(ms - min(margin_ms, ms // 2) for ms in network.phase_ms)
    return 3600 * worked / (slots * network.slot_ms)
