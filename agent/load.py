"""How much of an hour each card works for the network.  Pure.

Times are Unix seconds of the device's clock; what a clock that was set makes of them
is bounded, since nobody is paid for it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

HOUR = 3600
MINUTE = 60

LONGEST_S = 300.0
"""No piece of work lasts longer."""


class Load:
    """Seconds of work by card and minute, of the last hour."""

    def __init__(self) -> None:
        self._working: dict[int, dict[int, float]] = defaultdict(dict)
        self._minutes: dict[tuple[int, int], float] = defaultdict(float)
        self._since: float | None = None
        self.changed = False
        """Whether there is something new in ``memory``; for whoever keeps it."""

    def begins(self, card: int, work: int, now: float) -> None:
        """Note that ``card`` is given a piece of work."""
        if self._since is None:
            self._since = now
        self._working[card].setdefault(work, now)

    def ends(self, card: int, work: int, now: float) -> None:
        """Note that it is done; of pieces at the same time, only one is worked on."""
        working = self._working[card]
        if work not in working:
            return
        first = min(working.values())
        del working[work]
        passed = min(max(now - first, 0.0), LONGEST_S)
        for other in working:
            working[other] = now
        self._minutes[card, int(now) // MINUTE] += passed
        self.changed = True

    def memory(self, now: float) -> dict[str, Any]:
        """Return the last hour as JSON values, for ``remember`` and ``per_hour``."""
        kept = {
            place: seconds
            for place, seconds in self._minutes.items()
            if _is_recent(place[1], now)
        }
        self._minutes = defaultdict(float, kept)
        self.changed = False
        minutes = [[card, at, round(s, 3)] for (card, at), s in sorted(kept.items())]
        return {"since": self._since, "minutes": minutes}

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Go on from the ``memory`` of an earlier boot; an empty one knows nothing."""
        self._since = memory.get("since", self._since)
        for card, minute, seconds in memory.get("minutes", ()):
            self._minutes[card, minute] += seconds


def per_hour(
    memory: Mapping[str, Any], cards: Iterable[int], planned: float, now: float
) -> dict[int, float]:
    """Return the seconds that each card worked in the last hour.

    ``planned``, what the timetable makes of it, where there is no hour to look at yet.
    """
    since = memory.get("since")
    if since is None or now - since < HOUR:
        return dict.fromkeys(cards, planned)
    found = dict.fromkeys(cards, 0.0)
    for card, minute, seconds in memory.get("minutes", ()):
        if card in found and _is_recent(minute, now):
            found[card] += seconds
    return found


def _is_recent(minute: int, now: float) -> bool:
    """Tell whether ``minute`` is one of the last sixty."""
    return 0 <= int(now) // MINUTE - minute < HOUR // MINUTE
