"""The contract of Store; the fixture in conftest makes the implementation."""

from dataclasses import replace
from pathlib import Path

import pytest

from edgeproof.audit.model import EpochRecord
from edgeproof.coordinator.carried import GENESIS, dump, load
from edgeproof.coordinator.sqlite_store import SqliteStore
from edgeproof.coordinator.store import Batch, Kept, Refused, Store
from edgeproof.proofs.reasons import Reason
from tests.coordinator.conftest import NETWORK, OUTCOME, RECORD, Closed, fill

DEVICE = NETWORK.devices[0].key.address
SEAL = Kept(b"\x01" * 32, "seal", DEVICE, b"raw")


def read(store: Store) -> EpochRecord:
    return store.record(NETWORK.description, 0, 20)


def test_what_was_heard_is_the_record_of_the_epoch(store: SqliteStore) -> None:
    fill(store, RECORD)
    assert read(store) == replace(
        RECORD,
        seals=read(store).seals,
        commitments=read(store).commitments,
        openings=read(store).openings,
    )
    for name in ("seals", "commitments", "openings"):
        assert set(getattr(read(store), name)) == set(getattr(RECORD, name))


def test_hearing_everything_twice_changes_nothing(store: SqliteStore) -> None:
    fill(store, RECORD)
    before = read(store)
    fill(store, RECORD)
    assert read(store) == before


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    first = SqliteStore(tmp_path / "s.db")
    fill(first, RECORD)
    before = read(first)
    first.close()
    second = SqliteStore(tmp_path / "s.db")
    assert read(second) == before
    assert second.last_slots() == (19, 19)
    second.close()


def test_a_batch_is_kept_whole_or_not_at_all(store: SqliteStore) -> None:
    broken = Batch(3, beats=[(3, DEVICE)], messages=[SEAL])
    broken.telemetry.append(None)  # type: ignore[arg-type] # fails after the others
    with pytest.raises(AttributeError):
        store.add(broken)
    assert store.arrivals(3) == []
    assert store.heard(3) == set()


def test_messages_of_a_slot_without_root_move_under_the_next(
    store: SqliteStore,
) -> None:
    for beacon, entropy in zip(RECORD.beacons[:3], RECORD.entropies[:3], strict=True):
        store.open_slot(beacon.message.slot, beacon, entropy)
    seal = RECORD.seals[0].signed
    digest = seal.message.digest(NETWORK.description.domain)
    store.add(Batch(1, messages=[Kept(digest, "seal", DEVICE, seal.encode())]))
    assert [each.digest for each in store.arrivals(2)] == [digest]
    assert read(store).seals == ()
    store.seal_slot(2, b"\x07", RECORD.intake[2].signed.encode())
    assert store.arrivals(2) == []
    assert [each.slot for each in read(store).seals] == [2]


def test_a_root_once_kept_never_changes(store: SqliteStore) -> None:
    store.open_slot(0, RECORD.beacons[0], RECORD.entropies[0])
    first = RECORD.intake[0].signed.encode()
    store.seal_slot(0, b"\x01", first)
    store.seal_slot(0, b"\x02", RECORD.intake[1].signed.encode())
    assert read(store).intake[0].heard == b"\x01"
    assert read(store).intake[0].signed.encode() == first


def test_refusals_are_counted(store: SqliteStore) -> None:
    refused = Refused("0x00", "seal", Reason.LATE)
    store.add(Batch(3, refused=[refused, refused]))
    store.add(Batch(3, refused=[refused]))
    rows = list(store._db.query("select count from refusal"))
    assert rows == [{"count": 3}]


def test_a_closed_epoch_hands_its_state_to_the_next(closed: Closed) -> None:
    assert closed.store.last_epoch() == 0
    assert closed.store.carried(0) == GENESIS
    assert closed.store.carried(1) == closed.outcome.carried
    closed.store.close_epoch(0, OUTCOME, b"\x09" * 32, "nothing")
    assert closed.store.carried(1) == closed.outcome.carried
    assert closed.store.postings() == {0: ("finalised", "0x" + "ab" * 32)}
    assert closed.store.posted_total() == OUTCOME.cumulative_total


def test_the_carried_state_survives_json() -> None:
    assert load(dump(OUTCOME.carried)) == OUTCOME.carried


def test_a_proof_is_remembered_with_its_verdict(store: SqliteStore) -> None:
    case = b"\x05" * 32
    assert store.proofs([case]) == {}
    store.keep_proofs({case: (Reason.WRONG_TILE, 12)})
    assert store.proofs([case, bytes(32)]) == {case: Reason.WRONG_TILE}
