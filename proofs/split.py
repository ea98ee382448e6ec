"""Divide an epoch's budget: integers that add up, dust that is never minted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

Name = TypeVar("Name")

HISTORY = 24
"""Epochs whose sums of weights set the floor W."""


@dataclass(frozen=True, slots=True)
class WeightSum:
    """The sum of weights of one bucket in a past epoch, and its countable slots."""

    total: int
    slots: int


def bucket_budgets(budget: int, shares: Sequence[int]) -> list[int]:
    """Return each bucket's part, rounded down; what is left over stays unallocated."""
    whole = sum(shares)
    return [budget * share // whole for share in shares]


def floor_weight(history: Sequence[WeightSum], slots: int, first: int) -> int:
    """Return W: the lower median of past sums, scaled to this epoch's ``slots``.

    Only the last ``HISTORY`` count; missing ones count as ``first`` (W0).  At least 1.
    An attack that silences others for up to 12 epochs therefore raises nobody's pay.
    """
    recent = [entry for entry in history[-HISTORY:] if entry.slots]
    scaled = [entry.total * slots // entry.slots for entry in recent]
    scaled += [first] * (HISTORY - len(scaled))
    return max(1, sorted(scaled)[(HISTORY - 1) // 2])


def split(budget: int, weights: Mapping[Name, int], floor: int) -> dict[Name, int]:
    """Return ``floor(budget * weight / max(sum of weights, floor))`` for each name.

    The rewards never add up to more than ``budget``; the rest is unallocated.
    """
    whole = max(sum(weights.values()), floor, 1)
    return {name: budget * weight // whole for name, weight in weights.items()}
