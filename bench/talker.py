"""What a network's devices say in one slot, sent by one process to a broker."""

import asyncio
import sys

from bench.fleet import fleet
from bench.intake import talk
from edgeproof.telemetry.mqtt import Identity, MqttConnection

AT_ONCE = 20


async def main(url: str, devices: int) -> None:
    """Say it all, as fast as the broker takes it; then wait to be ended."""
    said = iter(talk(fleet(devices)))
    async with MqttConnection(url, Identity("talker")) as connection:

        async def speak() -> None:
            for topic, payload in said:
                await connection.publish(topic, payload)

        await asyncio.gather(*(speak() for _ in range(AT_ONCE)))
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
