"""The contract of Store; the fixture in conftest makes the implementation."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeproof.audit import attendance
from edgeproof.audit.model import Enrolment, EpochRecord
from edgeproof.coordinator.carried import GENESIS, dump, load
from edgeproof.coordinator.sqlite_store import SqliteStore
from edgeproof.coordinator.store import Batch, Kept, Refused, Store
from edgeproof.proofs.parameters import Bucket, Phase
from edgeproof.proofs.reasons import Reason
from edgeproof.proofs.uptime import Seen
from edgeproof.simulator.epochs import Behaviour
from edgeproof.telemetry.message import Signed
from edgeproof.telemetry.messages import Enrol, Presence, Telemetry
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


def test_skips_are_kept_once_like_commitments(store: SqliteStore) -> None:
    said = {Phase.FILL: Reason.SKIPPED_HOT, Phase.POW: Reason.PROVER_KILLED}
    record = NETWORK.epoch(behaviours={0: Behaviour(said=said)})
    fill(store, record)
    fill(store, record)
    assert record.skips
    assert set(read(store).skips) == set(record.skips)


def test_a_root_once_kept_never_changes(store: SqliteStore) -> None:
    store.open_slot(0, RECORD.beacons[0], RECORD.entropies[0])
    first = RECORD.intake[0].signed.encode()
    store.seal_slot(0, b"\x01", first)
    store.seal_slot(0, b"\x02", RECORD.intake[1].signed.encode())
    assert read(store).intake[0].heard == b"\x01"
    assert read(store).intake[0].signed.encode() == first


def test_entropy_may_follow_its_beacon_and_then_never_changes(
    store: SqliteStore,
) -> None:
    first, second = RECORD.entropies[:2]
    store.open_slot(0, RECORD.beacons[0], None)
    store.open_slot(1, RECORD.beacons[1], None)
    assert read(store).entropies == ()
    assert len(read(store).beacons) == 2
    store.keep_entropy(second)
    other = replace(second.message, value=bytes(32))
    store.keep_entropy(replace(second, message=other))
    assert read(store).entropies == (second,)
    store.keep_entropy(first)
    assert read(store).entropies == (first, second)


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
    closed.store.close_epoch(
        0, OUTCOME, b"\x09" * 32, "nothing", attendance.missing(RECORD, OUTCOME, {})
    )
    assert closed.store.carried(1) == closed.outcome.carried
    assert closed.store.postings() == {0: ("finalised", "0x" + "ab" * 32)}
    assert closed.store.posted_total() == OUTCOME.cumulative_total


def test_a_verdict_that_was_believed_can_fail_but_never_come_back(
    store: SqliteStore,
) -> None:
    good = next(
        v for v in OUTCOME.verdicts if v.bucket is Bucket.COMPUTE and not v.reason
    )
    void = replace(good, work=0, figure=0, reason=Reason.VOID_UNVERIFIED)
    other = replace(void, reason=Reason.WRONG_TILE)
    hashes = replace(good, bucket=Bucket.HASH)
    wrong = replace(void, bucket=Bucket.HASH, reason=Reason.WRONG_DIFFICULTY)

    def kept() -> set[tuple[int, str, int]]:
        rows = store._db.query("select bucket, figure, reason from verdict")
        return {(row["bucket"], row["figure"], row["reason"]) for row in rows}

    store.keep_verdicts([good, hashes])
    proven = (int(Bucket.HASH), str(hashes.figure), 0)
    assert kept() == {(int(Bucket.COMPUTE), str(good.figure), 0), proven}
    for verdicts in ([void, wrong], [good], [other]):
        store.keep_verdicts(verdicts)
        assert kept() == {(int(Bucket.COMPUTE), "0", Reason.VOID_UNVERIFIED), proven}


def test_the_carried_state_survives_json() -> None:
    carried = replace(OUTCOME.carried, records={DEVICE: 3})
    assert load(dump(carried)) == carried


def test_a_proof_is_remembered_with_its_verdict(store: SqliteStore) -> None:
    case = b"\x05" * 32
    assert store.proofs([case]) == {}
    store.keep_proofs({case: (Reason.WRONG_TILE, 12)})
    assert store.proofs([case, bytes(32)]) == {case: Reason.WRONG_TILE}


def test_the_largest_numbers_of_a_device_are_kept(store: SqliteStore) -> None:
    top = 2**64 - 1
    first = RECORD.enrolments[0]
    message = Enrol(first.signed.message.device, DEVICE, top, 0)
    enrolment = Enrolment(Signed(message, first.signed.signatures), first.since)
    reading = Telemetry(DEVICE, bytes(16), top, top, bytes(16), b"{}")
    store.add(Batch(0, enrolments=[enrolment, first], telemetry=[reading]))
    nonces = [each.signed.message.nonce for each in store.enrolments()]
    assert nonces == [first.signed.message.nonce, top]


def test_nobody_else_may_read_any_of_its_files(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    fill(store, RECORD)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    store.close()
    assert modes == {"s.db": 0o600, "s.db-wal": 0o600, "s.db-shm": 0o600}


def test_what_comes_after_a_root_is_not_put_under_it(store: SqliteStore) -> None:
    store.open_slot(0, RECORD.beacons[0], RECORD.entropies[0])
    root = RECORD.intake[0].signed.encode()
    store.seal_slot(0, b"\x01", root)
    store.add(Batch(0, messages=[SEAL]))
    store.seal_slot(0, b"\x01", root)
    assert store.arrivals(0) == [SEAL]


def test_a_beat_of_a_sealed_slot_that_comes_again_counts_once(
    store: SqliteStore,
) -> None:
    def beats() -> int:
        return sum(row["beats"] for row in store._db.query("select * from presence"))

    store.open_slot(0, RECORD.beacons[0], RECORD.entropies[0])
    store.add(Batch(0, beats=[(0, DEVICE)]))
    store.add(Batch(0, beats=[(0, DEVICE)]))
    assert (store.heard(0), beats()) == ({DEVICE}, 0), "counted once it is final"
    store.seal_slot(0, b"\x01", RECORD.intake[0].signed.encode())
    store.add(Batch(0, beats=[(0, DEVICE)]))
    assert (store.heard(0), beats()) == (set(), 1)


@settings(max_examples=25, deadline=None)  # each opens a file
@given(st.permutations(range(4)), st.lists(st.integers(0, 3), max_size=4))
def test_batches_in_any_order_any_number_of_times_leave_the_same(
    order: list[int], again: list[int]
) -> None:
    """The law behind ``Store``: what is known already stays as it was."""
    devices = [device.key.address for device in NETWORK.devices]
    batches = [
        Batch(1, enrolments=list(RECORD.enrolments)),
        Batch(1, beats=[(1, device) for device in devices[:2]]),
        Batch(1, beats=[(1, device) for device in devices[1:]], messages=[SEAL]),
        Batch(1, messages=[SEAL, replace(SEAL, digest=b"\x02" * 32)]),
    ]
    with TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "s.db")
        for i in [*order, *again]:
            store.add(batches[i])
        found = (
            {each.signed.message.device for each in store.enrolments()},
            store.heard(1),
            [each.digest[0] for each in store.arrivals(1)],
        )
        store.open_slot(1, RECORD.beacons[1], RECORD.entropies[1])
        store.seal_slot(1, b"\x07", RECORD.intake[1].signed.encode())
        (row,) = store._db.query("select sum(beats) as beats from presence")
        store.close()
    assert found == (set(devices), set(devices), [1, 2])
    assert row["beats"] == 3


def test_what_was_seen_and_did_not_count_is_remembered(store: SqliteStore) -> None:
    other = b"\x02" * 20
    late, refused = Reason.LATE_BEAT, Reason.BEAT_REFUSED
    for _ in range(2):
        store.add(Batch(3, missed={(2, DEVICE): late, (9, DEVICE): late}))
        store.add(Batch(3, missed={(3, DEVICE): refused}))
        store.add(Batch(4, presence={DEVICE: Presence.STOPPED, other: Presence.LOST}))
        store.add(Batch(7, presence={DEVICE: Presence.ONLINE}))
    store.add(Batch(9, presence={other: Presence.STOPPED}))
    assert store.hints(2, 12) == {
        DEVICE: Seen(0, 0b1000_0001, 0b10, 0b1_1100),
        other: Seen(0, 0, 0, 0b11_1000_0000),
    }
    assert store.hints(5, 6) == {DEVICE: Seen(0, 0, 0, 1)}
    assert store.hints(20, 22) == {other: Seen(0, 0, 0, 3)}
