"""What a device's owner asks of the coordinator, over HTTP.

Everything that a running agent says goes through the broker; what changes who works for
whom is posted here, so that the person at the terminal has the answer at once.
"""

import json
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from edgeproof.errors import EdgeproofError
from edgeproof.telemetry import description

if TYPE_CHECKING:
    from stamina.instrumentation import RetryDetails

WELL_KNOWN = "/.well-known/edgeproof.json"
"""Where a network describes itself (RFC 8615)."""

TIMEOUT_S = 10.0
"""Seconds for one attempt."""

ATTEMPTS = 4
"""Attempts in all, with jittered pauses between them."""

LARGEST = description.LARGEST
"""Bytes of the largest answer that is read."""


class NetworkUnreachable(EdgeproofError):  # noqa: N818 - reads as what it is about
    """Nobody answers at the address, or not as a network does."""


class Refused(EdgeproofError):  # noqa: N818 - reads as what it is about
    """The coordinator refused what it was asked; ``reason`` is the code's name."""

    def __init__(self, text: str, *, hint: str = "", reason: str = "") -> None:
        super().__init__(text, hint=hint)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Standing:
    """The latest change of a device's enrolment; ``epoch`` the first it counts for."""

    owner: str
    kind: str
    epoch: int
    message: str


class Control(Protocol):
    """The coordinator, as owners see it."""

    def enrol(self, raw: bytes) -> Standing:
        """Post a signed change; it is on the coordinator's disk when this returns.

        Raises ``Refused`` or ``NetworkUnreachable``.
        """
        ...

    def standing(self, device: str) -> Standing | None:
        """Return the device's latest change, None if it has none."""
        ...


class HttpControl:
    """See ``Control``; ``api`` is the address in the network's description."""

    def __init__(self, api: str, *, attempts: int = ATTEMPTS) -> None:
        self._api = f"{_checked(api)}/api/v1"
        self._attempts = attempts

    def enrol(self, raw: bytes) -> Standing:
        """See ``Control.enrol``."""
        text = ask(
            f"{self._api}/enrolments",
            raw,
            media_type="application/cbor",
            attempts=self._attempts,
        )
        return _standing(text)

    def standing(self, device: str) -> Standing | None:
        """See ``Control.standing``."""
        try:
            text = ask(f"{self._api}/enrolments/{device}", attempts=self._attempts)
        except NotFound:
            return None
        return _standing(text)


class NotFound(NetworkUnreachable):
    """The server has no such page."""


def fetch(network: str, *, attempts: int = ATTEMPTS) -> str:
    """Return the text at the network's well-known address, at most 64 KiB.

    ``network`` is such as ``https://example.org``.  Raises ``NetworkUnreachable``.
    """
    return ask(_checked(network) + WELL_KNOWN, attempts=attempts)


def ask(
    address: str,
    body: bytes | None = None,
    *,
    media_type: str = "",
    attempts: int = ATTEMPTS,
) -> str:
    """Return what the server answers to a GET, or to a POST of ``body``.

    Reads at most ``LARGEST`` bytes and one more.  Raises ``Refused`` where the answer
    is a problem (RFC 9457) of ours, ``NetworkUnreachable`` for any other failure.
    """
    import stamina  # noqa: PLC0415 - the service that runs all day does without

    stamina.instrumentation.set_on_retry_hooks([_say_again])
    request = urllib.request.Request(address, data=body)  # noqa: S310 - the scheme was checked
    if body is not None:
        request.add_header("Content-Type", media_type)

    def once() -> bytes:
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - likewise
                return bytes(answer.read(LARGEST + 1))
        except urllib.error.HTTPError as error:
            with error:  # it is an open answer too
                if error.code == 422:
                    raise _refused(error.read(LARGEST)) from None
                raise

    try:
        for attempt in stamina.retry_context(on=_worth_retrying, attempts=attempts):
            with attempt:
                raw = once()
    except urllib.error.HTTPError as error:
        kind = NotFound if error.code == 404 else NetworkUnreachable
        msg = f"{address} answers {error.code}"
        raise kind(msg, hint="is the network's address right?") from None
    except (OSError, ValueError) as error:
        msg = f"cannot reach {address}: {_why(error)}"
        hint = "is the network up, and the URL right?"
        raise NetworkUnreachable(msg, hint=hint) from None
    return raw.decode(errors="replace")


def _checked(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        msg = f"not the address of a network: {address[:200]!r}"
        raise NetworkUnreachable(msg, hint="write http://host:port or https://host")
    return address.rstrip("/")


def _say_again(details: "RetryDetails") -> None:
    """Tell whoever waits what the matter is, and when it is tried again."""
    wait = f"trying again in {details.wait_for:.1f} s"
    sys.stderr.write(f"no answer ({_why(details.caused_by)}); {wait}\n")


def _why(error: Exception) -> str:
    """Return what went wrong without the wrapping of urllib."""
    reason = getattr(error, "reason", None)
    found = reason if isinstance(reason, OSError) else error
    return getattr(found, "strerror", None) or str(found) or type(found).__name__


def _worth_retrying(error: Exception) -> bool:
    if isinstance(error, urllib.error.HTTPError):
        return error.code >= 500 or error.code == 429
    return isinstance(error, OSError)


def _object(raw: str | bytes) -> dict[str, Any]:
    try:
        values = json.loads(raw)
    except (ValueError, RecursionError):
        values = None
    return values if isinstance(values, dict) else {}


def _refused(raw: bytes) -> Refused:
    problem = _object(raw)
    reason = problem.get("reason")
    name = str(reason.get("name", "")) if isinstance(reason, dict) else ""
    detail = str(problem.get("detail", "no reason given"))[:300]
    where = f" ({name})" if name else ""
    return Refused(
        f"the coordinator refused it: {detail}{where}",
        hint=str(problem.get("hint", ""))[:300],
        reason=name,
    )


def _standing(text: str) -> Standing:
    found = _object(text)
    try:
        return Standing(
            owner=str(found["owner"]),
            kind=str(found["kind"]),
            epoch=int(found["epoch"]),
            message=str(found["message"]),
        )
    except (KeyError, TypeError, ValueError):
        msg = "the answer is not one of a coordinator of edgeproof"
        raise NetworkUnreachable(msg, hint="check the address") from None
