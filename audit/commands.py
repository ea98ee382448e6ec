"""``edgeproof audit``: recompute a published epoch, and say where it first differs.

What recomputes is imported when it is needed, so that ``--help`` does not wait for it.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from edgeproof.audit.compare import Report
    from edgeproof.audit.onchain import ChainReader

ADDRESS_BYTES = 20


def audit_command(
    bundle: Annotated[
        Path | None,
        typer.Argument(help="Folder of one published epoch, such as DIR/bundles/0."),
    ] = None,
    rpc: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Also compare with the chain behind this node."
        ),
    ] = None,
    distributor: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="The contract that pays; with --rpc."),
    ] = None,
    json_output: Annotated[  # noqa: FBT002 - an option of the command line
        bool, typer.Option("--json", help="Print the report as one JSON object.")
    ] = False,
    dispute: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Judge the evidence that `edgeproof agent dispute` wrote, instead.",
        ),
    ] = None,
) -> None:
    """Recompute an epoch's scores, rewards and root from what was published.

    Every file, signature and proof of the bundle is checked, offline unless --rpc is
    given.  Exits 0 if all agree; 1, with the first difference, if not.

    With --dispute it judges a device's evidence against the coordinator, and against
    BUNDLE if one is given.  Exits 0 if a claim is proven; 1 if none is.
    """
    if dispute is not None:
        if rpc is not None or distributor is not None:
            msg = "--dispute asks no chain: leave out --rpc and --distributor"
            raise typer.BadParameter(msg)
        _judge(dispute, bundle, json_output=json_output)
        return
    if bundle is None:
        msg = "name the folder of an epoch, or a file with --dispute"
        raise typer.BadParameter(msg, param_hint="BUNDLE")
    if (rpc is None) != (distributor is None):
        msg = "--rpc and --distributor go together"
        raise typer.BadParameter(msg)
    from edgeproof.kernels import preflight

    preflight.check()
    # Here and not above: this brings pyarrow and numba, which take a second.
    from edgeproof.audit.compare import audit

    with _progress(quiet=json_output) as progress:
        chain = _chain(rpc, distributor) if rpc and distributor else None
        report = audit(bundle, chain, progress=progress)
    if json_output:
        print(json.dumps(as_json(report), indent=2))
    else:
        _print(report)
    if not report.agrees:
        raise typer.Exit(1)


def _judge(file: Path, bundle: Path | None, *, json_output: bool) -> None:
    """Print what the claims in ``file`` are worth; exit 1 unless one is proven."""
    from edgeproof.audit import disputed

    with _progress(quiet=json_output) as progress:
        verdict = disputed.judge_file(file, bundle, progress)
    if json_output:
        print(json.dumps(disputed.as_json(verdict), indent=2))
    else:
        for line in disputed.lines(verdict):
            print(line)
    if not verdict.proven:
        raise typer.Exit(1)


def as_json(report: "Report") -> dict[str, Any]:
    """Return the report as plain values; the total as text, for it has no bound."""
    difference = report.difference
    return {
        "agrees": report.agrees,
        "bundle": report.folder,
        "epoch": report.epoch,
        "data_hash": _hex(report.data_hash),
        "root": _hex(report.root),
        "cumulative_total": (
            None if report.cumulative_total is None else str(report.cumulative_total)
        ),
        "checks": [
            {"name": check.name, "count": check.count, "note": check.note}
            for check in report.checks
        ],
        "failure": report.failure or None,
        "hint": report.hint or None,
        "difference": difference
        and {
            "file": difference.file,
            "row": difference.row,
            "expected": difference.expected,
            "got": difference.got,
        },
    }


def _chain(rpc: str, distributor: str) -> "ChainReader":
    from edgeproof.audit.distributor import DistributorReader
    from edgeproof.telemetry.errors import MessageRefused
    from edgeproof.telemetry.hexes import from_hex

    try:
        address = from_hex(distributor, ADDRESS_BYTES)
    except MessageRefused:
        msg = f"{distributor!r} is not an address: 0x and 40 hexadecimal digits"
        raise typer.BadParameter(msg, param_hint="--distributor") from None
    return DistributorReader(rpc, address)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Yield what shows the step at hand: a spinner on a terminal, else a line each."""
    from rich.console import Console

    console = Console(stderr=True)
    if quiet:
        yield lambda _text: None
    elif console.is_terminal:
        with console.status("starting") as status:
            yield status.update
    else:
        yield lambda text: console.print(f"{text} ...", highlight=False)


def _print(report: "Report") -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    if report.checks:
        table = Table(title=f"Epoch {report.epoch}: {escape(report.folder)}")
        table.add_column("check")
        table.add_column("agree", justify="right")
        table.add_column("note")
        for check in report.checks:
            table.add_row(check.name, f"{check.count:,}", escape(check.note))
        console.print(table)
    for name, value in (
        ("data hash", _hex(report.data_hash)),
        ("recomputed root", _hex(report.root)),
        ("recomputed cumulative total", report.cumulative_total),
    ):
        if value is not None:
            console.print(f"{name}: {value}", soft_wrap=True)
    if report.agrees:
        console.print("[green]All agree.[/green]")
        return
    console.print(
        f"[red]Does not agree:[/red] {escape(report.failure)}", soft_wrap=True
    )
    if report.hint:
        console.print(f"hint: {escape(report.hint)}", soft_wrap=True)


def _hex(value: bytes | None) -> str | None:
    return None if value is None else "0x" + value.hex()
