import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeproof.agent import outbox
from edgeproof.agent.outbox import DROPPABLE, OVERHEAD, PRIORITY, Outbox, OutboxFull
from edgeproof.proofs.keccak import keccak

RESEND = 1000


def opened(folder: Path, limit: int = 1 << 20) -> Outbox:
    return Outbox(folder / outbox.OUTBOX_FILE, limit_bytes=limit)


def test_a_message_stays_until_it_is_acknowledged(tmp_path: Path) -> None:
    box = opened(tmp_path)
    wire = box.put("seal", b"a seal")
    assert wire == keccak(b"a seal")
    box.sent(wire, 10)
    assert len(box) == 1
    assert [each.payload for each in box.acknowledge([wire, bytes(32)])] == [b"a seal"]
    assert len(box) == 0
    assert box.bytes == 0
    assert box.acknowledge([wire]) == []
    box.close()


def test_the_same_bytes_twice_are_one_message(tmp_path: Path) -> None:
    box = opened(tmp_path)
    assert box.put("seal", b"x") == box.put("seal", b"x")
    assert len(box) == 1
    box.close()


@pytest.mark.parametrize(
    ("now", "is_due"),
    [
        pytest.param(5000, False, id="just-sent"),
        pytest.param(5999, False, id="not-yet"),
        pytest.param(6000, True, id="unanswered-for-long"),
        pytest.param(4000, True, id="the-clock-was-set-back"),
    ],
)
def test_what_is_not_acknowledged_is_due_again(
    tmp_path: Path,
    now: int,
    is_due: bool,  # noqa: FBT001 - a table's column
) -> None:
    box = opened(tmp_path)
    box.sent(box.put("seal", b"x"), 5000)
    assert (box.due(now, RESEND) is not None) == is_due
    box.send_again()
    assert box.due(now, RESEND) is not None
    box.close()


def test_a_backlog_of_telemetry_delays_nothing(tmp_path: Path) -> None:
    box = opened(tmp_path)
    for kind in ("telemetry", "seal", "commitment", "opening", "heartbeat"):
        box.put(kind, kind.encode())
    order = []
    while waiting := box.due(0, RESEND):
        order.append(waiting.kind)
        box.sent(waiting.wire, 0)
    assert order == ["heartbeat", "opening", "commitment", "seal", "telemetry"]
    box.close()


def test_what_is_too_late_is_dropped_and_counted(tmp_path: Path) -> None:
    box = opened(tmp_path)
    box.put("heartbeat", b"old", expires=100)
    box.put("heartbeat", b"new", expires=200)
    box.put("seal", b"for ever")
    assert box.expire(100) == 1
    assert (len(box), box.dropped) == (2, 1)
    box.close()


def test_the_oldest_telemetry_makes_room(tmp_path: Path) -> None:
    box = opened(tmp_path, limit=4 * (100 + OVERHEAD))
    for number in range(6):
        box.put("telemetry", bytes([number]) * 100)
    first = box.due(0, RESEND)
    assert first is not None
    assert first.payload == b"\x02" * 100
    assert (len(box), box.dropped) == (4, 2)
    box.close()


def test_what_must_not_be_lost_is_refused_when_nothing_may_give_way(
    tmp_path: Path,
) -> None:
    box = opened(tmp_path, limit=2 * (100 + OVERHEAD))
    box.put("seal", b"1" * 100)
    box.put("commitment", b"2" * 100)
    with pytest.raises(OutboxFull):
        box.put("opening", b"3" * 100)
    box.put("telemetry", b"4" * 100)
    assert (len(box), box.dropped) == (2, 1)
    box.close()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(PRIORITY)), st.integers(0, 300)), max_size=30
    )
)
def test_no_order_of_messages_exceeds_the_bound_or_drops_what_is_kept(
    tmp_path_factory: pytest.TempPathFactory, messages: list[tuple[str, int]]
) -> None:
    box = opened(tmp_path_factory.mktemp("outbox"), limit=4000)
    kept = []
    for number, (kind, size) in enumerate(messages):
        payload = number.to_bytes(4, "big") + bytes(size)
        try:
            wire = box.put(kind, payload)
        except OutboxFull:
            continue
        if kind not in DROPPABLE:
            kept.append(wire)
        assert box.bytes <= 4000
    assert len(box.acknowledge(kept)) == len(kept)
    box.close()


def test_readers_see_the_backlog_by_kind(tmp_path: Path) -> None:
    assert outbox.backlog(tmp_path) == {}
    box = opened(tmp_path)
    box.put("seal", b"1")
    box.put("seal", b"2")
    box.put("telemetry", b"3")
    assert outbox.backlog(tmp_path) == {"seal": 2, "telemetry": 1}
    box.close()


WRITER = """
import sys
from pathlib import Path
from edgeproof.agent.outbox import Outbox
box = Outbox(Path(sys.argv[1]), limit_bytes=1 << 24)
number = 0
while True:
    box.put("seal", number.to_bytes(8, "big") * 20)
    print(number, flush=True)
    number += 1
"""


@pytest.mark.integration
@pytest.mark.parametrize("after", [1, 20, 60])
def test_every_message_that_was_put_survives_kill_9(tmp_path: Path, after: int) -> None:
    path = tmp_path / outbox.OUTBOX_FILE
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        for _ in range(after):
            writer.stdout.readline()
        os.kill(writer.pid, signal.SIGKILL)
        last = max([after - 1, *(int(line) for line in writer.stdout if line.strip())])
    box = opened(tmp_path)
    assert last + 1 <= len(box) <= last + 2
    wires = [keccak(n.to_bytes(8, "big") * 20) for n in range(last + 1)]
    assert len(box.acknowledge(wires)) == last + 1
    box.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)


def test_some_kinds_are_sent_again(tmp_path: Path) -> None:
    box = opened(tmp_path)
    for kind in ("heartbeat", "commitment", "seal"):
        box.sent(box.put(kind, kind.encode()), 100)
    assert box.due(100, RESEND) is None
    box.send_again("commitment", "heartbeat")
    found = []
    while waiting := box.due(100, RESEND):
        found.append(waiting.kind)
        box.sent(waiting.wire, 100)
    assert found == ["heartbeat", "commitment"]
    box.close()
