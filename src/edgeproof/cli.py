"""The command line: ``edgeproof``.

Exit status: 0 done, 1 what was asked for failed or does not hold, 2 used wrongly.
Results go to stdout, everything else to stderr.  A bug keeps its traceback.
"""

import sys
from typing import Annotated

import typer

from edgeproof.agent.commands import app as agent
from edgeproof.audit.commands import audit_command as audit
from edgeproof.coordinator.commands import app as coordinator
from edgeproof.errors import EdgeproofError
from edgeproof.kernels.commands import app as kernels
from edgeproof.simulator.commands import demo

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(agent, name="agent")
app.add_typer(coordinator, name="coordinator")
app.add_typer(kernels, name="kernels")
app.command("audit")(audit)
app.command()(demo)


def _print_version(*, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - takes 50 ms

        typer.echo(f"edgeproof {version('edgeproof')}")
        raise typer.Exit


@app.callback()
def edgeproof(
    *,
    show_version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=_print_version,
            help="Show the version.",
        ),
    ] = False,
) -> None:
    """Edge machines prove work; anyone can recompute what they are paid."""
    del show_version


def main(argv: list[str] | None = None) -> int:
    """Run one command; turn an ``EdgeproofError`` into two lines and status 1."""
    try:
        app(argv, standalone_mode=True)
    except EdgeproofError as error:
        typer.echo(f"edgeproof: {error}", err=True)
        if error.hint:
            typer.echo(f"  try: {error.hint}", err=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
