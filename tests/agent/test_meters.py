"""What the machine says of its heat and its use, here and where nothing tells."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import psutil
import pytest

from edgeproof.agent.limits import Heat
from edgeproof.agent.meters import Meters
from edgeproof.agent.prover_process import CardInfo
from edgeproof.kernels import nvml
from edgeproof.kernels.nvml import GpuReading

CPU = CardInfo(0, "a CPU", "cpu", 0)


def gpu(card: int) -> CardInfo:
    return CardInfo(card, "NVIDIA X", "cuda", 0)


@pytest.fixture
def busy() -> Iterator[Any]:
    """Give a function that starts a program which takes a core, at that niceness."""
    started: list[subprocess.Popen[bytes]] = []

    def start(niceness: int) -> None:
        program = f"import os; os.nice({niceness})\nwhile True: pass"
        started.append(subprocess.Popen([sys.executable, "-c", program]))

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.integration
@pytest.mark.skipif(sys.platform != "linux", reason="counts as Linux does")
def test_programs_of_ordinary_priority_count(busy: Any) -> None:
    for _ in range(psutil.cpu_count()):
        busy(0)
    assert (Meters().read([]).others or 0) > 0.2


class Times(NamedTuple):
    user: float
    idle: float
    nice: float


def test_the_share_is_of_all_cores_and_without_what_steps_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = iter([Times(100, 100, 0), Times(103, 106, 1), Times(103, 110, 7)])
    monkeypatch.setattr(psutil, "cpu_times", lambda: next(counted))
    meters = Meters()
    assert meters.read([]).others == 0.3
    assert meters.read([]).others == 0.0


def test_a_machine_that_counts_nothing_is_not_in_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> Any:
        raise OSError

    monkeypatch.setattr(psutil, "cpu_times", broken)
    assert Meters().read([]).others is None


def test_cards_are_found_by_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = [GpuReading("X", 1, 1, 1, c, w) for c, w in ((70, 90.5), (None, None))]
    monkeypatch.setattr(nvml, "read", lambda: seen)
    found = Meters().read([gpu(1), gpu(0), gpu(2)]).cards
    assert found == {0: Heat(70, 90.5), 1: Heat(None, None)}


@pytest.mark.parametrize(
    ("sensors", "celsius"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"nvme": [90]}, None, id="only-a-disk"),
        pytest.param({"coretemp": [50, 61], "nvme": [90]}, 61, id="hottest-core"),
    ],
)
def test_the_processor_is_as_hot_as_its_hottest_sensor(
    monkeypatch: pytest.MonkeyPatch, sensors: dict[str, Any], celsius: float | None
) -> None:
    class Sensor:
        def __init__(self, current: float) -> None:
            self.current = current

    found = {name: list(map(Sensor, values)) for name, values in sensors.items()}
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: found, raising=False)
    assert Meters().read([CPU]).cards == {0: Heat(celsius)}
