"""``edgeproof agent key``: keep a copy of a device's key, and change it."""

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from edgeproof.agent.folders import state_folder
from edgeproof.errors import EdgeproofError

app = typer.Typer(
    name="key",
    help="Keep a copy of this device's key, and change it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

StateFolder = Annotated[
    Path | None,
    typer.Option("--state", metavar="DIR", help="The device's folder."),
]

PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        help="Read the passphrase from the first line of FILE and ask for none.",
    ),
]


class BadPassphrase(EdgeproofError):  # noqa: N818 - reads as what it is about
    """There is no passphrase to be had, or not the same twice."""


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="File to write, mode 600.")],
    *,
    passphrase_file: PassphraseFile = None,
    state: StateFolder = None,
) -> None:
    """Write the device's key to FILE, encrypted with a passphrase.

    An Ethereum keystore (version 3), which every wallet reads too.
    """
    from edgeproof.agent import backups, identity
    from edgeproof.telemetry.hexes import to_hex

    key = identity.device_key(state_folder(state))
    backups.write(file, key, _passphrase(passphrase_file, twice=True))
    typer.echo(f"{file} holds the key of {to_hex(key.address)}")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What `key backup` wrote.")],
    *,
    passphrase_file: PassphraseFile = None,
    state: StateFolder = None,
) -> None:
    """Put a key back that `key backup` wrote; a key that is there is never replaced.

    Let no two machines run with one key: their commitments would contradict each other.
    """
    from edgeproof.agent import backups
    from edgeproof.telemetry.hexes import to_hex

    folder = state_folder(state)
    key = backups.restore(file, _passphrase(passphrase_file), folder)
    typer.echo(f"This device is {to_hex(key.address)} now.")
    typer.echo("Next: edgeproof agent enrol, if this folder knows no network yet.")


@app.command()
def rotate(*, state: StateFolder = None) -> None:
    """Give this device a new key, that the old one signs for.

    From the next epoch on the new key works for the same owner; its record begins anew.
    A running agent changes to it by itself, once the old key's epoch is settled.
    """
    from edgeproof.agent import rotation
    from edgeproof.agent.control import HttpControl
    from edgeproof.agent.state import open_pinned
    from edgeproof.telemetry.hexes import to_hex

    folder = state_folder(state)
    network = open_pinned(folder)
    successor, standing = rotation.rotate(folder, network, HttpControl(network.api))
    typer.echo(f"new device   {to_hex(successor.address)}")
    typer.echo(f"It takes over from epoch {standing.epoch} on.")
    typer.echo("Keep a copy then: edgeproof agent key backup FILE")


def _passphrase(file: Path | None, *, twice: bool = False) -> str:
    if file is not None:
        try:
            with file.open() as opened:
                found = opened.readline(1024).rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            msg = f"cannot read the passphrase file {file}: {error}"
            hint = "check the path and who may read it"
            raise BadPassphrase(msg, hint=hint) from None
    elif not sys.stdin.isatty():
        msg = "there is no terminal to ask for a passphrase"
        raise BadPassphrase(msg, hint="give --passphrase-file FILE")
    else:
        found = getpass.getpass("Passphrase: ")
        if twice and getpass.getpass("The same again: ") != found:
            msg = "the passphrases differ"
            raise BadPassphrase(msg, hint="try again")
    if not found:
        msg = "an empty passphrase protects nothing"
        raise BadPassphrase(msg, hint="choose one")
    return found
