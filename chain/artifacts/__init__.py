"""The compiled contracts that this package ships, so that nobody needs a compiler.

``contracts/check.sh`` rebuilds them and fails if a byte differs.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Artifact:
    """One contract: its interface, and the code that creates it."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: bytes


@cache
def load(name: str) -> Artifact:
    """Return the artifact of the contract ``name``, for instance ``Distributor``."""
    raw = json.loads(files(__name__).joinpath(f"{name}.json").read_text())
    return Artifact(name, raw["abi"], bytes.fromhex(raw["bytecode"].removeprefix("0x")))
