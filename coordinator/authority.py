"""The network's own certificate authority: who may connect to its broker.

Certificates are for TLS alone.  What counts is signed by a device's key, which is
another one and never leaves the device.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry import keyfile, topics
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.hexes import to_hex

DEVICE_LIFE = timedelta(days=7)
"""How long a device's certificate is good; it renews it by itself."""

OWN_LIFE = timedelta(days=90)
"""How long the broker's and the coordinator's are; the coordinator renews them."""

AUTHORITY_LIFE = timedelta(days=3650)
"""How long the authority is."""

SKEW = timedelta(hours=1)
"""Certificates are good from so long ago on: devices' clocks differ."""

CURVE = "secp256r1"
"""The one curve (P-256) that is taken beside Ed25519."""

KEY_FILE, CERTIFICATE_FILE = "authority.key", "authority.pem"
"""Names of the authority's files in the keys' folder."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate: ``chain`` in PEM, the authority's behind its own."""

    chain: bytes
    serial: int
    not_after: datetime


class _Bad(MessageRefused):
    """The request is refused; ``detail`` says for what."""

    def __init__(self, detail: str) -> None:
        super().__init__(Reason.BAD_CERTIFICATE_REQUEST, detail[:200])


class Authority:
    """Sign certificates with the authority's key.  ``now`` is aware of its zone."""

    def __init__(
        self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
    ) -> None:
        self._key = key
        self._certificate = certificate
        self.pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
        """The authority's certificate, as the description publishes it."""

    def device(self, request: bytes, device: bytes, now: datetime) -> Issued:
        """Return a client's certificate for ``device`` and the key in ``request``.

        The request (PKCS #10, DER) only shows the key, and that its sender has it; the
        name and all else in it is ignored.  Raises ``MessageRefused``.
        """
        try:
            found = x509.load_der_x509_csr(request)
            key = found.public_key()
            good = found.is_signature_valid
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            detail = f"no certificate request: {error}"
            raise _Bad(detail) from None
        if not isinstance(key, (ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey)):
            detail = "its key is neither P-256 nor Ed25519"
            raise _Bad(detail)
        if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name != CURVE:
            detail = "its key is neither P-256 nor Ed25519"
            raise _Bad(detail)
        if not good:
            detail = "it is not signed by its own key"
            raise _Bad(detail)
        return self._issue(to_hex(device), key, now, DEVICE_LIFE)

    def coordinator(self, key: ec.EllipticCurvePublicKey, now: datetime) -> Issued:
        """Return the coordinator's own client's certificate."""
        return self._issue(topics.COORDINATOR, key, now, OWN_LIFE)

    def server(
        self, hosts: tuple[str, ...], key: ec.EllipticCurvePublicKey, now: datetime
    ) -> Issued:
        """Return the broker's certificate, for all names and addresses in ``hosts``."""
        return self._issue(hosts[0], key, now, OWN_LIFE, hosts)

    def revocations(self, serials: list[int], now: datetime) -> bytes:
        """Return the list of revoked certificates in PEM (RFC 5280, section 5)."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(now - SKEW)
            .next_update(now + AUTHORITY_LIFE)
            .add_extension(self._issuer(), critical=False)
            .add_extension(x509.CRLNumber(int(now.timestamp() * 1000)), critical=False)
        )
        for serial in sorted(set(serials)):
            revoked = x509.RevokedCertificateBuilder(serial, now)
            builder = builder.add_revoked_certificate(revoked.build())
        signed = builder.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)

    def _issue(
        self,
        name: str,
        key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey,
        now: datetime,
        life: timedelta,
        hosts: tuple[str, ...] = (),
    ) -> Issued:
        serial, end = x509.random_serial_number(), now + life
        usage = (
            ExtendedKeyUsageOID.SERVER_AUTH
            if hosts
            else ExtendedKeyUsageOID.CLIENT_AUTH
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name[:64]))
            .issuer_name(self._certificate.subject)
            .public_key(key)
            .serial_number(serial)
            .not_valid_before(now - SKEW)
            .not_valid_after(end)
            .add_extension(
                x509.BasicConstraints(ca=False, path_length=None), critical=True
            )
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key), critical=False
            )
            .add_extension(self._issuer(), critical=False)
        )
        if hosts:
            names = x509.SubjectAlternativeName([_general(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        signed = builder.sign(self._key, hashes.SHA256())
        pem = signed.public_bytes(serialization.Encoding.PEM)
        return Issued(pem + self.pem.encode(), serial, end)

    def _issuer(self) -> x509.AuthorityKeyIdentifier:
        """Say whose key signs; strict verifiers ask for it (RFC 5280, 4.2.1.1)."""
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(
            self._key.public_key()
        )


def load(keys: Path) -> Authority:
    """Return the authority in the folder ``keys``."""
    key = serialization.load_pem_private_key((keys / KEY_FILE).read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        msg = f"{keys / KEY_FILE} is no key of the authority"
        raise TypeError(msg)
    certificate = (keys / CERTIFICATE_FILE).read_bytes()
    return Authority(key, x509.load_pem_x509_certificate(certificate))


def found(keys: Path, network: str, now: datetime) -> Authority:
    """Return the authority in the folder ``keys``, made if there is none.

    Its key is on disk before its certificate; a crash between the two is mended here.
    """
    key = private_key(keys / KEY_FILE)
    path = keys / CERTIFICATE_FILE
    if not path.exists():
        subject = _name(f"edgeproof {network}"[:64])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - SKEW)
            .not_valid_after(now + AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_SIGNS, critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
                critical=False,
            )
            .sign(key, hashes.SHA256())
        )
        keyfile.write_private(
            path, certificate.public_bytes(serialization.Encoding.PEM)
        )
    return load(keys)


def private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Return the P-256 key in ``path``, made if there is none."""
    if not path.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        pem = made.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        keyfile.write_private(path, pem)
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        msg = f"{path} holds no key of the curve P-256"
        raise TypeError(msg)
    return key


def ends(path: Path) -> datetime | None:
    """Return when the certificate in ``path`` ends; None if there is none."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (FileNotFoundError, ValueError):
        return None


_SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
