"""Everything an operator can set, read once at start and never again."""

import os
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from edgeproof.errors import EdgeproofError

FILE = "coordinator.toml"
"""Name of the settings' file in the data folder."""

PREFIX = "EDGEPROOF_COORDINATOR_"
"""What the names of the overriding variables begin with."""

QUICKNET_URLS = tuple(
    f"https://{host}/52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
    for host in ("api.drand.sh", "api2.drand.sh", "drand.cloudflare.com")
)
"""Relays of drand's chain quicknet."""

MOST_VERIFIERS = 256
"""Processes that verify proofs, at most."""


class BadSetting(EdgeproofError):  # noqa: N818 - reads as what it is about
    """A setting is missing or cannot be read."""


class Settings(BaseSettings):
    """One coordinator.  ``EDGEPROOF_COORDINATOR_*`` overrides the file."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    rpc: str
    """URL of an EVM node."""
    embedded_broker: bool
    """Whether this process is the broker, on the port of the network description."""
    web_host: str = "127.0.0.1"
    web_port: Annotated[int, Field(ge=1, le=65535)]
    drand_urls: tuple[str, ...] = QUICKNET_URLS
    """Where rounds of drand are read, one after the other, if the network uses it."""
    verifiers: Annotated[int, Field(ge=1, le=MOST_VERIFIERS)] = 1
    """Processes that verify proofs."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the environment first, then the file; nothing else."""
        del dotenv_settings, file_secret_settings
        return env_settings, init_settings, TomlConfigSettingsSource(settings_cls)

    @classmethod
    def load(cls, data: Path) -> Self:
        """Return the settings of the coordinator in ``data``; raise ``BadSetting``."""
        file = data / FILE
        if not file.exists():
            msg = f"there is no coordinator in {data}: {FILE} is missing"
            hint = "run: edgeproof coordinator init --help"
            raise BadSetting(msg, hint=hint)

        class FromFile(cls):  # type: ignore[valid-type,misc] # the file is known only now
            model_config = SettingsConfigDict(toml_file=file)

        try:
            settings: Self = FromFile()
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            # What is missing has no input of its own: pydantic gives all the others.
            got = "" if first["type"] == "missing" else f", got {first['input']!r:.80}"
            variable = PREFIX + name.upper()
            where = f"the variable {variable}" if variable in os.environ else file
            msg = f"{name}: {first['msg']}{got}"
            raise BadSetting(msg, hint=f"correct it in {where}") from None
        except ValueError as error:
            msg = f"{file} is not TOML: {error}"
            raise BadSetting(msg, hint="correct the line that it names") from None
        return settings
