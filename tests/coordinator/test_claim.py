"""Owners post what they sign: over the API, and from a wallet on the claim page."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from eth_account import Account
from fastapi import FastAPI

from edgeproof.agent.enrolment import Enrolment
from edgeproof.coordinator.sqlite_reader import SqliteReader
from edgeproof.coordinator.sqlite_store import SqliteStore
from edgeproof.coordinator.web.api import Source
from edgeproof.coordinator.web.app import create_app
from edgeproof.proofs.keccak import keccak
from edgeproof.telemetry import signing
from edgeproof.telemetry.description import read
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.memory import MemoryBroker
from edgeproof.telemetry.message import Signed, decode_signed
from edgeproof.telemetry.messages import Enrol, Retire
from edgeproof.telemetry.signing import Key
from tests.coordinator.browser import Page, browse
from tests.coordinator.conftest import NETWORK
from tests.coordinator.test_conductor import Coordinator
from tests.coordinator.test_web import DESCRIPTION, LOAD, no_paper

DEVICE, OWNER = Key(keccak(b"a new device")), Key(keccak(b"its owner"))
DOMAIN = NETWORK.description.domain
MESSAGE = Enrol(DEVICE.address, OWNER.address, 2**53 + 1, 1_800_000_000_000)
ENROLMENT = Enrolment(
    NETWORK.description, MESSAGE, DEVICE.sign_digest(MESSAGE.digest(DOMAIN))
)


@pytest.fixture
def app(tmp_path: Path, store: SqliteStore) -> Iterator[FastAPI]:
    """A coordinator that takes enrolments, some seconds into epoch 0."""
    coordinator = Coordinator(store, MemoryBroker())
    coordinator.now += 2 * NETWORK.parameters.slot_ms
    reader = SqliteReader(tmp_path / "coordinator.db", NETWORK.parameters)
    source = Source(
        reader,
        read(DESCRIPTION),
        tmp_path / "bundles",
        lambda: coordinator.now,
        lambda: LOAD,
        coordinator.reception.enrol,
        no_paper,
    )
    yield create_app(source, lambda: DESCRIPTION)
    reader.close()


async def ask(app: FastAPI, raw: bytes | None = None, path: str = "") -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        address = f"/api/v1/enrolments{path}"
        if raw is None:
            return await client.get(address)
        return await client.post(address, content=raw)


async def test_an_enrolment_is_answered_once_it_counts(app: FastAPI) -> None:
    name = f"/{to_hex(DEVICE.address)}"
    assert (await ask(app, path=name)).status_code == 404
    raw = ENROLMENT.signed_by(OWNER)
    first = await ask(app, raw)
    assert first.json() == {
        "device": to_hex(DEVICE.address),
        "owner": to_hex(OWNER.address),
        "kind": "enrol",
        "nonce": str(2**53 + 1),
        "epoch": 1,
        "message": to_hex(raw),
    }
    assert (await ask(app, raw)).json() == first.json()
    assert (await ask(app, path=name)).json() == first.json()
    stop = signing.sign(Retire(DEVICE.address, OWNER.address, 2**60, 0), DOMAIN, OWNER)
    assert (await ask(app, stop.encode())).json()["kind"] == "retire"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "MALFORMED"),
        (b"\x80", "MALFORMED"),
        (bytes(100_000), "TOO_LARGE"),
        (ENROLMENT.signed_by(DEVICE), "WRONG_SIGNER"),
        (Signed(MESSAGE, (ENROLMENT.signature,)).encode(), "MALFORMED"),
    ],
    ids=["nothing", "an_array", "a_flood", "by_another", "half_signed"],
)
async def test_a_refusal_names_its_reason(
    app: FastAPI, raw: bytes, reason: str
) -> None:
    answer = await ask(app, raw)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["reason"]["name"] == reason
    assert answer.json()["hint"]


WALLET = """
    window.asked = [];
    window.ethereum = {{
        async request({{method, params}}) {{
            window.asked.push(method);
            if (method === "eth_requestAccounts") return ["{account}"];
            if (method === "eth_chainId") return "{chain}";
            if (method === "eth_signTypedData_v4") {{
                window.typed = params[1];
                return await new Promise((resolve, reject) => {{
                    window.resolve = resolve;
                    window.decline = () => reject({{code: 4001, message: "no"}});
                }});
            }}
            throw {{code: 4902, message: "unknown chain"}};
        }},
    }};
"""

SAID = "document.getElementById('said').textContent"
CHAIN = hex(NETWORK.description.chain_id)


def checksummed(key: Key) -> str:
    return str(Account.from_key(key.secret).address)


@contextmanager
def serve(app: FastAPI) -> Iterator[str]:
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_config=None, lifespan="off")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server ended"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def page(
    app: FastAPI, tmp_path: Path, require_service: Callable[..., Path]
) -> Iterator[tuple[Page, str]]:
    """A browser, and the link that the terminal would show."""
    chromium = require_service("chromium", "apt-get install chromium")
    code = ENROLMENT.link.split("#")[1]
    with serve(app) as address, browse(chromium, tmp_path / "profile") as opened:
        yield opened, f"{address}/claim#{code}"


def click(page: Page) -> None:
    page.until("!document.getElementById('sign').hidden")
    page.value("document.getElementById('sign').click()")


@pytest.mark.integration
@pytest.mark.parametrize("width", [390, 1440])
def test_a_wallet_enrols_a_device(page: tuple[Page, str], width: int) -> None:
    opened, link = page
    opened.inject(WALLET.format(account=checksummed(OWNER), chain=CHAIN))
    opened.open(link, width=width)
    assert opened.value("document.documentElement.scrollWidth") <= width
    text = opened.value("document.body.innerText")
    assert to_hex(DEVICE.address) in text
    assert to_hex(OWNER.address) in text
    click(opened)
    typed: dict[str, Any] = json.loads(opened.until("window.typed"))
    # Another implementation of EIP-712 signs what the page asked for.
    signed = Account.sign_typed_data(OWNER.secret, full_message=typed)
    assert bytes(signed.message_hash) == keccak(
        b"\x19\x01", DOMAIN.separator, MESSAGE.struct_hash()
    )
    opened.value(f"window.resolve('{signed.signature.to_0x_hex()}')")
    said = opened.until(f"{SAID}.startsWith('Enrolled') && {SAID}")
    assert "from epoch 1 on" in said
    host = link.split("/claim")[0]
    found = httpx.get(f"{host}/api/v1/enrolments/{to_hex(DEVICE.address)}").json()
    raw = bytes.fromhex(found["message"][2:])
    signing.check(decode_signed(Enrol, raw), DOMAIN, DEVICE.address, OWNER.address)
    assert opened.complaints == []


@pytest.mark.integration
def test_a_wallet_that_leaves_27_out_is_understood(page: tuple[Page, str]) -> None:
    opened, link = page
    opened.inject(WALLET.format(account=checksummed(OWNER), chain=CHAIN))
    opened.open(link, width=800)
    click(opened)
    opened.until("window.typed")
    signature = OWNER.sign_digest(MESSAGE.digest(DOMAIN))
    bare = signature[:64] + bytes([signature[64] - 27])
    opened.value(f"window.resolve('{to_hex(bare)}')")
    opened.until(f"{SAID}.startsWith('Enrolled')")


@pytest.mark.integration
@pytest.mark.parametrize(
    ("account", "chain", "then", "words"),
    [
        (checksummed(DEVICE), CHAIN, "", "choose that account"),
        (checksummed(OWNER), "0x1", "", "does not know chain"),
        (checksummed(OWNER), CHAIN, "window.decline()", "You declined"),
        (checksummed(OWNER), CHAIN, "window.resolve('0x00')", "no signature"),
        (
            checksummed(OWNER),
            CHAIN,
            f"window.resolve('0x{'11' * 64}1b')",
            "The network refused it",
        ),
    ],
    ids=["another_account", "another_chain", "declined", "a_contract", "forged"],
)
def test_what_goes_wrong_is_said_in_words(
    page: tuple[Page, str], account: str, chain: str, then: str, words: str
) -> None:
    opened, link = page
    opened.inject(WALLET.format(account=account, chain=chain))
    opened.open(link, width=800)
    click(opened)
    if then:
        opened.until("window.typed")
        opened.value(then)
    opened.until(f"{SAID}.includes({json.dumps(words)})")
    opened.until("!document.getElementById('sign').disabled")


@pytest.mark.integration
def test_without_wallet_or_with_half_a_link_the_page_says_so(
    page: tuple[Page, str],
) -> None:
    opened, link = page
    opened.open(link, width=800)
    click(opened)
    assert "no wallet" in opened.value(SAID)
    whole = link.split("#")[1]
    for code, words in (
        ("", "needs the link"),
        (whole[:-8], "damaged"),
        ("%%%", "damaged"),
        ("AA", "damaged"),
    ):
        opened.open("about:blank", width=800)
        opened.open(f"{link.split('#')[0]}#{code}", width=800)
        assert words in opened.value(SAID)
        assert opened.value("document.getElementById('sign').hidden")
    assert opened.complaints == []
