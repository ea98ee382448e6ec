import asyncio
import json
import subprocess
import sys
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.agent import sensors
from edgeproof.agent.sensors import LONGEST, Sampler
from edgeproof.kernels import nvml


def test_a_machine_reports_its_counters() -> None:
    found = json.loads(sensors.as_text(sensors.read()))
    assert found["memory"]["total"] > 0
    assert found["cpu"]["cores"] >= 1
    assert found["network"]["received"] >= 0


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=3000), max_size=8))
def test_any_readings_fit_a_telemetry_message(readings: dict[str, str]) -> None:
    text = sensors.as_text(readings)
    assert len(text.encode()) <= LONGEST
    found = json.loads(text)
    if "omitted" not in readings:
        assert len(readings) == len(found) + found.get("omitted", 0) - (
            "omitted" in found
        )


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
        def answer(handle: int | None = None, *_: int) -> Any:
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
            return {"nvmlDeviceGetTemperature": 40}.get(name, 300_500)

        return answer


def test_cards_tell_what_they_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "_library", FakeNvml)
    assert nvml.read() == [
        nvml.GpuReading("H100", 80, 8, 50, 40, 300.5),
        nvml.GpuReading("H100", None, None, None, None, None),
    ]


def test_a_machine_without_the_library_has_no_cards() -> None:
    program = (
        "import sys; sys.modules['pynvml'] = None\n"
        "from edgeproof.kernels import nvml\n"
        "assert nvml.read() == [] and nvml.driver_version() == ''\n"
        "assert 'numba' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
