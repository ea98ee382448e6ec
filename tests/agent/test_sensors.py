import asyncio
import json
import subprocess
import sys
import threading
from typing import Any

import pytest

from edgeproof.agent import sensors
from edgeproof.agent.sensors import Sampler
from edgeproof.kernels import nvml


def test_a_machine_reports_its_counters() -> None:
    found = json.loads(json.dumps(sensors.read()))
    assert found["memory"]["total"] > 0
    assert found["cpu"]["cores"] >= 1
    assert found["network"]["received"] >= 0


async def test_a_sensor_that_fails_yields_no_sample() -> None:
    def broken() -> dict[str, Any]:
        msg = "no such disk"
        raise OSError(msg)

    assert await Sampler(broken).sample() is None


async def test_a_sensor_that_hangs_is_not_asked_again_until_it_ends() -> None:
    asked, ended = [], threading.Event()

    def slow() -> dict[str, Any]:
        asked.append(1)
        ended.wait(30)
        return {"cpu": 1}

    sampler = Sampler(slow, timeout=0.05)
    assert await sampler.sample() is None
    assert await sampler.sample() is None
    assert len(asked) == 1
    ended.set()
    found = None
    async with asyncio.timeout(10):
        while found is None:
            found = await sampler.sample()
            await asyncio.sleep(0)


class FakeNvml:
    """Two cards, of which the second tells nothing but its name."""

    NVMLError = RuntimeError

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("nvml"):
            raise AttributeError(name)

        def answer(handle: int | None = None, *given: int) -> Any:
            rest = given or (0,)
            if name == "nvmlDeviceGetCount":
                return 2
            if name == "nvmlDeviceGetHandleByIndex":
                return handle
            if name == "nvmlDeviceGetName":
                return "H100"
            if handle == 1:
                raise RuntimeError(name)
            values = {"total": 80, "used": 8, "gpu": 50}
            if name in {"nvmlDeviceGetMemoryInfo", "nvmlDeviceGetUtilizationRates"}:
                return type("Values", (), values)
            return {
                "nvmlDeviceGetTemperature": 40,
                "nvmlDeviceGetPowerUsage": 300_500,
                "nvmlDeviceGetClockInfo": {1: 1980, 2: 2619}.get(rest[0], 0),
                "nvmlDeviceGetTotalEccErrors": 3 - 2 * rest[0],
                "nvmlDeviceGetCurrentClocksEventReasons": 0x4 | 0x8,
            }[name]

        return answer


def test_cards_tell_what_they_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "_library", FakeNvml)
    assert nvml.read() == [
        nvml.GpuReading(
            "H100", 80, 8, 50, 40, 300.5, 1980, 2619, 3, 1, ("power cap", "hardware")
        ),
        nvml.GpuReading("H100"),
    ]


def test_a_machine_without_the_library_has_no_cards() -> None:
    program = (
        "import sys; sys.modules['pynvml'] = None\n"
        "from edgeproof.kernels import nvml\n"
        "assert nvml.read() == [] and nvml.driver_version() == ''\n"
        "assert 'numba' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_card_tells_by_its_older_name_why_it_is_slowed_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Older(FakeNvml):
        def __getattr__(self, name: str) -> Any:
            if "ClocksEvent" in name:
                raise AttributeError(name)
            if "ClocksThrottle" in name:
                return lambda *_: 0x40
            return super().__getattr__(name)

    monkeypatch.setattr(nvml, "_library", Older)
    assert nvml.read()[0].throttled == ("hot (hardware)",)


def test_what_is_no_json_is_no_sample() -> None:
    async def sample() -> Any:
        return await Sampler(lambda: {"cpu": float("nan")}).sample()

    assert asyncio.run(sample()) is None
