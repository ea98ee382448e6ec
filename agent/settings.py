"""Everything an owner can set, read once at start and never again."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from edgeproof.agent.folders import default_state_dir
from edgeproof.agent.options import MEBIBYTE, PROVER, Options
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
    prover_threads: Annotated[int, Field(ge=0, le=4096)] = 0
    """Threads of the prover; 0 is one for each core."""
    prover_niceness: Annotated[int, Field(ge=0, le=19)] = 10
    """How far the prover steps back behind your own programs."""
    prover_memory_share: Annotated[float, Field(ge=0, le=0.9)] = 0.5
    """How much of the memory that is available then a proof may hold; 0 is none."""
    outbox_bytes: Annotated[int, Field(ge=MEBIBYTE)] = 64 * MEBIBYTE
    """Most bytes of messages that wait for their acknowledgement."""
    resend_s: Annotated[float, Field(ge=0.5, le=3600)] = 10.0
    """A message without acknowledgement is sent again after this long."""
    commit_margin_ms: Annotated[int, Field(ge=0, le=5000)] = 150
    """Work stops this long before its phase ends."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severity of what is logged."""


def load(**given: object) -> Options:
    """Return the options; what is ``given`` and not None outweighs the environment.

    Raises ``BadSetting`` naming the first wrong variable and its value.
    """
    chosen: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
    try:
        settings = Settings(**chosen)
    except ValidationError as error:
        first = error.errors()[0]
        name = (PREFIX + str(first["loc"][0])).upper()
        msg = f"{name}: {first['msg']}, got {first['input']!r}"
        raise BadSetting(msg, hint=f"correct or unset {name}") from None
    except SettingsError as error:
        msg = f"a setting cannot be read: {error}"
        hint = 'lists are written as JSON: ["program", "argument"]'
        raise BadSetting(msg, hint=hint) from None
    values = settings.model_dump()
    values["prover_command"] = tuple(settings.prover_command)
    values["state_dir"] = settings.state_dir.expanduser().absolute()
    return Options(**values)
