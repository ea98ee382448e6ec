"""Epochs close in order, once, and alike however often they are interrupted."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from edgeproof.audit.attestation import ATTESTATION, Attestation
from edgeproof.audit.bundle import read_bundle
from edgeproof.audit.model import EpochRecord, Outcome
from edgeproof.audit.replay import replay
from edgeproof.coordinator import verification
from edgeproof.coordinator.closing import NOTHING, WAITING, Closer
from edgeproof.coordinator.publisher import Publisher
from edgeproof.coordinator.sqlite_store import SqliteStore
from edgeproof.coordinator.store import Batch
from edgeproof.coordinator.verification import ProofDesk
from edgeproof.proofs import timetable, uptime
from edgeproof.proofs.parameters import Bucket
from edgeproof.proofs.reasons import Reason
from edgeproof.simulator.epochs import judge_stand_ins
from edgeproof.telemetry import signing, topics
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.memory import MemoryBroker
from edgeproof.telemetry.message import decode_signed
from edgeproof.telemetry.messages import Statement
from tests.coordinator.conftest import CHEATER, NETWORK, OUTCOME, RECORD, fill

CLOSE = timetable.close_of(NETWORK.parameters, 0)
EPOCH = NETWORK.parameters.slots_per_epoch


class Slots(asyncio.Queue[int]):
    """Says when whoever reads it has nothing left to do."""

    def __init__(self) -> None:
        super().__init__()
        self.idle = asyncio.Event()

    async def get(self) -> int:
        if self.empty():
            self.idle.set()
        return await super().get()


@dataclass
class Office:
    """A closer over a broker in this process, and what devices are told."""

    store: SqliteStore
    desk: ProofDesk
    bundles: Path
    description: Description = NETWORK.description
    broker: MemoryBroker = field(default_factory=MemoryBroker)

    def closer(self) -> Closer:
        connection = self.broker.connect(topics.COORDINATOR)
        publisher = Publisher(connection, self.description, NETWORK.coordinator)
        return Closer(
            self.store,
            self.desk,
            publisher,
            self.description,
            attestor=NETWORK.attestors[0],
            bundles=self.bundles,
        )

    async def after(self, *slots: int) -> None:
        """Run a new closer, as after a restart, until it has dealt with ``slots``."""
        closer = self.closer()
        waiting = closer._slots = Slots()
        for slot in slots:
            await closer.after_slot(slot)
        serving = asyncio.create_task(closer.run())
        idle = asyncio.create_task(waiting.idle.wait())
        await asyncio.wait(
            {serving, idle}, timeout=20, return_when=asyncio.FIRST_COMPLETED
        )
        assert idle.done() or serving.done()
        idle.cancel()
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving

    def files(self, epoch: int) -> dict[str, bytes]:
        folder = self.bundles / str(epoch)
        return {each.name: each.read_bytes() for each in folder.iterdir()}


@pytest.fixture
async def office(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Office]:
    monkeypatch.setattr(verification, "timed", lambda case: (judge_stand_ins(case), 1))
    monkeypatch.setattr(
        verification, "ProcessPoolExecutor", lambda *_, **__: ThreadPoolExecutor(1)
    )
    bundles = tmp_path / "published"
    bundles.mkdir()
    async with ProofDesk(store) as desk:
        yield Office(store, desk, bundles)


async def test_each_device_is_told_why_a_slot_is_missing(office: Office) -> None:
    address = RECORD.seals[0].signed.message.device
    name = to_hex(address)
    others = [s for s in RECORD.seals if s.signed.message.device != address]
    quiet = replace(RECORD, seals=tuple(others))
    fill(office.store, quiet)
    async with office.broker.connect(name) as device:
        await device.subscribe(topics.downlink(name, "statement"))
        await office.after(CLOSE - 1)
        statement = decode_signed(Statement, (await anext(aiter(device))).payload)
    assert statement.message.slots == uptime.bitmap(0, EPOCH)
    assert set(statement.message.missing) == {Reason.UNSEALED}
    assert len(statement.message.missing) == EPOCH


async def test_an_epoch_closes_as_its_replay_says(office: Office) -> None:
    fill(office.store, RECORD)
    await office.after(CLOSE - 1)
    found = read_bundle(office.bundles / "0")
    assert found.outcome == OUTCOME
    assert replay(found.record, judge_stand_ins) == OUTCOME
    assert office.store.last_epoch() == 0
    carried = office.store.carried(1)
    assert carried.previous_bundle == found.manifest.data_hash
    assert replace(carried, previous_bundle=b"") == OUTCOME.carried
    assert found.attestation is not None
    assert found.attestation.root.root == OUTCOME.root
    assert list(found.attestation.signatures) == [NETWORK.attestors[0].address]
    assert office.store.postings() == {0: (WAITING, "")}


async def test_nothing_closes_before_its_time(office: Office) -> None:
    fill(office.store, RECORD)
    closer = office.closer()
    await closer._judge(CLOSE - 2)
    await office.after(CLOSE - 2)
    assert office.store.last_epoch() == -1
    assert list(office.bundles.iterdir()) == []
    shown = list(office.store._db.query("select * from verdict"))
    assert shown
    await office.after(CLOSE - 1)
    final = list(office.store._db.query("select * from verdict"))
    assert [row for row in shown if row not in final] == []
    assert len(final) == len(OUTCOME.verdicts)


async def test_after_a_long_outage_all_epochs_close_in_order(office: Office) -> None:
    fill(office.store, RECORD)
    await office.after(CLOSE + 2 * EPOCH)
    assert office.store.last_epoch() == 2
    folders = [read_bundle(office.bundles / str(number)) for number in range(3)]
    hashes = [bytes(32), *(found.manifest.data_hash for found in folders)]
    assert [found.manifest.previous for found in folders] == hashes[:3]
    for found in folders[1:]:
        assert found.outcome.unallocated == found.outcome.budget
        assert found.outcome.root == OUTCOME.root
    # A root that raises no balance is not worth a transaction.
    states = [state for state, _ in office.store.postings().values()]
    assert states == [WAITING, NOTHING, NOTHING]


Crash = Callable[[pytest.MonkeyPatch, Office], None]


def before_the_bundle(patch: pytest.MonkeyPatch, _office: Office) -> None:
    patch.setattr("edgeproof.audit.bundle.write_bundle", _stop)


def before_the_attestation(patch: pytest.MonkeyPatch, _office: Office) -> None:
    patch.setattr("edgeproof.audit.bundle.attest", _stop)


def before_the_store(patch: pytest.MonkeyPatch, office: Office) -> None:
    patch.setattr(office.store, "close_epoch", _stop)


def before_the_statements(patch: pytest.MonkeyPatch, _office: Office) -> None:
    patch.setattr(Publisher, "statements", _stop)


def _stop(*_: object, **__: object) -> None:
    msg = "killed here"
    raise RuntimeError(msg)


@pytest.mark.parametrize(
    "crash",
    [before_the_bundle, before_the_attestation, before_the_store],
)
async def test_a_crash_at_any_point_changes_no_byte(
    office: Office, tmp_path: Path, crash: Crash
) -> None:
    fill(office.store, RECORD)
    with pytest.MonkeyPatch.context() as patch:
        crash(patch, office)
        with pytest.raises(RuntimeError, match="killed here"):
            await office.after(CLOSE - 1)
    assert office.store.last_epoch() == -1
    await office.after(CLOSE)
    undisturbed = SqliteStore(tmp_path / "undisturbed.db")
    fill(undisturbed, RECORD)
    calm = replace(office, store=undisturbed, bundles=tmp_path / "calm")
    calm.bundles.mkdir()
    await calm.after(CLOSE - 1)
    assert office.files(0) == calm.files(0)
    assert office.store.carried(1) == undisturbed.carried(1)
    undisturbed.close()


async def test_an_epoch_that_is_closed_never_closes_again(office: Office) -> None:
    fill(office.store, RECORD)
    with pytest.MonkeyPatch.context() as patch:
        before_the_statements(patch, office)
        with pytest.raises(RuntimeError):
            await office.after(CLOSE - 1 + EPOCH)
    before = office.files(0)
    await office.after(CLOSE - 1 + EPOCH)
    assert office.files(0) == before
    assert office.store.last_epoch() == 1


async def test_only_the_last_root_of_a_group_is_signed_and_posted(
    office: Office,
) -> None:
    parameters = replace(NETWORK.parameters, epochs_per_root=2)
    office.description = replace(NETWORK.description, parameters=parameters)
    fill(office.store, RECORD)
    await office.after(CLOSE - 1 + EPOCH)
    assert ATTESTATION not in office.files(0)
    root = Attestation.decode(office.files(1)[ATTESTATION]).root
    assert (root.first_epoch, root.last_epoch) == (0, 1)
    assert root.cumulative_total == OUTCOME.cumulative_total
    states = [state for state, _ in office.store.postings().values()]
    assert states == [NOTHING, WAITING]


@pytest.mark.parametrize("index", [0, CHEATER], ids=["honest", "cheater"])
async def test_a_statement_says_what_the_payouts_say(
    office: Office, index: int
) -> None:
    fill(office.store, RECORD)
    device = NETWORK.devices[index].key.address
    topic = topics.downlink(to_hex(device), "statement")
    async with office.broker.connect("listener") as listener:
        await listener.subscribe(topic)
        await office.after(CLOSE - 1)
        async with asyncio.timeout(5):
            payload = (await anext(aiter(listener))).payload
    said = decode_signed(Statement, payload).message
    signing.check(
        decode_signed(Statement, payload),
        NETWORK.description.domain,
        NETWORK.coordinator.address,
    )
    assert said.device == device
    assert said.owner == NETWORK.devices[index].owner.address
    _agrees(said, RECORD, OUTCOME)


def _agrees(said: Statement, record: EpochRecord, outcome: Outcome) -> None:
    payouts = {p.bucket: p for p in outcome.payouts if p.device == said.device}
    (row,) = [row for row in outcome.attendance if row.device == said.device]
    assert said.epoch == record.epoch
    assert uptime.bits(said.slots) == row.slots
    assert said.counted == outcome.countable.bit_count()
    for bucket in Bucket:
        assert said.weights[bucket] == payouts[bucket].weight
        assert said.rewards[bucket] == payouts[bucket].reward
        assert said.reasons[bucket] == payouts[bucket].reason
    pairs = zip(said.difficulties[::2], said.difficulties[1::2], strict=True)
    assert dict(pairs) == {
        card: number
        for (owner, card), number in outcome.difficulties.items()
        if owner == said.device
    }


async def test_without_devices_an_epoch_closes_too(office: Office) -> None:
    office.store.add(Batch(0))
    await office.after(CLOSE - 1)
    found = read_bundle(office.bundles / "0")
    assert found.outcome.payouts == ()
    assert found.outcome.unallocated == found.outcome.budget
