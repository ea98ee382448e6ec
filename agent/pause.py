"""The owner's word to stop proving: a file, so that it outlives every process."""

from pathlib import Path

from edgeproof.agent.state import STATE_FILE, not_enrolled

PAUSE_FILE = "paused"
"""Name of the empty file in the state folder that says so."""


def pause(folder: Path) -> None:
    """Let nothing be proven until ``resume``; raise ``NotEnrolled``."""
    _check(folder)
    (folder / PAUSE_FILE).touch(mode=0o600)


def resume(folder: Path) -> None:
    """Prove again; raise ``NotEnrolled``."""
    _check(folder)
    (folder / PAUSE_FILE).unlink(missing_ok=True)


def is_paused(folder: Path) -> bool:
    """Tell whether its owner has paused the device in ``folder``."""
    return (folder / PAUSE_FILE).exists()


def _check(folder: Path) -> None:
    if not (folder / STATE_FILE).exists():
        raise not_enrolled(folder)
