"""Watch the owner's limits while a round is open."""

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from edgeproof.agent import pause
from edgeproof.agent.aside import Aside
from edgeproof.agent.limits import Judge, Limits, Readings
from edgeproof.agent.meters import Measured, Meters
from edgeproof.agent.prover_process import CardInfo
from edgeproof.proofs.reasons import Reason

LOOK_S = 1.0
"""How often a pause, the hours, and the latest readings are looked at."""

SENSE_S = 2.0
"""How often the sensors are read while a round is open."""

PATIENCE_S = 10.0
"""Readings that take longer are as good as missing."""

Resting = dict[int, Reason]
"""Why cards must rest, by card."""


class Watch:
    """Know at any moment which of ``cards()`` must rest.

    ``is_open()`` tells whether a round is; only then is anything read.
    """

    def __init__(
        self,
        limits: Limits,
        folder: Path,
        cards: Callable[[], Iterable[CardInfo]],
        is_open: Callable[[], bool],
    ) -> None:
        self._limits = limits
        self._folder = folder
        self._cards = cards
        self._is_open = is_open
        self._judge = Judge(limits)
        meters = Meters()
        self._aside = Aside(lambda: meters.read(cards()), timeout=PATIENCE_S)
        self._measured = Measured({}, None)
        self._measured_at = float("-inf")

    def resting(self) -> Resting:
        """Return why cards must rest now."""
        local = datetime.now().astimezone()
        now = Readings(
            minute=local.hour * 60 + local.minute,
            paused=pause.is_paused(self._folder),
            cards=self._measured.cards,
            others=self._measured.others,
            age_s=time.monotonic() - self._measured_at,
        )
        return self._judge.resting([card.card for card in self._cards()], now)

    async def run(self, on_look: Callable[[Resting], None]) -> None:
        """Give ``on_look`` what must rest, every second of a round, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sense(on_look), name="readings")
            while True:
                await asyncio.sleep(LOOK_S)
                if self._is_open():
                    on_look(self.resting())

    async def _sense(self, on_look: Callable[[Resting], None]) -> None:
        while self._limits.sensed:
            await asyncio.sleep(LOOK_S / 2)
            if not self._is_open():
                continue
            measured = await self._aside.call()
            if measured is not None:
                self._measured, self._measured_at = measured, time.monotonic()
                on_look(self.resting())
            await asyncio.sleep(SENSE_S - LOOK_S / 2)
