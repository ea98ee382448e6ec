"""When a card must rest for its owner's sake.  Pure.

What exceeds a limit rests until the reading is well below it again, so that a card at
the limit does not begin and end work all the time.  A reading that is missing, or too
old, exceeds nothing.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edgeproof.proofs.reasons import Reason

OLDEST_S = 60.0
"""Readings of the sensors that are older say nothing of now."""

COOLER_C = 5.0
"""A hot card works again this many degrees below its limit."""

CALMER = 0.9
"""A card that drew too much works again below this part of its limit."""

BUSY_SHARE = 0.25
"""A machine is in use when others' programs take more of its CPU time than this."""

IDLE_SHARE = 0.10
"""It is idle again when they take less than this."""

DAY = 24 * 60
"""Minutes."""

SPAN = re.compile(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})")


@dataclass(frozen=True, slots=True)
class Span:
    """A part of every day: minutes after midnight, ``end`` not included.

    One that ends before it begins goes on past midnight; equal ends are all day.
    """

    begin: int
    end: int

    def holds(self, minute: int) -> bool:
        """Tell whether ``minute`` after midnight lies in it."""
        if self.begin < self.end:
            return self.begin <= minute < self.end
        return minute >= self.begin or minute < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an owner allows; None, and no hours at all, is no limit."""

    max_celsius: float | None = None
    max_watts: float | None = None
    hours: tuple[Span, ...] = ()
    """The hours to work in, local time."""
    only_when_idle: bool = False

    @property
    def sensed(self) -> bool:
        """Whether any limit needs readings of the machine's sensors."""
        return (
            self.only_when_idle
            or self.max_celsius is not None
            or self.max_watts is not None
        )


@dataclass(frozen=True, slots=True)
class Heat:
    """One card's temperature and power now; None where nothing tells."""

    celsius: float | None = None
    watts: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What is known of the machine now.

    ``age_s`` is how old ``cards`` and ``others`` are; ``others`` is the share of all
    cores' time that other programs at ordinary priority took, 0 to 1; ``minute`` is
    the local time in minutes after midnight.
    """

    minute: int
    paused: bool = False
    cards: Mapping[int, Heat] = field(default_factory=dict)
    others: float | None = None
    age_s: float = 0.0


class Judge:
    """Say which cards must rest; remembers which do, since limits have two ends."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._hot: set[int] = set()
        self._drawing: set[int] = set()
        self._in_use = False

    def resting(self, cards: Iterable[int], now: Readings) -> dict[int, Reason]:
        """Return why each of ``cards`` must rest; one that need not is left out."""
        fresh = now.age_s <= OLDEST_S
        everybody = self._machine(now, now.others if fresh else None)
        found: dict[int, Reason] = {}
        for card in cards:
            own = self._card(card, now.cards.get(card, Heat()) if fresh else Heat())
            reason = everybody or own
            if reason is not Reason.NONE:
                found[card] = reason
        return found

    def _machine(self, now: Readings, others: float | None) -> Reason:
        limits = self._limits
        self._in_use = limits.only_when_idle and _exceeds(
            others, BUSY_SHARE, IDLE_SHARE, before=self._in_use
        )
        if now.paused:
            return Reason.SKIPPED_PAUSED
        if limits.hours and not any(span.holds(now.minute) for span in limits.hours):
            return Reason.SKIPPED_HOURS
        return Reason.SKIPPED_IN_USE if self._in_use else Reason.NONE

    def _card(self, card: int, heat: Heat) -> Reason:
        most, watts = self._limits.max_celsius, self._limits.max_watts
        hot = most is not None and _exceeds(
            heat.celsius, most, most - COOLER_C, before=card in self._hot
        )
        drawing = watts is not None and _exceeds(
            heat.watts, watts, watts * CALMER, before=card in self._drawing
        )
        _note(self._hot, card, hot)
        _note(self._drawing, card, drawing)
        if hot:
            return Reason.SKIPPED_HOT
        return Reason.SKIPPED_POWER if drawing else Reason.NONE


def hours(text: str) -> tuple[Span, ...]:
    """Return the spans of ``22:00-07:00, 12:00-13:00``; an empty text has none.

    Raises ``ValueError`` for what is no span of a day.
    """
    return (
        tuple(_span(part.strip()) for part in text.split(",")) if text.strip() else ()
    )


def _span(text: str) -> Span:
    found = SPAN.fullmatch(text)
    if found is None:
        msg = "hours are written as 22:00-07:00, several of them with commas between"
        raise ValueError(msg)
    first, begin, last, end = map(int, found.groups())
    minutes = first * 60 + begin, last * 60 + end
    if begin > 59 or end > 59 or max(minutes) > DAY:
        msg = f"{text} is no time of a day"
        raise ValueError(msg)
    return Span(minutes[0] % DAY, minutes[1] % DAY)


def _exceeds(value: float | None, above: float, below: float, *, before: bool) -> bool:
    """Tell whether ``value`` is too much: above, or ``before`` and not yet below."""
    if value is None:
        return False
    return value >= below if before else value > above


def _note(those: set[int], card: int, one: bool) -> None:  # noqa: FBT001 - a set's member or not
    if one:
        those.add(card)
    else:
        those.discard(card)
