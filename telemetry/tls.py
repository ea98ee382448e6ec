"""TLS 1.3 to a broker: its authority as described, our certificate from files."""

import ssl
from pathlib import Path

from edgeproof.errors import EdgeproofError


class CertificateUnusable(EdgeproofError):  # noqa: N818 - reads as what it is about
    """A certificate or its key is missing, or TLS cannot use it."""


def client_context(authority: str, certificate: Path, key: Path) -> ssl.SSLContext:
    """Return what a client connects with, read anew from the files.

    ``authority`` is the PEM text of the only authority that may vouch for the broker,
    whose name is checked too.  Raises ``CertificateUnusable``.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(cadata=authority)
    except (ssl.SSLError, ValueError) as error:
        msg = f"the network's authority is no certificate: {error}"
        hint = "fetch the description anew, or ask the operator"
        raise CertificateUnusable(msg, hint=hint) from None
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        msg = f"cannot use the certificate {certificate}: {error}"
        hint = "a device gets it by itself once it is enrolled; see the log"
        raise CertificateUnusable(msg, hint=hint) from None
    return context
