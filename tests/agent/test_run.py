"""``edgeproof agent run`` as a process, against a real embedded broker."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgeproof.agent import identity
from edgeproof.agent.options import Options
from edgeproof.coordinator.embedded_broker import EmbeddedBroker
from edgeproof.telemetry.messages import Status
from edgeproof.telemetry.mqtt import Identity, MqttConnection
from tests.agent.conftest import enrolled

if TYPE_CHECKING:
    from tests.agent.conftest import Coordinator

pytestmark = pytest.mark.integration


@pytest.fixture
async def broker() -> AsyncIterator[EmbeddedBroker]:
    made = EmbeddedBroker(lambda _user, _password: True)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def folder(coordinator: "Coordinator", options: Options) -> Path:
    enrolled(coordinator, options)
    return options.state_dir


StartAgent = Callable[[Path], Awaitable[Process]]


@pytest.fixture
async def start(broker: EmbeddedBroker) -> AsyncIterator[StartAgent]:
    """Start the agent of a folder; it does not outlive the test."""
    program = "from edgeproof.agent.commands import app; app(['run'])"
    started: list[Process] = []

    async def agent(folder: Path) -> Process:
        settings = {
            "EDGEPROOF_AGENT_STATE_DIR": str(folder),
            "EDGEPROOF_AGENT_BROKER": broker.url,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            program,
            env=os.environ | settings,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield agent
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def heard(connection: MqttConnection, kind: str) -> bytes:
    async with asyncio.timeout(60):
        async for envelope in connection:
            if envelope.topic.endswith(kind):
                return envelope.payload
    raise AssertionError(kind)


def children(process_id: int) -> list[int]:
    path = Path(f"/proc/{process_id}/task/{process_id}/children")
    return [int(child) for child in path.read_text().split()]


def exists(process_id: int) -> bool:
    return Path(f"/proc/{process_id}").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_cleanly(
    folder: Path, broker: EmbeddedBroker, start: StartAgent, number: signal.Signals
) -> None:
    async with MqttConnection(broker.url, Identity("coordinator")) as connection:
        await connection.subscribe("d/#")
        process = await start(folder)
        assert process.stderr is not None
        assert Status.decode(await heard(connection, "status")).online == 1
        below = children(process.pid)
        process.send_signal(number)
        assert Status.decode(await heard(connection, "status")).online == 2
        assert await asyncio.wait_for(process.wait(), 10) == 0
    logs = (await process.stderr.read()).decode()
    assert [json.loads(line)["event"] for line in logs.splitlines()][-1] == (
        "agent stopped"
    )
    secret = (folder / identity.KEY_FILE).read_text().strip()
    assert secret.removeprefix("0x") not in logs
    assert not any(map(exists, below))


async def test_its_last_will_speaks_for_a_killed_agent(
    folder: Path, broker: EmbeddedBroker, start: StartAgent
) -> None:
    async with MqttConnection(broker.url, Identity("coordinator")) as connection:
        await connection.subscribe("d/#")
        process = await start(folder)
        assert Status.decode(await heard(connection, "status")).online == 1
        process.kill()
        assert Status.decode(await heard(connection, "status")).online == 0
        await process.wait()


async def test_an_agent_that_is_not_enrolled_exits_at_once(
    tmp_path: Path, start: StartAgent
) -> None:
    process = await start(tmp_path)
    assert process.stderr is not None
    assert await asyncio.wait_for(process.wait(), 20) == 1
    assert "not enrolled" in (await process.stderr.read()).decode()
