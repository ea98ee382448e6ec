"""The certificate of a device's TLS is kept good, in time and in nobody's way."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.agent import certificate, certifying, identity
from edgeproof.agent.certificate import (
    CERTIFICATE_FILE,
    TLS_KEY_FILE,
    VALIDITY,
    Certificates,
    is_due,
)
from edgeproof.agent.control import NetworkUnreachable
from edgeproof.agent.options import Options
from edgeproof.agent.state import State
from edgeproof.coordinator import authority
from edgeproof.telemetry import signing
from edgeproof.telemetry.keyfile import BadKeyFile
from edgeproof.telemetry.message import decode_signed
from edgeproof.telemetry.messages import CertificateRequest
from tests.agent.conftest import enrolled

if TYPE_CHECKING:
    from tests.agent.conftest import Coordinator

WEEK = 7 * 86_400


class AlmostOne:
    """Draw the longest waits."""

    def random(self) -> float:
        return 0.999


ALMOST_ONE = AlmostOne()
DAY = 86_400


@given(st.integers(-(10**10), 10**10))
def test_it_is_renewed_when_a_third_is_left_or_the_clock_is_elsewhere(now: int) -> None:
    assert is_due(0, WEEK, now) == (not 0 <= now < WEEK * 2 / 3)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with closing(State(tmp_path)) as opened:
        yield opened


Make = Callable[[Path], Awaitable[str]]


def kept(state: State, folder: Path, make: Make, now: float) -> Certificates:
    return Certificates(state, folder, rng=ALMOST_ONE, make=make, clock=lambda: now)


async def issue(folder: Path) -> str:
    (folder / CERTIFICATE_FILE).write_text("a certificate")
    return json.dumps({"begins": 0, "ends": WEEK})


async def run_until(certificates: Certificates, done: Callable[[], bool]) -> None:
    running = asyncio.create_task(certificates.run())
    async with asyncio.timeout(10):
        while not done() and not running.done():  # noqa: ASYNC110 - whatever a test waits for
            await asyncio.sleep(0)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_one_is_got_where_there_is_none_and_left_alone_while_it_is_good(
    state: State, tmp_path: Path
) -> None:
    asked: list[Path] = []

    async def make(folder: Path) -> str:
        asked.append(folder)
        return await issue(folder)

    first = kept(state, tmp_path, make, now=10)
    await run_until(first, lambda: not first.due)
    assert asked == [tmp_path]
    assert state.get(VALIDITY) == {"begins": 0, "ends": WEEK}
    assert not kept(state, tmp_path, make, now=4 * DAY).due
    assert kept(state, tmp_path, make, now=5 * DAY).due
    (tmp_path / CERTIFICATE_FILE).unlink()
    assert kept(state, tmp_path, make, now=10).due


@pytest.mark.parametrize(
    "said", ["", "{}", "[]", '{"begins":1}', '{"begins":"x","ends":2}']
)
async def test_a_failure_is_tried_again_with_a_growing_wait(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    waits: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        if seconds:
            waits.append(seconds)
        await sleep(0)

    async def make(folder: Path) -> str:
        if len(waits) >= 12:
            return await issue(folder)
        return said

    monkeypatch.setattr("asyncio.sleep", note)
    certificates = kept(state, tmp_path, make, now=10)
    await run_until(certificates, lambda: not certificates.due)
    assert len(waits) >= 12
    bounds = [min(certificate.LONGEST_WAIT_S, 0.5 * 2**n) for n in range(12)]
    assert all(0 <= w <= bound for w, bound in zip(waits, bounds, strict=False))
    assert max(waits[:12]) > 10


async def test_a_process_that_fails_says_why_and_one_that_hangs_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real child, in a folder that knows no network."""
    with pytest.raises(OSError, match="not enrolled"):
        await certificate._process(tmp_path)
    with closing(State(tmp_path / "state")) as state:
        hanging = asyncio.Event()

        async def make(_folder: Path) -> str:
            await hanging.wait()
            return ""

        monkeypatch.setattr(certificate, "LONGEST_S", 0.05)
        certificates = kept(state, tmp_path, make, now=10)
        assert await certificates._renew() == "TimeoutError"


def test_a_device_asks_with_its_own_key_for_another_one(
    coordinator: "Coordinator",
    options: Options,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = enrolled(coordinator, options)
    folder, device = options.state_dir, identity.device_key(options.state_dir)
    issuer = authority.found(tmp_path / "ca", "0x01", datetime.now(UTC))
    network = replace(coordinator.description, authority=issuer.pem)
    asked: list[bytes] = []

    def answer(where: str, raw: bytes, *, media_type: str) -> str:
        assert where.endswith(f"/api/v1/devices/0x{address.hex()}/certificate")
        assert media_type == "application/cbor"
        asked.append(raw)
        signed = decode_signed(CertificateRequest, raw)
        signing.check(signed, network.domain, address)
        request = signed.message.request
        return issuer.device(request, address, datetime.now(UTC)).chain.decode()

    monkeypatch.setattr(certifying, "ask", answer)
    found = certifying.certify(folder, network, device)
    assert found["ends"] - found["begins"] == WEEK + 3600
    leaf = x509.load_pem_x509_certificate((folder / CERTIFICATE_FILE).read_bytes())
    assert int(leaf.not_valid_after_utc.timestamp()) == found["ends"]
    for name in (CERTIFICATE_FILE, TLS_KEY_FILE):
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    assert device.secret.hex() not in (folder / TLS_KEY_FILE).read_text()
    key = (folder / TLS_KEY_FILE).read_bytes()
    certifying.certify(folder, network, device)
    assert (folder / TLS_KEY_FILE).read_bytes() == key, "one key, many certificates"
    assert len(asked) == 2

    foreign = authority.found(tmp_path / "foreign", "0x01", datetime.now(UTC))
    elsewhere = replace(network, authority=foreign.pem)
    before = (folder / CERTIFICATE_FILE).read_bytes()
    with pytest.raises(NetworkUnreachable, match="no certificate of this network"):
        certifying.certify(folder, elsewhere, device)
    assert (folder / CERTIFICATE_FILE).read_bytes() == before


def test_a_tls_key_that_is_damaged_is_named(tmp_path: Path) -> None:
    (tmp_path / TLS_KEY_FILE).write_text("no key")
    with pytest.raises(BadKeyFile, match=r"client\.key") as caught:
        certifying._tls_key(tmp_path / TLS_KEY_FILE)
    assert "delete it" in caught.value.hint
