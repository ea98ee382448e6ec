"""The main job, as its user types it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

CLI = [sys.executable, "-m", "edgeproof.cli"]


def run(*arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CLI, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=350,
        env={**os.environ, **extra},
    )


def test_agents_earn_and_the_cheater_does_not(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    done = run("demo", "--agents", "2", "--epochs", "1", "--keep", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything is as expected" in done.stdout
    for why in (
        "compute: an opened tile is not the product of its rows",
        "memory: an opened lane of the walk does not end where it must",
        "hash: ",
    ):
        assert why in done.stdout
    assert "= root on chain" in done.stdout

    bundle = max((folder / "bundles").iterdir(), key=lambda path: int(path.name))
    audited = run("audit", str(bundle))
    assert audited.returncode == 0, audited.stdout
    copy = tmp_path / "tampered"
    shutil.copytree(bundle, copy)
    for name in ("payouts.parquet", "manifest.json", "attestation.json"):
        original = (copy / name).read_bytes()
        middle = len(original) // 2
        flipped = bytes([original[middle] ^ 1])
        (copy / name).write_bytes(original[:middle] + flipped + original[middle + 1 :])
        audited = run("audit", str(copy))
        assert audited.returncode == 1, name
        assert "Does not agree" in audited.stdout
        (copy / name).write_bytes(original)
    assert run("audit", str(copy)).returncode == 0


@pytest.fixture
def ctrl_c_counts() -> Iterator[None]:
    """Undo what a shell does to what it starts in the background: SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_counts")
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*CLI, "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if line.startswith("agent 3"):
                break
        time.sleep(1)  # some agents are up, some are just starting
        demo.send_signal(signal.SIGINT)
        demo.stdout.read()
        assert demo.wait(30) == 130
    assert list(tmp_path.iterdir()) == []
    assert not [
        process
        for process in Path("/proc").iterdir()
        if process.name.isdigit() and str(tmp_path) in _command(process)
    ]


def _command(process: Path) -> str:
    try:
        return (process / "cmdline").read_text()
    except OSError:
        return ""
