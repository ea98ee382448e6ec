"""Which device gets a certificate, and which one is shut out."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from edgeproof.coordinator.authority import Authority
from edgeproof.coordinator.intake import View
from edgeproof.coordinator.store import Store
from edgeproof.errors import EdgeproofError
from edgeproof.proofs.parameters import SECOND
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry import signing
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.hexes import from_hex, to_hex
from edgeproof.telemetry.message import decode_signed
from edgeproof.telemetry.messages import CertificateRequest

LARGEST = 2560
"""Bytes of the largest request."""

FRESH_S = 600
"""A request is good for this long before and after the moment it names."""

REVOKED = "revoked"
"""Folder in the coordinator's data: one empty file for each device that is shut out."""


class NoCertificates(EdgeproofError):  # noqa: N818 - reads as what it is about
    """The network's broker takes none."""


class Certification:
    """Answer requests, numbered checks first.

    1. The request is a device's own, signed by its key, and fresh (WRONG_TOPIC,
       WRONG_SIGNER, LATE).
    2. The device works for somebody, or is about to (NOT_ENROLLED), and was not shut
       out (REVOKED).
    3. It shows a key that TLS can use (BAD_CERTIFICATE_REQUEST).
    """

    def __init__(
        self,
        view: View,
        store: Store,
        authority: Authority | None,
        clock: Callable[[], int],
    ) -> None:
        self._view = view
        self._store = store
        self._authority = authority
        self._clock = clock

    def issue(self, device: bytes, raw: bytes) -> str:
        """Return a certificate's chain in PEM; on disk is that it was issued.

        Raises ``MessageRefused`` or ``NoCertificates``.
        """
        if self._authority is None:
            msg = "this network's broker takes no certificates"
            raise NoCertificates(msg, hint="connect with a token")
        if len(raw) > LARGEST:
            raise MessageRefused(
                Reason.TOO_LARGE, f"{len(raw)} bytes, at most {LARGEST}"
            )
        now = self._clock()
        # (1) Whose request.
        signed = decode_signed(CertificateRequest, raw)
        message = signed.message
        if message.device != device:
            detail = f"it is about {to_hex(message.device)}"
            raise MessageRefused(Reason.WRONG_TOPIC, detail)
        signing.check(signed, self._view.description.domain, device)
        if abs(now - message.issued_at) > FRESH_S * SECOND:
            detail = f"{abs(now - message.issued_at) // SECOND} s off: set the clock"
            raise MessageRefused(Reason.LATE, detail)
        # (2) Whether it may have one.
        if device in self._view.revoked:
            raise MessageRefused(Reason.REVOKED, to_hex(device))
        if not self._view.register.works(device):
            raise MessageRefused(Reason.NOT_ENROLLED, to_hex(device))
        # (3) The key.
        moment = datetime.fromtimestamp(now / SECOND, UTC)
        issued = self._authority.device(message.request, device, moment)
        ends = int(issued.not_after.timestamp() * SECOND)
        self._store.keep_certificate(device, issued.serial, ends)
        return issued.chain.decode()


def revoked_in(data: Path) -> frozenset[bytes]:
    """Return the devices that the operator has shut out."""
    folder = data / REVOKED
    if not folder.is_dir():
        return frozenset()
    names = (path.name for path in folder.iterdir())
    return frozenset(from_hex(name, 20) for name in names if name.startswith("0x"))
