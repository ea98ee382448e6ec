"""How much RAM a program may take now without the machine feeling it."""

import contextlib
from pathlib import Path

from edgeproof.kernels.shapes import ITEM_BYTES, MOST_ITEMS

GROUP = Path("/sys/fs/cgroup")
"""What bounds a container's memory, in Linux's second version of control groups."""

MEMORY_INFO = Path("/proc/meminfo")


def available_bytes() -> int:
    """Return the RAM that is free or can be freed at once; 0 if nothing tells.

    That of the machine, or what is left of a container's own bound if that is less.
    """
    return min([_machine(), *_container()])


def items(share: float) -> int:
    """Return the items of memory that fit that share of the RAM available now."""
    return min(MOST_ITEMS, int(share * available_bytes()) // ITEM_BYTES)


def _machine() -> int:
    with contextlib.suppress(ImportError):
        import psutil  # noqa: PLC0415 - only agents have it

        return int(psutil.virtual_memory().available)
    with contextlib.suppress(OSError, ValueError):
        for line in MEMORY_INFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0


def _container() -> list[int]:
    with contextlib.suppress(OSError, ValueError):  # "max" is no number: no bound
        most = int((GROUP / "memory.max").read_text())
        return [max(0, most - int((GROUP / "memory.current").read_text()))]
    return []
