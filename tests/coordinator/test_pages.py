"""The overview page in a real browser."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

from edgeproof.coordinator.sqlite_reader import SqliteReader
from edgeproof.coordinator.sqlite_store import SqliteStore
from edgeproof.coordinator.web.api import Source
from edgeproof.coordinator.web.app import create_app
from edgeproof.proofs import timetable
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry.description import read
from tests.coordinator.browser import Page, browse
from tests.coordinator.conftest import NETWORK, VOID, Closed
from tests.coordinator.test_web import DESCRIPTION, DEVICES, LOAD, no_paper, refuse

pytestmark = pytest.mark.integration

PICTURES = os.environ.get("EDGEPROOF_TEST_PICTURES", "")
"""Folder that keeps the pictures, to be looked at; empty: they are not kept."""

NOW = timetable.slot_start(NETWORK.parameters, VOID + 3) + 100

SHAPES = [(390, False), (390, True), (1440, False), (1440, True)]


@contextmanager
def serve(path: Path, bundles: Path) -> Iterator[str]:
    """Serve the explorer of a store on a free port."""
    reader = SqliteReader(path, NETWORK.parameters)
    source = Source(
        reader, read(DESCRIPTION), bundles, lambda: NOW, lambda: LOAD, refuse, no_paper
    )
    app = create_app(source, lambda: DESCRIPTION)
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_config=None, lifespan="off")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server ended"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.should_exit = True
        thread.join(10)
        reader.close()


def looks_right(page: Page, address: str, name: str) -> str:
    """Open a page in every shape; return its text."""
    papers = set()
    for width, dark in SHAPES:
        page.open(address, width=width, dark=dark)
        assert page.value("innerWidth") == width
        assert page.value("document.documentElement.scrollWidth") <= width
        tables = "[...document.querySelectorAll('.scroll')]"
        assert page.value(f"{tables}.every(t => t.scrollWidth <= t.clientWidth)")
        papers.add(page.value("getComputedStyle(document.body).backgroundColor"))
        picture = page.picture()
        assert int.from_bytes(picture[16:20], "big") == width
        if PICTURES:
            scheme = "dark" if dark else "light"
            file = Path(PICTURES) / f"{name}-{width}-{scheme}.png"
            file.write_bytes(picture)
    assert len(papers) == 2, "dark and light"
    assert page.complaints == []
    text: str = page.value("document.body.innerText")
    return text


def test_the_page_is_drawn_on_a_phone_and_on_a_desk_by_day_and_by_night(
    two_epochs: Closed, tmp_path: Path, require_service: Callable[..., Path]
) -> None:
    chromium = require_service("chromium", "apt-get install chromium")
    with (
        serve(two_epochs.path, two_epochs.bundles) as address,
        browse(chromium, tmp_path / "profile") as page,
    ):
        text = looks_right(page, address, "overview")
        titles = page.value("[...document.querySelectorAll('code')].map(c => c.title)")
        assert set(DEVICES) <= set(titles)
        drawn = "[...document.querySelectorAll('rect')].map(r => getComputedStyle(r)"
        assert len(set(page.value(f"{drawn}.fill)"))) == 3, "there, missed, void"
        labels = page.value(
            "[...document.querySelectorAll('.slots')].map(s => s.ariaLabel)"
        )
    assert "11 of 14 slots accepted" in labels
    assert "78.6 %" in text
    assert "MAC/s" in text
    assert "500 KiB" in text
    assert "waits to be posted" in text


def test_the_page_says_why_the_cheater_was_not_paid(
    closed: Closed, tmp_path: Path, require_service: Callable[..., Path]
) -> None:
    chromium = require_service("chromium", "apt-get install chromium")
    with (
        serve(closed.path, closed.bundles) as address,
        browse(chromium, tmp_path / "profile") as page,
    ):
        text = looks_right(page, address, "cheater")
    assert Reason.WRONG_TILE.text in text
    assert Reason.WRONG_LANE.text in text
    assert text.count("failed") == 3


def test_the_page_of_an_empty_network_says_what_to_do(
    store: SqliteStore, tmp_path: Path, require_service: Callable[..., Path]
) -> None:
    del store
    chromium = require_service("chromium", "apt-get install chromium")
    with (
        serve(tmp_path / "coordinator.db", tmp_path / "bundles") as address,
        browse(chromium, tmp_path / "profile") as page,
    ):
        text = looks_right(page, address, "empty")
    command = f"edgeproof agent enrol --network {NETWORK.description.api}"
    assert command in text


def test_markup_in_a_device_s_words_stays_text(
    closed: Closed, tmp_path: Path, require_service: Callable[..., Path]
) -> None:
    chromium = require_service("chromium", "apt-get install chromium")
    with (
        serve(closed.path, closed.bundles) as address,
        browse(chromium, tmp_path / "profile") as page,
    ):
        page.open(f"{address}api/v1/devices/{DEVICES[0]}", width=1440)
        assert page.value("document.querySelectorAll('b').length") == 0
        assert "<b>hi</b>" in page.value("document.body.innerText")
