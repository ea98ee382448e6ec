"""A store that heard one or two simulated epochs, with a cheater in the first."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edgeproof.audit import attendance
from edgeproof.audit.bundle import attest, write_bundle
from edgeproof.audit.model import Arrived, EpochRecord, Outcome
from edgeproof.audit.register import Register
from edgeproof.audit.replay import replay
from edgeproof.coordinator.sqlite_store import SqliteStore
from edgeproof.coordinator.store import Batch, Kept
from edgeproof.proofs import timetable
from edgeproof.simulator.epochs import Behaviour, SimulatedNetwork, judge_stand_ins
from edgeproof.telemetry import samples
from edgeproof.telemetry.messages import Commitment, Opening, Seal, Skip, Telemetry

NETWORK = SimulatedNetwork(count=3)
CHEATER = 2
RECORD = NETWORK.epoch(behaviours={CHEATER: Behaviour(garbage=True)})
OUTCOME = replay(RECORD, judge_stand_ins)

VOID = 24
"""A slot of epoch 1 for which the network published no intake root."""
A_READING = samples.pack([{"a": "<b>hi</b>"}])
MISSED = range(20, 23)
"""Slots of epoch 1 in which device 0 is silent."""


@dataclass(frozen=True, slots=True)
class Closed:
    """A store after epoch 0, its bundles, and what went into them."""

    path: Path
    store: SqliteStore
    bundles: Path
    record: EpochRecord
    outcome: Outcome
    data_hash: bytes


def kept(record: EpochRecord) -> dict[int, list[Kept]]:
    """Return the messages of a record by the slot in which they arrived."""
    slots: dict[int, list[Kept]] = {}
    rows: list[tuple[str, tuple[Arrived[Seal | Commitment | Opening | Skip], ...]]] = [
        ("seal", record.seals),  # type: ignore[list-item] # a tuple of one of the four
        ("commitment", record.commitments),  # type: ignore[list-item] # likewise
        ("opening", record.openings),  # type: ignore[list-item] # likewise
        ("skip", record.skips),  # type: ignore[list-item] # likewise
    ]
    domain = record.description.domain
    for kind, arrived in rows:
        for row in arrived:
            message = row.signed.message
            one = Kept(
                message.digest(domain), kind, message.device, row.signed.encode()
            )
            slots.setdefault(row.slot, []).append(one)
    return slots


def fill(store: SqliteStore, record: EpochRecord) -> None:
    """Do to ``store`` what the coordinator does while it hears ``record``."""
    store.add(Batch(-1, enrolments=list(record.enrolments)))
    by_slot = kept(record)
    entropies = {each.message.slot: each for each in record.entropies}
    first = timetable.first_slot(record.description.parameters, record.epoch)
    devices = list(Register(record.enrolments).roster(first))
    heard = {each.signed.message.slot: each for each in record.intake}
    for beacon in record.beacons:
        slot = beacon.message.slot
        store.open_slot(slot, beacon, entropies[slot])
        there = heard[slot].heard if slot in heard else b""
        bits = int.from_bytes(there, "little")
        beats = [(slot, d) for i, d in enumerate(devices) if bits >> i & 1]
        store.add(Batch(slot, beats=beats, messages=by_slot.get(slot, [])))
    for phase in record.phases:
        store.open_phase(phase)
    for slot, each in sorted(heard.items()):
        store.seal_slot(slot, each.heard, each.signed.encode())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "coordinator.db")
    yield opened
    opened.close()


@pytest.fixture
def closed(tmp_path: Path, store: SqliteStore) -> Closed:
    fill(store, RECORD)
    reading = Telemetry(
        NETWORK.devices[0].key.address, bytes(16), 1, 5, bytes(16), A_READING
    )
    store.add(Batch(1, telemetry=[reading]))
    bundles = tmp_path / "bundles"
    data_hash = write_bundle(bundles / "0", RECORD, OUTCOME)
    root, signatures = NETWORK.attestation(RECORD, OUTCOME, data_hash)
    attest(bundles / "0", root, signatures)
    outcome = replace(
        OUTCOME, carried=replace(OUTCOME.carried, previous_bundle=data_hash)
    )
    missing = attendance.missing(RECORD, outcome, {})
    store.close_epoch(0, outcome, data_hash, "waiting", missing)
    store.keep_posting(0, "finalised", "0x" + "ab" * 32)
    path = tmp_path / "coordinator.db"
    return Closed(path, store, bundles, RECORD, outcome, data_hash)


@pytest.fixture
def two_epochs(closed: Closed) -> Closed:
    """Hear and close epoch 1 too; its root waits to be posted."""
    first = NETWORK.parameters.slots_per_epoch
    absent = frozenset(slot - first for slot in MISSED)
    whole = NETWORK.epoch(1, {0: Behaviour(absent=absent)}, closed.outcome.carried)
    heard = tuple(h for h in whole.intake if h.signed.message.slot != VOID)
    record = replace(whole, intake=heard)
    fill(closed.store, record)
    outcome = replay(record, judge_stand_ins)
    data_hash = write_bundle(closed.bundles / "1", record, outcome)
    missing = attendance.missing(record, outcome, {})
    closed.store.close_epoch(1, outcome, data_hash, "waiting", missing)
    return replace(closed, record=record, outcome=outcome, data_hash=data_hash)
