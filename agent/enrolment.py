"""Joining a network: fetch and pin its description, make a key, sign by both sides."""

import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from edgeproof.agent import identity
from edgeproof.agent.delivery import wall_ms
from edgeproof.agent.options import Options
from edgeproof.agent.outbox import OUTBOX_FILE, Outbox
from edgeproof.agent.state import State
from edgeproof.errors import EdgeproofError
from edgeproof.proofs.parameters import BadParameters
from edgeproof.telemetry import description, signing
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.keyfile import BadKeyFile
from edgeproof.telemetry.messages import Enrol
from edgeproof.telemetry.signing import Key

WELL_KNOWN = "/.well-known/edgeproof.json"
"""Where a network describes itself (RFC 8615)."""

TIMEOUT_S = 10.0
"""Seconds for one attempt to fetch the description."""

ATTEMPTS = 4
"""Attempts in all, with jittered pauses between them."""


class NetworkUnreachable(EdgeproofError):  # noqa: N818 - reads as what it is about
    """The description cannot be fetched."""


class BadNetwork(EdgeproofError):  # noqa: N818 - reads as what it is about
    """What the address serves is no signed description of a network."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What an enrolment led to."""

    description: Description
    device: bytes
    owner: bytes


def fetch(network: str, *, attempts: int = ATTEMPTS) -> str:
    """Return the text at the network's well-known address, at most 64 KiB.

    ``network`` is such as ``https://example.org``.  Raises ``NetworkUnreachable``.
    """
    import stamina  # noqa: PLC0415 - only enrolling needs it

    parts = urlsplit(network)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        msg = f"not the address of a network: {network[:200]!r}"
        raise NetworkUnreachable(msg, hint="write http://host:port or https://host")
    address = network.rstrip("/") + WELL_KNOWN

    def once() -> bytes:
        try:
            with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer:  # noqa: S310 - the scheme was checked
                return bytes(answer.read(description.LARGEST + 1))
        except urllib.error.HTTPError as error:
            error.close()  # it is an open answer too
            raise

    try:
        for attempt in stamina.retry_context(on=_worth_retrying, attempts=attempts):
            with attempt:
                raw = once()
    except (OSError, ValueError) as error:
        msg = f"cannot fetch {address}: {error}"
        raise NetworkUnreachable(
            msg, hint="is the network up, and the URL right?"
        ) from None
    return raw.decode(errors="replace")


def _worth_retrying(error: Exception) -> bool:
    if isinstance(error, urllib.error.HTTPError):
        return error.code >= 500 or error.code == 429
    return isinstance(error, OSError)


def enrol(options: Options, text: str, owner_key: Key) -> Enrolled:
    """Pin the network described in ``text`` and queue the enrolment of this device.

    The device's key is made if there is none.  Doing it twice enrols anew, with a
    higher nonce: so a device changes its owner.  Raises ``BadNetwork``,
    ``OtherNetwork`` or ``BadKeyFile``.
    """
    folder: Path = options.state_dir
    state = State(folder)
    try:
        found = state.pin(text)
        key = identity.ensure_device_key(folder)
        if owner_key.address == key.address:
            msg = "the owner's key is this device's own key"
            raise BadKeyFile(msg, hint="owner and device need different keys")
        now = wall_ms()
        nonce = max(now, (state.get("nonce") or 0) + 1)
        message = Enrol(key.address, owner_key.address, nonce, now)
        signed = signing.sign(message, found.domain, key, owner_key)
        outbox = Outbox(folder / OUTBOX_FILE, limit_bytes=options.outbox_bytes)
        try:
            outbox.put("enrol", signed.encode())
        finally:
            outbox.close()
        state.put("nonce", nonce)
        state.put("owner", to_hex(owner_key.address))
    except (MessageRefused, BadParameters) as error:
        msg = f"not a network that can be joined: {error}"
        raise BadNetwork(msg, hint="check the URL with the operator") from None
    finally:
        state.close()
    return Enrolled(found, key.address, owner_key.address)
