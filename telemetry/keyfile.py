"""A secret in a file: 0600, made atomically, never overwritten."""

import os
import secrets
import stat
from pathlib import Path

from edgeproof.errors import EdgeproofError
from edgeproof.telemetry.signing import Key

SECRET_BYTES = 32
"""Length of every secret: a secp256k1 key, the seed of a beacon chain."""


class BadKeyFile(EdgeproofError):  # noqa: N818 - reads as what it is about
    """A key file is missing, open to others, or not a key."""


def read_secret(path: Path) -> bytes:
    """Return the 32 bytes that the file spells in hexadecimal, with or without 0x.

    Raises ``BadKeyFile``; never shows what the file holds.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(2 * SECRET_BYTES + 8)
    except OSError as error:
        msg = f"cannot read the key file {path}: {error.strerror}"
        raise BadKeyFile(msg, hint="check the path and who may read it") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        msg = f"others may read the key file {path} (mode {stat.S_IMODE(mode):04o})"
        raise BadKeyFile(msg, hint=f"chmod 600 {path}")
    try:
        secret = bytes.fromhex(text.decode("ascii").strip().removeprefix("0x"))
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        msg = f"{path} does not hold a key of {2 * SECRET_BYTES} hexadecimal digits"
        raise BadKeyFile(msg, hint="restore it from a backup, or name another file")
    return secret


def make_secret(path: Path, wanted: bytes = b"") -> bytes:
    """Return the secret in ``path``; if there was none, ``wanted`` or a random one.

    Safe against a crash at any line and against another process doing the same: one
    of them wins, both return what stands in the file.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(temporary, flags, 0o600), "w") as file:
            secret = wanted or secrets.token_bytes(SECRET_BYTES)
            file.write(secret.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return read_secret(path)


def write_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 that appears whole or not at all; replace it."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_key(path: Path) -> Key:
    """Return the secp256k1 key in ``path``; raise ``BadKeyFile``."""
    try:
        return Key(read_secret(path))
    except ValueError:
        msg = f"{path} holds a number that is no secp256k1 key"
        raise BadKeyFile(msg, hint="name another file") from None


def make_key(path: Path) -> Key:
    """Return the key in ``path``, made at random if there was none."""
    make_secret(path)
    return read_key(path)
