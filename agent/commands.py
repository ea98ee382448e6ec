"""``edgeproof agent``: what an owner types.

Each command imports what it needs when it runs, so that ``status`` answers at once.
"""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from edgeproof.agent.key_commands import app as key_app

app = typer.Typer(
    name="agent",
    help="Put this machine to work in a network, and see what it earns.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

app.add_typer(key_app)

network_app = typer.Typer(
    name="network",
    help="What this device believes of its network.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(network_app)

StateFolder = Annotated[
    Path | None,
    typer.Option(
        "--state",
        metavar="DIR",
        help="Folder of this device's key and memory "
        "[default: ~/.local/state/edgeproof, or EDGEPROOF_AGENT_STATE_DIR].",
    ),
]


Network = Annotated[
    str,
    typer.Option(
        "--network",
        metavar="URL",
        help="Address of the network, such as https://example.org.",
    ),
]

_OF_THE_OWNER = typer.Option(
    "--owner-key-file",
    metavar="FILE",
    help="File with the owner's private key: 64 hexadecimal digits, mode 600.  "
    "It is read once and not kept.",
)
OwnerKeyFile = Annotated[Path, _OF_THE_OWNER]


@app.command()
def enrol(  # noqa: PLR0913 - an option each
    *,
    network: Network,
    owner: Annotated[
        str | None,
        typer.Option(
            "--owner",
            metavar="0x…",
            help="Address of the account that is to be paid; it signs in a browser "
            "wallet, by a link or a QR code.",
        ),
    ] = None,
    owner_key_file: Annotated[Path | None, _OF_THE_OWNER] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            metavar="FILE",
            help="File that `edgeproof agent token` made: the owner has signed "
            "beforehand.",
        ),
    ] = None,
    wait: Annotated[
        bool,
        typer.Option(help="Wait until the owner has signed in the browser."),
    ] = True,
    state: StateFolder = None,
) -> None:
    """Enrol this machine in a network, to earn for an owner.

    Fetches the network's signed description, remembers who runs it, makes this
    device's own key, signs the enrolment with it, and has the owner sign: in a browser
    (--owner), with a key file, or beforehand in a token.  Run again with another owner
    the machine changes hands: the device and its new owner both sign.
    """
    from edgeproof.agent import enrolling, settings
    from edgeproof.agent.control import HttpControl, fetch
    from edgeproof.telemetry import keyfile

    given = [way for way in (owner, owner_key_file, token_file) if way is not None]
    if len(given) != 1:
        what = "one of --owner, --owner-key-file and --token-file"
        msg = f"give {what}, and only one"
        raise typer.BadParameter(msg)
    # What was given is read first: a slip in it needs no network to be noticed.
    key = None if owner_key_file is None else keyfile.read_key(owner_key_file)
    token = None if token_file is None else enrolling.token_in(token_file)
    account = b"" if owner is None else enrolling.address(owner)
    options = settings.load(state_dir=state)
    joined = enrolling.join(options, fetch(network))
    control = HttpControl(joined.api)
    if key is not None:
        enrolling.with_key(options, joined, key, control)
    elif token is not None:
        enrolling.with_token(options, joined, token, control)
    else:
        enrolling.with_wallet(options, joined, account, control, wait=wait)


@app.command()
def token(
    *,
    network: Network,
    owner_key_file: OwnerKeyFile,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="File to write, mode 600.")
    ],
    count: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Devices that may enrol with it.")
    ] = 1,
    days: Annotated[
        float, typer.Option(min=0.01, max=3650, help="How long it is good for.")
    ] = 7,
) -> None:
    """Let a number of machines enrol without asking the owner again.

    Whoever has the file can enrol devices that earn for the owner, up to the count and
    until it expires; nobody can do anything else with it.
    """
    from edgeproof.agent import enrolling
    from edgeproof.agent.control import fetch
    from edgeproof.telemetry import keyfile

    owner = keyfile.read_key(owner_key_file)
    enrolling.write_token(fetch(network), owner, out, count, days)


@app.command()
def retire(
    *,
    owner_key_file: OwnerKeyFile,
    device: Annotated[
        str | None,
        typer.Option(
            "--device", metavar="0x…", help="Another device than this one of the owner."
        ),
    ] = None,
    state: StateFolder = None,
) -> None:
    """End a device's work at once: it earns nothing from the next slot on.

    Needs the owner's key alone, so it works for a device that was lost or stolen too.
    """
    from edgeproof.agent import enrolling, settings
    from edgeproof.agent.control import HttpControl
    from edgeproof.agent.state import open_pinned
    from edgeproof.telemetry import keyfile

    owner = keyfile.read_key(owner_key_file)
    options = settings.load(state_dir=state)
    network = open_pinned(options.state_dir)
    enrolling.retire(options, network, owner, device, HttpControl(network.api))


@network_app.command("accept")
def accept_network(
    url: Annotated[str, typer.Argument(metavar="URL", help="The network's address.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    state: StateFolder = None,
) -> None:
    """Accept that the network has another key than the one remembered here.

    Whoever holds the new key decides from then on what this device believes of the
    network: ask its operator, by another way than this address, whether it is theirs.
    """
    from edgeproof.agent import enrolling, settings
    from edgeproof.agent.control import fetch

    options = settings.load(state_dir=state)
    enrolling.accept(options, fetch(url), ask=None if yes else typer.confirm)


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
