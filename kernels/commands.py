"""``edgeproof kernels``: what this machine can prove, and whether it is right."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeproof.units import quantity

if TYPE_CHECKING:
    from edgeproof.kernels.card import Card
    from edgeproof.kernels.machine import Machine
    from edgeproof.kernels.rates import Rate

app = typer.Typer(
    name="kernels",
    help="See what this machine proves its work with, and check that it is right.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

WITHOUT_CARD = (
    "no NVIDIA card was checked: none is in use here.  `./install.sh test ptx` in a "
    "clone runs the CUDA kernels on the CPU instead."
)


@app.command("list")
def list_cards(*, as_json: AsJson = False) -> None:
    """List the cards that this machine proves with, in the order of their numbers.

    NVIDIA's cards if there are any and edgeproof[cuda] is installed, else the CPU.
    EDGEPROOF_CARDS chooses others: `cpu`, or numbers such as `0,2`.
    """
    from edgeproof.kernels import preflight

    preflight.check()
    from edgeproof.kernels import machine, nvml

    found = machine.look()
    described = [_described(card) for card in found.cards]
    driver = nvml.driver_version()
    if as_json:
        content = {"cards": described, "driver": driver, "notices": found.notices}
        typer.echo(json.dumps(content))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("card", "kind", "name", "memory", "kernels for", box=None)
    for card in described:
        table.add_row(*(str(card[name]) for name in card))
    Console(highlight=False).print(table)
    if driver:
        typer.echo(f"driver {driver}")
    _notice(found.notices)


@app.command()
def check(
    *,
    seconds: Annotated[
        float,
        typer.Option(min=0.2, max=600.0, help="How long to measure each kernel."),
    ] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Compare every kernel with the reference on each card, and measure its rate.

    What a kernel proves stands beside what limits it: on NVIDIA's cards by their
    clocks, on a CPU as measured here, so that other work on the machine can blur the
    share (a walk, which asks ahead, passes plain reads).  Exits 1 if a kernel is wrong.
    """
    from edgeproof.errors import EdgeproofError
    from edgeproof.kernels import preflight

    preflight.check()
    from edgeproof.kernels import machine, nvml

    with _progress() as step:
        step("looking for cards")
        found = machine.look()
        step("compiling kernels and comparing them with the reference")
        machine.warm(found)
        measured = {card.index: _rates(card, seconds, step) for card in found.cards}
    wrong = bool(found.notices)
    if not any(card.kind == "cuda" for card in found.cards) and not nvml.read():
        found.notices.append(WITHOUT_CARD)
    if as_json:
        typer.echo(json.dumps(_content(found, measured)))
    else:
        for card in found.cards:
            _show(card, measured[card.index])
        _notice(found.notices)
    if wrong:
        msg = "not every kernel is right, or not every card is in use"
        raise EdgeproofError(msg, hint="see the lines above")


def _rates(card: "Card", seconds: float, step: Callable[[str], None]) -> "list[Rate]":
    from edgeproof.kernels import rates

    bounds: rates.Bounds
    if card.kind == "cuda":
        from edgeproof.kernels.cuda.bounds import CudaBounds
        from edgeproof.kernels.cuda.card import CudaCard

        assert isinstance(card, CudaCard)  # noqa: S101 - what its kind says
        bounds = CudaBounds(card.device)
    else:
        from edgeproof.kernels.cpu.bounds import CpuBounds

        bounds = CpuBounds(seconds / 2)
    return rates.measure(
        card, bounds, seconds, lambda what: step(f"card {card.index}: {what}")
    )


def _described(card: "Card") -> dict[str, Any]:
    from edgeproof.kernels.cpu.compiler import threads

    described = {
        "card": card.index,
        "kind": card.kind,
        "name": card.name,
        "memory": f"{quantity(card.total_bytes, 'bytes')}",
        "kernels": f"{threads()} threads",
    }
    if card.kind == "cuda":
        from edgeproof.kernels.cuda.card import CudaCard

        assert isinstance(card, CudaCard)  # noqa: S101 - what its kind says
        major, minor = card.device.capability
        described["kernels"] = f"compute capability {major}.{minor}"
    return described


def _content(found: "Machine", measured: "dict[int, list[Rate]]") -> dict[str, Any]:
    return {
        "cards": [
            {
                **_described(card),
                "checked": list(card.checked),
                "product_kernel": card.kernel,
                "rates": [
                    {
                        "kernel": rate.kernel,
                        "proven": rate.proven,
                        "unit": rate.unit,
                        "bound": rate.bound.rate,
                        "bound_by": rate.bound.by,
                    }
                    for rate in measured[card.index]
                ],
            }
            for card in found.cards
        ],
        "notices": found.notices,
    }


def _show(card: "Card", measured: "list[Rate]") -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(f"[bold]card {card.index}[/bold], {card.kind}: {card.name}")
    console.print(f"as the reference: {', '.join(card.checked)}")
    console.print(f"products are computed by: {card.kernel}")
    table = Table("kernel", box=None)
    for name in ("proven", "limit", "share"):
        table.add_column(name, justify="right")
    table.add_column("what limits it")
    for rate in measured:
        bound, share = "-", "-"
        if rate.bound.rate:
            bound = quantity(rate.bound.rate, rate.unit)
            share = f"{100 * rate.proven / rate.bound.rate:.0f} %"
        proven = quantity(rate.proven, rate.unit)
        table.add_row(rate.kernel, proven, bound, share, rate.bound.by)
    console.print(table)


def _notice(notices: list[str]) -> None:
    for notice in notices:
        typer.echo(f"note: {notice}", err=True)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show what goes on: a moving line on a terminal, plain lines elsewhere."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if console.is_terminal:
        with console.status("starting") as status:
            yield lambda what: status.update(f"{what} ...")
    else:
        yield lambda what: console.print(f"{what} ...", soft_wrap=True)
