"""What the person in front of the demo sees: a live table, or plain lines."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from edgeproof.kernels.shapes import ITEM_BYTES, walk_bytes
from edgeproof.proofs.parameters import SECOND, Bucket, Phase, demo
from edgeproof.proofs.units import quantity
from edgeproof.simulator.snapshot import DeviceNow, EpochNow, Snapshot

COIN = 10**18
"""Smallest units of one token."""

LINE_EVERY = 5.0
"""Seconds between plain lines, where there is no terminal."""

WALK_MS = demo(1).phase_ms[Phase.WALK]
"""How long each walk of the demo may take."""


def walked(memory: int) -> str:
    """Return at what rate a walk over so many proven bytes reads, at the least."""
    read = walk_bytes(memory // ITEM_BYTES)
    return quantity(read * SECOND // WALK_MS, "B/s")


def tokens(amount: int) -> str:
    """Return an amount of the smallest unit in tokens, cut to four decimals."""
    return f"{amount // COIN}.{amount % COIN * 10**4 // COIN:04d}"


def short(hexadecimal: str) -> str:
    """Return the two ends of an address or hash."""
    return f"{hexadecimal[:8]}…{hexadecimal[-4:]}"


def percent(part: int, whole: int) -> str:
    """Return a share as a percentage, or a dash of nothing."""
    return f"{100 * part / whole:.0f} %" if whole else "-"


class View:
    """Use with ``with``: ``show`` as often as you like, ``say`` lines that stay."""

    def __init__(self, console: Console, names: dict[str, str]) -> None:
        self._console = console
        self._names = names
        self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._last_line = 0.0

    def __enter__(self) -> Self:
        """Start the live table on a terminal."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the terminal back, its cursor included."""
        if self._console.is_terminal:
            self._live.stop()

    def say(self, text: str) -> None:
        """Print a line that stays, as it is: brackets in it are no markup."""
        self._console.print(text, soft_wrap=True, highlight=False, markup=False)

    def verdict(self, word: str, text: str, colour: str) -> None:
        """Print a line that stays and begins with a coloured word."""
        line = Text.assemble((word, colour), " ", text)
        self._console.print(line, soft_wrap=True, highlight=False)

    def step(self, text: str) -> None:
        """Say what takes a while now."""
        if self._console.is_terminal:
            self._live.update(Text(f"… {text}", style="dim"))
        else:
            self.say(text)

    def show(self, now: Snapshot) -> None:
        """Show the network as it is."""
        if self._console.is_terminal:
            self._live.update(Group(self._heading(now), self._table(now)))
        elif time.monotonic() - self._last_line >= LINE_EVERY:
            self._last_line = time.monotonic()
            self.say(self._line(now))

    def epoch(self, result: EpochNow) -> None:
        """Print the table of a closed epoch."""
        table = Table(
            title=f"Epoch {result.epoch}: root {short(result.root)}",
            title_justify="left",
        )
        for name, justify in (
            ("device", "left"),
            ("owner", "left"),
            ("uptime", "right"),
            ("proven MAC/s", "right"),
            ("proven memory", "right"),
            ("its walk", "right"),
            ("proven keccak/s", "right"),
            ("reward", "right"),
            ("reason if zero", "left"),
        ):
            table.add_column(name, justify=justify)  # type: ignore[arg-type] # rich's own literals
        for row in sorted(result.rewards, key=lambda row: self._name(row.device)):
            table.add_row(
                self._name(row.device),
                short(row.owner),
                percent(row.accepted, row.countable),
                quantity(row.compute, Bucket.COMPUTE.unit),
                quantity(row.memory, Bucket.MEMORY.unit),
                walked(row.memory),
                quantity(row.hashes, Bucket.HASH.unit),
                tokens(row.reward),
                Text(row.reason.replace("; ", "\n")),  # a line for each bucket
                style="red" if row.reason else "",
            )
        self._console.print(table)
        self.say(
            f"paid in all so far {tokens(result.cumulative_total)},"
            f" left unallocated this epoch {tokens(result.unallocated)}"
        )

    def _by_name(self, now: Snapshot) -> list[DeviceNow]:
        return sorted(now.devices, key=lambda device: self._name(device.address))

    def _name(self, device: str) -> str:
        return f"{self._names.get(device, 'device')} {short(device)}"

    def _heading(self, now: Snapshot) -> Text:
        when = f"epoch {now.epoch}  slot {now.slot}" if now.slot >= 0 else "starting"
        return Text(f"{when}  {now.activity}", style="bold")

    def _table(self, now: Snapshot) -> Table:
        table = Table()
        for name, justify in (
            ("device", "left"),
            ("beats", "right"),
            ("uptime", "right"),
            ("proof now", "left"),
            ("proven MAC/s", "right"),
            ("proven memory", "right"),
            ("its walk", "right"),
            ("proven keccak/s", "right"),
        ):
            table.add_column(name, justify=justify)  # type: ignore[arg-type] # rich's own literals
        for device in self._by_name(now):
            table.add_row(
                self._name(device.address),
                str(device.beats),
                percent(device.heard, device.countable),
                now.activity or "-",
                *self._rates(device),
            )
        return table

    def _line(self, now: Snapshot) -> str:
        parts = [
            f"{self._names.get(d.address, 'device')}: {d.beats} beats,"
            f" up {percent(d.heard, d.countable)}, {', '.join(self._rates(d))}"
            for d in self._by_name(now)
        ]
        heading = self._heading(now).plain.rstrip()
        return "; ".join([heading, *parts])

    @staticmethod
    def _rates(device: DeviceNow) -> list[str]:
        """Return what the device proved last: compute, memory, its walk, hashes."""
        shown = []
        for bucket in (Bucket.COMPUTE, Bucket.MEMORY, Bucket.HASH):
            known = device.rates.get(bucket.name.lower())
            figure = known.figure if known else 0
            text = "-"
            if known is not None:
                text = known.reason or quantity(figure, bucket.unit)
            shown.append(text)
            if bucket is Bucket.MEMORY:
                shown.append(walked(figure) if figure else "-")
        return shown
