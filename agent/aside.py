"""Ask what can hang, such as a disk or a driver, in a thread of its own."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Aside(Generic[T]):
    """Call ``ask`` in a thread; one that hangs is not asked again until it ends."""

    def __init__(self, ask: Callable[[], T], *, timeout: float) -> None:
        self._ask = ask
        self._timeout = timeout
        self._thread: threading.Thread | None = None

    async def call(self) -> T | None:
        """Return what it returns; None if it fails or takes longer than ``timeout``."""
        if self._thread is not None and self._thread.is_alive():
            return None
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T | None] = loop.create_future()

        def finish(answer: T | None) -> None:
            if not done.done():
                done.set_result(answer)

        def work() -> None:
            answer = None
            with contextlib.suppress(Exception):
                answer = self._ask()
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(finish, answer)

        # A daemon: one that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=work, name="sensors", daemon=True)
        self._thread.start()
        try:
            async with asyncio.timeout(self._timeout):
                return await done
        except TimeoutError:
            return None
