"""A certificate for this device's TLS, in a short-lived process of its own.

``python -m edgeproof.agent.certifying FOLDER``: the service runs all day and does
without what makes certificates.  Prints one JSON object: when the certificate begins
and ends, in Unix seconds.
"""

import json
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edgeproof.agent import identity
from edgeproof.agent.certificate import CERTIFICATE_FILE, TLS_KEY_FILE
from edgeproof.agent.control import NetworkUnreachable, ask
from edgeproof.agent.delivery import wall_ms
from edgeproof.agent.state import open_pinned
from edgeproof.errors import EdgeproofError
from edgeproof.telemetry import keyfile, signing
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.messages import CertificateRequest
from edgeproof.telemetry.signing import Key


def certify(folder: Path, network: Description, device: Key) -> dict[str, int]:
    """Get a certificate and keep it, whole or not at all; return its validity.

    Raises ``Refused``, ``NetworkUnreachable`` or ``BadKeyFile``.
    """
    key = _tls_key(folder / TLS_KEY_FILE)
    name = x509.NameAttribute(NameOID.COMMON_NAME, to_hex(device.address))
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([name]))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )
    message = CertificateRequest(device.address, wall_ms(), request)
    signed = signing.sign(message, network.domain, device)
    api = network.api.rstrip("/")
    address = f"{api}/api/v1/devices/{to_hex(device.address)}/certificate"
    text = ask(address, signed.encode(), media_type="application/cbor")
    try:
        certificate = x509.load_pem_x509_certificate(text.encode())
        issuer = x509.load_pem_x509_certificate(network.authority.encode())
        certificate.verify_directly_issued_by(issuer)
    except Exception as error:  # noqa: BLE001 - the library has one for each way to be wrong
        msg = f"what {api} sent is no certificate of this network: {error}"
        raise NetworkUnreachable(msg, hint="ask the operator") from None
    keyfile.write_private(folder / CERTIFICATE_FILE, text.encode())
    return {
        "begins": int(certificate.not_valid_before_utc.timestamp()),
        "ends": int(certificate.not_valid_after_utc.timestamp()),
    }


def _tls_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Return the key of this device's TLS, which is not the one that signs."""
    if not path.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        pem = made.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        keyfile.write_private(path, pem)
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError, OSError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        msg = f"{path} holds no key of the curve P-256"
        raise keyfile.BadKeyFile(msg, hint="delete it: another one is made")
    return key


def main(folder: Path) -> int:
    """Certify the device in ``folder``; return the exit code."""
    try:
        network = open_pinned(folder)
        device = identity.device_key(folder)
        sys.stdout.write(json.dumps(certify(folder, network, device)) + "\n")
    except EdgeproofError as error:
        hint = f" ({error.hint})" if error.hint else ""
        sys.stderr.write(f"{error}{hint}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
