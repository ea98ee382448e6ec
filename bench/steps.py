"""How far a bench is: a bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

PATIENCE = 2.0
"""Seconds for which nobody wonders what happens."""


class Steps:
    """Used as a context manager around a bench, which says what it does.

    The bar is drawn only between two steps: a thread that draws would disturb what is
    being timed.
    """

    def __init__(
        self, console: Console, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._clock = clock
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            auto_refresh=False,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None)
        self._doing = ""
        self._total = self._count = 0
        self._told = clock()

    def __enter__(self) -> Self:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        self._bar.stop()

    def begin(self, doing: str, total: int) -> None:
        """Say what begins, and how many steps it has."""
        self._doing, self._total, self._count = doing, total, 0
        self._bar.reset(self._task, description=doing, total=total)
        self._bar.refresh()
        self._tell(doing)

    def done(self) -> None:
        """Say that a step is done."""
        self._count += 1
        self._bar.advance(self._task)
        self._bar.refresh()
        if self._clock() - self._told >= PATIENCE:
            self._tell(f"{self._doing}: {self._count} of {self._total}")

    def _tell(self, line: str) -> None:
        self._told = self._clock()
        if not self._console.is_terminal:
            self._console.print(line, soft_wrap=True, highlight=False)
