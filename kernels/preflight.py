"""What must hold before NumPy and Numba are imported: they fail without a word.

OpenBLAS, which comes with NumPy, starts its threads when it is loaded; where it may
not, it interrupts the process as ctrl-C would.  Numba refuses a wrong number of
threads with a traceback.  Only the standard library is imported here.
"""

import os
import threading

from edgeproof.errors import EdgeproofError

THREAD_VARIABLES = ("NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
"""Variables that say how many threads the libraries take."""

MOST_THREADS = 1024


def check() -> None:
    """Raise ``EdgeproofError`` where the libraries' threads could not be started."""
    for name in THREAD_VARIABLES:
        value = os.environ.get(name, "")
        if value and not _is_count(value):
            msg = f"{name} is {value!r}"
            hint = f"set it to a number from 1 to {MOST_THREADS}, or unset it"
            raise EdgeproofError(msg, hint=hint)
    wanted = min(_cores(), MOST_THREADS)
    started = _start(wanted)
    if started < wanted:
        msg = f"this process could start {started} threads, {wanted} are needed"
        hint = "raise its limit (ulimit -u, or TasksMax= of its service)"
        raise EdgeproofError(msg, hint=hint)


def _is_count(value: str) -> bool:
    return value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= MOST_THREADS


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _start(wanted: int) -> int:
    """Return how many of so many threads can be there at one time."""
    done = threading.Event()
    threads: list[threading.Thread] = []
    try:
        for _ in range(wanted):
            thread = threading.Thread(target=done.wait, daemon=True)
            thread.start()
            threads.append(thread)
    except RuntimeError:  # Python's word for it: can't start new thread
        pass
    finally:
        done.set()
    for thread in threads:
        thread.join()
    return len(threads)
