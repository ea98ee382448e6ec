"""A real mosquitto on a free port of this machine, for whoever asks."""

import asyncio
import socket
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy" / "mosquitto"

StartMosquitto = Callable[..., Awaitable[str]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def listening(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                await writer.wait_closed()
                return


@pytest.fixture
def start_mosquitto(
    require_service: Callable[[str, str], Path], tmp_path: Path
) -> Iterator[StartMosquitto]:
    """Start mosquitto with deploy/mosquitto/loopback.conf and what the caller adds."""
    program = require_service("mosquitto", "apt-get install mosquitto")
    running: list[subprocess.Popen[bytes]] = []

    def launch(port: int, extra: str) -> None:
        text = (DEPLOY / "loopback.conf").read_text()
        assert "listener 1883 127.0.0.1" in text
        conf = tmp_path / f"{port}.conf"
        conf.write_text(text.replace("listener 1883", f"listener {port}") + extra)
        running.append(
            subprocess.Popen([program, "-c", conf], stderr=subprocess.DEVNULL)
        )

    async def start(extra: str = "") -> str:
        port = free_port()
        launch(port, extra)
        await listening(port)
        return f"mqtt://127.0.0.1:{port}"

    yield start
    for process in running:
        process.terminate()
        process.wait(timeout=10)
