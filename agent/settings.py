"""Everything an owner can set, read once at start and never again."""

import math
import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from edgeproof.agent import limits
from edgeproof.agent.folders import default_state_dir
from edgeproof.agent.options import COMMIT_MARGIN_MS, MEBIBYTE, PROVER, Options
from edgeproof.errors import EdgeproofError

PREFIX = "EDGEPROOF_AGENT_"
"""Every variable starts so."""


class BadSetting(EdgeproofError):  # noqa: N818 - reads as what it is about
    """A setting cannot be read or is outside its range."""


class Settings(BaseSettings):
    """Settings of one agent, from ``EDGEPROOF_AGENT_*``.  ``_s`` is seconds."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    state_dir: Path = Field(default_factory=default_state_dir)
    """Folder of the key, the outbox and what the network said."""
    broker: str = ""
    """URL of the MQTT broker, if not the one that the network names."""
    telemetry_s: Annotated[float, Field(ge=1, le=3600)] = 60.0
    """Time between readings of the sensors."""
    prover_command: Annotated[list[str], Field(min_length=1)] = list(PROVER)
    """Program that computes the proofs, as a JSON list."""
    prover_linger_s: Annotated[float, Field(ge=0, le=3600)] = 10.0
    """The prover is stopped when it had nothing to do for this long."""
    cpu_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """How much of the cores a proof may use, rounded down, but one at least."""
    prover_niceness: Annotated[int, Field(ge=0, le=19)] = 10
    """How far the prover steps back behind your own programs."""
    prover_memory_share: Annotated[float, Field(ge=0, le=0.9)] = 0.5
    """How much of the available RAM a proof of the CPU may hold; 0 is none."""
    gpu_memory_share: Annotated[float, Field(ge=0, le=0.95)] = 0.8
    """How much of the free memory of an NVIDIA card a proof may hold; 0 is none."""
    max_celsius: Annotated[float | None, Field(ge=30, le=120)] = None
    """A card that is hotter rests until it is 5 degrees cooler."""
    max_watts: Annotated[float | None, Field(ge=10, le=5000)] = None
    """A card that draws more rests until it draws less than 90 % of it."""
    hours: str = ""
    """When to prove, local time: 22:00-07:00, several with commas; empty is always."""
    only_when_idle: bool = False
    """Prove only while other programs take little of the CPU's time."""
    outbox_bytes: Annotated[int, Field(ge=MEBIBYTE)] = 64 * MEBIBYTE
    """Most bytes of messages that wait for their acknowledgement."""
    resend_s: Annotated[float, Field(ge=0.5, le=3600)] = 10.0
    """A message without acknowledgement is sent again after this long."""
    commit_margin_ms: Annotated[int, Field(ge=0, le=5000)] = COMMIT_MARGIN_MS
    """Work stops this long before its phase ends."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severity of what is logged."""

    @field_validator("max_celsius", "max_watts", mode="before")
    @classmethod
    def _unset(cls, value: object) -> object:
        """Take an empty variable for none, as a service's file writes it."""
        return None if value == "" else value

    @field_validator("hours")
    @classmethod
    def _readable(cls, value: str) -> str:
        limits.hours(value)
        return value

    @model_validator(mode="after")
    def _distinguishable(self) -> Self:
        if self.only_when_idle and not self.prover_niceness:
            # Linux counts the time of programs that step back apart from others'.
            msg = f"needs {PREFIX}PROVER_NICENESS of 1 or more, to tell yours from ours"
            raise ValueError(msg)
        return self

    def threads(self, cores: int) -> int:
        """Return how many threads the prover may have on so many cores."""
        return max(1, math.floor(self.cpu_share * cores + 1e-9))  # 2 / 3 of 3 is 2


def load(**given: object) -> Options:
    """Return the options; what is ``given`` and not None outweighs the environment.

    Raises ``BadSetting`` naming the first wrong variable and its value.
    """
    chosen: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
    try:
        settings = Settings(**chosen)
    except ValidationError as error:
        first = error.errors()[0]
        # What concerns several settings has no place of its own.
        field = str(first["loc"][0]) if first["loc"] else "only_when_idle"
        name = (PREFIX + field).upper()
        got = first["input"] if first["loc"] else True
        msg = f"{name}: {first['msg']}, got {got!r}"
        raise BadSetting(msg, hint=f"correct or unset {name}") from None
    except SettingsError as error:
        msg = f"a setting cannot be read: {error}"
        hint = 'lists are written as JSON: ["program", "argument"]'
        raise BadSetting(msg, hint=hint) from None
    values = settings.model_dump(exclude={"cpu_share"})
    values["prover_threads"] = settings.threads(_cores())
    values["prover_command"] = tuple(settings.prover_command)
    values["state_dir"] = settings.state_dir.expanduser().absolute()
    return Options(**values)


def _cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
