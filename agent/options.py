"""What an owner can set, as plain values: all that the running service knows of it."""

import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from edgeproof.agent.limits import Limits, hours

PROVER = (sys.executable, "-m", "edgeproof.agent.prover")
"""The honest prover; the simulator names a cheating one."""

MEBIBYTE = 1024 * 1024


COMMIT_MARGIN_MS = 150
"""Work stops this long before its phase ends, unless set otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One agent's settings, resolved.  ``settings`` documents each for owners."""

    state_dir: Path
    broker: str = ""
    """URL to use instead of the one in the network's description."""
    telemetry_s: float = 60.0
    prover_command: tuple[str, ...] = PROVER
    prover_linger_s: float = 10.0
    prover_threads: int = 0
    """0: as many as the libraries take, one for each core."""
    prover_niceness: int = 10
    prover_memory_share: float = 0.5
    """Of the RAM that is available when a round begins, where the CPU proves."""
    gpu_memory_share: float = 0.8
    """Of the memory that is free on a graphics card then."""
    prover_hanging_s: float = 3.0
    """A prover that works on for so long after its time is taken for hung."""
    max_celsius: float | None = None
    max_watts: float | None = None
    hours: str = ""
    """As ``limits.hours`` reads them; empty is always."""
    only_when_idle: bool = False
    outbox_bytes: int = 64 * MEBIBYTE
    resend_s: float = 10.0
    commit_margin_ms: int = COMMIT_MARGIN_MS
    """Work stops this long before its phase ends, so that the last message arrives."""
    log_level: str = "info"

    @property
    def limits(self) -> Limits:
        """When cards must rest."""
        return Limits(
            max_celsius=self.max_celsius,
            max_watts=self.max_watts,
            hours=hours(self.hours),
            only_when_idle=self.only_when_idle,
        )

    def as_text(self) -> str:
        """Return one line that ``from_text`` reads."""
        return json.dumps(asdict(self) | {"state_dir": str(self.state_dir)})

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the options that ``as_text`` wrote."""
        values = cls(**json.loads(text))
        return replace(
            values,
            state_dir=Path(values.state_dir),
            prover_command=tuple(values.prover_command),
        )
