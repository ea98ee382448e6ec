"""Each proof is verified once, wherever its verdict is asked for."""

import multiprocessing
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import fields, replace
from pathlib import Path

import pytest

from edgeproof.audit.replay import replay
from edgeproof.audit.rounds import ProofCase, verify_proof
from edgeproof.audit.schedule import Schedule
from edgeproof.coordinator import verification
from edgeproof.coordinator.carried import GENESIS
from edgeproof.coordinator.sqlite_store import SqliteStore
from edgeproof.coordinator.verification import ProofDesk, case_id
from edgeproof.proofs import challenge, timetable
from edgeproof.proofs.parameters import Bucket
from edgeproof.proofs.reasons import Reason
from edgeproof.simulator.epochs import SimulatedNetwork, judge_stand_ins
from tests.coordinator.conftest import NETWORK, OUTCOME, RECORD

CLOSE = 20
CASE = ProofCase(Bucket.HASH, b"\x01" * 32, 8, bytes(8), b"", b"", 64)


class Counter:
    """Verifies in this process, and remembers what it was given."""

    def __init__(self) -> None:
        self.seen: list[ProofCase] = []

    def __call__(self, case: ProofCase) -> tuple[Reason, int]:
        self.seen.append(case)
        return judge_stand_ins(case), 1


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    counting = Counter()
    monkeypatch.setattr(verification, "timed", counting)
    monkeypatch.setattr(
        verification, "ProcessPoolExecutor", lambda *_, **__: ThreadPoolExecutor(2)
    )
    return counting


@pytest.fixture
async def desk(store: SqliteStore, counter: Counter) -> AsyncIterator[ProofDesk]:
    assert counter.seen == []
    async with ProofDesk(store) as opened:
        yield opened


async def test_a_proof_is_verified_once(desk: ProofDesk, counter: Counter) -> None:
    early = await desk.verdicts(RECORD, 12)
    before = len(counter.seen)
    assert before
    assert await desk.verdicts(RECORD, 12) == early
    assert len(counter.seen) == before
    assert sorted(await desk.verdicts(RECORD, CLOSE)) == list(OUTCOME.verdicts)
    assert set(early) <= set(OUTCOME.verdicts)
    assert len({case_id(case) for case in counter.seen}) == len(counter.seen)
    assert desk.load.waiting == 0


async def test_of_a_share_the_others_are_never_queued(
    desk: ProofDesk, counter: Counter
) -> None:
    parameters = replace(
        NETWORK.parameters,
        slots_per_epoch=120,
        round_one_in=1,
        verified_share=2_500,
        record_epochs=3,
    )
    network = SimulatedNetwork(count=1, name="b", parameters=parameters)
    (device,) = (each.key.address for each in network.devices)
    carried = replace(GENESIS, records={device: 3})
    record = network.epoch(carried=carried)
    close = timetable.close_of(parameters, 0)

    def asked() -> int:
        return sum(case.bucket is Bucket.COMPUTE for case in counter.seen)

    schedule = Schedule.of(record)
    places = [p for p in schedule.decided() if p.bucket is Bucket.COMPUTE]
    drawn = {
        number
        for number, place in enumerate(places)
        if (draw := place.parts[-1].draw) is not None
        and challenge.share_draw(schedule.entropies[draw], device) < 2_500
    }
    last = max(n for n, p in enumerate(places) if p.opened < 120)
    assert last not in drawn
    for slot in (*range(10, close, 10), close - 1):
        await desk.verdicts(record, slot)
    # Nothing was proven before the first one; the last one is not known yet.
    assert asked() == len({0} | drawn)
    found = await desk.verdicts(record, close)
    assert asked() == len({0, last} | drawn)
    assert asked() < len(places) / 2
    seen = len(counter.seen)
    assert replay(record, desk.verifier()).verdicts == tuple(sorted(found))
    assert len(counter.seen) == seen


async def test_the_close_verifies_nothing_anew(
    desk: ProofDesk, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.verdicts(RECORD, CLOSE)
    seen = len(counter.seen)

    def surprised(case: ProofCase) -> Reason:
        pytest.fail(f"not verified before: {case}")

    monkeypatch.setattr(verification, "verify_proof", surprised)
    assert replay(RECORD, desk.verifier()) == OUTCOME
    assert len(counter.seen) == seen


@pytest.mark.parametrize("forgets", [True, False], ids=["forgets", "is another one"])
async def test_verdicts_survive_in_the_store(
    desk: ProofDesk, store: SqliteStore, counter: Counter, *, forgets: bool
) -> None:
    before = await desk.verdicts(RECORD, CLOSE)
    seen = len(counter.seen)
    desk.forget()
    async with ProofDesk(store) as other:
        again = desk if forgets else other
        assert await again.verdicts(RECORD, CLOSE) == before
    assert len(counter.seen) == seen


async def test_a_failed_verification_is_not_a_verdict(
    desk: ProofDesk, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_case: ProofCase) -> tuple[Reason, int]:
        raise MemoryError

    monkeypatch.setattr(verification, "timed", broken)
    with pytest.raises(MemoryError):
        await desk.verdicts(RECORD, CLOSE)
    assert desk.load.waiting == 0
    monkeypatch.setattr(verification, "timed", counter)
    assert sorted(await desk.verdicts(RECORD, CLOSE)) == list(OUTCOME.verdicts)


async def test_proofs_are_handed_out_in_batches_that_are_kept_one_by_one(
    desk: ProofDesk,
    store: SqliteStore,
    counter: Counter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue: list[tuple[int, int]] = []

    def keep(verdicts: dict[bytes, tuple[Reason, int]]) -> None:
        queue.append((desk.load.waiting, len(verdicts)))
        honest(verdicts)

    honest = store.keep_proofs
    monkeypatch.setattr(store, "keep_proofs", keep)
    desk._load = replace(desk.load, at_a_time=2)
    await desk.verdicts(RECORD, CLOSE)
    seen = len(counter.seen)
    assert seen > 4
    assert all(size <= 2 for _, size in queue)
    assert sum(size for _, size in queue) == seen
    assert any(waiting > 2 for waiting, _ in queue)
    assert desk.load == replace(desk.load, waiting=0, verified=seen, micros=seen)


async def test_a_killed_process_is_replaced_and_costs_no_verdict(
    desk: ProofDesk, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = 2

    def dying(case: ProofCase) -> tuple[Reason, int]:
        nonlocal deaths
        if deaths:
            deaths -= 1
            raise BrokenProcessPool
        return counter(case)

    monkeypatch.setattr(verification, "timed", dying)
    desk._load = replace(desk.load, at_a_time=1)
    assert sorted(await desk.verdicts(RECORD, CLOSE)) == list(OUTCOME.verdicts)
    assert deaths == 0


def test_a_verifier_that_knows_nothing_verifies(
    store: SqliteStore, counter: Counter
) -> None:
    assert ProofDesk(store).verifier()(CASE) == verify_proof(CASE) == Reason.BAD_NONCE
    assert counter.seen == []


@pytest.mark.parametrize(
    "changed",
    [
        replace(CASE, bucket=Bucket.COMPUTE),
        replace(CASE, seed=b"\x02" * 32),
        replace(CASE, size=9),
        replace(CASE, items=bytes(16)),
        replace(CASE, draw=bytes(32)),
        replace(CASE, opening=b"\x00"),
        replace(CASE, opened=63),
        replace(CASE, fill_seed=bytes(32)),
        replace(CASE, permutations=2),
        replace(CASE, draw=CASE.seed, seed=CASE.draw),
        replace(CASE, items=b"", opening=CASE.items),
    ],
)
def test_whatever_changes_a_verdict_changes_the_name_of_the_case(
    changed: ProofCase,
) -> None:
    assert case_id(changed) != case_id(CASE)


def test_every_field_of_a_case_is_in_its_name() -> None:
    # If one is added, the parts of the name and the table above grow with it.
    assert len(fields(ProofCase)) == 9


@pytest.mark.integration
async def test_proofs_are_verified_in_a_process_that_ends_with_the_desk(
    tmp_path: Path,
) -> None:
    store = SqliteStore(tmp_path / "real.db")
    hashes_only = replace(RECORD, openings=())
    async with ProofDesk(store) as desk:
        children = multiprocessing.active_children()
        assert len(children) == 1
        found = await desk.verdicts(hashes_only, CLOSE)
    assert not children[0].is_alive()
    hashes = {v for v in OUTCOME.verdicts if v.bucket is Bucket.HASH}
    assert {v for v in found if v.bucket is Bucket.HASH} == hashes
    costs = list(store._db.query("select micros from proof"))
    assert costs
    assert all(row["micros"] > 0 for row in costs)
    store.close()
