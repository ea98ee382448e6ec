"""The operator shuts a device out, whether the coordinator runs or not."""

from contextlib import closing
from pathlib import Path

from edgeproof.coordinator import authority, founding, mosquitto
from edgeproof.coordinator.certification import REVOKED, revoked_in
from edgeproof.coordinator.sqlite_store import SqliteStore
from edgeproof.errors import EdgeproofError
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.hexes import from_hex, to_hex


class BadDevice(EdgeproofError):  # noqa: N818 - reads as what it is about
    """What was given is no device's address."""


def revoke(data: Path, device: str, *, undo: bool) -> str:
    """Shut the device out, or let it in again; return what to tell the operator.

    A running coordinator notices at its next message.  Idempotent.
    """
    try:
        address = from_hex(device.lower(), 20)
    except MessageRefused:
        msg = f"not the address of a device: {device[:80]!r}"
        hint = "0x and 40 hexadecimal digits: see the explorer's list of devices"
        raise BadDevice(msg, hint=hint) from None
    description = founding.load(data)
    name = to_hex(address)
    folder = data / REVOKED
    folder.mkdir(mode=0o700, exist_ok=True)
    mark = folder / name
    if undo:
        mark.unlink(missing_ok=True)
    else:
        mark.touch(mode=0o600)
    words = [f"{name} is {'let in again' if undo else 'shut out'}."]
    if description.authority:
        words.append(_publish(data))
    return "\n".join(words)


def _publish(data: Path) -> str:
    with closing(SqliteStore(data / founding.DATABASE)) as store:
        serials = [s for each in revoked_in(data) for s in store.certificates(each)]
    told = mosquitto.revoke(data, authority.load(data / "keys"), serials)
    if told:
        return "mosquitto refuses its certificates from its next connection on."
    return (
        f"crl.pem in {data / mosquitto.FOLDER} is renewed; no mosquitto of this folder "
        "runs here: have yours read it anew (SIGHUP)."
    )
