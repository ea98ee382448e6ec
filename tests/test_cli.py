"""What a person sees at the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeproof.cli import main

COMMANDS = [
    [],
    ["demo"],
    ["audit"],
    ["agent"],
    ["agent", "enrol"],
    ["agent", "run"],
    ["agent", "status"],
    ["coordinator"],
    ["coordinator", "init"],
    ["coordinator", "run"],
]


def outcome(*arguments: str) -> int:
    """Return the exit status, whichever way the command ends."""
    try:
        return main(list(arguments))
    except SystemExit as end:
        return int(end.code or 0)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(*command, "--help") == 0
    said = capsys.readouterr().out
    assert "Usage: " in said
    assert "--help" in said


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome("--version") == 0
    assert capsys.readouterr().out.startswith("edgeproof 0.")


@pytest.mark.parametrize(
    ("arguments", "says", "hint"),
    [
        (["coordinator", "run", "--data", "NONE"], "no coordinator in", "init"),
        (["agent", "status", "--state", "NONE"], "not enrolled", "agent enrol"),
        (["agent", "run", "--state", "NONE"], "no network", "enrol"),
    ],
)
def test_a_failure_is_two_lines_and_status_1(
    arguments: list[str],
    says: str,
    hint: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [word.replace("NONE", str(tmp_path / "none")) for word in arguments]
    assert outcome(*given) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("edgeproof: ")
    assert says in first
    assert hint in second


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["demo", "--agents", "0"],
        ["demo", "--epochs", "many"],
        ["audit"],
        ["audit", "x", "--rpc", "http://127.0.0.1:1"],
        ["agent", "enrol"],
        ["coordinator", "init"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(*arguments) == 2
    assert capsys.readouterr().err


def test_status_pays_for_no_heavy_library(tmp_path: Path) -> None:
    program = (
        "import json, sys\n"
        "from edgeproof.cli import main\n"
        f"main(['agent', 'status', '--state', {str(tmp_path / 'none')!r}])\n"
        "print(json.dumps(sorted(name.split('.')[0] for name in sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ},
    )
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert not loaded & {"numba", "web3", "numpy", "pyarrow", "fastapi", "amqtt"}
