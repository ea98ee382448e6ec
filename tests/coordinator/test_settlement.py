"""Roots reach the chain, and what the chain says is what is written down."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edgeproof.audit import attendance
from edgeproof.audit.attestation import ATTESTATION, Attestation
from edgeproof.chain.client import ChainClient
from edgeproof.coordinator import founding, keys, settlement
from edgeproof.coordinator.closing import NOTHING, WAITING
from edgeproof.coordinator.founding import Charter
from edgeproof.coordinator.settlement import FINALISED, POSTED, Settlement
from edgeproof.coordinator.sqlite_store import SqliteStore
from edgeproof.errors import EdgeproofError
from edgeproof.proofs.parameters import demo
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.messages import EpochRoot
from tests.chain import conftest as chain_fixtures
from tests.coordinator.conftest import OUTCOME, RECORD

pytestmark = pytest.mark.integration

devchain = chain_fixtures.devchain


@dataclass
class Office:
    """A founded network with closed epochs, and who settles them."""

    data: Path
    rpc: str
    store: SqliteStore
    description: Description

    @property
    def bundles(self) -> Path:
        return self.data / founding.BUNDLES

    @contextlib.contextmanager
    def settling(self) -> Iterator[Settlement]:
        signer = keys.load(self.data).poster
        opened = Settlement(
            self.store,
            self.description,
            rpc=self.rpc,
            signer=signer,
            outbox=self.data / founding.OUTBOX,
            bundles=self.bundles,
        )
        yield opened
        opened._poster._outbox.close()  # as the end of the process does

    def close(self, epoch: int, state: str, total: int) -> None:
        """Close an epoch with a signed root of ``total``."""
        folder = self.bundles / str(epoch)
        folder.mkdir(parents=True)
        root = EpochRoot(epoch, epoch, OUTCOME.root, total, bytes([epoch]) * 32)
        attestor = keys.load(self.data).attestor
        digest = root.digest(self.description.root_domain)
        signatures = {attestor.address: attestor.sign_digest(digest)}
        (folder / ATTESTATION).write_bytes(Attestation(root, signatures).encode())
        outcome = replace(OUTCOME, cumulative_total=total)
        missing = attendance.missing(RECORD, outcome, {})
        self.store.close_epoch(epoch, outcome, root.data_hash, state, missing)

    def next_epoch(self) -> int:
        state = ChainClient(self.rpc).distributor_state(self.description.distributor)
        return state.next_epoch

    def sent(self) -> int:
        return ChainClient(self.rpc).nonce(keys.load(self.data).poster.address)


@pytest.fixture
def office(devchain: str, tmp_path: Path, store: SqliteStore) -> Office:
    ended = demo(int(time.time()) - 3600)  # its first epochs are over
    charter = Charter(
        parameters=ended,
        rpc=devchain,
        broker="mqtt://127.0.0.1:1",
        embedded_broker=True,
        broker_hosts=(),
        api="http://127.0.0.1:1",
        web_host="127.0.0.1",
        web_port=1,
        development_chain=True,
    )
    data = tmp_path / "data"
    return Office(data, devchain, store, founding.found(data, charter))


async def until(office: Office, settling: Settlement, epoch: int, state: str) -> None:
    async with asyncio.timeout(30):
        while office.store.postings()[epoch][0] != state:
            await asyncio.to_thread(settling._advance)
            await asyncio.sleep(0.05)


async def test_a_root_is_posted_and_becomes_final_across_a_restart(
    office: Office,
) -> None:
    office.close(0, WAITING, OUTCOME.cumulative_total)
    office.close(1, NOTHING, OUTCOME.cumulative_total)
    with office.settling() as first:
        await until(office, first, 0, POSTED)
        assert office.next_epoch() == 0
    with office.settling() as second:
        await until(office, second, 0, FINALISED)
        state, transaction = office.store.postings()[0]
        assert office.next_epoch() == 1
        assert (state, len(transaction)) == (FINALISED, 66)
        sent = office.sent()
        assert sent == 3  # the deployment, the root, the finalisation
        await asyncio.to_thread(second._advance)
        assert office.sent() == sent
    assert office.store.postings()[1] == (NOTHING, "")
    receipt = ChainClient(office.rpc).receipt(bytes.fromhex(transaction[2:]))
    assert receipt is not None


async def test_what_another_one_did_is_written_down_too(office: Office) -> None:
    office.close(0, WAITING, OUTCOME.cumulative_total)
    with office.settling() as opened:
        await until(office, opened, 0, FINALISED)
        office.store.keep_posting(0, WAITING, "")  # as if we had been restored
        await until(office, opened, 0, FINALISED)
        assert office.sent() == 3


async def test_an_attestation_that_is_missing_is_named(office: Office) -> None:
    office.close(0, WAITING, OUTCOME.cumulative_total)
    path = office.bundles / "0" / ATTESTATION
    path.unlink()
    with (
        office.settling() as opened,
        pytest.raises(EdgeproofError, match="attestation") as failure,
    ):
        await asyncio.to_thread(opened._advance)
    assert str(path) in str(failure.value)
    assert failure.value.hint


async def test_trouble_is_said_once_and_tried_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries, enough = 0, asyncio.Event()
    loop = asyncio.get_running_loop()

    def unreachable(_self: Settlement) -> None:
        nonlocal tries
        tries += 1
        if tries == 6:  # the second trouble was said before this third try of it
            loop.call_soon_threadsafe(enough.set)
        msg = "the chain is out of reach" if tries < 4 else "the chain is another one"
        raise EdgeproofError(msg, hint="start the node")

    monkeypatch.setattr(settlement, "PAUSE", 0.0)
    monkeypatch.setattr(Settlement, "_advance", unreachable)
    with office.settling() as opened, capture_logs() as logs:
        serving = asyncio.create_task(opened.run())
        async with asyncio.timeout(10):
            await enough.wait()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    said = [entry["what"] for entry in logs]
    assert said == ["the chain is out of reach", "the chain is another one"]
    assert {entry["hint"] for entry in logs} == {"start the node"}


async def test_with_nothing_to_settle_the_chain_is_left_alone(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.close(0, NOTHING, 0)

    def surprised(*_: object) -> None:
        pytest.fail("the chain was asked")

    with office.settling() as opened:
        monkeypatch.setattr(opened._poster, "advance", surprised)
        await asyncio.to_thread(opened._advance)
    assert office.store.postings() == {0: (NOTHING, "")}
