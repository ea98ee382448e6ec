"""The device's own key: made once, in the state folder, and never overwritten."""

from pathlib import Path

from edgeproof.telemetry import keyfile
from edgeproof.telemetry.keyfile import BadKeyFile
from edgeproof.telemetry.signing import Key

KEY_FILE = "device.key"
"""Name of the device's key in the state folder."""


def device_key(folder: Path) -> Key:
    """Return the device's key; raise ``BadKeyFile`` if there is none to be had."""
    path = folder / KEY_FILE
    if not path.exists():
        msg = f"this device has no key yet: {path} does not exist"
        raise BadKeyFile(msg, hint="enrol it first: edgeproof agent enrol --help")
    return keyfile.read_key(path)


def ensure_device_key(folder: Path) -> Key:
    """Return the device's key, made now if there is none; raise ``BadKeyFile``."""
    path = folder / KEY_FILE
    try:
        return keyfile.make_key(path)
    except OSError as error:
        msg = f"cannot create the key file {path}: {error.strerror}"
        raise BadKeyFile(msg, hint="is the folder writable?") from None
