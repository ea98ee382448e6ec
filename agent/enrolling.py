"""What ``edgeproof agent enrol`` and its sisters show; ``enrolment`` does it."""

import io
import os
import secrets
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import typer

from edgeproof.agent import enrolment, identity
from edgeproof.agent.control import Control, Standing
from edgeproof.agent.delivery import wall_ms
from edgeproof.agent.enrolment import BadToken, Enrolment
from edgeproof.agent.options import Options
from edgeproof.agent.state import State, open_pinned
from edgeproof.errors import EdgeproofError
from edgeproof.proofs.keccak import keccak
from edgeproof.telemetry.description import Description, read
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.signing import Key

DAY_MS = 24 * 60 * 60 * 1000

LARGEST_TOKEN = 1024
"""Characters of a token's file."""


class BadAddress(EdgeproofError):  # noqa: N818 - reads as what it is about
    """What was given is not the address of an account."""


def join(options: Options, text: str) -> Description:
    """Pin the network that ``text`` describes; see ``enrolment.pin``."""
    return enrolment.pin(options, text)


def with_key(
    options: Options, network: Description, owner: Key, control: Control
) -> None:
    """Enrol for the owner whose key this is."""
    _enrolled(options, network, enrolment.by_key(options, network, owner, control))


def token_in(file: Path) -> str:
    """Return what the file of a token holds; raise ``BadToken``."""
    try:
        with file.open() as opened:
            return opened.read(LARGEST_TOKEN)
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        msg = f"cannot read the token file {file}: {why}"
        raise BadToken(msg, hint="check the path and who may read it") from None


def with_token(
    options: Options, network: Description, text: str, control: Control
) -> None:
    """Enrol with the token that ``text`` spells."""
    token = enrolment.read_token(text, network)
    _enrolled(options, network, enrolment.by_token(options, network, token, control))


def with_wallet(
    options: Options,
    network: Description,
    owner: bytes,
    control: Control,
    *,
    wait: bool,
) -> None:
    """Enrol for ``owner``, who signs on the claim page."""
    begun = enrolment.begin(options, network, owner)
    typer.echo(f"device       {to_hex(begun.message.device)}")
    typer.echo(f"owner        {to_hex(begun.message.owner)}")
    typer.echo(f"network      {to_hex(network.network_id)}")
    typer.echo(f"\nThe owner signs here, in a browser with a wallet:\n\n{begun.link}\n")
    typer.echo(qr_code(begun))
    if not wait:
        typer.echo("Run the same command again to see whether the owner has signed.")
        return
    standing = _wait(options, begun, control)
    _enrolled(options, network, standing)


def write_token(text: str, owner: Key, out: Path, count: int, days: float) -> None:
    """Make a token for the network that ``text`` describes."""
    network = read(text)
    expires_at = wall_ms() + int(days * DAY_MS)
    token_id = secrets.token_bytes(32)
    token = enrolment.make_token(network, owner, token_id, count, expires_at)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        with os.fdopen(os.open(out, flags, 0o600), "w") as opened:
            opened.write(to_hex(token.encode()) + "\n")
    except OSError as error:
        msg = f"cannot write {out}: {error.strerror}"
        raise EdgeproofError(msg, hint="name a new file in a folder of yours") from None
    machines = "one device" if count == 1 else f"{count} devices"
    typer.echo(
        f"{out} enrols {machines} for {to_hex(owner.address)}, {days:g} days long"
    )
    typer.echo("\nOn each: edgeproof agent enrol --network URL --token-file FILE")


def accept(options: Options, text: str, *, ask: Callable[[str], bool] | None) -> None:
    """Pin the network that ``text`` describes in place of the pinned one."""
    before, after = open_pinned(options.state_dir), read(text)
    for name, found in (("pinned", before), ("offered", after)):
        typer.echo(f"{name:<9} network {to_hex(found.network_id)}")
        typer.echo(f"{'':<9} coordinator {to_hex(found.coordinator)}")
    same = (before.network_id, before.coordinator) == (
        after.network_id,
        after.coordinator,
    )
    if not same and ask is not None and not ask("Believe the offered key from now on?"):
        typer.echo("Nothing was changed.")
        raise typer.Exit(1)
    with closing(State(options.state_dir)) as state:
        state.accept(text)
    typer.echo("Pinned; a running agent takes it up when it is started anew.")


def retire(
    options: Options,
    network: Description,
    owner: Key,
    device: str | None,
    control: Control,
) -> None:
    """Retire this device, or another one of the same owner."""
    which = (
        address(device) if device else identity.device_key(options.state_dir).address
    )
    enrolment.retire(network, which, owner, control)
    typer.echo(f"{to_hex(which)} is retired: it earns nothing from the next slot on.")


def address(text: str) -> bytes:
    """Return the address that ``text`` spells; raise ``BadAddress``.

    In mixed case its checksum must be right (EIP-55), so that a slip is noticed.
    """
    digits = text.strip().removeprefix("0x")
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        raw = b""
    if len(raw) != 20 or len(digits) != 40:
        msg = f"not the address of an account: {text[:80]!r}"
        raise BadAddress(msg, hint="0x and 40 hexadecimal digits, as wallets show it")
    mixed = digits not in {digits.lower(), digits.upper()}
    if mixed and digits != checksummed(raw)[2:]:
        msg = f"a digit of the address {text} is wrong: its checksum does not fit"
        raise BadAddress(msg, hint="copy it from the wallet again")
    return raw


def checksummed(raw: bytes) -> str:
    """Return an address as EIP-55 writes it."""
    digits = raw.hex()
    nibbles = keccak(digits.encode()).hex()
    return "0x" + "".join(
        digit.upper() if int(nibble, 16) >= 8 else digit
        for digit, nibble in zip(digits, nibbles, strict=False)
    )


def qr_code(begun: Enrolment) -> str:
    """Return the link as a QR code of half blocks, for a phone's camera."""
    import segno  # noqa: PLC0415 - only enrolling needs it

    drawn = io.StringIO()
    segno.make(begun.link, error="l", micro=False).terminal(drawn, compact=True)
    return drawn.getvalue()


def _wait(options: Options, begun: Enrolment, control: Control) -> Standing:
    if not sys.stdout.isatty():
        typer.echo("Waiting for the owner's signature.")
        return enrolment.by_wallet(options, begun, control)
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it

    with Console().status("waiting for the owner's signature (ctrl-C: go on later)"):
        return enrolment.by_wallet(options, begun, control)


def _enrolled(options: Options, network: Description, standing: Standing) -> None:
    key = identity.device_key(options.state_dir)
    typer.echo(f"device       {to_hex(key.address)}")
    typer.echo(f"owner        {standing.owner}")
    typer.echo(f"network      {to_hex(network.network_id)}")
    typer.echo(f"coordinator  {to_hex(network.coordinator)}")
    file = options.state_dir / identity.KEY_FILE
    typer.echo(f"key file     {file} (keep a copy: edgeproof agent key backup FILE)")
    typer.echo(f"\nEnrolled: it counts from epoch {standing.epoch} on.")
    default = Path("~/.local/state/edgeproof").expanduser()
    suffix = "" if options.state_dir == default else f" --state {options.state_dir}"
    typer.echo(f"Next: edgeproof agent run{suffix}")
