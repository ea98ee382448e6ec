"""deploy/mosquitto/acl on a real mosquitto means the same as ``topics.allowed``."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from edgeproof.telemetry.mqtt import Identity, MqttConnection
from edgeproof.telemetry.topics import (
    COORDINATOR,
    Action,
    allowed,
    broadcast,
    downlink,
    uplink,
)

pytestmark = pytest.mark.integration

ONE = "0x" + "01" * 20
TWO = "0x" + "02" * 20
ACL = Path(__file__).parents[2] / "deploy" / "mosquitto" / "acl"
TOPICS = [
    broadcast("beacon"),
    *(downlink(device, "ack") for device in (ONE, TWO)),
    *(uplink(device, "seal") for device in (ONE, TWO)),
]
FILTERS = ["n/+", f"c/{ONE}/#", f"c/{TWO}/#", "d/#"]
USERS = [COORDINATOR, ONE, TWO]
LAST = b"that was all"


async def test_the_acl_file_lets_each_user_do_what_the_rules_say(
    start_mosquitto: Callable[[str], Awaitable[str]],
) -> None:
    url = await start_mosquitto(f"\nacl_file {ACL}\n")
    async with AsyncExitStack() as stack:
        members = {
            user: await stack.enter_async_context(MqttConnection(url, Identity(user)))
            for user in USERS
        }
        for member in members.values():
            await member.subscribe(*FILTERS)
        for user, member in members.items():
            for topic in TOPICS:
                await member.publish(topic, user.encode())
        await members[COORDINATOR].publish(broadcast("beacon"), LAST)
        for user, member in members.items():
            assert await heard(member) == {
                (speaker, topic)
                for speaker in USERS
                for topic in TOPICS
                if allowed(speaker, Action.PUBLISH, topic) and may_hear(user, topic)
            }


def may_hear(user: str, topic: str) -> bool:
    # mosquitto lets the coordinator hear its own broadcasts; it does not ask for them.
    if user == COORDINATOR and topic.startswith("n/"):
        return True
    return allowed(user, Action.SUBSCRIBE, topic)


async def heard(member: MqttConnection) -> set[tuple[str, str]]:
    """Return speaker and topic of all that came before the last message."""
    found = set()
    async with asyncio.timeout(20):
        async for envelope in member:
            if envelope.payload == LAST:
                break
            found.add((envelope.payload.decode(), envelope.topic))
    return found
