"""Chromium, asked through its DevTools protocol: layout, colours, complaints."""

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import connect
from websockets.sync.connection import Connection

QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)

PATIENCE = 60.0
"""Seconds for the browser to start, or for one answer."""


class Page:
    """One tab.  ``complaints`` are what the console or the network had to say."""

    def __init__(self, socket: Connection) -> None:
        self._socket = socket
        self._number = 0
        self._seen: list[dict[str, Any]] = []
        self.complaints: list[str] = []
        for domain in ("Page", "Log", "Runtime", "Network"):
            self._ask(f"{domain}.enable")

    def open(self, address: str, *, width: int, dark: bool = False) -> None:
        """Load a page in a window of ``width`` pixels and wait until it is there."""
        scheme = "dark" if dark else "light"
        self._ask(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        self._ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self._seen.clear()
        self._ask("Page.navigate", url=address)
        while not any(each["method"] == "Page.loadEventFired" for each in self._seen):
            self._receive()

    def inject(self, script: str) -> None:
        """Have every page that is opened from now on run ``script`` first."""
        self._ask("Page.addScriptToEvaluateOnNewDocument", source=script)

    def until(self, expression: str) -> Any:
        """Return what an expression is in the page, once it is something."""
        deadline = time.monotonic() + PATIENCE
        while not (found := self.value(expression)):
            assert time.monotonic() < deadline, expression
            time.sleep(0.05)
        return found

    def value(self, expression: str) -> Any:
        """Return what a JavaScript expression is in the page."""
        answer = self._ask(
            "Runtime.evaluate", expression=expression, returnByValue=True
        )
        return answer["result"].get("value")  # undefined has none

    def picture(self) -> bytes:
        """Return the whole page as PNG."""
        answer = self._ask("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])

    def _ask(self, method: str, **values: object) -> dict[str, Any]:
        self._number += 1
        number = self._number
        request = {"id": number, "method": method, "params": values}
        self._socket.send(json.dumps(request))
        while (answer := self._receive()).get("id") != number:
            pass
        result: dict[str, Any] = answer["result"]
        return result

    def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._socket.recv(PATIENCE))
        if "method" in message:
            self._seen.append(message)
        if message.get("method") == "Log.entryAdded":
            self.complaints.append(message["params"]["entry"]["text"])
        if message.get("method") in {
            "Runtime.exceptionThrown",
            "Runtime.consoleAPICalled",
            "Network.loadingFailed",
        }:
            self.complaints.append(json.dumps(message["params"]))
        return message


@contextmanager
def browse(chromium: Path, profile: Path) -> Iterator[Page]:
    """Start a browser of its own and lend its tab."""
    profile.mkdir()
    process = subprocess.Popen(
        [chromium, *QUIET, f"--user-data-dir={profile}", "about:blank"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with connect(_tab(process, profile), max_size=None) as socket:
            yield Page(socket)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _tab(process: subprocess.Popen[bytes], profile: Path) -> str:
    """Return the address at which the browser's first tab is asked."""
    said = profile / "DevToolsActivePort"
    deadline = time.monotonic() + PATIENCE
    while not (said.exists() and said.read_text().count("\n")):
        assert process.poll() is None, "the browser ended"
        assert time.monotonic() < deadline, "the browser did not start"
        time.sleep(0.05)
    port, path = said.read_text().splitlines()[:2]
    with connect(f"ws://127.0.0.1:{port}{path}", max_size=None) as socket:
        while True:
            socket.send(json.dumps({"id": 1, "method": "Target.getTargets"}))
            targets = json.loads(socket.recv(PATIENCE))["result"]["targetInfos"]
            for target in targets:
                if target["type"] == "page":
                    return f"ws://127.0.0.1:{port}/devtools/page/{target['targetId']}"
            assert time.monotonic() < deadline, "the browser opened no tab"
            time.sleep(0.05)
