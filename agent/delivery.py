"""From the outbox to the broker, again and again until the coordinator has it."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from edgeproof.agent.outbox import Outbox
from edgeproof.logs import logger
from edgeproof.telemetry import topics
from edgeproof.telemetry.broker import (
    BrokerUnavailable,
    Connection,
    PayloadTooLarge,
)

LOOK_AGAIN_S = 0.5
"""How often the outbox is looked at for messages whose answer is overdue."""


def notice_cancellation() -> None:
    """Raise ``CancelledError`` if this task was cancelled and the news got lost.

    Before Python 3.12 ``asyncio.wait_for``, through which MQTT clients wait for the
    broker's answer, swallows a cancellation that comes together with the answer.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def wall_ms() -> int:
    """Return the device's idea of the time, Unix milliseconds."""
    return time.time_ns() // 1_000_000


class Delivery:
    """Send what is due, the most urgent first; ``device`` is as topics write it."""

    def __init__(self, outbox: Outbox, device: str, *, resend_ms: int) -> None:
        self._outbox = outbox
        self._device = device
        self._resend_ms = resend_ms
        self._wake = asyncio.Event()
        self._log = logger()

    def wake(self) -> None:
        """Look at the outbox now: something was put there."""
        self._wake.set()

    def reconnected(self) -> None:
        """Send everything again: what was on its way may be lost."""
        self._outbox.send_again()
        self.wake()

    async def run(self, connection: Connection) -> None:
        """Deliver until cancelled."""
        while True:
            self._wake.clear()
            await self.flush(connection)
            # Not wait_for: before Python 3.12 it can swallow a cancellation.
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await self._wake.wait()

    async def flush(
        self, connection: Connection, *, now: Callable[[], int] = wall_ms
    ) -> None:
        """Send all that is due, and return; what the broker did not take stays due."""
        self._outbox.expire(now())
        while connection.connected:
            waiting = self._outbox.due(now(), self._resend_ms)
            if waiting is None:
                return
            topic = topics.uplink(self._device, waiting.kind)
            try:
                await connection.publish(topic, waiting.payload)
                notice_cancellation()
            except BrokerUnavailable as error:
                self._log.warning("not delivered", kind=waiting.kind, why=str(error))
                return
            except PayloadTooLarge as error:
                self._log.error("undeliverable", kind=waiting.kind, why=str(error))
                self._outbox.drop(waiting.wire)
                continue
            self._outbox.sent(waiting.wire, now())
