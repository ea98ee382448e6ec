"""The watch over limits, with a machine that says what the test wants."""

import asyncio
import threading
from pathlib import Path

import pytest

from edgeproof.agent import pause, watch
from edgeproof.agent.limits import Heat, Limits
from edgeproof.agent.meters import Measured, Meters
from edgeproof.agent.prover_process import CardInfo
from edgeproof.agent.state import State
from edgeproof.agent.watch import Resting, Watch
from edgeproof.proofs.reasons import Reason

CARDS = [CardInfo(0, "X", "cuda", 512), CardInfo(1, "X", "cuda", 512)]
HOT = Limits(max_celsius=80)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(watch, "LOOK_S", 0.02)
    monkeypatch.setattr(watch, "SENSE_S", 0.04)
    State(tmp_path).close()


async def looks(one: Watch, count: int) -> list[Resting]:
    found: asyncio.Queue[Resting] = asyncio.Queue()
    running = asyncio.create_task(one.run(found.put_nowait))
    async with asyncio.timeout(10):
        seen = [await found.get() for _ in range(count)]
    running.cancel()
    return seen


async def test_a_hot_card_is_told_in_a_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = Measured({0: Heat(70), 1: Heat(81)}, None)
    monkeypatch.setattr(Meters, "read", lambda _self, _cards: measured)
    one = Watch(HOT, tmp_path, lambda: CARDS, lambda: True)
    assert one.resting() == {}  # nothing was read yet
    assert (await looks(one, 9))[-1] == {1: Reason.SKIPPED_HOT}


async def test_nothing_is_read_between_rounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    monkeypatch.setattr(Meters, "read", lambda _self, cards: read.append(cards))
    one = Watch(HOT, tmp_path, lambda: CARDS, lambda: False)
    found: list[Resting] = []
    running = asyncio.create_task(one.run(found.append))
    await asyncio.sleep(0.2)
    running.cancel()
    assert (read, found) == ([], [])


async def test_a_sensor_that_hangs_delays_no_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forever = threading.Event()
    monkeypatch.setattr(Meters, "read", lambda _self, _cards: forever.wait(30))
    one = Watch(HOT, tmp_path, lambda: CARDS, lambda: True)
    pause.pause(tmp_path)
    assert (await looks(one, 3))[-1] == dict.fromkeys([0, 1], Reason.SKIPPED_PAUSED)
    pause.resume(tmp_path)
    assert one.resting() == {}
    forever.set()
