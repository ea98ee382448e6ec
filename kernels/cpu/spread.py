"""Share rows or nonces out over this process's threads; kernels hold no lock."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from edgeproof.kernels.cpu.compiler import threads

Result = TypeVar("Result")


def spread(task: Callable[[int, int], Result], total: int, step: int) -> list[Result]:
    """Return ``task(start, stop)`` of each part of ``range(total)``, in order.

    There are at most as many parts as threads, and all but the last one are
    multiples of ``step`` long.  One part runs in the calling thread.
    """
    size = max(1, -(-total // (threads() * step))) * step
    parts = [(start, min(start + size, total)) for start in range(0, total, size)]
    if len(parts) < 2:
        return [task(*part) for part in parts]
    return list(_pool().map(lambda part: task(*part), parts))


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads(), thread_name_prefix="edgeproof-kernel")
