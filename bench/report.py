"""What a bench returns, as a table, as JSON, and as an exit status."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

MISSED, INCOMPLETE = 1, 3
"""Exit statuses under ``--check``; a miss outweighs what was skipped."""


@dataclass(frozen=True)
class Target:
    """What a figure is to reach: at least, or at most, the bound."""

    kind: str
    bound: float

    def holds(self, value: float) -> bool:
        """Tell whether the figure is as good as that."""
        return value >= self.bound if self.kind == "at_least" else value <= self.bound

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.kind.replace('_', ' ')} {number(self.bound)}"


def at_least(bound: float) -> Target:
    """Return the target of a figure that should be large."""
    return Target("at_least", bound)


def at_most(bound: float) -> Target:
    """Return the target of a figure that should be small."""
    return Target("at_most", bound)


Grid = Mapping[str, Mapping[str, float]]
"""Figures by row and column; not every row has every column."""


@dataclass(frozen=True)
class Report:
    """The figures of one run, and what could not be found out.

    A target's figure is in ``figures``, or ``skipped`` says why not.  ``skipped`` also
    names what has no target; ``notes`` are facts in words; ``grids``, by title, are
    figures without targets that read better side by side.
    """

    machine: str
    figures: Mapping[str, float]
    targets: Mapping[str, Target]
    skipped: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    grids: Mapping[str, Grid] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a report that would hold whatever was measured."""
        lost = set(self.targets) - set(self.figures) - set(self.skipped)
        if lost or not self.targets:
            msg = f"targets without a figure: {sorted(lost) or 'there is none at all'}"
            raise ValueError(msg)

    def holds(self, name: str) -> bool:
        """Tell whether a target holds; one that was skipped does not."""
        return name in self.figures and self.targets[name].holds(self.figures[name])

    def status(self, *, check: bool) -> int:
        """Return the exit status: only ``check`` makes it anything but 0."""
        if not check:
            return 0
        if any(name in self.figures and not self.holds(name) for name in self.targets):
            return MISSED
        return INCOMPLETE if self.skipped else 0

    def document(self, bench: str) -> dict[str, Any]:
        """Return what ``--json`` writes; a grid's figures are named by their place."""
        placed = {
            f"{row}, {title}: {column}": value
            for title, grid in self.grids.items()
            for row, values in grid.items()
            for column, value in values.items()
        }
        return {
            "bench": bench,
            "machine": self.machine,
            "notes": dict(self.notes),
            "figures": {**self.figures, **placed},
            "targets": {
                name: {target.kind: target.bound, "holds": self.holds(name)}
                for name, target in self.targets.items()
            },
            "skipped": dict(self.skipped),
        }

    def tables(self, bench: str) -> RenderableType:
        """Return the figures beside their targets, below what is only to be read."""
        return Group(*self._grids(), self._main(bench))

    def _grids(self) -> Iterator[Table]:
        for title, grid in self.grids.items():
            columns = list(dict.fromkeys(name for row in grid.values() for name in row))
            table = Table(title=title)
            table.add_column("")
            for column in columns:
                table.add_column(column, justify="right")
            for name, row in grid.items():
                cells = [number(row[c]) if c in row else "" for c in columns]
                table.add_row(name, *cells)
            yield table

    def _main(self, bench: str) -> Table:
        notes = [f"{name}: {text}" for name, text in self.notes.items()]
        table = Table(title="\n".join([f"{bench} on {self.machine}", *notes]))
        table.add_column("figure")
        table.add_column("value", justify="right")
        table.add_column("target")
        table.add_column("")
        for name, value in self.figures.items():
            target = self.targets.get(name)
            verdict = ("holds" if self.holds(name) else "missed") if target else ""
            table.add_row(name, number(value), str(target or ""), verdict)
        for name, reason in self.skipped.items():
            table.add_row(name, "skipped", str(self.targets.get(name, "")), reason)
        return table


def number(value: float) -> str:
    """Return a figure with three digits or, if it has more before the point, those."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
