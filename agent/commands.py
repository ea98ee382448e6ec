"""``edgeproof agent``: what an owner types.

Each command imports what it needs when it runs, so that ``status`` answers at once.
"""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="agent",
    help="Put this machine to work in a network, and see what it earns.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

StateFolder = Annotated[
    Path | None,
    typer.Option(
        "--state",
        metavar="DIR",
        help="Folder of this device's key and memory "
        "[default: ~/.local/state/edgeproof, or EDGEPROOF_AGENT_STATE_DIR].",
    ),
]


@app.command()
def enrol(
    network: Annotated[
        str,
        typer.Option(
            "--network",
            metavar="URL",
            help="Address of the network, such as https://example.org.",
        ),
    ],
    owner_key_file: Annotated[
        Path,
        typer.Option(
            "--owner-key-file",
            metavar="FILE",
            help="File with the private key of the account that is to be paid: "
            "64 hexadecimal digits, mode 600.  It is read once and not kept.",
        ),
    ],
    state: StateFolder = None,
) -> None:
    """Enrol this machine in a network, to earn for an owner.

    Fetches the network's signed description, remembers who runs it, makes this
    device's own key, and signs the enrolment with both keys.  `edgeproof agent run`
    delivers it.
    """
    from edgeproof.agent import enrolment, identity, settings
    from edgeproof.telemetry import keyfile
    from edgeproof.telemetry.hexes import to_hex

    options = settings.load(state_dir=state)
    owner = keyfile.read_key(owner_key_file)
    done = enrolment.enrol(options, enrolment.fetch(network), owner)
    typer.echo(f"device       {to_hex(done.device)}")
    typer.echo(f"owner        {to_hex(done.owner)}")
    typer.echo(f"network      {to_hex(done.description.network_id)}")
    typer.echo(f"coordinator  {to_hex(done.description.coordinator)}")
    typer.echo(f"key file     {options.state_dir / identity.KEY_FILE} (keep a copy)")
    suffix = f" --state {state}" if state else ""
    typer.echo(f"\nNext: edgeproof agent run{suffix}")
    typer.echo("The enrolment counts from the epoch after its arrival.")


@app.command()
def run(state: StateFolder = None) -> None:
    """Beat, report and prove until stopped with ctrl-C or SIGTERM.

    Settings come from EDGEPROOF_AGENT_* variables.  Logs go to standard error: lines
    for people on a terminal, one JSON object a line anywhere else.
    """
    from edgeproof.agent import identity, settings
    from edgeproof.agent.state import open_pinned

    options = settings.load(state_dir=state)
    open_pinned(options.state_dir)
    identity.device_key(options.state_dir)
    # The service runs all day: it starts over without what only settings needed.
    service = [sys.executable, "-m", "edgeproof.agent.serving", options.as_text()]
    sys.stdout.flush()
    os.execv(sys.executable, service)  # noqa: S606 - our own interpreter, no shell


@app.command()
def pause(state: StateFolder = None) -> None:
    """Stop proving until `edgeproof agent resume`, and give the memory back.

    Takes effect within two seconds, even amid a round, and outlives a restart.  The
    device goes on to beat: uptime counts, what is skipped is unpaid.
    """
    from edgeproof.agent import pause as pausing
    from edgeproof.agent.folders import state_folder

    pausing.pause(state_folder(state))
    typer.echo("Paused: nothing is proven until `edgeproof agent resume`.")


@app.command()
def resume(state: StateFolder = None) -> None:
    """Prove again after `edgeproof agent pause`, from the next phase of a round on."""
    from edgeproof.agent import pause as pausing
    from edgeproof.agent.folders import state_folder

    pausing.resume(state_folder(state))
    typer.echo("Resumed.")


@app.command()
def status(
    *,
    state: StateFolder = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object.")
    ] = False,
) -> None:
    """Show what the network said of this device last.

    The latest acknowledged heartbeat, uptime and rewards of the last closed epoch with
    the reason for every zero, and what still waits to be acknowledged.
    """
    from edgeproof.agent import status as reading
    from edgeproof.agent.folders import state_folder

    found = reading.collect(state_folder(state))
    text = json.dumps(found) if as_json else "\n".join(reading.lines(found))
    typer.echo(text)


@app.command()
def dispute(
    epoch: Annotated[int, typer.Argument(min=0, help="Number of the epoch.")],
    state: StateFolder = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where to write it [default: dispute-EPOCH.json]."
        ),
    ] = None,
    *,
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Also write every word that the epoch's bundle must hold, for "
            "`edgeproof audit --dispute FILE BUNDLE` to compare.",
        ),
    ] = False,
) -> None:
    """Write the evidence that the coordinator contradicted itself in an epoch.

    It is made of signed messages alone, and anybody can judge it with `edgeproof audit
    --dispute FILE`; it holds no key and no reading of this machine.  Exits 1 if there
    is nothing to dispute.
    """
    from edgeproof.agent import disputing
    from edgeproof.agent.folders import state_folder
    from edgeproof.audit.dispute import judge

    found = disputing.prepare(state_folder(state), epoch, everything=everything)
    file = out or Path(f"dispute-{epoch}.json")
    disputing.write(file, found)
    for finding in judge(found):
        verdict = "proven" if finding.proven else finding.why
        typer.echo(f"{finding.kind.value}: {verdict}")
    typer.echo(f"\nWritten: {file}. Anybody judges it with:")
    typer.echo(f"edgeproof audit --dispute {file} BUNDLE")
