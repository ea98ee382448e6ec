"""The command: its arguments, its exit status, what it writes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import run
from bench.report import Report, at_least
from bench.steps import Steps
from edgeproof.errors import EdgeproofError

ROOT = Path(__file__).parents[2]
NAMES = list(run.BENCHES)
TARGET = {"speed": at_least(2.0)}
REPORTS = {
    "held": Report("a CPU", {"speed": 2.5}, TARGET),
    "missed": Report("a CPU", {"speed": 1.5}, TARGET),
    "skipped": Report("a CPU", {"speed": 2.5}, TARGET, {"library": "not installed"}),
}


@pytest.fixture(autouse=True)
def fake_benches(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Steps) -> Report:
        msg = "it does not fit"
        raise EdgeproofError(msg, hint="take less")

    benches = {name: lambda _, name=name: REPORTS[name] for name in REPORTS}
    monkeypatch.setattr(run, "BENCHES", dict.fromkeys([*benches, "failing"], "fake"))
    monkeypatch.setattr(run, "load", {**benches, "failing": fail}.__getitem__)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["held"], 0),
        (["held", "--check"], 0),
        (["missed"], 0),
        (["missed", "--check"], 1),
        (["skipped"], 0),
        (["skipped", "--check"], 3),
        (["failing"], 1),
    ],
    ids=str,
)
def test_the_status_is_the_reports(arguments: list[str], status: int) -> None:
    assert run.main(arguments) == status


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name"),
        (["unknown"], "held"),
        (["held", "--what"], "--what"),
        (["held", "--json"], "--json"),
        (["held", "--json", "no/such/folder/file"], "no/such/folder/file"),
        (["held", "--json", "."], "is not a file"),
    ],
    ids=str,
)
def test_wrong_usage_exits_2_and_says_what_is_wrong(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run.main(arguments)
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def test_an_unknown_name_lists_the_names(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run.main(["unknown"])
    said = capsys.readouterr().err
    assert all(name in said for name in ("unknown", *REPORTS, "failing"))


def test_an_expected_failure_is_told_with_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run.main(["failing"])
    said = capsys.readouterr().err
    assert "it does not fit" in said
    assert "take less" in said


def test_json_goes_to_the_file_and_the_table_to_stdout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.json"
    run.main(["skipped", "--json", str(file)])
    document = json.loads(file.read_text())
    assert document == REPORTS["skipped"].document("skipped")
    assert "not installed" in capsys.readouterr().out


def test_every_bench_has_a_module_with_that_function() -> None:
    assert len(NAMES) >= 4
    for name in NAMES:
        source = (ROOT / "bench" / f"{name}.py").read_text()
        assert "\ndef bench(" in source
        assert "steps: Steps" in source


@pytest.mark.integration
def test_a_bench_of_the_cpu_loads_no_cuda_kernels_and_runs_on_one_thread() -> None:
    program = (
        "import sys; from bench import run; run.load('pow');"
        "from edgeproof.kernels.cpu import compiler;"
        "print(compiler.threads(), 'edgeproof.kernels.cuda' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["1", "False"]


@pytest.mark.integration
def test_the_file_itself_can_be_run_from_anywhere(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "bench" / "run.py", "unknown"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "matmul" in done.stderr
