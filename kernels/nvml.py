"""What NVIDIA's driver says about its cards.  Shown, never paid.

The only module that imports pynvml, and only when asked; a machine without the
library, the driver or a card has no readings, and that is normal.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any


@dataclass(frozen=True, slots=True)
class GpuReading:
    """One card now; None where the driver does not tell.  Memory is in bytes."""

    name: str
    memory_total: int | None
    memory_used: int | None
    busy_percent: int | None
    temperature_c: int | None
    power_w: float | None


def read() -> list[GpuReading]:
    """Return one reading for each NVIDIA card, an empty list where there is none.

    Blocks as long as the driver does.
    """
    nvml = _library()
    if nvml is None:
        return []
    try:
        count = nvml.nvmlDeviceGetCount()
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
    except nvml.NVMLError:
        return []
    return [_reading(nvml, handle) for handle in handles]


def driver_version() -> str:
    """Return the driver's version, empty where there is none."""
    nvml = _library()
    if nvml is None:
        return ""
    return str(_ask(nvml, nvml.nvmlSystemGetDriverVersion) or "")


@cache
def _library() -> Any:  # noqa: ANN401 - an untyped library, or None
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    return nvml


def _reading(nvml: Any, handle: object) -> GpuReading:  # noqa: ANN401 - an untyped library
    memory = _ask(nvml, lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    usage = _ask(nvml, lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
    sensor = getattr(nvml, "NVML_TEMPERATURE_GPU", 0)
    heat = _ask(nvml, lambda: nvml.nvmlDeviceGetTemperature(handle, sensor))
    power = _ask(nvml, lambda: nvml.nvmlDeviceGetPowerUsage(handle))
    return GpuReading(
        name=str(_ask(nvml, lambda: nvml.nvmlDeviceGetName(handle)) or "NVIDIA"),
        memory_total=None if memory is None else int(memory.total),
        memory_used=None if memory is None else int(memory.used),
        busy_percent=None if usage is None else int(usage.gpu),
        temperature_c=None if heat is None else int(heat),
        power_w=None if power is None else power / 1000,
    )


def _ask(nvml: Any, question: Callable[[], Any]) -> Any:  # noqa: ANN401 - an untyped library
    try:
        return question()
    except nvml.NVMLError:
        return None
