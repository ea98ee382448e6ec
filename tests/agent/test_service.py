"""The whole agent, its prover included, against a coordinator over a memory broker."""

import asyncio
import sqlite3
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from edgeproof.agent import outbox, pause, state
from edgeproof.agent.options import Options
from edgeproof.agent.outbox import OUTBOX_FILE, Outbox
from edgeproof.agent.sensors import Sampler
from edgeproof.agent.service import AgentService
from edgeproof.agent.store import Store
from edgeproof.proofs import (
    challenge,
    matmul,
    memory,
    proof_of_work,
    timetable,
    uptime,
)
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.parameters import Phase
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry import signing
from edgeproof.telemetry.broker import Connection, Will
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.memory import MemoryBroker
from edgeproof.telemetry.messages import Commitment
from edgeproof.telemetry.signing import Key

if TYPE_CHECKING:
    from tests.agent.conftest import Coordinator

pytestmark = pytest.mark.integration


async def live(
    coordinator: "Coordinator",
    options: Options,
    device: Key,
    slots: int,
    *,
    sampler: Sampler | None = None,
) -> None:
    """Run an agent and, once it has warmed up, its network for ``slots`` slots."""
    broker = MemoryBroker()

    def connect(
        will: Will,
        on_connect: Callable[[], None],
        _on_disconnect: Callable[[str], None],
    ) -> Connection:
        on_connect()
        return broker.connect(to_hex(device.address), will=will)

    service = AgentService(
        options,
        coordinator.description,
        device,
        connect=connect,
        sampler=sampler or Sampler(lambda: {"cpu": 1}),
    )
    stop = asyncio.Event()
    async with broker.connect("coordinator") as connection:
        listening = asyncio.create_task(coordinator.listen(connection))
        running = asyncio.create_task(service.run(stop))
        async with asyncio.timeout(60):
            await service.ready.wait()
        await coordinator.run(connection, slots)
        stop.set()
        await asyncio.wait_for(running, 10)
        await asyncio.sleep(0.1)
        listening.cancel()


async def test_a_device_beats_seals_proves_and_opens(
    coordinator: "Coordinator", options: Options, device: Key
) -> None:
    await live(coordinator, options, device, 5)

    heard = coordinator.heard
    beats = [message for _, message in heard["heartbeat"]]
    assert [beat.slot for beat in beats] == [0, 1, 2, 3, 4]
    assert all(slot == beat.slot for slot, beat in heard["heartbeat"])
    for before, after in pairwise(beats):
        assert after.previous == keccak(before.encode())
    claimed = uptime.accepted(
        (uptime.bits(seal.slots) for _, seal in heard["seal"]), (1 << 6) - 1
    )
    assert claimed == 0b11111
    assert heard["seal"][-1][1].head == keccak(beats[-1].encode())
    assert len(heard["telemetry"]) >= 5
    assert [message.online for _, message in heard["status"]] == [1, 2]

    verify_round(coordinator, device, 0)


def verify_round(coordinator: "Coordinator", device: Key, opened: int) -> None:
    """Check the round at slot ``opened`` as the audit would."""
    domain = coordinator.description.domain
    entropy = coordinator.entropy(opened).value

    def committed(phase: Phase) -> list[Commitment]:
        messages = [
            message
            for slot, message in coordinator.heard["commitment"]
            if message.phase == phase and message.round == opened
        ]
        assert [message.sequence for message in messages] == list(range(len(messages)))
        for before, after in pairwise(messages):
            assert after.previous == before.digest(domain)
        return messages

    def seed(tag: bytes, phase: Phase) -> bytes:
        value = coordinator.phase_value(opened, phase)
        return challenge.card_seed(tag, entropy, value, device.address, 0)

    products = committed(Phase.MATMUL)
    payload = b"".join(message.payload for message in products)
    roots = [payload[at : at + 32] for at in range(0, len(payload), 32)]
    openings = [
        o
        for _, o in coordinator.heard["opening"]
        if (o.round, o.phase) == (opened, Phase.MATMUL)
    ]
    assert len(openings) == 1
    last = products[-1].digest(domain)
    assert openings[0].commitment == last
    draw = challenge.draw(last, coordinator.entropy(opened + 2).value)
    verdict = matmul.verify(
        seed(challenge.MATMUL, Phase.MATMUL),
        products[0].size,
        roots,
        draw,
        openings[0].payload,
        coordinator.parameters.opened_tiles,
    )
    assert verdict == 0

    searches = committed(Phase.POW)
    assert {message.size for message in searches} == {8}
    nonces = b"".join(message.payload for message in searches)
    verdict = proof_of_work.verify(seed(challenge.POW, Phase.POW), 8, nonces)
    assert verdict == 0


async def test_a_device_fills_memory_and_walks_over_it_twice(
    coordinator: "Coordinator", options: Options, device: Key
) -> None:
    # Nearly all of a slot is for the walks, so that they end in time on any machine.
    phases = replace(coordinator.parameters, phase_ms=(100, 300, 50, 300, 50))
    coordinator = replace(coordinator, parameters=phases)
    patient = replace(options, prover_linger_s=10, commit_margin_ms=50)
    await live(coordinator, patient, device, 8)
    assert any(proves_memory(coordinator, device, opened) for opened in range(6))


def proves_memory(coordinator: "Coordinator", device: Key, opened: int) -> bool:
    """Return whether both walks of a round hold, as the audit would judge them."""
    network, domain = coordinator.parameters, coordinator.description.domain
    entropy = coordinator.entropy(opened).value

    def seed(phase: Phase) -> bytes:
        value, tag = coordinator.phase_value(opened, phase), challenge.DOMAINS[phase]
        return challenge.card_seed(tag, entropy, value, device.address, 0)

    reasons = []
    for phase in (Phase.WALK, Phase.SECOND_WALK):
        said = [m for _, m in coordinator.heard["commitment"] if m.phase == phase]
        answers = [o for _, o in coordinator.heard["opening"] if o.phase == phase]
        last = timetable.commit_slot(network, opened, phase)
        reasons += [
            memory.verify(
                seed(Phase.FILL),
                seed(phase),
                walk.size,
                walk.payload,
                challenge.draw(
                    walk.digest(domain), coordinator.entropy(last + 2).value
                ),
                answer.payload,
                network.fill_permutations,
                network.opened_lanes,
            )
            for walk in said
            for answer in answers
            if (walk.round, answer.commitment) == (opened, walk.digest(domain))
        ]
    assert not any(reasons)
    return len(reasons) == 2


async def test_what_is_not_acknowledged_is_sent_again(
    coordinator: "Coordinator", options: Options, device: Key
) -> None:
    coordinator.acknowledges = False
    await live(coordinator, options, device, 3)
    seal = next(message for _, message in coordinator.heard["seal"])
    again = signing.sign(seal, coordinator.description.domain, device).encode()
    assert coordinator.copies[keccak(again)] >= 2
    outbox = Outbox(options.state_dir / OUTBOX_FILE, limit_bytes=1 << 20)
    assert len(outbox) > 0
    outbox.close()


async def test_a_sensor_that_hangs_delays_no_beat(
    coordinator: "Coordinator", options: Options, device: Key
) -> None:
    forever = threading.Event()
    sampler = Sampler(lambda: {"waited": forever.wait(60)}, timeout=0.2)
    await live(coordinator, options, device, 3, sampler=sampler)
    forever.set()
    assert [beat.slot for _, beat in coordinator.heard["heartbeat"]] == [0, 1, 2]
    assert coordinator.heard["telemetry"] == []


async def test_a_prover_that_cannot_start_costs_no_uptime(
    coordinator: "Coordinator", options: Options, device: Key
) -> None:
    broken = replace(
        options, prover_command=(sys.executable, "-c", "raise SystemExit(3)")
    )
    await live(coordinator, broken, device, 3)
    assert [beat.slot for _, beat in coordinator.heard["heartbeat"]] == [0, 1, 2]
    assert coordinator.heard["commitment"] == []


async def test_a_full_disk_costs_neither_uptime_nor_proofs(
    coordinator: "Coordinator",
    options: Options,
    device: Key,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stores: list[Store] = []

    class Small(Store):
        """A store whose disk has no page left."""

        def __init__(self, disk: sqlite3.Connection, *given: Any, **more: Any) -> None:
            super().__init__(disk, *given, **more)
            # One page less than it has is as much as it has.
            disk.execute("pragma max_page_count = 1")
            stores.append(self)

    coordinator.acknowledges = False  # so that the outbox grows
    monkeypatch.setattr(outbox, "Store", Small)
    monkeypatch.setattr(state, "Store", Small)
    marker = options.state_dir / state.DISK_FULL_FILE
    running = asyncio.create_task(live(coordinator, options, device, 5))
    async with asyncio.timeout(60):
        while not marker.exists():  # noqa: ASYNC110 - a file tells
            await asyncio.sleep(0.01)
    await running
    assert [beat.slot for _, beat in coordinator.heard["heartbeat"]] == [0, 1, 2, 3, 4]
    assert coordinator.heard["commitment"]
    assert any(store.full for store in stores)

    # With room again, what waits is on the disk, and the journal tells why.
    for name in ("outbox", "state"):
        monkeypatch.setattr({"outbox": outbox, "state": state}[name], "Store", Store)
    await live(coordinator, options, device, 1)
    assert not marker.exists()


async def test_a_pause_amid_a_round_is_told_and_uptime_goes_on(
    coordinator: "Coordinator", options: Options, device: Key
) -> None:
    phases = replace(
        coordinator.parameters, slot_ms=3000, phase_ms=(50, 50, 2500, 50, 50)
    )
    coordinator = replace(coordinator, parameters=phases)
    options = replace(options, prover_memory_share=0.0)
    running = asyncio.create_task(live(coordinator, options, device, 3))
    async with asyncio.timeout(60):
        while not coordinator.heard["commitment"]:  # noqa: ASYNC110 - a list tells
            await asyncio.sleep(0.01)
    pause.pause(options.state_dir)
    await running
    assert [beat.slot for _, beat in coordinator.heard["heartbeat"]] == [0, 1, 2]
    skips = [(skip.round, skip.phase) for _, skip in coordinator.heard["skip"]]
    first = skips[0][0]
    assert skips[0] == (first, Phase.MATMUL)
    assert {skip.reason for _, skip in coordinator.heard["skip"]} == {
        Reason.SKIPPED_PAUSED
    }
    assert max(m.round for _, m in coordinator.heard["commitment"]) == first
    known = state.State(options.state_dir, read_only=True)
    ends = known.get("ends")
    known.close()
    assert ends[-1]["reason"]["name"] == "SKIPPED_PAUSED"
