"""The device's own key, and the reading of an owner's.

A key file holds 64 hexadecimal digits, with or without 0x, and is open to nobody but
its user.
"""

import os
import secrets
import stat
from pathlib import Path

from edgeproof.errors import EdgeproofError
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.signing import ORDER, Key

KEY_FILE = "device.key"
"""Name of the device's key in the state folder."""

LARGEST = 1024
"""Bytes of a file that could be a key file."""


class BadKeyFile(EdgeproofError):  # noqa: N818 - reads as what it is about
    """A key file is missing, open to others, or holds no key."""


def device_key(folder: Path) -> Key:
    """Return the device's key; raise ``BadKeyFile`` if there is none to be had."""
    path = folder / KEY_FILE
    if not path.exists():
        msg = f"this device has no key yet: {path} does not exist"
        raise BadKeyFile(msg, hint="enrol it first: edgeproof agent enrol --help")
    return read_key(path)


def ensure_device_key(folder: Path) -> Key:
    """Return the device's key, made now if there is none.  Never overwrites one.

    The file appears whole and 0600 or not at all, whatever happens in between, and
    of two processes that try at once both return the same key.
    """
    path = folder / KEY_FILE
    if not path.exists():
        _create(path, _new_secret())
    return read_key(path)


def read_key(path: Path) -> Key:
    """Return the key in ``path``.

    Raises ``BadKeyFile`` for a file that is missing, not plain, readable by others,
    or without exactly one key; the message never shows what the file holds.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        msg = f"cannot read the key file {path}: {error.strerror}"
        raise BadKeyFile(msg, hint="check the path and who owns the file") from None
    with os.fdopen(descriptor, "rb") as file:
        _check_closed(path, os.fstat(file.fileno()))
        content = file.read(LARGEST + 1)
    return _parse(path, content)


def _check_closed(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        msg = f"the key file {path} is not a plain file"
        raise BadKeyFile(msg)
    if found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        msg = f"the key file {path} is open to others (mode {mode:04o})"
        raise BadKeyFile(msg, hint=f"chmod 600 {path}")


def _parse(path: Path, content: bytes) -> Key:
    text = content.strip().removeprefix(b"0x")
    try:
        secret = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        secret = b""
    if len(secret) != 32 or not 0 < int.from_bytes(secret, "big") < ORDER:
        msg = f"the key file {path} does not hold a secp256k1 key"
        hint = "it must hold 64 hexadecimal digits; restore it from your backup"
        raise BadKeyFile(msg, hint=hint)
    return Key(secret)


def _new_secret() -> bytes:
    return (1 + secrets.randbelow(ORDER - 1)).to_bytes(32, "big")


def _create(path: Path, secret: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(temporary, flags, 0o600), "w") as file:
            file.write(to_hex(secret) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)  # unlike a rename, it never replaces
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
        _sync_folder(path.parent)
    except OSError as error:
        msg = f"cannot create the key file {path}: {error.strerror}"
        raise BadKeyFile(msg, hint="is the folder writable?") from None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
