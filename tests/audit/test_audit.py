"""The audit: an honest bundle agrees, and no changed byte, file or lie passes."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeproof.audit import layout, tables
from edgeproof.audit.attestation import ATTESTATION, Attestation
from edgeproof.audit.bundle import FILES, attest, encode, read_bundle, write_bundle
from edgeproof.audit.compare import Report
from edgeproof.audit.compare import audit as real_audit
from edgeproof.audit.errors import BadBundle
from edgeproof.audit.manifest import MANIFEST, Manifest
from edgeproof.audit.model import EpochRecord, Outcome
from edgeproof.audit.onchain import ChainReader, PostedRoot
from edgeproof.audit.replay import replay
from edgeproof.errors import EdgeproofError
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.outside import Block
from edgeproof.simulator.epochs import Behaviour, SimulatedNetwork, judge_stand_ins
from edgeproof.telemetry.messages import EpochRoot

ALL_FILES = sorted({*FILES, MANIFEST, ATTESTATION})

Closed = tuple[SimulatedNetwork, EpochRecord, Outcome]


def audit(folder: Path, chain: ChainReader | None = None) -> Report:
    return real_audit(folder, chain, verify=judge_stand_ins)


def publish(folder: Path, network: SimulatedNetwork, record: EpochRecord) -> Outcome:
    outcome = replay(record, judge_stand_ins)
    attest_as_is(folder, network, record, outcome)
    return outcome


def attest_as_is(
    folder: Path, network: SimulatedNetwork, record: EpochRecord, outcome: Outcome
) -> None:
    data_hash = write_bundle(folder, record, outcome)
    attest(folder, *network.attestation(record, outcome, data_hash))


@pytest.fixture(scope="module")
def closed() -> Closed:
    network = SimulatedNetwork(count=2)
    record = network.epoch(0, {1: Behaviour(garbage=True)})
    return network, record, replay(record, judge_stand_ins)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, closed: Closed) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "0"
    attest_as_is(folder, *closed)
    return folder


@pytest.fixture
def folder(tmp_path: Path, published: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "0"))


def test_an_honest_bundle_agrees(folder: Path, closed: Closed) -> None:
    report = audit(folder)
    assert report.agrees, report.failure
    assert report.difference is None
    assert report.root == closed[2].root
    assert report.cumulative_total == closed[2].cumulative_total
    assert {"attestors", "devices' signatures", "payouts recomputed"} <= {
        check.name for check in report.checks
    }


@pytest.mark.parametrize("name", ALL_FILES)
def test_one_changed_byte_anywhere_fails(folder: Path, name: str) -> None:
    raw = (folder / name).read_bytes()
    places = {*range(0, len(raw), max(1, len(raw) // 9)), len(raw) - 1}
    for place in sorted(places):
        changed = bytearray(raw)
        changed[place] ^= 1 << place % 8
        (folder / name).write_bytes(changed)
        report = audit(folder)
        assert not report.agrees, f"byte {place} of {name}"
        assert report.failure


@given(name=st.sampled_from(ALL_FILES), place=st.integers(0), flip=st.integers(1, 255))
@settings(  # no deadline: an audit reads every file, and other tests run beside it
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_flipped_byte_passes(folder: Path, name: str, place: int, flip: int) -> None:
    raw = (folder / name).read_bytes()
    changed = bytearray(raw)
    changed[place % len(raw)] ^= flip
    (folder / name).write_bytes(changed)
    report = audit(folder)
    (folder / name).write_bytes(raw)
    assert not report.agrees


@pytest.mark.parametrize("name", ALL_FILES)
def test_a_byte_more_or_less_or_no_file_fails(folder: Path, name: str) -> None:
    raw = (folder / name).read_bytes()
    for changed in (raw + b"\n", raw[:-1], b""):
        (folder / name).write_bytes(changed)
        assert not audit(folder).agrees
    (folder / name).unlink()
    assert not audit(folder).agrees


@pytest.mark.parametrize("name", ["extra.parquet", ".hidden", "totals.parquet.bak"])
def test_a_file_that_the_manifest_does_not_list_fails(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"")
    report = audit(folder)
    assert "no file that the manifest does not list" in report.failure


def test_a_folder_inside_fails(folder: Path) -> None:
    (folder / "more").mkdir()
    assert not audit(folder).agrees


def test_swapped_files_fail(folder: Path) -> None:
    one, other = folder / "carried_in_balances.parquet", folder / "voids.parquet"
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    report = audit(folder)
    assert report.difference is not None
    assert report.difference.file in {one.name, other.name}


def test_the_first_difference_names_file_row_expected_and_got(
    tmp_path: Path, closed: Closed
) -> None:
    # The coordinator and its attestors agree on a lie: only replay tells.
    network, record, outcome = closed
    first, *others = outcome.payouts
    lie = replace(outcome, payouts=(replace(first, reward=first.reward + 1), *others))
    attest_as_is(tmp_path / "0", network, record, lie)
    report = audit(tmp_path / "0")
    assert report.difference is not None
    assert report.difference.file == "payouts.parquet"
    assert report.difference.row == 0
    assert report.difference.expected == f"reward {first.reward}"
    assert report.difference.got == f"reward {first.reward + 1}"
    assert report.root == outcome.root, "the recomputed root, not the published one"


def _paid_more(outcome: Outcome) -> Outcome:
    owner, before, current = outcome.balances[0]
    balances = ((owner, before, current + 1), *outcome.balances[1:])
    return replace(outcome, balances=balances)


LIES: dict[str, Callable[[Outcome], Outcome]] = {
    "verdicts": lambda o: replace(o, verdicts=o.verdicts[1:]),
    "voids": lambda o: replace(o, voids=((3, o.verdicts[0].bucket),)),
    "attendance": lambda o: replace(
        o, attendance=(replace(o.attendance[0], slots=1), *o.attendance[1:])
    ),
    "payouts": lambda o: replace(
        o, payouts=(replace(o.payouts[0], weight=1), *o.payouts[1:])
    ),
    "balances": _paid_more,
    "totals": lambda o: replace(o, root=keccak(b"other")),
    "difficulties": lambda o: replace(o, difficulties={}),
    "carried_out_last_round": lambda o: replace(
        o, carried=replace(o.carried, last_round=1)
    ),
    "carried_out_rounds": lambda o: replace(o, carried=replace(o.carried, rounds={})),
    "carried_out_figures": lambda o: replace(o, carried=replace(o.carried, figures=())),
    "carried_out_hashes": lambda o: replace(o, carried=replace(o.carried, hashes={})),
    "carried_out_sums": lambda o: replace(o, carried=replace(o.carried, sums=())),
    "carried_out_balances": lambda o: replace(
        o, carried=replace(o.carried, balances={})
    ),
    "carried_out_records": lambda o: replace(
        o, carried=replace(o.carried, records={bytes(20): 1})
    ),
}


@pytest.mark.parametrize("name", [table.name for table in layout.OUTPUTS])
def test_a_lie_in_any_result_is_found_where_it_stands(
    tmp_path: Path, closed: Closed, name: str
) -> None:
    network, record, outcome = closed
    attest_as_is(tmp_path / "0", network, record, LIES[name](outcome))
    report = audit(tmp_path / "0")
    assert report.difference is not None
    assert report.difference.file == f"{name}.parquet"


@pytest.mark.parametrize("name", [table.name for table in layout.TABLES])
def test_a_changed_table_with_a_new_manifest_fails(folder: Path, name: str) -> None:
    # Whoever holds the folder can write a manifest, but not sign it.
    found = read_bundle(folder)
    rows = {
        **layout.input_rows(found.record),
        **layout.output_rows(found.record, found.outcome),
    }
    table = next(t for t in layout.TABLES if t.name == name)
    changed = rows[name][1:] if rows[name] else [_some_row(table)]
    raw = tables.encode(table, changed)
    (folder / table.file).write_bytes(raw)
    manifest = Manifest.decode((folder / MANIFEST).read_bytes())
    entry = type(manifest.files[table.file]).of(raw, len(changed))
    files = {**manifest.files, table.file: entry}
    (folder / MANIFEST).write_bytes(replace(manifest, files=files).encode())
    assert not audit(folder).agrees


def _some_row(table: tables.Table) -> tables.Row:
    return tuple(
        1 if kind.bits else "x" if kind.solidity == "string" else bytes(kind.exact)
        for _, kind in table.columns
    )


def test_fewer_attestors_than_the_threshold_fail(folder: Path, closed: Closed) -> None:
    network, record, outcome = closed
    data_hash = read_bundle(folder).manifest.data_hash
    root, signatures = network.attestation(record, outcome, data_hash)
    attest(folder, root, dict(list(signatures.items())[:1]))
    assert "expected 2 attestors, got 1" in audit(folder).failure


def test_a_stranger_is_no_attestor(folder: Path, closed: Closed) -> None:
    network, record, outcome = closed
    data_hash = read_bundle(folder).manifest.data_hash
    root, signatures = network.attestation(record, outcome, data_hash)
    digest = root.digest(network.description.root_domain)
    stranger = network.coordinator
    signatures[stranger.address] = stranger.sign_digest(digest)
    attest(folder, root, signatures)
    assert "an attestor of the network" in audit(folder).failure


def test_a_signature_under_another_attestors_name_fails(
    folder: Path, closed: Closed
) -> None:
    network, record, outcome = closed
    data_hash = read_bundle(folder).manifest.data_hash
    root, signatures = network.attestation(record, outcome, data_hash)
    one, other = signatures
    attest(folder, root, {one: signatures[other], other: signatures[one]})
    assert "the signature of" in audit(folder).failure


@pytest.mark.parametrize(
    "change",
    [
        {"first_epoch": 1},
        {"last_epoch": 1},
        {"root": keccak(b"other")},
        {"cumulative_total": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_well_signed_root_of_something_else_fails(
    folder: Path, closed: Closed, change: dict[str, int | bytes]
) -> None:
    network, record, outcome = closed
    data_hash = read_bundle(folder).manifest.data_hash
    root, _ = network.attestation(record, outcome, data_hash)
    fields = {name: getattr(root, name) for name in EpochRoot.__slots__}
    other = EpochRoot(**{**fields, **change})
    digest = other.digest(network.description.root_domain)
    attest(folder, other, {k.address: k.sign_digest(digest) for k in network.attestors})
    report = audit(folder)
    assert report.difference is not None
    assert report.difference.file == ATTESTATION


def test_without_attestation_it_agrees_only_for_attestors(folder: Path) -> None:
    (folder / ATTESTATION).unlink()
    assert audit(folder).failure == "attestation.json: expected a file, got none"
    assert real_audit(folder, verify=judge_stand_ins, attested=False).agrees


def test_any_attestation_reads_back(closed: Closed) -> None:
    root, signatures = closed[0].attestation(closed[1], closed[2], keccak(b"data"))
    attestation = Attestation(root, signatures)
    assert Attestation.decode(attestation.encode()) == attestation
    with pytest.raises(BadBundle, match="canonical"):
        Attestation.decode(attestation.encode() + b" ")


@given(raw=st.binary(max_size=300))
def test_hostile_attestations_are_bad_bundles(raw: bytes) -> None:
    with pytest.raises(BadBundle):
        Attestation.decode(raw)


def test_a_record_that_replay_refuses_is_a_failure(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> Outcome:
        msg = "the inputs contradict each other"
        raise EdgeproofError(msg, hint="ask the coordinator")

    monkeypatch.setattr("edgeproof.audit.compare.replay", refuses)
    report = audit(folder)
    assert report.failure == "the inputs contradict each other"
    assert report.hint == "ask the coordinator"


def test_the_bundle_before_is_compared_where_it_lies_beside(
    tmp_path: Path, closed: Closed
) -> None:
    network, record, _ = closed
    outcome = publish(tmp_path / "0", network, record)
    first = read_bundle(tmp_path / "0").manifest.data_hash
    carried = replace(outcome.carried, previous_bundle=first)
    publish(tmp_path / "1", network, network.epoch(1, carried=carried))
    assert audit(tmp_path / "1").agrees

    # More was carried in than out: what an audit of one bundle alone cannot see.
    richer = {owner: amount + 1 for owner, amount in carried.balances.items()}
    invented = network.epoch(1, carried=replace(carried, balances=richer))
    shutil.rmtree(tmp_path / "1")
    publish(tmp_path / "1", network, invented)
    report = audit(tmp_path / "1")
    assert report.difference is not None
    assert report.difference.file == "carried_in_balances.parquet"

    elsewhere = replace(carried, previous_bundle=keccak(b"another bundle"))
    shutil.rmtree(tmp_path / "1")
    publish(tmp_path / "1", network, network.epoch(1, carried=elsewhere))
    report = audit(tmp_path / "1")
    assert report.difference is not None
    assert report.difference.file == MANIFEST


class KnownChain:
    """A chain that holds one root."""

    def __init__(self, network: SimulatedNetwork, posted: PostedRoot | None) -> None:
        self.chain_id = network.description.chain_id
        self.distributor = network.description.distributor
        self._posted = posted
        self.blocks: dict[int, Block] = {}

    def posted_root(self, epoch: int) -> PostedRoot | None:
        found = self._posted
        return found if found and found.root.last_epoch == epoch else None

    def block(self, number: int | None = None) -> Block | None:
        return self.blocks.get(number if number is not None else max(self.blocks))


def test_the_chain_holds_the_same_root(folder: Path, closed: Closed) -> None:
    network = closed[0]
    attestation = read_bundle(folder).attestation
    assert attestation is not None
    root = attestation.root
    report = audit(folder, KnownChain(network, PostedRoot(root, final=True)))
    assert report.agrees
    assert report.checks[-1].note == "finalised"

    for other in (
        replace(root, root=keccak(b"other")),
        replace(root, cumulative_total=root.cumulative_total + 1),
        replace(root, data_hash=keccak(b"other")),
    ):
        chain = KnownChain(network, PostedRoot(other, final=True))
        report = audit(folder, chain)
        assert report.difference is not None
        assert report.difference.file == "chain"

    assert "got none" in audit(folder, KnownChain(network, None)).failure

    chain = KnownChain(network, PostedRoot(root, final=True))
    chain.chain_id += 1
    assert "chain id" in audit(folder, chain).failure
    chain = KnownChain(network, PostedRoot(root, final=True))
    chain.distributor = bytes(20)
    assert "distributor" in audit(folder, chain).failure


def test_a_bundle_of_another_writer_is_read_by_hashes_and_schemas(
    tmp_path: Path, closed: Closed, monkeypatch: pytest.MonkeyPatch
) -> None:
    attest_as_is(tmp_path / "0", *closed)
    monkeypatch.setattr(tables, "WRITER", "parquet-cpp-arrow version 1.0")
    report = audit(tmp_path / "0")
    assert report.agrees
    assert report.checks[0].note.startswith("hashes and schemas only: parquet-cpp")


def test_a_table_in_other_parquet_options_is_not_canonical(
    tmp_path: Path, closed: Closed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(tables._OPTIONS, "compression_level", 9)
    monkeypatch.setitem(tables._OPTIONS, "data_page_version", "2.0")
    attest_as_is(tmp_path / "0", *closed)
    monkeypatch.undo()
    assert "canonical encoding" in audit(tmp_path / "0").failure


def test_the_same_inputs_give_the_same_files(closed: Closed) -> None:
    _, record, outcome = closed
    again = SimulatedNetwork(count=2).epoch(0, {1: Behaviour(garbage=True)})
    assert encode(again, replay(again, judge_stand_ins)) == encode(record, outcome)
