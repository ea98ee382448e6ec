"""Who works for whom, and from when.  Pure.

Four messages change the register: ``Enrol``, ``TokenEnrol``, ``Retire`` and ``Rotate``.
A device's changes are ordered by one sequence of nonces.  The coordinator admits with
``Register.check``, and whoever audits asks the same of the published changes, so the
two cannot disagree about a roster.

Checks of a change, numbered here and at each:

1. Its signers are the device and the owner of an ``Enrol``, the device of a
   ``TokenEnrol``, the owner of a ``Retire``, both keys of a ``Rotate``
   (BAD_SIGNATURE, WRONG_SIGNER).
2. Its nonce exceeds the device's last one (STALE_NONCE).
3. The owner of a token signed it (BAD_TOKEN), it has not expired (TOKEN_EXPIRED), and
   fewer other devices than it admits have used it (TOKEN_SPENT).
4. Who retires a device owns it now, or is about to (WRONG_SIGNER).
5. Who is replaced works for somebody (NOT_ENROLLED), and the successor has never been
   heard of (CONTRADICTION).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache

from edgeproof.audit.model import Change, Enrolment
from edgeproof.proofs import timetable
from edgeproof.proofs.parameters import Parameters
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry import codec, signing
from edgeproof.telemetry.eip712 import Domain
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.message import Signed, decode_signed
from edgeproof.telemetry.messages import Enrol, EnrolToken, Retire, Rotate, TokenEnrol

KINDS: Mapping[str, type[Change]] = {
    "enrol": Enrol,
    "token_enrol": TokenEnrol,
    "retire": Retire,
    "rotate": Rotate,
}
"""The name of each kind of change."""

LARGEST = 512
"""Bytes of the largest change."""

_BY_TAG = {cls.TAG: cls for cls in KINDS.values()}


def kind_of(change: Change) -> str:
    """Return the name of the change's kind."""
    return next(name for name, cls in KINDS.items() if type(change) is cls)


def decode(raw: bytes) -> Signed[Change]:
    """Return the signed change in ``raw``; raise ``MessageRefused``."""
    if len(raw) > LARGEST:
        detail = f"{len(raw)} bytes, at most {LARGEST}"
        raise MessageRefused(Reason.TOO_LARGE, detail)
    cls = _BY_TAG.get(codec.tag_of(raw))
    if cls is None:
        raise MessageRefused(Reason.MALFORMED, "no change of an enrolment")
    return decode_signed(cls, raw)


@lru_cache(maxsize=4096)
def token_of(change: TokenEnrol) -> Signed[EnrolToken]:
    """Return the token that the device shows; raise ``MessageRefused`` (BAD_TOKEN)."""
    try:
        return decode_signed(EnrolToken, change.token)
    except MessageRefused as error:
        raise MessageRefused(Reason.BAD_TOKEN, str(error)) from None


def since(network: Parameters, change: Change, slot: int) -> int:
    """Return the first slot for which a change counts that arrived in ``slot``."""
    if isinstance(change, Retire):
        return max(0, slot + 1)
    following = timetable.epoch_of(network, slot) + 1
    return timetable.first_slot(network, max(0, following))


class Register:
    """Every change so far, in whatever order it was added."""

    def __init__(self, changes: Iterable[Enrolment] = ()) -> None:
        self._changes: dict[bytes, list[Enrolment]] = {}
        self._origins: dict[bytes, Enrolment] = {}
        """By successor, the change that brought it."""
        self._users: defaultdict[bytes, set[bytes]] = defaultdict(set)
        """By token (its owner and id), the devices that have used it."""
        self._retired: set[bytes] = set()
        """The devices that were ever retired."""
        for each in changes:
            self.add(each)

    def add(self, enrolment: Enrolment) -> None:
        """Note a change that was checked; twice is once."""
        change = enrolment.signed.message
        known = self._changes.setdefault(change.device, [])
        if any(each.signed.message.nonce == change.nonce for each in known):
            return
        known.append(enrolment)
        known.sort(key=_nonce)
        if isinstance(change, Rotate):
            self._origins.setdefault(change.successor, enrolment)
        if isinstance(change, Retire):
            self._retired.add(change.device)
        if isinstance(change, TokenEnrol):
            self._users[_token_key(change)].add(change.device)

    @property
    def devices(self) -> list[bytes]:
        """Every device that was ever enrolled, by address."""
        return sorted(self._changes.keys() | self._origins.keys())

    def last(self, device: bytes) -> Enrolment | None:
        """Return the device's latest change, or the one that brought it; None if none.

        Of both ``since`` may lie ahead.
        """
        changes = self._changes.get(device)
        return changes[-1] if changes else self._origins.get(device)

    def knows(self, change: Change) -> Enrolment | None:
        """Return the very same change, if it was added before."""
        for each in self._changes.get(change.device, ()):
            if each.signed.message == change:
                return each
        return None

    def owner(self, device: bytes, slot: int) -> bytes | None:
        """Return for whom the device works in ``slot``; None: for nobody."""
        in_force = self._in_force(device, slot)
        if in_force is not None:
            return self._named(in_force)
        origin = self._origins.get(device)
        if origin is None or origin.since > slot:
            return None
        return self._before(origin)

    def works(self, device: bytes) -> bool:
        """Tell whether the device works for somebody, or is about to."""
        last = self.last(device)
        return last is not None and self._named(last, device) is not None

    def last_owner(self, device: bytes) -> bytes | None:
        """Return for whom the device works, will work, or has worked last."""
        for each in reversed(self._changes.get(device, ())):
            if (owner := self._named(each)) is not None:
                return owner
        origin = self._origins.get(device)
        return self._before(origin) if origin else None

    def roster(self, first: int) -> dict[bytes, bytes]:
        """Return owner by device of the epoch whose first slot is ``first``.

        In the order of its bitmaps: by address.
        """
        owners = ((device, self.owner(device, first)) for device in self.devices)
        return {device: owner for device, owner in owners if owner is not None}

    def retired(self, device: bytes, slot: int) -> bool:
        """Tell whether an owner has retired the device, as of what came in ``slot``."""
        if device not in self._retired:
            return False  # asked for each message
        in_force = self._in_force(device, slot + 1)
        return in_force is not None and isinstance(in_force.signed.message, Retire)

    def ends(self, device: bytes, first: int, end: int) -> int:
        """Return the slot, of those from ``first`` to ``end``, that ended its work.

        ``end`` if it went on until then.  ``first`` is an epoch's first slot.
        """
        for each in self._changes.get(device, ()):
            if isinstance(each.signed.message, Retire) and first < each.since < end:
                return each.since
        return end

    def check(
        self, signed: Signed[Change], domain: Domain, slot: int, now: int
    ) -> None:
        """Raise ``MessageRefused`` unless this change may follow what is known.

        It arrived in ``slot``, at ``now`` (Unix milliseconds).
        """
        change = signed.message
        # (1) Its signers.
        signing.check(signed, domain, *self._signers(change))
        # (2) The nonce.
        self._check_nonce(change)
        # (3) to (5) What its kind calls for.
        if isinstance(change, TokenEnrol):
            self._check_token(change, domain, now)
        elif isinstance(change, Retire):
            self._check_owner(change, slot)
        elif isinstance(change, Rotate):
            self._check_succession(change)

    def _check_nonce(self, change: Change) -> None:
        last = self.last(change.device)
        if last is not None and change.nonce <= last.signed.message.nonce:
            detail = f"{change.nonce}, last was {last.signed.message.nonce}"
            raise MessageRefused(Reason.STALE_NONCE, detail)

    def _check_token(self, change: TokenEnrol, domain: Domain, now: int) -> None:
        token = token_of(change)
        try:
            signing.check(token, domain, token.message.owner)
        except MessageRefused as error:
            raise MessageRefused(Reason.BAD_TOKEN, str(error)) from None
        if now >= token.message.expires_at:
            detail = f"{now - token.message.expires_at} ms ago"
            raise MessageRefused(Reason.TOKEN_EXPIRED, detail)
        others = self._users[_token_key(change)] - {change.device}
        if len(others) >= token.message.count:
            detail = f"{token.message.count} devices"
            raise MessageRefused(Reason.TOKEN_SPENT, detail)

    def _check_owner(self, change: Retire, slot: int) -> None:
        last = self.last(change.device)
        about_to = None if last is None else self._named(last, change.device)
        if change.owner not in {self.owner(change.device, slot), about_to}:
            detail = f"{to_hex(change.owner)} does not own {to_hex(change.device)}"
            raise MessageRefused(Reason.WRONG_SIGNER, detail)

    def _check_succession(self, change: Rotate) -> None:
        if not self.works(change.device):
            raise MessageRefused(Reason.NOT_ENROLLED, to_hex(change.device))
        if change.successor == change.device or self.last(change.successor):
            detail = f"{to_hex(change.successor)} is known already"
            raise MessageRefused(Reason.CONTRADICTION, detail)

    def _signers(self, change: Change) -> tuple[bytes, ...]:
        if isinstance(change, Enrol):
            return change.device, change.owner
        if isinstance(change, Rotate):
            return change.device, change.successor
        return (change.owner,) if isinstance(change, Retire) else (change.device,)

    def _in_force(self, device: bytes, slot: int) -> Enrolment | None:
        """Return the device's own latest change among those that count in ``slot``."""
        for each in reversed(self._changes.get(device, ())):
            if each.since <= slot:
                return each
        return None

    def _named(self, each: Enrolment, device: bytes | None = None) -> bytes | None:
        """Return the owner that a change gives to its device, or to its successor."""
        change = each.signed.message
        if isinstance(change, Enrol):
            return change.owner
        if isinstance(change, TokenEnrol):
            return token_of(change).message.owner
        succeeds = isinstance(change, Rotate) and device == change.successor
        return self._before(each) if succeeds else None

    def _before(self, rotation: Enrolment) -> bytes | None:
        """Return for whom the device worked that a rotation replaced."""
        seen: set[bytes] = set()
        while True:
            change = rotation.signed.message
            if change.device in seen:
                return None  # a circle: forged, and refused where it is checked
            seen.add(change.device)
            for each in reversed(self._changes.get(change.device, ())):
                if each.signed.message.nonce < change.nonce:
                    return self._named(each)
            origin = self._origins.get(change.device)
            if origin is None:
                return None
            rotation = origin


def in_order(changes: Iterable[Enrolment]) -> list[Enrolment]:
    """Return the changes so that each follows those that it rests on.

    A device's by their nonces, and those of a successor after its rotation.
    """
    by_device: dict[bytes, list[Enrolment]] = defaultdict(list)
    successors = set()
    for each in sorted(changes, key=_nonce):
        change = each.signed.message
        by_device[change.device].append(each)
        if isinstance(change, Rotate):
            successors.add(change.successor)
    ordered: list[Enrolment] = []
    waiting = sorted(by_device.keys() - successors)
    while waiting:
        for each in by_device.pop(waiting.pop(), ()):
            ordered.append(each)
            change = each.signed.message
            if isinstance(change, Rotate):
                waiting.append(change.successor)
    for circle in sorted(by_device):
        ordered += by_device[circle]
    return ordered


def _nonce(enrolment: Enrolment) -> int:
    return enrolment.signed.message.nonce


def _token_key(change: TokenEnrol) -> bytes:
    token = token_of(change).message
    return token.owner + token.token_id
