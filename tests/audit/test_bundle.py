"""Bundles: the same bytes from the same inputs, whole or not there, read with care."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from edgeproof.audit import carried_tables, layout, tables
from edgeproof.audit.bundle import FILES, attest, read_bundle, write_bundle
from edgeproof.audit.errors import BadBundle
from edgeproof.audit.manifest import MANIFEST, Manifest
from edgeproof.audit.model import EpochRecord, Outcome
from edgeproof.audit.replay import replay
from edgeproof.errors import EdgeproofError
from edgeproof.proofs.keccak import keccak
from edgeproof.simulator.epochs import Behaviour, SimulatedNetwork, judge_stand_ins
from edgeproof.telemetry.kinds import Kind

Closed = tuple[SimulatedNetwork, EpochRecord, Outcome]

SMALL = tables.Table("small", (("number", Kind("uint64")), ("hash", Kind("bytes32"))))


@pytest.fixture(scope="module")
def closed() -> Closed:
    network = SimulatedNetwork(count=2)
    record = network.epoch(0, {1: Behaviour(garbage=True)})
    return network, record, replay(record, judge_stand_ins)


@pytest.fixture
def folder(tmp_path: Path, closed: Closed) -> Path:
    network, record, outcome = closed
    data_hash = write_bundle(tmp_path / "0", record, outcome)
    attest(tmp_path / "0", *network.attestation(record, outcome, data_hash))
    return tmp_path / "0"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_bundle_reads_back_as_what_was_written(folder: Path, closed: Closed) -> None:
    network, record, outcome = closed
    found = read_bundle(folder)
    assert layout.input_rows(found.record) == layout.input_rows(record)
    assert found.record.description == network.description
    assert found.record.carried == record.carried
    assert found.outcome == replace(
        outcome, carried=replace(outcome.carried, previous_bundle=b"")
    )
    assert found.attestation is not None
    assert found.attestation.root.data_hash == found.manifest.data_hash
    assert found.reencoded


def test_the_record_of_a_bundle_replays_to_the_published_outcome(folder: Path) -> None:
    found = read_bundle(folder)
    assert replay(found.record, judge_stand_ins) == found.outcome


def test_the_data_hash_is_that_of_the_manifests_bytes(folder: Path) -> None:
    found = read_bundle(folder)
    assert found.manifest.data_hash == keccak((folder / MANIFEST).read_bytes())


def test_rows_in_another_order_or_twice_make_the_same_bytes(
    tmp_path: Path, closed: Closed
) -> None:
    _, record, outcome = closed
    write_bundle(tmp_path / "one", record, outcome)
    shuffled = replace(
        record,
        beacons=record.beacons[::-1],
        seals=record.seals[::-1] + record.seals[:1],
        commitments=record.commitments[::-1] * 2,
        intake=record.intake[3:] + record.intake[:3],
    )
    write_bundle(tmp_path / "other", shuffled, outcome)
    assert contents(tmp_path / "one") == contents(tmp_path / "other")


def test_writing_again_changes_nothing_and_keeps_the_attestation(
    folder: Path, closed: Closed
) -> None:
    _, record, outcome = closed
    before = contents(folder)
    write_bundle(folder, record, outcome)
    assert contents(folder) == before


def test_another_bundle_never_replaces_a_published_one(
    folder: Path, closed: Closed
) -> None:
    _, record, outcome = closed
    before = contents(folder)
    with pytest.raises(EdgeproofError, match=r"another bundle: totals\.parquet"):
        write_bundle(folder, record, replace(outcome, unallocated=1))
    assert contents(folder) == before


@pytest.mark.parametrize("call", range(1, 36))
def test_a_crash_at_any_write_leaves_no_half_bundle_and_is_made_good(
    tmp_path: Path, closed: Closed, call: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, record, outcome = closed
    calls = 0
    real = os.fsync

    def dies(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == call:
            raise KeyboardInterrupt
        real(descriptor)

    monkeypatch.setattr(os, "fsync", dies)
    try:
        write_bundle(tmp_path / "0", record, outcome)
    except KeyboardInterrupt:
        # There is a whole bundle, or none; only the last sync comes after the rename.
        if (tmp_path / "0").exists():
            read_bundle(tmp_path / "0")
    else:
        assert calls < call, "the last cases are beyond the last write"
    monkeypatch.undo()
    write_bundle(tmp_path / "0", record, outcome)
    read_bundle(tmp_path / "0")
    assert [path.name for path in tmp_path.iterdir()] == ["0"]


def test_an_attestation_of_another_bundle_is_refused(
    folder: Path, closed: Closed
) -> None:
    network, record, outcome = closed
    with pytest.raises(BadBundle, match=r"attestation\.json"):
        attest(folder, *network.attestation(record, outcome, keccak(b"other")))


def test_no_bundle_there_is_explained(tmp_path: Path) -> None:
    with pytest.raises(EdgeproofError, match="no bundle at") as caught:
        read_bundle(tmp_path / "nowhere")
    assert caught.value.hint
    with pytest.raises(EdgeproofError, match=r"it has no manifest\.json"):
        read_bundle(tmp_path)


def test_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    (folder / "voids.parquet").rename(target)
    (folder / "voids.parquet").symlink_to(target)
    with pytest.raises(BadBundle, match=r"voids\.parquet: expected a file"):
        read_bundle(folder)


def test_a_pipe_does_not_make_the_reader_wait(folder: Path) -> None:
    (folder / "voids.parquet").unlink()
    os.mkfifo(folder / "voids.parquet")
    with pytest.raises(BadBundle, match=r"voids\.parquet: expected a file"):
        read_bundle(folder)


@pytest.mark.parametrize("name", ["../escape", "/etc/passwd", "other.parquet", ""])
def test_a_manifest_names_only_the_tables(folder: Path, name: str) -> None:
    manifest = Manifest.decode((folder / MANIFEST).read_bytes())
    files = {**manifest.files, name: manifest.files["voids.parquet"]}
    (folder / MANIFEST).write_bytes(replace(manifest, files=files).encode())
    with pytest.raises(BadBundle, match="expected not listed in the manifest"):
        read_bundle(folder)


@pytest.mark.parametrize(
    ("raw", "match"),
    [
        (b"", "a JSON object"),
        (b"[]", "a JSON object"),
        (b"{}", "a manifest"),
        (b"[" * 100_000, "a JSON object"),
        (b'{"format":2}', "format 1"),
        (b'{"format":1,"files":[]}', "a manifest"),
        (b" " * 2_000_000, "at most"),
        (b'{"epoch":' + b"9" * 5000 + b"}", "a JSON object"),
    ],
)
def test_a_hostile_manifest_is_refused(folder: Path, raw: bytes, match: str) -> None:
    (folder / MANIFEST).write_bytes(raw)
    with pytest.raises(BadBundle, match=match):
        read_bundle(folder)


@given(raw=st.binary(max_size=200))
def test_any_bytes_are_a_table_or_a_bad_bundle(raw: bytes) -> None:
    with pytest.raises(BadBundle):
        tables.decode(SMALL, raw)


@given(
    place=st.integers(0, 10_000),
    value=st.integers(0, 255),
)
def test_a_changed_byte_of_a_table_never_raises_anything_else(
    place: int, value: int
) -> None:
    rows = tables.canonical(SMALL, [(i, keccak(bytes([i]))) for i in range(20)])
    raw = bytearray(tables.encode(SMALL, rows))
    raw[place % len(raw)] = value
    try:
        found, _ = tables.decode(SMALL, bytes(raw))
    except BadBundle:
        return
    assert found == tables.canonical(SMALL, found)


WRONG_SCHEMAS = {
    "a_column_too_many": pa.schema(
        [
            pa.field("number", pa.uint64(), nullable=False),
            pa.field("hash", pa.binary(32), nullable=False),
            pa.field("more", pa.uint64(), nullable=False),
        ]
    ),
    "a_signed_column": pa.schema(
        [
            pa.field("number", pa.int64(), nullable=False),
            pa.field("hash", pa.binary(32), nullable=False),
        ]
    ),
    "a_hash_of_31_bytes": pa.schema(
        [
            pa.field("number", pa.uint64(), nullable=False),
            pa.field("hash", pa.binary(31), nullable=False),
        ]
    ),
    "a_column_with_gaps": pa.schema(
        [
            pa.field("number", pa.uint64(), nullable=True),
            pa.field("hash", pa.binary(32), nullable=False),
        ]
    ),
    "columns_in_another_order": pa.schema(
        [
            pa.field("hash", pa.binary(32), nullable=False),
            pa.field("number", pa.uint64(), nullable=False),
        ]
    ),
    "metadata": pa.schema(
        [
            pa.field("number", pa.uint64(), nullable=False),
            pa.field("hash", pa.binary(32), nullable=False),
        ],
        metadata={"pandas": "{}"},
    ),
}


@pytest.mark.parametrize("name", WRONG_SCHEMAS)
def test_other_columns_are_refused(name: str) -> None:
    schema = WRONG_SCHEMAS[name]
    sink = pa.BufferOutputStream()
    parquet.write_table(schema.empty_table(), sink)
    with pytest.raises(BadBundle, match="columns"):
        tables.decode(SMALL, sink.getvalue().to_pybytes())


@pytest.mark.parametrize("numbers", [[2, 1], [1, 1]])
def test_rows_out_of_order_or_twice_are_refused(numbers: list[int]) -> None:
    raw = tables.encode(SMALL, [(number, bytes(32)) for number in numbers])
    with pytest.raises(BadBundle, match="row 1: expected rows in ascending order"):
        tables.decode(SMALL, raw)


@pytest.mark.parametrize("row", [(-1, bytes(32)), (1 << 64, bytes(32)), (1, b"short")])
def test_a_value_that_no_column_admits_is_not_written(row: tables.Row) -> None:
    with pytest.raises(BadBundle, match=r"small\.parquet row 0"):
        tables.canonical(SMALL, [row])


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 2**64 - 1), st.binary(min_size=32, max_size=32)),
        max_size=20,
    )
)
def test_every_set_of_rows_has_one_file(rows: list[tables.Row]) -> None:
    canonical = tables.canonical(SMALL, rows)
    raw = tables.encode(SMALL, canonical)
    assert tables.decode(SMALL, raw) == (canonical, tables.WRITER)
    assert tables.encode(SMALL, tables.canonical(SMALL, rows[::-1])) == raw


def test_amounts_have_no_bound_below_32_bytes() -> None:
    table = tables.Table("wide", (("amount", Kind("uint256")),))
    rows = [(0,), (2**63,), (2**256 - 1,)]
    assert tables.decode(table, tables.encode(table, rows))[0] == rows
    with pytest.raises(BadBundle):
        tables.canonical(table, [(2**256,)])


def test_no_column_is_a_float_or_signed_and_every_table_has_its_own_name() -> None:
    kinds = {kind.solidity for t in layout.TABLES for _, kind in t.columns}
    assert kinds <= {
        "address", "bytes", "bytes16", "bytes32", "bytes65", "string",
        "uint8", "uint16", "uint32", "uint64", "uint256",
    }  # fmt: skip
    assert len(FILES) == len(layout.TABLES)


def test_what_is_carried_out_is_byte_for_byte_what_is_carried_in(
    tmp_path: Path, closed: Closed
) -> None:
    network, record, outcome = closed
    first = write_bundle(tmp_path / "0", record, outcome)
    carried = replace(outcome.carried, previous_bundle=first)
    following = network.epoch(1, carried=carried)
    write_bundle(tmp_path / "1", following, replay(following, judge_stand_ins))
    for out, into in zip(
        carried_tables.CARRIED_OUT, carried_tables.CARRIED_IN, strict=True
    ):
        assert (tmp_path / "0" / out.file).read_bytes() == (
            tmp_path / "1" / into.file
        ).read_bytes()
    assert read_bundle(tmp_path / "1").record.carried.previous_bundle == first


def test_leftovers_of_a_crash_are_swept(tmp_path: Path, closed: Closed) -> None:
    _, record, outcome = closed
    (tmp_path / ".0.partial").mkdir()
    (tmp_path / ".0.partial" / "junk").write_text("junk")
    write_bundle(tmp_path / "0", record, outcome)
    assert contents(tmp_path / "0").keys() == {*FILES, MANIFEST}
    shutil.rmtree(tmp_path / "0")
