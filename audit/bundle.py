"""The folder that an epoch is published in, and nobody needs anything else.

It holds one Parquet file for each table of ``layout``, ``manifest.json`` and, once
attestors signed, ``attestation.json``: nothing else, no links, no sub-folders.
"""

import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeproof.audit import layout, tables
from edgeproof.audit.attestation import ATTESTATION, Attestation
from edgeproof.audit.carried_tables import Rows
from edgeproof.audit.errors import BadBundle
from edgeproof.audit.manifest import LARGEST_JSON, MANIFEST, Entry, Manifest
from edgeproof.audit.model import EpochRecord, Outcome
from edgeproof.audit.tables import LARGEST_TABLE, Table
from edgeproof.errors import EdgeproofError
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.messages import ZERO, EpochRoot

FILES = frozenset(table.file for table in layout.TABLES)
"""The files that a manifest lists, exactly."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle as published.  ``attestation`` is None until attestors signed."""

    record: EpochRecord
    outcome: Outcome
    manifest: Manifest
    attestation: Attestation | None
    reencoded: bool
    """Whether each table was compared with its canonical bytes: not where another
    version of the Parquet library wrote it."""


def encode(record: EpochRecord, outcome: Outcome) -> dict[str, bytes]:
    """Return the files of an epoch's bundle, by name: the same bytes every time.

    ``record.carried.previous_bundle`` is the data hash of the bundle before, empty or
    zero if there was none.  Raises ``BadBundle`` for a value that no table admits.
    """
    rows = {**layout.input_rows(record), **layout.output_rows(record, outcome)}
    files = {t.file: tables.encode(t, rows[t.name]) for t in layout.TABLES}
    manifest = Manifest(
        network_id=record.description.network_id,
        epoch=record.epoch,
        previous=record.carried.previous_bundle or ZERO,
        writer=tables.WRITER,
        files={
            t.file: Entry.of(files[t.file], len(rows[t.name])) for t in layout.TABLES
        },
    )
    return {**files, MANIFEST: manifest.encode()}


def write_bundle(folder: Path, record: EpochRecord, outcome: Outcome) -> bytes:
    """Publish an epoch in ``folder``; return the bundle's data hash, 32 bytes.

    The folder is there, whole and on disk, or not at all, wherever this is killed.
    Writing the same again changes nothing; ``EdgeproofError`` if the folder holds
    anything else.  One writer at a time.
    """
    files = encode(record, outcome)
    data_hash = Manifest.decode(files[MANIFEST]).data_hash
    if folder.exists():
        _check_same(folder, files)
        return data_hash
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, raw in files.items():
        _write(partial / name, raw)
    _sync(partial)
    partial.rename(folder)
    _sync(folder.parent)
    return data_hash


def attest(folder: Path, root: EpochRoot, signatures: Mapping[bytes, bytes]) -> None:
    """Add what attestors signed, by attestor address, to the bundle in ``folder``.

    Replaces an earlier attestation as a whole.  Raises ``BadBundle`` if ``root`` does
    not name this bundle; the signatures are checked by ``audit``.
    """
    manifest = Manifest.decode(_read(folder / MANIFEST, LARGEST_JSON))
    if root.data_hash != manifest.data_hash:
        expected = to_hex(manifest.data_hash)
        raise BadBundle(ATTESTATION, expected, to_hex(root.data_hash))
    # Beside the folder, never in it: a file left by a crash would be an unlisted one.
    partial = folder.with_name(f".{folder.name}.attestation.partial")
    partial.unlink(missing_ok=True)
    _write(partial, Attestation(root, signatures).encode())
    partial.replace(folder / ATTESTATION)
    _sync(folder)


def read_bundle(folder: Path) -> Bundle:
    """Return what ``folder`` publishes, each file in its one canonical form.

    No signature is checked and nothing recomputed: that is ``compare.audit``.  Raises
    ``BadBundle`` with the first difference, ``EdgeproofError`` if there is no bundle.
    """
    manifest = read_manifest(folder)
    raw = {table.file: _listed(folder, table, manifest) for table in layout.TABLES}
    rows: dict[str, list[tables.Row]] = {}
    reencoded = True
    for table in layout.TABLES:
        rows[table.name], writer = tables.decode(table, raw[table.file])
        _check_count(table, manifest, len(rows[table.name]))
        if writer != manifest.writer:
            raise BadBundle(table.file, manifest.writer, writer)
        if writer != tables.WRITER:
            reencoded = False
        elif tables.encode(table, rows[table.name]) != raw[table.file]:
            raise BadBundle(table.file, "its canonical encoding", "another one")
    record = layout.record_from(rows, manifest.epoch, manifest.previous)
    outcome = layout.outcome_from(rows, manifest.epoch)
    _check_forms(rows, record, outcome)
    if manifest.network_id != record.description.network_id:
        expected = to_hex(record.description.network_id)
        raise BadBundle(MANIFEST, expected, to_hex(manifest.network_id))
    path = folder / ATTESTATION
    attestation = None
    if path.is_symlink() or path.exists():
        attestation = Attestation.decode(_read(path, LARGEST_JSON))
    return Bundle(record, outcome, manifest, attestation, reencoded)


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest; raise unless the folder holds exactly the files it lists."""
    try:
        found = {entry.name for entry in os.scandir(folder)}
    except OSError as error:
        msg = f"no bundle at {folder}: {error.strerror}"
        hint = "name the folder of one epoch, such as DIR/bundles/0"
        raise EdgeproofError(msg, hint=hint) from None
    if MANIFEST not in found:
        msg = f"{folder} is no bundle: it has no {MANIFEST}"
        hint = "name the folder of one epoch, such as DIR/bundles/0"
        raise EdgeproofError(msg, hint=hint)
    manifest = Manifest.decode(_read(folder / MANIFEST, LARGEST_JSON))
    for odd in sorted(FILES ^ manifest.files.keys()):
        name = f"{odd!r:.80}"
        listed = "listed" if odd in manifest.files else "not listed"
        expected = "not listed" if odd in manifest.files else "listed"
        raise BadBundle(name, f"{expected} in the manifest", listed)
    for name in sorted(FILES - found):
        raise BadBundle(name, "a file", "none")
    for odd in sorted(found - FILES - {MANIFEST, ATTESTATION}):
        name = f"{odd!r:.80}"
        raise BadBundle(name, "no file that the manifest does not list", "one")
    return manifest


def _listed(folder: Path, table: Table, manifest: Manifest) -> bytes:
    raw = _read(folder / table.file, LARGEST_TABLE)
    listed = manifest.files[table.file]
    found = Entry.of(raw, listed.rows)
    if found.size != listed.size:
        raise BadBundle(table.file, f"{listed.size} bytes", f"{found.size} bytes")
    if found.sha256 != listed.sha256:
        raise BadBundle(table.file, f"SHA-256 {listed.sha256}", found.sha256)
    return raw


def _check_count(table: Table, manifest: Manifest, count: int) -> None:
    listed = manifest.files[table.file].rows
    if listed != count:
        raise BadBundle(table.file, f"{listed} rows", f"{count} rows")


def _check_forms(rows: Rows, record: EpochRecord, outcome: Outcome) -> None:
    """Raise if a table says in other rows what the record and the outcome say."""
    again = {**layout.input_rows(record), **layout.output_rows(record, outcome)}
    for table in layout.TABLES:
        first_difference(table, again[table.name], rows[table.name])


def first_difference(
    table: Table, expected: Sequence[tables.Row], got: Sequence[tables.Row]
) -> None:
    """Raise ``BadBundle`` naming the first row in which the two lists differ."""
    if expected == got:
        return
    for number in range(max(len(expected), len(got))):
        want = expected[number] if number < len(expected) else None
        have = got[number] if number < len(got) else None
        if want != have:
            names = _differing(table, want, have)
            raise BadBundle(
                table.file,
                _shown(table, names, want),
                _shown(table, names, have),
                number,
            )


def _differing(
    table: Table, want: tables.Row | None, have: tables.Row | None
) -> list[str]:
    columns = [name for name, _ in table.columns]
    if want is None or have is None:
        return columns
    return [
        name
        for name, one, other in zip(columns, want, have, strict=True)
        if one != other
    ]


def _shown(table: Table, names: list[str], row: tables.Row | None) -> str:
    if row is None:
        return "no row"
    parts = []
    for (name, _), value in zip(table.columns, row, strict=True):
        if name in names:
            text = to_hex(value) if isinstance(value, bytes) else f"{value}"
            parts.append(f"{name} {text:.80}")
    return ", ".join(parts)


def _read(path: Path, limit: int) -> bytes:
    try:
        # No link is followed, so a bundle can't name a file outside itself; and a
        # pipe or device can't make the reader wait.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with open(os.open(path, flags), "rb") as file:  # noqa: PTH123 - Path.open takes no descriptor
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise BadBundle(path.name, "a file", "something else")
            raw = file.read(limit + 1)
    except OSError as error:
        raise BadBundle(path.name, "a file", str(error.strerror)) from None
    if len(raw) > limit:
        raise BadBundle(path.name, f"at most {limit} bytes", "more")
    return raw


def _check_same(folder: Path, files: Mapping[str, bytes]) -> None:
    read_manifest(folder)
    for name, raw in files.items():
        if _read(folder / name, LARGEST_TABLE) != raw:
            msg = f"{folder} holds another bundle: {name} differs"
            hint = "a published epoch never changes; keep it and look for the cause"
            raise EdgeproofError(msg, hint=hint)


def _write(path: Path, raw: bytes) -> None:
    with path.open("xb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
