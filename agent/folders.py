"""Where a device keeps its key and memory."""

import os
from pathlib import Path

VARIABLE = "EDGEPROOF_AGENT_STATE_DIR"
"""The setting that names the folder."""


def default_state_dir() -> Path:
    """Return the folder for lasting state that the XDG base directories name."""
    base = os.environ.get("XDG_STATE_HOME", "")
    root = Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "state"
    return root / "edgeproof"


def state_folder(given: Path | None) -> Path:
    """Return ``given``, else the variable's folder, else the default; absolute."""
    chosen = given or os.environ.get(VARIABLE) or default_state_dir()
    return Path(chosen).expanduser().absolute()
