"""Fixtures for all tests, and one closing line for several runs of pytest."""

import json
import os
import shutil
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
"""The clone that these tests belong to."""

RequireService = Callable[[str, str], Path]


@pytest.fixture(scope="session")
def require_service() -> RequireService:
    """Find a server program, e.g. ``require_service("mosquitto", "apt-get ...")``.

    Where it is missing the test is skipped, with the command that installs it; with
    EDGEPROOF_REQUIRE_SERVICES=1, as in CI, the test fails instead.
    """

    def require(name: str, install_command: str) -> Path:
        # Debian keeps servers in /usr/sbin, which not every user has on PATH.
        search = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
        if found := shutil.which(name, path=search):
            return Path(found)
        reason = f"{name} is not installed; run: {install_command}"
        if os.environ.get("EDGEPROOF_REQUIRE_SERVICES") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)

    return require


@pytest.fixture(scope="session")
def clone() -> Path:
    """Return the root of the clone under test."""
    return ROOT


class EarlierResult:
    """Stands for one test of an earlier run in the counts of pytest's last line."""

    count_towards_summary = True


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> Generator[None]:
    """Let pytest's last line count the earlier runs of the same command too.

    The stages `unit` and `integration` are two runs of pytest; EDGEPROOF_TALLY names
    the file that carries the counts from one to the next.
    """
    yield  # after the lists of failures and skips, which are this run's alone
    path = os.environ.get("EDGEPROOF_TALLY")
    if not path or "PYTEST_XDIST_WORKER" in os.environ:  # the main process counts
        return
    tally = Path(path)
    stats = terminalreporter.stats
    earlier = json.loads(tally.read_text()) if tally.exists() else {}
    for outcome, count in earlier.items():
        stats.setdefault(outcome, []).extend(EarlierResult() for _ in range(count))
    counted = {
        outcome: sum(getattr(one, "count_towards_summary", True) for one in results)
        for outcome, results in stats.items()
        if outcome and outcome != "deselected"
    }
    tally.write_text(json.dumps(counted))
