"""What limits are compared with: heat and power of cards, and who uses the CPU."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psutil

from edgeproof.agent.limits import Heat
from edgeproof.agent.prover_process import CardInfo
from edgeproof.kernels import nvml

SHORTEST_S = 0.3
"""CPU time is counted in ticks of 10 ms: over less than this it says little."""

LONGEST_S = 10.0
"""What was counted longer ago is no beginning for a measurement of now."""

PROCESSORS = frozenset({"coretemp", "k10temp", "zenpower", "cpu_thermal"})
"""What Linux calls the sensors of processors."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Heat by card, and others' share of the CPU; None where nothing tells."""

    cards: Mapping[int, Heat]
    others: float | None


class Meters:
    """Read the machine; keeps what the CPU counted the last time."""

    def __init__(self) -> None:
        self._before: tuple[float, float, float] | None = None

    def read(self, cards: Iterable[CardInfo]) -> Measured:
        """Return what is measured now; blocks for a moment, or as long as a driver."""
        return Measured(_heat(list(cards)), self._others())

    def _others(self) -> float | None:
        """Return the share that programs of ordinary priority took, None if unknown.

        The prover steps back, so that its own time is counted elsewhere ("nice").
        """
        before, now = self._before, _counted()
        if now is not None and (before is None or now[0] - before[0] > LONGEST_S):
            time.sleep(SHORTEST_S)
            before, now = now, _counted()
        self._before = now
        if before is None or now is None:
            return None
        passed = now[2] - before[2]
        return min(1.0, max(0.0, now[1] - before[1]) / passed) if passed > 0 else None


def _counted() -> tuple[float, float, float] | None:
    """Return now, ordinary programs' CPU time, and that of all, idle too; seconds."""
    try:
        times = psutil.cpu_times()
    except (OSError, psutil.Error):
        return None
    # Guests' time is in the users' already.
    everything = sum(times) - sum(
        getattr(times, name, 0.0) for name in ("guest", "guest_nice")
    )
    return time.monotonic(), float(times.user), float(everything)


def _heat(cards: list[CardInfo]) -> dict[int, Heat]:
    found = {card.card: Heat(_processor()) for card in cards if card.kind == "cpu"}
    if any(card.kind == "cuda" for card in cards):
        seen = nvml.read()
        found |= {
            card.card: Heat(reading.temperature_c, reading.power_w)
            for card in cards
            if card.kind == "cuda" and card.card < len(seen)
            for reading in [seen[card.card]]
        }
    return found


def _processor() -> float | None:
    """Return the temperature of the hottest processor, None if nothing tells."""
    try:
        sensors = psutil.sensors_temperatures()
    except (AttributeError, OSError, ValueError, psutil.Error):
        return None
    known = [
        float(sensor.current)
        for name, group in sensors.items()
        if name in PROCESSORS
        for sensor in group
        if sensor.current
    ]
    return max(known, default=None)
