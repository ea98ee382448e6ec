"""Joining a network: pin its description, make a key, sign by both sides.

The owner's signature comes from a key file, from a wallet by way of the claim page, or
beforehand, in a token.
"""

import base64
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from edgeproof.agent import identity
from edgeproof.agent.control import Control, Refused, Standing
from edgeproof.agent.delivery import wall_ms
from edgeproof.agent.options import Options
from edgeproof.agent.state import State
from edgeproof.errors import EdgeproofError
from edgeproof.proofs.parameters import BadParameters
from edgeproof.telemetry import signing
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.hexes import from_hex, to_hex
from edgeproof.telemetry.keyfile import BadKeyFile
from edgeproof.telemetry.message import Signed, decode_signed
from edgeproof.telemetry.messages import Enrol, EnrolToken, Retire, TokenEnrol
from edgeproof.telemetry.signing import Key

PENDING = "enrolling"
"""Name of what is remembered of an enrolment until its owner has signed."""

POLL_S = 3.0
"""How often the coordinator is asked whether the owner has signed."""


class BadNetwork(EdgeproofError):  # noqa: N818 - reads as what it is about
    """What the address serves is no signed description of a network."""


class BadToken(EdgeproofError):  # noqa: N818 - reads as what it is about
    """What the file holds is no enrolment token of this network."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """An enrolment that this device has signed, and its owner may not have yet."""

    description: Description
    message: Enrol
    signature: bytes
    """The device's."""

    @property
    def link(self) -> str:
        """Where the owner signs it.

        What is behind the # never reaches a server by itself: base64url (RFC 4648) of
        the message as CBOR, with the one signature.
        """
        half = Signed(self.message, (self.signature,)).encode()
        code = base64.urlsafe_b64encode(half).rstrip(b"=").decode()
        return f"{self.description.api.rstrip('/')}/claim#{code}"

    def signed_by(self, owner: Key) -> bytes:
        """Return the whole message as it is sent."""
        digest = self.message.digest(self.description.domain)
        signatures = (self.signature, owner.sign_digest(digest))
        return Signed(self.message, signatures).encode()


def pin(options: Options, text: str) -> Description:
    """Check and remember the network described in ``text``; see ``State.pin``.

    Raises ``BadNetwork`` or ``OtherNetwork``.
    """
    with closing(State(options.state_dir)) as state:
        try:
            return state.pin(text)
        except (MessageRefused, BadParameters) as error:
            msg = f"not a network that can be joined: {error}"
            hint = "check the URL with the operator"
            raise BadNetwork(msg, hint=hint) from None


def begin(options: Options, description: Description, owner: bytes) -> Enrolment:
    """Return the enrolment for ``owner``, signed by the device.

    The device's key is made if there is none.  Until it is done, doing it again for the
    same owner returns the very same one, so that a link stays good.
    """
    key = identity.ensure_device_key(options.state_dir)
    if owner == key.address:
        msg = "the owner's key is this device's own key"
        raise BadKeyFile(msg, hint="owner and device need different keys")
    with closing(State(options.state_dir)) as state:
        known = state.get(PENDING)
        if known is not None:
            again = Enrol(key.address, owner, known["nonce"], known["issued_at"])
            signature = from_hex(known["signature"], 65)
            mine = signing.recover(again.digest(description.domain), signature)
            if mine == key.address:  # it is for this owner, and by this device
                return Enrolment(description, again, signature)
        message = Enrol(key.address, owner, *_numbers(state))
        signature = key.sign_digest(message.digest(description.domain))
        pending = {
            "nonce": message.nonce,
            "issued_at": message.issued_at,
            "signature": to_hex(signature),
        }
        state.put(PENDING, pending)
    return Enrolment(description, message, signature)


def by_key(
    options: Options, description: Description, owner: Key, control: Control
) -> Standing:
    """Enrol this device for the owner of ``owner``, whose key is not kept."""
    enrolment = begin(options, description, owner.address)
    try:
        return _done(options, control.enrol(enrolment.signed_by(owner)))
    except Refused:
        with closing(State(options.state_dir)) as state:
            state.put(PENDING, None)  # it will not get better by repetition
        raise


def by_token(
    options: Options,
    description: Description,
    token: Signed[EnrolToken],
    control: Control,
) -> Standing:
    """Enrol this device for the owner who signed ``token`` beforehand."""
    key = identity.ensure_device_key(options.state_dir)
    with closing(State(options.state_dir)) as state:
        message = TokenEnrol(key.address, *_numbers(state), token.encode())
    signed = signing.sign(message, description.domain, key)
    return _done(options, control.enrol(signed.encode()))


def by_wallet(
    options: Options,
    enrolment: Enrolment,
    control: Control,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Standing:
    """Wait until the owner has signed on the claim page.

    Interrupted at any time, it goes on where it was: see ``begin``.
    """
    device = to_hex(enrolment.message.device)
    while True:
        found = control.standing(device)
        if found is not None and _is(enrolment, found):
            return _done(options, found)
        sleep(POLL_S)


def retire(
    description: Description, device: bytes, owner: Key, control: Control
) -> Standing:
    """End a device's work for its owner, at once."""
    now = wall_ms()
    # Of another device than this one only the time can exceed its last nonce.
    message = Retire(device, owner.address, now, now)
    signed = signing.sign(message, description.domain, owner)
    return control.enrol(signed.encode())


def make_token(
    description: Description, owner: Key, token_id: bytes, count: int, expires_at: int
) -> Signed[EnrolToken]:
    """Return what lets ``count`` devices enrol for the owner until ``expires_at``."""
    token = EnrolToken(owner.address, token_id, count, expires_at)
    return signing.sign(token, description.domain, owner)


def read_token(text: str, description: Description) -> Signed[EnrolToken]:
    """Return the token that ``text`` spells; raise ``BadToken``."""
    try:
        raw = bytes.fromhex(text.strip().removeprefix("0x"))
        token = decode_signed(EnrolToken, raw)
        signing.check(token, description.domain, token.message.owner)
    except (ValueError, MessageRefused) as error:
        msg = f"not an enrolment token of this network: {error}"
        raise BadToken(msg, hint="make one: edgeproof agent token --help") from None
    return token


def _numbers(state: State) -> tuple[int, int]:
    """Return a nonce above this device's last one, and the time; both are noted."""
    now = wall_ms()
    nonce = max(now, (state.get("nonce") or 0) + 1)
    state.put("nonce", nonce)
    return nonce, now


def _is(enrolment: Enrolment, found: Standing) -> bool:
    """Tell whether what the coordinator has is ours, and signed by its owner."""
    try:
        raw = bytes.fromhex(found.message.removeprefix("0x"))
        signed = decode_signed(Enrol, raw)
        domain = enrolment.description.domain
        message = enrolment.message
        signing.check(signed, domain, message.device, message.owner)
    except (ValueError, MessageRefused):
        return False
    return signed.message == message


def _done(options: Options, standing: Standing) -> Standing:
    with closing(State(options.state_dir)) as state:
        state.put("owner", standing.owner)
        state.put(PENDING, None)
    return standing
