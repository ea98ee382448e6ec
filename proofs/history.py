"""Uptime over days, from closed epochs.  Pure: owner and explorer read the same code.

A slot counts if the network published beacon and intake root for it.  One that does
not is neither up nor down: it ends no outage and lengthens none.  An epoch that the
device was not enrolled in counts nothing and ends an outage.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from edgeproof.proofs.parameters import SECOND, Parameters
from edgeproof.proofs.reasons import Reason

HOUR_S = 3600

WINDOWS: Final = {"24 h": 24, "7 days": 7 * 24, "30 days": 30 * 24, "90 days": 90 * 24}
"""What is shown, with its length in hours."""

MOST_EPOCHS = 2200
"""Epochs that are looked back at most: 90 days of an hour each, and some."""


@dataclass(frozen=True, slots=True)
class EpochUptime:
    """A closed epoch of one device: ``missing`` as ``uptime.missing`` returns it."""

    epoch: int
    missing: bytes


@dataclass(frozen=True, slots=True)
class Window:
    """Uptime over the last slots: ``accepted`` of ``countable``.

    ``longest_outage`` counts countable slots without a break, ``reasons`` those that
    are missing, by reason code.
    """

    accepted: int
    countable: int
    longest_outage: int
    reasons: Mapping[int, int]

    @property
    def permille(self) -> int | None:
        """Uptime in thousandths, rounded down; None where nothing counts."""
        return 1000 * self.accepted // self.countable if self.countable else None


def windows(network: Parameters, epochs: Sequence[EpochUptime]) -> dict[str, Window]:
    """Return each of ``WINDOWS``, up to the end of the latest epoch given.

    ``epochs`` in any order, one for each number.
    """
    latest = sorted(epochs, key=lambda each: each.epoch)[-MOST_EPOCHS:]
    return {
        name: _window(latest, network, hours * HOUR_S * SECOND // network.slot_ms)
        for name, hours in WINDOWS.items()
    }


def _window(latest: Sequence[EpochUptime], network: Parameters, slots: int) -> Window:
    size = network.slots_per_epoch
    first = (latest[-1].epoch + 1) * size - slots if latest else 0
    accepted, countable, outage, longest = 0, 0, 0, 0
    reasons: Counter[int] = Counter()
    before = None
    for each in latest:
        skipped = max(0, first - each.epoch * size)
        if skipped >= size:
            continue
        if before is not None and each.epoch != before + 1:
            outage = 0
        before = each.epoch
        for code in each.missing[skipped:]:
            if code == Reason.SLOT_VOID:
                continue
            countable += 1
            if code:
                reasons[code] += 1
                outage += 1
                longest = max(longest, outage)
            else:
                accepted += 1
                outage = 0
    return Window(accepted, countable, longest, dict(sorted(reasons.items())))
