import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def stages(clone: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("stages", clone / "tests/stages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_unknown_stage_is_wrong_usage(stages: ModuleType) -> None:
    assert stages.main(["--check", "lint", "no-such-stage"]) == 2


def test_the_names_of_stages_are_checked_without_running_them(
    stages: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(stages.STAGES, "lint")
    assert stages.main(["--check", "lint"]) == 2
    assert stages.main(["--check", "types"]) == 0


@pytest.mark.parametrize(
    ("outcomes", "last_line"),
    [
        ({"types": True, "layers": True}, "2 passed, 0 failed"),
        ({"types": False, "layers": True}, "1 passed, 1 failed"),
    ],
)
def test_every_stage_runs_and_a_failed_one_fails_the_whole(
    stages: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    outcomes: dict[str, bool],
    last_line: str,
) -> None:
    monkeypatch.setattr(stages, "closing_line", [])
    monkeypatch.setattr(os, "environ", dict(os.environ))
    for name, outcome in outcomes.items():

        def stage(outcome: bool = outcome) -> bool:  # noqa: FBT001 -- bound now
            """Answer as the case says."""
            return outcome

        monkeypatch.setitem(stages.STAGES, name, stage)
    assert stages.main([*outcomes]) == (0 if all(outcomes.values()) else 1)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("stage ")] == [
        *outcomes
    ]
    assert lines[-1] == last_line


@pytest.mark.parametrize(
    ("chunks", "shown", "closing"),
    [
        ([b"..", b". [100%]\n", b"=== 3 passed ===\n"], b"... [100%]\n", None),
        ([b"...\n\n=== 3 pas", b"sed ===", b"\n"], b"...\n\n", None),
        (
            [b"..\n\x1b[32m=== ", b"3 passed ===\n"],
            b"..\n",
            b"\x1b[32m=== 3 passed ===",
        ),
        (
            [b"...\n\x1b[3", b"2m=== 3 passed ===\n"],
            b"...\n",
            b"\x1b[32m=== 3 passed ===",
        ),
    ],
)
def test_the_closing_line_is_held_back_however_it_arrives(
    stages: ModuleType,
    capfdbinary: pytest.CaptureFixture[bytes],
    chunks: list[bytes],
    shown: bytes,
    closing: bytes | None,
) -> None:
    receiving, sending = os.pipe()
    source = os.fdopen(receiving, "rb", buffering=0)
    # Pauses make it likely, and need not make it sure, that chunks arrive as such:
    # the outcome is to be the same.
    program = (
        "import os, sys, time\n"
        "for chunk in sys.argv[1:]: os.write(1, os.fsencode(chunk)); time.sleep(0.02)"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", program, *map(os.fsdecode, chunks)], stdout=sending
    )
    os.close(sending)
    with writer, source:
        held = stages.copy_but_last_line(source)
    assert held == (closing or b"=== 3 passed ===") + b"\n"
    assert capfdbinary.readouterr().out == shown


def test_pytests_last_line_counts_the_runs_before_it(
    tmp_path: Path, clone: Path
) -> None:
    shutil.copy(clone / "tests/conftest.py", tmp_path)
    (tmp_path / "test_some.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('n', [1, 2, 3])\n"
        "def test_passes(n): pass\n"
        "def test_is_skipped(): pytest.skip('here')\n"
    )
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "COV_"))
    }
    last_lines = [
        subprocess.run(
            [sys.executable, "-m", "pytest", "-c", os.devnull, *options, tmp_path],
            env={**environment, "EDGEPROOF_TALLY": str(tmp_path / "tally.json")},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()[-1]
        for options in (["-n", "2"], [], ["-k", "passes"])
    ]
    assert "3 passed, 1 skipped" in last_lines[0]
    assert "6 passed, 2 skipped" in last_lines[1]
    assert "9 passed, 2 skipped, 1 deselected" in last_lines[2]
