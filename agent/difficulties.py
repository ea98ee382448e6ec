"""What sets the difficulty of a card's next pow.  Pure."""

from collections.abc import Mapping
from typing import Any

from edgeproof.proofs import timetable
from edgeproof.proofs.parameters import Parameters, Phase
from edgeproof.telemetry.messages import Statement

KEPT_ROUNDS = 8
"""Rounds of a card that are remembered."""


class Difficulties:
    """Every card's latest pows, and what the network stated of those before."""

    def __init__(self, network: Parameters) -> None:
        self._network = network
        self._hashes: dict[int, dict[int, tuple[int, int]]] = {}
        self._stated: dict[int, tuple[int, int]] = {}

    def proven(self, card: int, opened: int, items: int, size: int) -> None:
        """Note how many nonces of which difficulty counted in the round of a slot."""
        known = self._hashes.setdefault(card, {})
        known[opened] = (items, size)
        for earlier in sorted(known)[:-KEPT_ROUNDS]:
            del known[earlier]

    def forget(self, card: int, opened: int) -> None:
        """Note that a round does not count after all."""
        self._hashes.get(card, {}).pop(opened, None)

    def statement(self, statement: Statement) -> None:
        """Take over the difficulties that an epoch's close has found."""
        pairs = iter(statement.difficulties)
        for card, difficulty in zip(pairs, pairs, strict=True):
            stated = self._stated.get(card)
            if stated is None or stated[0] < statement.epoch:
                self._stated[card] = (statement.epoch, difficulty)

    def next(self, card: int) -> tuple[int | None, int]:
        """Return the difficulty of the next pow, or None and the hashes that set it.

        They are those of the last pow of this card that counted; of the rounds before
        a statement's close, the statement knows better.
        """
        epoch, difficulty = self._stated.get(card, (-1, None))
        close = timetable.close_of(self._network, epoch) if epoch >= 0 else -1
        later = [
            (opened, items << size)
            for opened, (items, size) in self._hashes.get(card, {}).items()
            if items
            and timetable.commit_slot(self._network, opened, Phase.POW) >= close
        ]
        if later:
            return None, max(later)[1]
        if difficulty is None:
            return self._network.first_difficulty, 0
        return difficulty, 0

    @property
    def memory(self) -> dict[str, Any]:
        """What sets the next difficulties, as JSON values, for ``remember``."""
        return {
            "stated": [[card, *stated] for card, stated in self._stated.items()],
            "hashes": [
                [card, opened, *hashes]
                for card, known in self._hashes.items()
                for opened, hashes in known.items()
            ],
        }

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Go on from the ``memory`` of an earlier boot; an empty one knows nothing."""
        for card, epoch, difficulty in memory.get("stated", ()):
            self._stated[card] = (epoch, difficulty)
        for card, opened, items, size in memory.get("hashes", ()):
            self._hashes.setdefault(card, {})[opened] = (items, size)
