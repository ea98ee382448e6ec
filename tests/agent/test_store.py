"""A disk that is really full, as far as SQLite can tell, and one that no more is."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeproof.agent.outbox import OUTBOX_FILE, Outbox
from edgeproof.agent.state import State
from edgeproof.agent.store import RETRY_S, Store

TABLES = {"facts": ("name", "value")}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def fill(disk: sqlite3.Connection, *, full: bool) -> None:
    (pages,) = disk.execute("pragma page_count").fetchone()
    disk.execute(f"pragma max_page_count = {pages if full else 1 << 30}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(tmp_path / "file", isolation_level=None)
    db.execute("pragma journal_mode = wal")
    db.execute("create table facts (name text primary key, value text)")
    yield db
    db.close()


def put(store: Store, name: str, value: str) -> None:
    sql = "insert or replace into facts values (?, ?)"
    store.write(lambda db: db.execute(sql, [name, value]))


def facts(db: sqlite3.Connection) -> dict[str, int]:
    return {name: len(value) for name, value in db.execute("select * from facts")}


BIG = "x" * 100_000


def test_what_a_full_disk_cannot_hold_is_held_in_memory(
    disk: sqlite3.Connection,
) -> None:
    clock, said = Clock(), list[bool]()
    store = Store(disk, TABLES, on_full=said.append, clock=clock)
    put(store, "before", "1")
    put(store, "changed", "1")
    fill(disk, full=True)
    put(store, "big", BIG)
    put(store, "changed", "22")
    sql = "delete from facts where name = 'before'"
    store.write(lambda db: db.execute(sql))
    assert (store.full, said) == (True, [True])
    expected = {"big": len(BIG), "changed": 2}
    assert facts(store.db) == expected
    assert facts(disk) == {"before": 1, "changed": 1}

    clock.now = RETRY_S  # still full
    store.retry()
    assert store.full
    fill(disk, full=False)
    clock.now += RETRY_S - 1
    store.retry()  # not yet
    assert store.full
    disk.execute("insert into facts values ('by another', '333')")
    clock.now += 1
    put(store, "after", "4444")
    assert (store.full, said) == (False, [True, False])
    assert facts(disk) == expected | {"by another": 3, "after": 4}


def test_the_last_attempt_is_made_at_the_end(
    disk: sqlite3.Connection, tmp_path: Path
) -> None:
    store = Store(disk, TABLES)
    fill(disk, full=True)
    put(store, "big", BIG)
    fill(disk, full=False)
    store.close()
    again = sqlite3.connect(tmp_path / "file")
    assert facts(again) == {"big": len(BIG)}
    again.close()


def test_work_that_fails_changes_nothing(disk: sqlite3.Connection) -> None:
    store = Store(disk, TABLES)

    def work(db: sqlite3.Connection) -> None:
        db.execute("insert into facts values ('a', 'b')")
        raise KeyError

    with pytest.raises(KeyError):
        store.write(work)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        store.write(lambda db: db.execute("delete from nowhere"))
    assert (facts(disk), store.full) == ({}, False)


def test_an_outbox_keeps_its_messages_and_their_order(tmp_path: Path) -> None:
    box = Outbox(tmp_path / OUTBOX_FILE, limit_bytes=1 << 20)
    first = box.put("seal", b"first")
    fill(box.store._disk, full=True)
    others = [box.put("commitment", bytes([n]) * 50_000) for n in range(4)]
    assert box.store.full
    assert [each.wire for each in box.acknowledge([first])] == [first]
    box.sent(others[0], 5)
    assert len(box) == 4
    size = box.bytes
    fill(box.store._disk, full=False)
    box.close()
    box = Outbox(tmp_path / OUTBOX_FILE, limit_bytes=1 << 20)
    assert (len(box), box.bytes) == (4, size)
    order = []
    while (waiting := box.due(10, 1000)) is not None:
        order.append(waiting.wire)
        box.sent(waiting.wire, 10)
    assert order == others[1:]  # the first is on its way
    box.close()


def test_the_state_goes_on_too(tmp_path: Path) -> None:
    said = list[bool]()
    state = State(tmp_path, on_full=said.append)
    fill(state.store._disk, full=True)
    state.put("big", BIG)
    assert (state.get("big"), said) == (BIG, [True])
    fill(state.store._disk, full=False)
    state.close()
    assert said == [True, False]
    again = State(tmp_path, read_only=True)
    assert again.get("big") == BIG
    again.close()
