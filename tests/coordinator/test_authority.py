"""The network's authority: whom it certifies, for how long, and whom it does not."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edgeproof.audit.model import Enrolment
from edgeproof.audit.register import Register
from edgeproof.coordinator import authority, mosquitto
from edgeproof.coordinator.authority import Authority
from edgeproof.coordinator.certification import (
    FRESH_S,
    REVOKED,
    Certification,
    NoCertificates,
    revoked_in,
)
from edgeproof.coordinator.door import Doorkeeper
from edgeproof.coordinator.intake import View
from edgeproof.coordinator.sqlite_store import SqliteStore
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.messages import CertificateRequest, Retire
from edgeproof.telemetry.signing import Key, sign
from tests.coordinator.conftest import NETWORK, RECORD

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
DEVICE = NETWORK.devices[0]
ADDRESS = DEVICE.key.address
DOMAIN = NETWORK.description.domain
SOMEBODY = Key(b"\x0f" * 32)

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


@pytest.fixture
def issuer(tmp_path: Path) -> Authority:
    return authority.found(tmp_path / "keys", "0x0123", NOW)


def csr(key: PrivateKey | None = None, name: str = "anybody") -> bytes:
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return request.sign(key, algorithm).public_bytes(serialization.Encoding.DER)


def test_a_device_is_certified_for_seven_days_under_its_own_name(
    issuer: Authority,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    issued = issuer.device(csr(key, "coordinator"), ADDRESS, NOW)
    certificate, issuing = x509.load_pem_x509_certificates(issued.chain)
    certificate.verify_directly_issued_by(issuing)
    (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert name.value == to_hex(ADDRESS)
    assert certificate.not_valid_after_utc == NOW + timedelta(days=7)
    assert certificate.public_key() == key.public_key()
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert list(usage.value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert not basic.value.ca


def test_the_authority_is_made_once_and_closed_to_others(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    first = authority.found(keys, "0x01", NOW)
    assert authority.found(keys, "0x02", NOW).pem == first.pem
    assert authority.load(keys).pem == first.pem
    for path in keys.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    (keys / authority.CERTIFICATE_FILE).unlink()  # a crash before it was written
    again = authority.found(keys, "0x01", NOW)
    issued = again.device(csr(), ADDRESS, NOW)
    leaf, issuing = x509.load_pem_x509_certificates(issued.chain)
    leaf.verify_directly_issued_by(issuing)


def forged() -> bytes:
    """A request whose signature is another's."""
    raw = bytearray(csr())
    raw[-1] ^= 1
    return bytes(raw)


@pytest.mark.parametrize(
    "request_of",
    [
        lambda: b"",
        lambda: b"\x30\x03\x02\x01\x00",
        lambda: csr(rsa.generate_private_key(65537, 2048)),
        lambda: csr(ec.generate_private_key(ec.SECP521R1())),
        lambda: csr(ec.generate_private_key(ec.SECP256K1())),
        forged,
    ],
    ids=["nothing", "der", "rsa", "p521", "secp256k1", "forged"],
)
def test_a_key_that_is_not_taken_is_refused(
    issuer: Authority, request_of: Callable[[], bytes]
) -> None:
    with pytest.raises(MessageRefused) as refusal:
        issuer.device(request_of(), ADDRESS, NOW)
    assert refusal.value.reason is Reason.BAD_CERTIFICATE_REQUEST


def test_ed25519_is_taken_too(issuer: Authority) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    leaf = x509.load_pem_x509_certificate(issuer.device(csr(key), ADDRESS, NOW).chain)
    assert leaf.public_key() == key.public_key()


def asks(device: bytes = ADDRESS, by: Key = DEVICE.key, at: int = NOW_MS) -> bytes:
    return sign(CertificateRequest(device, at, csr()), DOMAIN, by).encode()


@pytest.fixture
def view() -> View:
    return View(NETWORK.description, register=Register(RECORD.enrolments))


@pytest.fixture
def desk(view: View, store: SqliteStore, issuer: Authority) -> Certification:
    return Certification(view, store, issuer, lambda: NOW_MS)


def test_a_certificate_is_remembered_for_its_revocation(
    desk: Certification, store: SqliteStore, issuer: Authority
) -> None:
    leaf = x509.load_pem_x509_certificate(desk.issue(ADDRESS, asks()).encode())
    desk.issue(ADDRESS, asks())
    serials = store.certificates(ADDRESS)
    assert len(serials) == 2
    assert leaf.serial_number in serials
    found = x509.load_pem_x509_crl(issuer.revocations(serials, NOW))
    assert {each.serial_number for each in found} == set(serials)
    assert found.is_signature_valid(
        x509.load_pem_x509_certificate(issuer.pem.encode()).public_key()  # type: ignore[arg-type] # P-256, as made
    )


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"noise", Reason.MALFORMED),
        (bytes(4000), Reason.TOO_LARGE),
        (asks(by=SOMEBODY), Reason.WRONG_SIGNER),
        (asks(device=SOMEBODY.address, by=SOMEBODY), Reason.WRONG_TOPIC),
        (asks(at=NOW_MS - FRESH_S * 1000 - 1), Reason.LATE),
        (asks(at=NOW_MS + FRESH_S * 1000 + 1), Reason.LATE),
    ],
    ids=["noise", "flood", "forged", "another_device", "old", "ahead"],
)
def test_who_may_not_have_one_is_told_why(
    desk: Certification, raw: bytes, reason: Reason
) -> None:
    with pytest.raises(MessageRefused) as refusal:
        desk.issue(ADDRESS, raw)
    assert refusal.value.reason is reason


def test_strangers_the_retired_and_those_shut_out_get_none(
    desk: Certification, view: View
) -> None:
    def refused(device: Key) -> Reason:
        with pytest.raises(MessageRefused) as refusal:
            desk.issue(device.address, asks(device.address, device))
        return refusal.value.reason

    assert refused(SOMEBODY) is Reason.NOT_ENROLLED
    view.revoked = frozenset({ADDRESS})
    assert refused(DEVICE.key) is Reason.REVOKED
    view.revoked = frozenset()
    retire = sign(Retire(ADDRESS, DEVICE.owner.address, 9, 0), DOMAIN, DEVICE.owner)
    view.register.add(Enrolment(retire, 1))
    assert refused(DEVICE.key) is Reason.NOT_ENROLLED


def test_without_an_authority_there_are_none(view: View, store: SqliteStore) -> None:
    with pytest.raises(NoCertificates):
        Certification(view, store, None, lambda: 0).issue(ADDRESS, asks())


def test_our_own_certificates_are_renewed_before_they_end(
    tmp_path: Path, issuer: Authority
) -> None:
    folder = mosquitto.write(tmp_path, issuer, ("b.example", "::1"), 8883)
    server = folder / "server.pem"
    first = server.read_bytes()
    leaf = x509.load_pem_x509_certificate(first)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["b.example"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["::1"]
    assert not mosquitto.renew(tmp_path, issuer, datetime.now(UTC))
    assert server.read_bytes() == first
    later = datetime.now(UTC) + authority.OWN_LIFE * 0.7
    assert mosquitto.renew(tmp_path, issuer, later)
    ends = authority.ends(server)
    assert ends is not None
    assert ends > later + authority.OWN_LIFE * 0.9
    (folder / "acl").write_text("# mine\n")
    mosquitto.write(tmp_path, issuer, ("b.example",), 8883)
    assert (folder / "acl").read_text() == "# mine\n"
    assert {p.stat().st_mode & 0o777 for p in folder.iterdir()} == {0o600}


def test_the_operators_folder_shuts_devices_out_and_cuts_their_connections(
    tmp_path: Path,
) -> None:
    door, cut = Doorkeeper(tmp_path), []

    def kick(user: str) -> bool:
        cut.append(user)
        return True

    door.kick = kick
    assert door.shut_out() == revoked_in(tmp_path) == frozenset()
    mark = tmp_path / REVOKED / to_hex(ADDRESS)
    mark.parent.mkdir()
    mark.touch()
    assert door.shut_out() == door.shut_out() == {ADDRESS}
    assert cut == [to_hex(ADDRESS)]
    mark.unlink()
    assert door.shut_out() == frozenset()
