import asyncio
import contextlib
from pathlib import Path

import pytest

from edgeproof.agent.delivery import Delivery
from edgeproof.agent.outbox import OUTBOX_FILE, Outbox
from edgeproof.telemetry.broker import BrokerUnavailable, PayloadTooLarge
from edgeproof.telemetry.memory import MemoryBroker, MemoryConnection

DEVICE = "0x" + "05" * 20


class Deaf(MemoryConnection):
    """Answers a cancellation as clients on old Pythons may: with success."""

    asked: asyncio.Event

    async def publish(self, topic: str, payload: bytes, **_: bool) -> None:
        del topic, payload
        self.asked.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / OUTBOX_FILE, limit_bytes=1 << 20)


async def test_a_cancellation_that_the_client_swallows_still_ends_the_delivery(
    outbox: Outbox,
) -> None:
    connection = MemoryBroker().connect(DEVICE)
    connection.__class__ = Deaf
    assert isinstance(connection, Deaf)
    connection.asked = asyncio.Event()
    outbox.put("seal", b"x")
    async with connection:
        delivery = Delivery(outbox, DEVICE, resend_ms=1000)
        task = asyncio.create_task(delivery.run(connection))
        await connection.asked.wait()
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=5)
    assert done
    assert task.cancelled()
    outbox.close()


@pytest.mark.parametrize(
    ("error", "left", "dropped"),
    [
        pytest.param(BrokerUnavailable("gone"), 1, 0, id="out-of-reach"),
        pytest.param(PayloadTooLarge("huge"), 0, 1, id="undeliverable"),
    ],
)
async def test_only_what_can_never_be_delivered_is_dropped(
    outbox: Outbox, error: Exception, left: int, dropped: int
) -> None:
    class Failing(MemoryConnection):
        async def publish(self, topic: str, payload: bytes, **_: bool) -> None:
            del topic, payload
            raise error

    connection = MemoryBroker().connect(DEVICE)
    connection.__class__ = Failing
    outbox.put("seal", b"x")
    async with connection:
        await Delivery(outbox, DEVICE, resend_ms=1000).flush(connection)
    assert (len(outbox), outbox.dropped) == (left, dropped)
    outbox.close()
