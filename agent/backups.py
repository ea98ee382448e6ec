"""Copies of a device's key: Ethereum keystores, version 3, with scrypt."""

import json
import os
from pathlib import Path

from edgeproof.agent import identity
from edgeproof.errors import EdgeproofError
from edgeproof.telemetry import keyfile
from edgeproof.telemetry.bounded_json import load_object
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.keyfile import BadKeyFile
from edgeproof.telemetry.signing import Key

LARGEST = 16 * 1024
"""Bytes of the largest keystore that is read."""

WORK = 1 << 18
"""Steps of scrypt (n), as wallets take them: 256 MiB and about a second."""


class BadBackup(EdgeproofError):  # noqa: N818 - reads as what it is about
    """The file is no keystore, or the passphrase is not its own."""


def write(file: Path, key: Key, passphrase: str, *, work: int = WORK) -> None:
    """Write ``key``, encrypted, to a new file of mode 0600; raise ``BadBackup``."""
    from eth_keyfile.keyfile import create_keyfile_json  # noqa: PLC0415 - heavy

    keystore = create_keyfile_json(
        key.secret, passphrase.encode(), kdf="scrypt", iterations=work
    )
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        with os.fdopen(os.open(file, flags, 0o600), "w") as opened:
            opened.write(json.dumps(keystore) + "\n")
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        msg = f"cannot write {file}: {error.strerror}"
        raise BadBackup(msg, hint="name a new file in a folder of yours") from None


def read(file: Path, passphrase: str) -> Key:
    """Return the key in a keystore; raise ``BadBackup``."""
    from eth_keyfile.keyfile import decode_keyfile_json  # noqa: PLC0415 - heavy

    try:
        with file.open() as opened:
            keystore = load_object(opened.read(LARGEST + 1), LARGEST)
        _check_cost(keystore)
        return Key(decode_keyfile_json(keystore, passphrase.encode()))
    except OSError as error:
        msg, hint = f"cannot read {file}: {error.strerror}", "check the path"
    except MessageRefused as error:
        msg, hint = f"{file} is no keystore: {error}", "name another file"
    except (ValueError, KeyError, TypeError, NotImplementedError) as error:
        # The library says "MAC mismatch" for a passphrase that is not the file's.
        msg, hint = f"cannot decrypt {file}: {error}", "is the passphrase right?"
    raise BadBackup(msg, hint=hint)


def restore(file: Path, passphrase: str, folder: Path) -> Key:
    """Make the key in ``file`` this device's; a key that is there stays.

    Raises ``BadBackup``, or ``BadKeyFile`` where there is another key already.
    """
    key = read(file, passphrase)
    path = folder / identity.KEY_FILE
    kept = keyfile.make_secret(path, key.secret)
    if kept != key.secret:
        msg = f"there is another key already: {path}"
        raise BadKeyFile(msg, hint="use another folder: --state DIR")
    return key


def _check_cost(keystore: dict[str, object]) -> None:
    """Bound what a foreign file makes us compute."""
    crypto = keystore.get("crypto") or keystore.get("Crypto")
    values = crypto.get("kdfparams") if isinstance(crypto, dict) else None
    numbers = values if isinstance(values, dict) else {}
    cost = 1
    for name in ("n", "r", "p", "c"):
        number = numbers.get(name, 1)
        cost *= number if isinstance(number, int) and number > 0 else 1
    if cost > 64 * WORK:
        msg = f"it asks for {cost} steps, at most {64 * WORK}"
        raise ValueError(msg)
