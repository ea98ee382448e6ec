"""What a bundle consists of: each file's hash, size and number of rows.

Its canonical JSON is ``manifest.json``; the Keccak-256 of those bytes is the
``dataHash`` that attestors sign and the distributor stores.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Self

from edgeproof.audit.errors import BadBundle
from edgeproof.proofs.keccak import keccak
from edgeproof.telemetry.bounded_json import load_object
from edgeproof.telemetry.description import canonical
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.hexes import from_hex, to_hex

MANIFEST = "manifest.json"

FORMAT = 1
"""Version of the bundle's layout: of its set of tables and their columns."""

LARGEST_JSON = 1024 * 1024
"""Bytes of a manifest or an attestation that anybody should read."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file: its SHA-256 (to check with ``sha256sum``), bytes and rows."""

    sha256: str
    size: int
    rows: int

    @classmethod
    def of(cls, raw: bytes, rows: int) -> Self:
        """Return the entry of a file."""
        return cls(to_hex(sha256(raw).digest()), len(raw), rows)


@dataclass(frozen=True, slots=True)
class Manifest:
    """``previous`` is the data hash of the bundle that the state came from."""

    network_id: bytes
    epoch: int
    previous: bytes
    writer: str
    """Maker and version of the Parquet files, whose bytes depend on it."""
    files: Mapping[str, Entry]

    def encode(self) -> bytes:
        """Return the bytes of ``manifest.json``."""
        return canonical(
            {
                "format": FORMAT,
                "network_id": to_hex(self.network_id),
                "epoch": self.epoch,
                "previous": to_hex(self.previous),
                "writer": self.writer,
                "files": {name: asdict(entry) for name, entry in self.files.items()},
            }
        )

    @property
    def data_hash(self) -> bytes:
        """The 32 bytes that stand for the whole bundle."""
        return keccak(self.encode())

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Return the manifest in ``raw``; raise ``BadBundle`` for any other bytes."""
        values = read_json(MANIFEST, raw)
        try:
            if values["format"] != FORMAT:
                raise BadBundle(MANIFEST, f"format {FORMAT}", f"{values['format']!r}")
            manifest = cls(
                network_id=from_hex(values["network_id"], 32),
                epoch=whole(values["epoch"]),
                previous=from_hex(values["previous"], 32),
                writer=str(values["writer"]),
                files={
                    str(name): Entry(
                        to_hex(from_hex(entry["sha256"], 32)),
                        whole(entry["size"]),
                        whole(entry["rows"]),
                    )
                    for name, entry in values["files"].items()
                },
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadBundle(MANIFEST, "a manifest", repr(error)[:200]) from None
        except MessageRefused as error:
            raise BadBundle(MANIFEST, "a manifest", str(error)) from None
        if manifest.encode() != raw:
            raise BadBundle(MANIFEST, "its canonical encoding", "another one")
        return manifest


def whole(value: object) -> int:
    """Return ``value`` if it is a whole number below 2**64; ``ValueError`` if not."""
    if type(value) is int and 0 <= value < 1 << 64:
        return value
    msg = f"{value!r:.80} is not a whole number"
    raise ValueError(msg)


def read_json(name: str, raw: bytes) -> dict[str, Any]:
    """Return the object in the file ``name``; raise ``BadBundle`` for anything else."""
    if len(raw) > LARGEST_JSON:
        raise BadBundle(name, f"at most {LARGEST_JSON} bytes", f"{len(raw)} bytes")
    try:
        return load_object(raw, LARGEST_JSON)
    except MessageRefused:
        raise BadBundle(name, "a JSON object", "something else") from None
