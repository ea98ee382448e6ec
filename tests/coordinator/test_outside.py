"""The shells that fetch what comes from outside: what they wait for, and believe."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from edgeproof.audit import onchain, published
from edgeproof.chain.client import ChainClient
from edgeproof.chain.errors import ChainUnreachable
from edgeproof.coordinator import outside as shells
from edgeproof.coordinator.conductor import Conductor
from edgeproof.coordinator.founding import check_pace
from edgeproof.coordinator.intake import View
from edgeproof.coordinator.outside import (
    ChainSource,
    DrandSource,
    outside_source,
)
from edgeproof.coordinator.publisher import Publisher
from edgeproof.coordinator.reception import Reception
from edgeproof.coordinator.service import milliseconds
from edgeproof.coordinator.settings import Settings
from edgeproof.coordinator.sqlite_store import SqliteStore
from edgeproof.coordinator.store import Batch
from edgeproof.errors import EdgeproofError
from edgeproof.proofs import outside, timetable
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.outside import Block
from edgeproof.proofs.parameters import EntropySource, Parameters, demo
from edgeproof.simulator.epochs import SimulatedNetwork
from edgeproof.telemetry import topics
from edgeproof.telemetry.memory import MemoryBroker
from tests.chain import conftest as chain_fixtures

devchain = chain_fixtures.devchain

VECTOR = json.loads((Path(__file__).parents[1] / "vectors" / "drand.json").read_text())
RECORDED = {row["round"]: row for row in VECTOR["rounds"]}

AT: int = VECTOR["genesis"] + 2997
"""When quicknet made its round 1000."""

DRAND = outside.with_source(Parameters(genesis=AT), EntropySource.DRAND)
CHAIN = replace(
    outside.with_source(demo(1_700_000_000), EntropySource.CHAIN), confirmations=2
)


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shells, "POLL_S", 0.01)


class Relay(BaseHTTPRequestHandler):
    """Answers each path with what ``answers`` has for it; the last answer stays."""

    answers: dict[str, list[tuple[int, bytes]]]
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        answers = self.answers.get(self.path, [(404, b"")])
        status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_given: Any) -> None:
        """Say nothing."""


@contextmanager
def relay(*answers: tuple[int, bytes], path: str = "/x/public/1000") -> Iterator[Any]:
    class Handler(Relay):
        pass

    Handler.answers, Handler.asked = {path: list(answers)}, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Handler.url = f"http://127.0.0.1:{server.server_port}/x/"  # type: ignore[attr-defined] # what a test needs
    try:
        yield Handler
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer(number: int, **changes: object) -> tuple[int, bytes]:
    return 200, json.dumps({**RECORDED[number], **changes}).encode()


async def ask(source: DrandSource, seconds: float = 20) -> bytes:
    async with asyncio.timeout(seconds):
        return await source.of(0)


def now() -> int:
    return 1000 * AT


async def test_the_round_of_a_slot_is_fetched_and_verified() -> None:
    with relay(answer(1000)) as one:
        found = await ask(DrandSource(DRAND, [one.url], now))
    assert found == bytes.fromhex(RECORDED[1000]["signature"])
    assert one.asked == ["/x/public/1000"]
    assert outside.well_formed(DRAND, found)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param((404, b""), id="not-there-yet"),
        pytest.param((500, b"{}"), id="broken"),
        pytest.param((302, b""), id="a-redirection"),
        pytest.param((200, b"<html>"), id="no-json"),
        pytest.param((200, b"[1]"), id="no-object"),
        pytest.param((200, b'{"signature": 5}'), id="no-signature"),
        pytest.param((200, b'{"a":"' + b"x" * 9000 + b'"}'), id="too-long"),
        pytest.param(answer(1000, signature="00"), id="cut-short"),
        pytest.param(answer(256), id="another-round"),
        pytest.param(answer(1000, signature="b4" * 48), id="a-forgery"),
    ],
)
async def test_what_is_not_the_round_is_asked_for_again_elsewhere(
    bad: tuple[int, bytes],
) -> None:
    with relay(bad) as first, relay(answer(1000)) as second:
        found = await ask(DrandSource(DRAND, [first.url, second.url], now))
        assert found == bytes.fromhex(RECORDED[1000]["signature"])
        assert first.asked == second.asked


async def test_relays_are_asked_in_turn_until_one_has_the_round() -> None:
    with relay((404, b""), answer(1000)) as one:
        urls = ["http://127.0.0.1:1/x", one.url]
        found = await ask(DrandSource(DRAND, urls, now))
        assert found == bytes.fromhex(RECORDED[1000]["signature"])
        assert len(one.asked) == 2


async def test_a_round_is_not_asked_for_before_its_time() -> None:
    times = iter([AT * 1000 - 300, AT * 1000 - 100])
    with relay(answer(1000)) as one:
        source = DrandSource(DRAND, [one.url], lambda: next(times, AT * 1000))
        asking = asyncio.create_task(ask(source))
        await asyncio.sleep(0.2)
        assert one.asked == []
        await asking


async def test_relays_that_never_have_it_are_asked_until_it_is_too_late() -> None:
    with relay((404, b"")) as one:
        with pytest.raises(TimeoutError):
            await ask(DrandSource(DRAND, [one.url], now), 0.5)
        assert len(one.asked) > 1


def test_a_drand_network_without_relays_does_not_start() -> None:
    with pytest.raises(EdgeproofError, match="no relay"):
        DrandSource(DRAND, [], now)


class Node:
    """A chain that grows by a block with each look at its newest one."""

    def __init__(self, *timestamps: int, seen: int = 1, grows: bool = True) -> None:
        self.chain = [
            Block(n, keccak(bytes([n])), stamp) for n, stamp in enumerate(timestamps)
        ]
        self.seen = seen
        self.grows = grows
        self.fails = 0

    def block(self, number: int | None = None) -> Block | None:
        if self.fails:
            self.fails -= 1
            msg = "no answer"
            raise ChainUnreachable(msg)
        if number is None:
            head = self.chain[self.seen - 1]
            self.seen = min(self.seen + self.grows, len(self.chain))
            return head
        return self.chain[number] if number < self.seen else None


async def first_block(node: Node, network: Parameters = CHAIN) -> bytes:
    async with asyncio.timeout(10):
        return await ChainSource(node, network).of(3)


START = timetable.slot_start(CHAIN, 3) // 1000


@pytest.mark.parametrize("seen", [1, 6, 9])
async def test_the_first_block_of_a_slot_is_taken_once_it_is_deep(seen: int) -> None:
    node = Node(*(START + step for step in (-9, -2, -1, 1, 1, 4, 7, 8, 9)), seen=seen)
    assert await first_block(node) == node.chain[3].outside
    assert node.seen >= 6  # two blocks came after it


async def test_a_slot_may_have_its_block_at_its_very_start() -> None:
    node = Node(START - 1, START, START + 1, START + 2)
    assert await first_block(node) == node.chain[1].outside


async def test_without_confirmations_the_newest_block_is_taken() -> None:
    node = Node(START - 1, START + 1, grows=True)
    found = await first_block(node, replace(CHAIN, confirmations=0))
    assert found == node.chain[1].outside


async def test_a_chain_that_begins_in_the_slot_gives_its_first_block() -> None:
    node = Node(START + 1, START + 2, START + 3)
    assert await first_block(node) == node.chain[0].outside


async def test_a_node_out_of_reach_is_asked_again() -> None:
    node = Node(START - 1, START, START + 1, START + 2)
    node.fails = 3
    assert await first_block(node) == node.chain[1].outside


async def test_a_block_that_is_not_deep_is_waited_for() -> None:
    node = Node(START - 1, START, START + 1, seen=3, grows=False)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await ChainSource(node, CHAIN).of(3)


def settings(rpc: str) -> Settings:
    return Settings(rpc=rpc, embedded_broker=True, web_port=8080)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (EntropySource.NONE, type(None)),
        (EntropySource.CHAIN, ChainSource),
        (EntropySource.DRAND, DrandSource),
    ],
)
def test_the_network_says_which_source_it_has(
    source: EntropySource, kind: type
) -> None:
    network = outside.with_source(Parameters(genesis=2**31), source)
    description = replace(SimulatedNetwork(count=1).description, parameters=network)
    made = outside_source(description, settings("http://127.0.0.1:1"), now)
    assert isinstance(made, kind)


@pytest.mark.parametrize(
    ("step", "refused"), [(1, False), (2, False), (12, True), (3, True)]
)
def test_a_chain_that_is_too_slow_is_refused_at_the_founding(
    step: int, *, refused: bool
) -> None:
    network = outside.with_source(Parameters(genesis=2**31), EntropySource.CHAIN)
    node = Node(*range(0, 40 * step, step), seen=40, grows=False)
    check_pace(node, Parameters(genesis=2**31))
    if not refused:
        check_pace(node, network)
        return
    with pytest.raises(EdgeproofError, match=f"takes {step}.0 s") as caught:
        check_pace(node, network)
    assert "drand" in caught.value.hint


class Auditor(ChainClient):
    """What an auditor asks of a chain, but for the contract."""

    distributor = bytes(20)

    def posted_root(self, epoch: int) -> None:
        del epoch


@pytest.mark.integration
async def test_slots_take_their_blocks_from_a_living_chain(
    devchain: str, store: SqliteStore
) -> None:
    client = Auditor(devchain)
    start = outside.with_source(demo(int(time.time()) + 2), EntropySource.CHAIN)
    network = SimulatedNetwork(count=1, parameters=replace(start, entropy_ms=1900))
    network.description = replace(network.description, chain_id=client.chain_id)
    store.add(Batch(-1, enrolments=list(network.enrolments())))

    async def mine() -> None:
        while True:
            await asyncio.to_thread(client.fund, b"\x11" * 20)
            await asyncio.sleep(1)

    broker = MemoryBroker()
    view = View(network.description)
    async with broker.connect(topics.COORDINATOR) as connection:
        publisher = Publisher(connection, network.description, network.coordinator)
        ended = asyncio.Event()

        async def after(slot: int) -> None:
            if slot == 3:
                ended.set()

        conductor = Conductor(
            store,
            view,
            network.beacons,
            publisher,
            Reception(connection, store, view, publisher, milliseconds),
            clock=milliseconds,
            after_slot=after,
            source=ChainSource(client, network.parameters),
        )
        conductor.resume()
        mining = asyncio.create_task(mine())
        conducting = asyncio.create_task(conductor.run())
        async with asyncio.timeout(30):
            await ended.wait()
        mining.cancel()
        conducting.cancel()
    record = store.record(network.description, 0, 4)
    assert len(record.entropies) >= 3  # a busy machine may miss one
    published.check(record)
    assert onchain.check_blocks(record, client) == len(record.entropies)


@pytest.mark.integration
async def test_a_real_node_gives_its_blocks(devchain: str) -> None:
    client = ChainClient(devchain)
    client.fund(b"\x11" * 20)
    head = client.block()
    assert head is not None
    assert client.block(head.number) == head
    assert head.hash == client.block_hash(head.number)
    assert client.block(head.number + 5) is None
    network = outside.with_source(demo(head.timestamp), EntropySource.CHAIN)
    assert await ChainSource(client, network).of(0) == head.outside
