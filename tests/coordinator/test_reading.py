"""The contract of Reader; ``reader`` makes the implementation."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pytest

from edgeproof.agent import identity, status
from edgeproof.agent.state import State
from edgeproof.audit.model import Enrolment
from edgeproof.coordinator.reading import LATEST, Reader, iso
from edgeproof.coordinator.sqlite_reader import LAST_VERDICTS, SqliteReader
from edgeproof.coordinator.sqlite_store import SqliteStore
from edgeproof.coordinator.store import Batch
from edgeproof.proofs import payout_tree, timetable, uptime
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.message import Signed
from edgeproof.telemetry.messages import Enrol, Statement, Telemetry
from tests.coordinator.conftest import A_READING, CHEATER, MISSED, NETWORK, VOID, Closed

DEVICES = [device.key.address for device in NETWORK.devices]
NAMES = [to_hex(device) for device in DEVICES]
OWNERS = [to_hex(device.owner.address) for device in NETWORK.devices]


@pytest.fixture
def reader(tmp_path: Path, store: SqliteStore) -> Iterator[SqliteReader]:
    del store
    opened = SqliteReader(tmp_path / "coordinator.db", NETWORK.parameters)
    yield opened
    opened.close()


def test_an_empty_network_has_empty_answers(reader: Reader) -> None:
    totals = reader.totals()
    assert (totals.enrolled, totals.last_epoch, totals.last_round) == (0, -1, -1)
    assert (totals.cumulative_total, totals.postings) == ("0", {})
    assert reader.devices(-1, "", 10) == []
    assert reader.device(0, NAMES[0]) is None
    assert reader.telemetry(NAMES[0]) is None
    assert reader.epochs(LATEST, 10) == []
    assert reader.epoch(0) is None
    assert reader.epoch_devices(0, "", 10) == []
    assert reader.owed(OWNERS[0]) is None


def test_totals_tell_what_became_of_each_root(
    reader: Reader, two_epochs: Closed
) -> None:
    totals = reader.totals()
    assert totals.postings == {"finalised": 1, "waiting": 1}
    assert totals.last_epoch == 1
    assert totals.cumulative_total == str(two_epochs.outcome.cumulative_total)


def test_a_running_epoch_tells_missed_slots_from_void_ones(
    reader: Reader, two_epochs: Closed
) -> None:
    del two_epochs
    expected = ["1"] * 15
    for slot in MISSED:
        expected[slot - 15] = "0"
    expected[VOID - 15] = "-"
    first, second, *_ = reader.devices(1, "", 10)
    assert first.slots == "".join(expected)
    assert (first.heard, first.countable) == (11, 14)
    assert (second.heard, second.countable) == (14, 14)
    assert reader.devices(7, "", 10)[0].slots == ""


def test_a_closed_epoch_tells_missed_slots_from_void_ones(
    reader: Reader, two_epochs: Closed
) -> None:
    del two_epochs
    last, before = reader.history(NAMES[0], LATEST, 10)
    assert (last.epoch, before.epoch) == (1, 0)
    assert last.slots[VOID - 15] == "-"
    assert last.slots.count("1") == last.accepted == 11
    assert last.countable == 14
    assert reader.history(NAMES[0], 1, 10) == [before]
    assert reader.history(NAMES[0], LATEST, 1) == [last]


def test_rewards_and_rest_are_the_budget(reader: Reader, two_epochs: Closed) -> None:
    del two_epochs
    for epoch in reader.epochs(LATEST, 10):
        rows = reader.epoch_devices(epoch.epoch, "", 10)
        assert [row.device for row in rows] == NAMES
        paid = sum(int(row.reward) for row in rows)
        assert paid + int(epoch.unallocated) == int(epoch.budget)
        for row in rows:
            assert row.reward == str(sum(int(b.reward) for b in row.buckets))
            assert all((b.reward == "0") == (b.why is not None) for b in row.buckets)


def test_the_last_judged_round_speaks_for_a_bucket(
    reader: Reader, two_epochs: Closed
) -> None:
    verdicts = two_epochs.outcome.verdicts
    for index, device in enumerate(reader.devices(1, "", 10)):
        for rate in device.rates:
            of_mine = [
                v
                for v in verdicts
                if v.device == DEVICES[index] and v.bucket.name.lower() == rate.bucket
            ]
            last = max(v.round for v in of_mine)
            assert rate.round == last
            assert rate.figure == str(sum(v.figure for v in of_mine if v.round == last))
            assert rate.why is None, "nobody cheats in epoch 1"


def test_the_cheater_has_its_reason(reader: Reader, closed: Closed) -> None:
    del closed
    device = reader.device(1, NAMES[CHEATER])
    assert device is not None
    rates = {rate.bucket: rate for rate in device.rates}
    assert rates["compute"].figure == "0"
    assert rates["compute"].why is not None
    assert rates["compute"].why.name == "WRONG_TILE"


def test_a_claim_is_against_the_last_final_root(
    reader: Reader, two_epochs: Closed
) -> None:
    for final in (0, 1):
        two_epochs.store.keep_posting(final, "finalised", "")
        for owner in OWNERS:
            owed = reader.owed(owner)
            epoch = reader.epoch(final)
            assert owed is not None
            assert epoch is not None
            assert (owed.epoch, owed.root) == (final, epoch.root)
            assert (owed.pending == "0") == (final == 1)
            if owed.amount == "0":  # the cheater's, in the first
                assert owed.proof == []
                continue
            node = payout_tree.leaf(bytes.fromhex(owner[2:]), int(owed.amount))
            for sibling in owed.proof:
                node = keccak(*sorted((node, bytes.fromhex(sibling[2:]))))
            assert to_hex(node) == owed.root


def test_an_owner_changes_when_the_epoch_of_the_enrolment_begins(
    reader: Reader, two_epochs: Closed
) -> None:
    first = two_epochs.record.enrolments[0]
    device = first.signed.message.device
    new = Enrol(device, b"\x07" * 20, 2**64 - 1, 0)
    since = timetable.first_slot(NETWORK.parameters, 3)
    enrolment = Enrolment(Signed(new, first.signed.signatures), since)
    two_epochs.store.add(Batch(31, enrolments=[enrolment]))
    owners = []
    for epoch in (2, 3):
        found = reader.device(epoch, NAMES[0])
        assert found is not None
        owners.append(found.owner)
    assert owners == [OWNERS[0], to_hex(b"\x07" * 20)]
    assert reader.totals().enrolled == 3


@pytest.mark.parametrize(
    ("taken_at", "text"),
    [
        (0, "1970-01-01T00:00:00.000+00:00"),
        (1_700_000_000_123, "2023-11-14T22:13:20.123+00:00"),
        (2**63, "9999-12-31T23:59:59.999+00:00"),
        (2**64 - 1, "9999-12-31T23:59:59.999+00:00"),
    ],
)
def test_any_time_that_a_device_claims_can_be_shown(
    reader: Reader, store: SqliteStore, taken_at: int, text: str
) -> None:
    telemetry = Telemetry(DEVICES[0], bytes(16), 1, taken_at, bytes(16), A_READING)
    store.add(Batch(0, telemetry=[telemetry]))
    found = reader.telemetry(NAMES[0])
    assert found is not None
    assert found.taken_at == text == iso(taken_at)
    assert json.loads(found.readings) == {"samples": [{"a": "<b>hi</b>"}]}


def test_threads_that_come_and_go_leave_no_connections_behind(
    reader: SqliteReader, closed: Closed
) -> None:
    del closed
    for _ in range(30):
        thread = threading.Thread(target=reader.totals)
        thread.start()
        thread.join()
    assert len(reader._idle) == 1


def test_many_threads_ask_at_once(reader: SqliteReader, two_epochs: Closed) -> None:
    del two_epochs
    expected = (reader.devices(1, "", 10), reader.owed(OWNERS[0]))
    with ThreadPoolExecutor(8) as pool:
        both = [
            pool.submit(lambda: (reader.devices(1, "", 10), reader.owed(OWNERS[0])))
            for _ in range(64)
        ]
        assert all(each.result() == expected for each in both)
    assert len(reader._idle) <= 9


@pytest.mark.parametrize(
    "sql",
    [
        LAST_VERDICTS,
        "select current from balance where owner = ? order by epoch desc limit 1",
        "select * from attendance where device = ? and epoch < ? order by epoch desc",
        "select readings from telemetry where device = ? order by taken_at desc",
    ],
)
def test_no_question_about_one_device_reads_a_whole_table(
    store: SqliteStore, sql: str
) -> None:
    values = [b""] * sql.count("?")
    rows = store._db.conn.execute(f"explain query plan {sql}", values)
    plan = [row[3] for row in rows]
    assert plan
    assert not [step for step in plan if step.startswith("SCAN")]


@pytest.mark.usefixtures("two_epochs")
def test_explorer_and_owner_read_the_same_uptime(
    reader: Reader, tmp_path: Path
) -> None:
    """One history, told to the explorer's file and in statements to the device."""
    folder = tmp_path / "device"
    state = State(folder)
    state.pin(NETWORK.description.sign(NETWORK.coordinator))
    identity.ensure_device_key(folder)
    address = DEVICES[0]
    for epoch in (0, 1):
        (row,) = reader.history(NAMES[0], epoch + 1, 1)
        slots = sum(1 << i for i, code in enumerate(row.missing) if not code)
        state.save_statement(
            Statement(
                device=address,
                owner=address,
                epoch=epoch,
                slots=uptime.bitmap(slots, len(row.missing)),
                missing=bytes(row.missing),
                counted=row.countable,
                weights=(),
                rewards=(),
                reasons=(),
                difficulties=(),
            )
        )
    state.close()
    told = reader.uptime(NAMES[0])
    assert status.collect(folder)["uptime"] == {
        name: asdict(window) for name, window in told.items()
    }
    day = told["24 h"]
    assert (day.accepted, day.countable) == (26, 29)
    assert day.reasons == {"NO_BEAT": len(MISSED)}
    assert day.longest_outage == len(MISSED)
    text = "\n".join(status.lines(status.collect(folder)))
    assert "uptime, 24 h" in text
    assert "89.6 %, 26 of 29 slots, longest outage 6 s" in text
    assert f"3 {Reason.NO_BEAT.text} (NO_BEAT)" in text
