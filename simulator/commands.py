"""``edgeproof demo``."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edgeproof.simulator.cheats.cheat import Cheat

INTERRUPTED = 130
"""Exit status after ctrl-C, as shells have it."""

LINE = 190
"""Columns of the tables where there is no terminal to ask."""


def demo(  # noqa: PLR0913 - one option for each thing that can differ
    agents: Annotated[
        int,
        typer.Option(
            min=1, max=16, help="Agents, each with an owner; of several one cheats."
        ),
    ] = 3,
    epochs: Annotated[
        int, typer.Option(min=1, max=100, help="Epochs of 30 s to run.")
    ] = 2,
    keep: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Keep keys, logs, store and bundles in this folder."
        ),
    ] = None,
    broker: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Use this MQTT broker, such as mqtt://127.0.0.1:1883."
        ),
    ] = None,
    rpc: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Use this development node (anvil), such as http://127.0.0.1:8545.",
        ),
    ] = None,
    *,
    cheat: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="How one agent cheats, see --list-cheats."),
    ] = None,
    list_cheats: Annotated[
        bool,
        typer.Option("--list-cheats", help="Print every KIND, one a line, and exit."),
    ] = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="Keep the network running until ctrl-C.")
    ] = False,
) -> None:
    """Run a whole network here: real agents earn real tokens on a real chain.

    Broker, chain, coordinator and agents are separate processes on this machine.  One
    of several agents cheats in the last epoch, and is caught.  Takes under three
    minutes.  Exits 0 only if everything happened as it must; nothing is left behind.
    """
    from rich.console import Console

    from edgeproof.simulator.cheats import catalogue
    from edgeproof.simulator.demo import run
    from edgeproof.simulator.network import Plan

    if list_cheats:
        print("\n".join(catalogue.CHEATS))
        return

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    console = Console()
    if not console.is_terminal:
        console = Console(width=LINE)
    plan = Plan(
        agents=agents,
        cheat=_chosen(cheat, agents),
        epochs=epochs,
        keep=keep,
        serve=serve,
        broker=broker,
        rpc=rpc,
    )
    try:
        as_expected = run(plan, console)
    except KeyboardInterrupt:
        console.print("stopped: every process has ended")
        raise typer.Exit(INTERRUPTED) from None
    if not as_expected:
        raise typer.Exit(1)


def _chosen(kind: str | None, agents: int) -> "Cheat":
    from edgeproof.simulator.cheats import catalogue

    if kind is not None and kind not in catalogue.CHEATS:
        msg = f"{kind!r} is none of {', '.join(catalogue.CHEATS)}"
        raise typer.BadParameter(msg, param_hint="--cheat")
    if kind is not None and agents == 1:
        msg = "a cheater needs an honest agent beside it: at least 2"
        raise typer.BadParameter(msg, param_hint="--agents")
    return catalogue.by_kind(kind or catalogue.DEFAULT)
