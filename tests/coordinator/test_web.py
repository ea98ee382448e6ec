"""The explorer, asked as programs and browsers ask it."""

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from edgeproof.audit.model import Enrolment
from edgeproof.coordinator.certification import NoCertificates
from edgeproof.coordinator.reading import Load
from edgeproof.coordinator.sqlite_reader import SqliteReader
from edgeproof.coordinator.sqlite_store import SqliteStore
from edgeproof.coordinator.store import Batch
from edgeproof.coordinator.web.api import Source
from edgeproof.coordinator.web.app import create_app
from edgeproof.proofs import payout_tree, timetable
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry.description import read
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.messages import Telemetry
from tests.coordinator.conftest import A_READING, CHEATER, NETWORK, Closed

DEVICES = [to_hex(device.key.address) for device in NETWORK.devices]
OWNERS = {to_hex(d.key.address): to_hex(d.owner.address) for d in NETWORK.devices}
DESCRIPTION = NETWORK.description.sign(NETWORK.coordinator)
NOW = timetable.slot_start(NETWORK.parameters, 19) + 100
LOAD = Load(waiting=3, at_a_time=16, verified=7, micros=700_000)


class Client:
    """Ask an application without a server in between."""

    def __init__(self, app: FastAPI, reader: SqliteReader) -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.close = reader.close

    def get(
        self,
        path: str,
        params: dict[str, str | int] | None = None,
        headers: dict[str, str] | None = None,
        method: str = "GET",
    ) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(
                transport=self._transport, base_url="http://explorer"
            ) as client:
                return await client.request(
                    method, path, params=params, headers=headers
                )

        return asyncio.run(ask())


def client_of(path: Path, bundles: Path) -> Client:
    reader = SqliteReader(path, NETWORK.parameters)
    source = Source(
        reader, read(DESCRIPTION), bundles, lambda: NOW, lambda: LOAD, refuse, no_paper
    )
    app = create_app(source, lambda: DESCRIPTION)
    return Client(app, reader)


def no_paper(_device: bytes, _raw: bytes) -> str:
    """Know no certificates, as with the embedded broker."""
    msg = "the broker takes no certificates"
    raise NoCertificates(msg, hint="connect with a token")


async def refuse(_raw: bytes) -> Enrolment:
    """Take no enrolments: what they do is another test's."""
    raise MessageRefused(Reason.RETIRED)


@pytest.fixture
def web(closed: Closed) -> Iterator[Client]:
    with closing(client_of(closed.path, closed.bundles)) as client:
        yield client


@pytest.fixture
def empty(store: SqliteStore, tmp_path: Path) -> Iterator[Client]:
    del store
    path = tmp_path / "coordinator.db"
    with closing(client_of(path, tmp_path / "bundles")) as client:
        yield client


def test_the_description_is_served_as_it_was_signed(web: Client) -> None:
    assert web.get("/.well-known/edgeproof.json").text == DESCRIPTION
    assert web.get("/livez").text == "ok\n"


def test_the_network_says_where_it_stands(web: Client, closed: Closed) -> None:
    found = web.get("/api/v1/network").json()
    assert (found["slot"], found["epoch"], found["enrolled"]) == (19, 1, 3)
    assert found["verification"] == asdict(LOAD)
    assert found["last_epoch"] == 0
    assert found["heard_last_slot"] == 3
    assert found["cumulative_total"] == str(closed.outcome.cumulative_total)
    assert found["time"].endswith("+00:00")


def test_devices_come_in_pages_to_the_end(web: Client) -> None:
    seen, cursor = [], ""
    for _ in range(4):
        page = web.get("/api/v1/devices", params={"cursor": cursor, "limit": 1}).json()
        seen += [row["address"] for row in page["items"]]
        cursor = page["next"]
        if not cursor:
            break
    assert seen == DEVICES


def test_the_cheater_is_shown_with_its_reason(web: Client) -> None:
    found = web.get(f"/api/v1/devices/{DEVICES[CHEATER]}").json()
    rates = {rate["bucket"]: rate for rate in found["device"]["rates"]}
    assert rates["compute"]["figure"] == "0"
    assert rates["compute"]["why"]["name"] == "WRONG_TILE"
    assert found["device"]["owner"] == OWNERS[DEVICES[CHEATER]]
    buckets = {row["bucket"]: row for row in found["epochs"][0]["buckets"]}
    assert buckets["compute"]["reward"] == "0"
    assert buckets["memory"]["why"]["name"] == "WRONG_LANE"
    assert buckets["bandwidth"]["why"]["name"] == "BUCKET_NOT_MEASURED"


def test_uptime_counts_heard_and_accepted_slots(web: Client) -> None:
    found = web.get(f"/api/v1/devices/{DEVICES[0].upper().replace('0X', '0x')}/uptime")
    body = found.json()
    assert (body["epoch"], body["heard"], body["countable"]) == (1, 5, 5)
    assert body["closed"][0]["slots"] == "1" * 15


def test_an_epoch_adds_up(web: Client, closed: Closed) -> None:
    epochs = web.get("/api/v1/epochs").json()["items"]
    assert [(row["epoch"], row["state"]) for row in epochs] == [(0, "finalised")]
    found = web.get("/api/v1/epochs/0").json()
    paid = sum(int(row["reward"]) for row in found["devices"])
    epoch = found["epoch"]
    assert paid + int(epoch["unallocated"]) == int(epoch["budget"])
    assert epoch["root"] == to_hex(closed.outcome.root)
    assert epoch["data_hash"] == to_hex(closed.data_hash)


def test_a_claim_leads_from_the_leaf_to_the_posted_root(
    web: Client, closed: Closed
) -> None:
    owner = OWNERS[DEVICES[0]]
    found = web.get(f"/api/v1/owners/{owner}/claim").json()
    assert found["pending"] == "0"
    node = payout_tree.leaf(bytes.fromhex(owner[2:]), int(found["amount"]))
    for sibling in found["proof"]:
        node = keccak(*sorted((node, bytes.fromhex(sibling[2:]))))
    assert node == closed.outcome.root


def test_what_is_not_final_is_pending(closed: Closed) -> None:
    closed.store.keep_posting(0, "posted", "")
    with closing(client_of(closed.path, closed.bundles)) as web:
        found = web.get(f"/api/v1/owners/{OWNERS[DEVICES[0]]}/claim").json()
    assert found["amount"] == "0"
    assert int(found["pending"]) > 0
    assert found["proof"] == []


def test_a_bundle_can_be_downloaded_whole(web: Client, closed: Closed) -> None:
    listed = web.get("/api/v1/epochs/0/bundle").json()["files"]
    folder = closed.bundles / "0"
    assert {file["name"] for file in listed} == {p.name for p in folder.iterdir()}
    for file in listed:
        answer = web.get(file["url"])
        assert answer.content == (folder / file["name"]).read_bytes()
        digest = hashlib.sha256(answer.content).hexdigest()
        assert answer.headers["etag"] == f'"{digest}"'
        again = web.get(file["url"], headers={"if-none-match": f'"{digest}"'})
        assert again.status_code == 304
        forever = "immutable" in answer.headers["cache-control"]
        assert forever == (file["name"] != "attestation.json")


def test_only_what_the_manifest_lists_can_be_downloaded(
    web: Client, closed: Closed
) -> None:
    folder = closed.bundles / "0"
    (folder / "notes.txt").write_text("not published")
    (folder / "link").symlink_to(closed.path)
    (folder / "attestation.json").unlink()
    listed = web.get("/api/v1/epochs/0/bundle").json()["files"]
    names = {file["name"] for file in listed}
    assert names.isdisjoint({"notes.txt", "link", "attestation.json"})
    assert {p.name for p in folder.iterdir()} - names == {"notes.txt", "link"}
    for name in ("notes.txt", "link", "attestation.json"):
        assert web.get(f"/api/v1/epochs/0/bundle/{name}").status_code == 404


def test_a_download_that_broke_off_goes_on(web: Client) -> None:
    url = "/api/v1/epochs/0/bundle/manifest.json"
    whole = web.get(url)
    tag = whole.headers["etag"]
    rest = web.get(url, headers={"range": "bytes=100-", "if-range": tag})
    assert rest.status_code == 206
    assert rest.content == whole.content[100:]
    for known in (f'"other", {tag}', f"W/{tag}", "*"):
        assert web.get(url, headers={"if-none-match": known}).status_code == 304
    assert web.get(url, headers={"if-none-match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/api/v1/epochs", f"/api/v1/devices/{DEVICES[0]}/uptime"]
)
def test_epochs_come_in_pages_to_the_end(
    web: Client, two_epochs: Closed, path: str
) -> None:
    del two_epochs
    first = web.get(path, params={"limit": 1}).json()
    rows = "closed" if "closed" in first else "items"
    second = web.get(path, params={"limit": 1, "cursor": first["next"]}).json()
    assert [page[rows][0]["epoch"] for page in (first, second)] == [1, 0]
    assert second["next"] == ""


def test_a_cursor_of_one_list_is_none_of_another(
    web: Client, two_epochs: Closed
) -> None:
    del two_epochs
    cursor = web.get("/api/v1/epochs", params={"limit": 1}).json()["next"]
    answer = web.get("/api/v1/devices", params={"cursor": cursor})
    assert answer.status_code == 422
    assert answer.json()["hint"] == "begin without a cursor"


def test_a_bug_is_a_problem_that_tells_nothing_of_the_inside(
    web: Client, closed: Closed
) -> None:
    (closed.bundles / "0" / "manifest.json").write_text("not JSON")
    answer = web.get("/api/v1/epochs/0/bundle")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "JSON" not in answer.text


def test_another_method_is_told_which_one_is_allowed(web: Client) -> None:
    answer = web.get("/api/v1/network", method="POST")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"


def test_claimed_times_are_iso_8601(web: Client, closed: Closed) -> None:
    far = Telemetry(
        NETWORK.devices[1].key.address, bytes(16), 1, 2**64 - 1, bytes(16), A_READING
    )
    closed.store.add(Batch(1, telemetry=[far]))
    for index, taken_at in (
        (0, "1970-01-01T00:00:00.005+00:00"),
        (1, "9999-12-31T23:59:59.999+00:00"),
    ):
        found = web.get(f"/api/v1/devices/{DEVICES[index]}").json()
        assert found["claimed"]["taken_at"] == taken_at


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/devices/0x" + "00" * 20, 404),
        ("/api/v1/devices/0x00", 422),
        ("/api/v1/devices?cursor=zz", 422),
        ("/api/v1/devices?cursor=0x0", 422),
        ("/api/v1/devices?cursor=%C3%BC", 422),
        ("/api/v1/epochs?cursor=fx", 422),
        ("/api/v1/epochs/0?cursor=ZTE", 422),
        ("/api/v1/epochs/0/bundle/%2e", 404),
        ("/api/v1/epochs/0/bundle/%2e%2e", 404),
        ("/api/v1/devices?limit=0", 422),
        ("/api/v1/devices?limit=101", 422),
        ("/api/v1/epochs/7", 404),
        ("/api/v1/epochs/-1", 422),
        ("/api/v1/epochs/99999999999999999999", 422),
        ("/api/v1/epochs/7/bundle", 404),
        ("/api/v1/epochs/0/bundle/other.parquet", 404),
        ("/api/v1/epochs/0/bundle/..%2f..%2fcoordinator.db", 404),
        ("/api/v1/owners/0x" + "00" * 20 + "/claim", 404),
        ("/api/v1/nothing", 404),
    ],
)
def test_errors_are_problems(web: Client, path: str, status: int) -> None:
    answer = web.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.json()["detail"]


def test_every_answer_forbids_what_comes_from_elsewhere(web: Client) -> None:
    for path in ("/", "/api/v1/network", "/static/style.css", "/nowhere"):
        headers = web.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    assert web.get("/api/v1/epochs").headers["access-control-allow-origin"] == "*"


def test_openapi_lists_every_route(web: Client) -> None:
    paths = web.get("/api/openapi.json").json()["paths"]
    for path in (
        "/network",
        "/devices",
        "/devices/{address}",
        "/devices/{address}/uptime",
        "/epochs",
        "/epochs/{number}",
        "/epochs/{number}/bundle",
        "/owners/{address}/claim",
    ):
        assert f"/api/v1{path}" in paths


def test_the_page_shows_devices_with_their_uptime(web: Client) -> None:
    page = web.get("/").text
    for device in DEVICES:
        assert device in page
    assert "15 of 15 slots accepted" in page
    assert "an opened tile is not the product of its rows" in page
    assert "<script" not in page


def test_an_empty_network_says_what_to_do(empty: Client) -> None:
    page = empty.get("/").text
    assert "edgeproof agent enrol" in page
    assert "No epoch is closed yet" in page
    assert empty.get("/api/v1/network").json()["enrolled"] == 0
    assert empty.get("/api/v1/devices").json() == {"items": [], "next": ""}


def test_a_device_that_never_spoke_is_listed(store: SqliteStore, empty: Client) -> None:
    store.add(Batch(-1, enrolments=list(NETWORK.epoch().enrolments)))
    page = empty.get("/").text
    assert DEVICES[0] in page
    assert "no epoch is closed yet" in page
