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
    """One card now; None where the driver does not tell.

    Memory is in bytes, clocks in MHz.  ECC errors are those since the driver was loaded
    (``volatile``), ``throttled`` names why the card is slowed down.
    """

    name: str
    memory_total: int | None = None
    memory_used: int | None = None
    busy_percent: int | None = None
    temperature_c: int | None = None
    power_w: float | None = None
    clock_mhz: int | None = None
    memory_clock_mhz: int | None = None
    ecc_corrected: int | None = None
    ecc_uncorrected: int | None = None
    throttled: tuple[str, ...] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the readings by short names, for telemetry."""
        return {
            "name": self.name[:64],
            "memory": self.memory_total,
            "used": self.memory_used,
            "percent": self.busy_percent,
            "celsius": self.temperature_c,
            "watts": self.power_w,
            "mhz": self.clock_mhz,
            "memory_mhz": self.memory_clock_mhz,
            "ecc_corrected": self.ecc_corrected,
            "ecc_uncorrected": self.ecc_uncorrected,
            "throttled": None if self.throttled is None else list(self.throttled),
        }


THROTTLES = {
    0x1: "idle",
    0x2: "clocks set",
    0x4: "power cap",
    0x8: "hardware",
    0x10: "with other cards",
    0x20: "hot (software)",
    0x40: "hot (hardware)",
    0x80: "power brake",
    0x100: "display",
}
"""Why a card runs below its clocks, by bit: nvmlClocksEventReasons."""


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
    def number(question: str, *values: int) -> int | None:
        ask = getattr(nvml, question, None)  # not in every version of the library
        found = None if ask is None else _ask(nvml, lambda: ask(handle, *values))
        return None if found is None else int(found)

    def constant(name: str, otherwise: int) -> int:
        return int(getattr(nvml, name, otherwise))

    memory = _ask(nvml, lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    usage = _ask(nvml, lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
    power = number("nvmlDeviceGetPowerUsage")
    counted = constant("NVML_VOLATILE_ECC", 0)
    errors = "nvmlDeviceGetTotalEccErrors"
    events = number("nvmlDeviceGetCurrentClocksEventReasons")
    if events is None:  # its name before 2023
        events = number("nvmlDeviceGetCurrentClocksThrottleReasons")
    clock = "nvmlDeviceGetClockInfo"
    return GpuReading(
        name=str(_ask(nvml, lambda: nvml.nvmlDeviceGetName(handle)) or "NVIDIA"),
        memory_total=None if memory is None else int(memory.total),
        memory_used=None if memory is None else int(memory.used),
        busy_percent=None if usage is None else int(usage.gpu),
        temperature_c=number(
            "nvmlDeviceGetTemperature", constant("NVML_TEMPERATURE_GPU", 0)
        ),
        power_w=None if power is None else power / 1000,
        clock_mhz=number(clock, constant("NVML_CLOCK_SM", 1)),
        memory_clock_mhz=number(clock, constant("NVML_CLOCK_MEM", 2)),
        ecc_corrected=number(
            errors, constant("NVML_MEMORY_ERROR_TYPE_CORRECTED", 0), counted
        ),
        ecc_uncorrected=number(
            errors, constant("NVML_MEMORY_ERROR_TYPE_UNCORRECTED", 1), counted
        ),
        throttled=None if events is None else throttles(events),
    )


def throttles(events: int) -> tuple[str, ...]:
    """Return why a card is slowed down, in words, from NVML's bits."""
    return tuple(name for bit, name in THROTTLES.items() if events & bit)


def _ask(nvml: Any, question: Callable[[], Any]) -> Any:  # noqa: ANN401 - an untyped library
    try:
        return question()
    except nvml.NVMLError:
        return None
