"""What a mosquitto needs to serve this network: its configuration, rules, certificates.

The folder is complete: ``mosquitto -c <data>/mosquitto/mosquitto.conf``.
"""

import getpass
import os
import signal
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edgeproof.coordinator import authority
from edgeproof.coordinator.authority import OWN_LIFE, Authority
from edgeproof.telemetry import keyfile
from edgeproof.telemetry.broker import MAX_PAYLOAD

FOLDER = "mosquitto"
"""Name of the folder in the coordinator's data."""

CLIENT_KEY, CLIENT_CERTIFICATE = "coordinator-tls.key", "coordinator-tls.pem"
"""What the coordinator itself connects with, in the keys' folder."""

PID_FILE = "mosquitto.pid"

RENEW_BEFORE: timedelta = OWN_LIFE / 3
"""Certificates of our own are renewed when they have less than this left."""

ACCESS = """\
# The same rules as edgeproof.telemetry.topics.allowed; %u is the user name.
# What is not listed is denied.

# Everybody reads the broadcasts.  ("topic" before any "user" is for anonymous clients
# alone, of which there are none, so this is a pattern too; mosquitto remarks on it.)
pattern read n/#

# A device writes its own uplinks and reads its own downlinks.
pattern write d/%u/#
pattern read c/%u/#

# The coordinator.
user coordinator
topic write n/#
topic write c/#
topic read d/#
"""

CONFIGURATION = """\
# mosquitto 2.x for a network of edgeproof: TLS 1.3, each client has a certificate whose
# common name is its user name: a device's address (0x and 40 lower-case hex digits), or
# "coordinator".  Who may use which topic stands in acl, beside this file.
#
#   mosquitto -c {folder}/mosquitto.conf
#
# After a renewal or a revocation it reads certificates and crl.pem anew on SIGHUP.

# Started by root it becomes this user, who must be able to read the folder.
user {user}
pid_file {folder}/{pid_file}

listener {port}
cafile {folder}/ca.pem
certfile {folder}/server.pem
keyfile {folder}/server.key
crlfile {folder}/crl.pem
tls_version tlsv1.3

allow_anonymous false
require_certificate true
use_identity_as_username true
# One client id per certificate: nobody takes over another device's session.
use_username_as_clientid true
acl_file {folder}/acl

# Bytes: edgeproof.telemetry.broker.MAX_PAYLOAD and 1 KiB for the topic.
max_packet_size {packet}

max_queued_messages 100000
max_queued_bytes 268435456
max_inflight_messages 100

# Sessions of devices that never come back.
persistent_client_expiration 14d

# Survives an orderly restart.  What must not be lost is acknowledged end to end.
persistence true
persistence_location {folder}/
autosave_interval 60

log_dest stderr
log_type error
log_type warning
log_type notice
"""


def configuration(folder: str, port: int, user: str) -> str:
    """Return ``mosquitto.conf`` for a folder."""
    return CONFIGURATION.format(
        folder=folder,
        port=port,
        user=user,
        pid_file=PID_FILE,
        packet=MAX_PAYLOAD + 1024,
    )


def write(data: Path, issuer: Authority, hosts: tuple[str, ...], port: int) -> Path:
    """Write the folder in ``data`` and return it; what an operator edited is kept."""
    folder = data.absolute() / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    texts = {
        "acl": ACCESS,
        "mosquitto.conf": configuration(str(folder), port, getpass.getuser()),
        "hosts": "".join(f"{host}\n" for host in hosts),
        "ca.pem": issuer.pem,
    }
    for name, text in texts.items():
        if not (folder / name).exists():
            keyfile.write_private(folder / name, text.encode())
    if not (folder / "crl.pem").exists():
        revoke(data, issuer, [])
    renew(data, issuer, datetime.now(UTC))
    return folder


def renew(data: Path, issuer: Authority, now: datetime) -> bool:
    """Renew our own certificates where it is time; tell whether the broker's was."""
    folder, keys = data / FOLDER, data / "keys"
    hosts = tuple((folder / "hosts").read_text().split())
    if _is_due(keys / CLIENT_CERTIFICATE, now):
        own = authority.private_key(keys / CLIENT_KEY).public_key()
        issued = issuer.coordinator(own, now)
        keyfile.write_private(keys / CLIENT_CERTIFICATE, issued.chain)
    if not _is_due(folder / "server.pem", now):
        return False
    public = authority.private_key(folder / "server.key").public_key()
    keyfile.write_private(
        folder / "server.pem", issuer.server(hosts, public, now).chain
    )
    reload(data)
    return True


def revoke(data: Path, issuer: Authority, serials: list[int]) -> bool:
    """Publish which certificates are revoked; tell whether a broker was told."""
    revoked = issuer.revocations(serials, datetime.now(UTC))
    keyfile.write_private(data / FOLDER / "crl.pem", revoked)
    return reload(data)


def reload(data: Path) -> bool:
    """Have a mosquitto that runs with this folder read it anew; tell whether one does.

    It does so for whoever connects from then on; who is connected stays.
    """
    with suppress(OSError, ValueError):
        number = int((data / FOLDER / PID_FILE).read_text())
        name = Path(f"/proc/{number}/comm").read_text().strip()
        if name == "mosquitto":  # a number can be another program's by now
            os.kill(number, signal.SIGHUP)
            return True
    return False


def _is_due(path: Path, now: datetime) -> bool:
    end = authority.ends(path)
    return end is None or end - now < RENEW_BEFORE
