"""The overview page in a real browser."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn

from edgeproof.coordinator.sqlite_reader import SqliteReader
from edgeproof.coordinator.web.app import create_app
from tests.coordinator.conftest import NETWORK, Closed
from tests.coordinator.test_web import DESCRIPTION, DEVICES, NOW

pytestmark = pytest.mark.integration

PNG = b"\x89PNG\r\n\x1a\n"

QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
)


@pytest.fixture
def address(closed: Closed) -> Iterator[str]:
    """Serve the explorer of a closed epoch on a free port."""
    reader = SqliteReader(closed.path, NETWORK.parameters)
    app = create_app(reader, lambda: DESCRIPTION, closed.bundles, lambda: NOW)
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/"
    server.should_exit = True
    thread.join(10)
    reader.close()


def browse(chromium: Path, profile: Path, *arguments: str) -> str:
    done = subprocess.run(
        [chromium, *QUIET, f"--user-data-dir={profile}", *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=90,
    )
    return done.stdout


@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_is_drawn(
    address: str, tmp_path: Path, require_service: Callable[..., Path], width: int
) -> None:
    chromium = require_service("chromium", "apt-get install chromium")
    picture = tmp_path / "page.png"
    size = f"--window-size={width},900"
    browse(chromium, tmp_path / "a", size, f"--screenshot={picture}", address)
    raw = picture.read_bytes()
    assert raw.startswith(PNG)
    assert int.from_bytes(raw[16:20], "big") == width
    assert len(raw) > 10_000, "a page with text compresses worse than an empty one"

    page = browse(chromium, tmp_path / "b", size, "--dump-dom", address)
    for device in DEVICES:
        assert device in page
    assert "15 of 15 slots accepted" in page
