"""What the device reports of itself.  Shown, never paid.

Readings are taken in a thread of their own, so that a disk or driver that hangs
never delays a heartbeat.
"""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import psutil

from edgeproof.agent.aside import Aside
from edgeproof.kernels import nvml

MOST_CARDS = 64
"""Cards that are reported."""

Reading = Mapping[str, Any]


def read() -> dict[str, Any]:
    """Return the readings of now; blocks as long as the machine does.

    Sizes are bytes, counters run since the machine's start, shares are percent.
    """
    return {
        "cpu": _part(_processor),
        "memory": _part(_memory),
        "disk": _part(_disk),
        "network": _part(_network),
        "uptime_s": _part(lambda: int(time.time() - psutil.boot_time())),
        "gpus": _part(_cards),
    }


class Sampler:
    """Read the sensors in a thread; one that hangs yields no samples until it ends.

    ``sense`` returns JSON values; what is no JSON is no sample either.
    """

    def __init__(
        self, sense: Callable[[], Reading] = read, *, timeout: float = 5.0
    ) -> None:
        self._aside = Aside(lambda: _checked(sense()), timeout=timeout)

    async def sample(self) -> Reading | None:
        """Return a sample; None if it fails or takes too long."""
        return await self._aside.call()


def _checked(readings: Reading) -> Reading:
    """Return what of the readings is there; raise ``ValueError`` for no JSON."""
    kept = {name: value for name, value in readings.items() if value is not None}
    json.dumps(kept, allow_nan=False)
    return kept


def _part(sense: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return one group of readings, None where this machine does not have it."""
    try:
        return sense()
    except (OSError, psutil.Error, AttributeError, ValueError, KeyError):
        return None


def _processor() -> Reading:
    frequency = psutil.cpu_freq()
    return {
        "cores": psutil.cpu_count(),
        "percent": psutil.cpu_percent(interval=None),
        "load": [round(load, 2) for load in psutil.getloadavg()],
        "mhz": round(frequency.current) if frequency else None,
    }


def _memory() -> Reading:
    memory = psutil.virtual_memory()
    return {"total": memory.total, "available": memory.available}


def _disk() -> Reading:
    usage, counters = psutil.disk_usage("/"), psutil.disk_io_counters()
    return {
        "total": usage.total,
        "free": usage.free,
        "read": counters.read_bytes if counters else None,
        "written": counters.write_bytes if counters else None,
    }


def _network() -> Reading:
    counters = psutil.net_io_counters()
    return {
        "sent": counters.bytes_sent,
        "received": counters.bytes_recv,
        "errors": counters.errin + counters.errout,
        "dropped": counters.dropin + counters.dropout,
    }


def _cards() -> list[Reading]:
    return [
        {name: value for name, value in card.as_json().items() if value is not None}
        for card in nvml.read()[:MOST_CARDS]
    ]
