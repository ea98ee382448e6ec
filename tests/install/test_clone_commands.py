import shutil

import pytest

from .conftest import Machine


def test_the_demo_gets_its_options_as_they_were_given(machine: Machine) -> None:
    machine.add_python("python3", "3.11.9")
    done = machine.install("demo", "--keep", "a folder", "--agents", "2")
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.splitlines()[-1] == "ran edgeproof demo --keep a folder --agents 2"
    )
    assert machine.pip_calls == ["-m pip install --no-input -e .[agent,coordinator]"]


def test_the_tests_run_with_everything_that_developers_need(machine: Machine) -> None:
    machine.add_python("python3", "3.11.9")
    done = machine.install("test", "unit", "lint")
    assert done.stdout.splitlines()[-1] == "ran tests/stages.py unit lint"
    assert machine.pip_calls == ["-m pip install --no-input -e .[dev]"]


def test_the_demo_installs_nothing_where_the_tests_ran(machine: Machine) -> None:
    machine.add_python("python3", "3.11.9")
    machine.install("test")
    assert machine.install("demo").returncode == 0
    assert len(machine.pip_calls) == 1


def test_a_mistyped_stage_costs_no_installation(machine: Machine) -> None:
    machine.add_python("python3", "3.11.9")
    assert machine.install("test", "nonsense").returncode == 2
    assert machine.pip_calls == []


@pytest.mark.parametrize("arguments", [["frobnicate"], ["--purge"], ["--demo"]])
def test_unknown_arguments_show_the_usage(
    machine: Machine, arguments: list[str]
) -> None:
    done = machine.install(*arguments)
    assert done.returncode == 2
    assert "usage: ./install.sh" in done.stderr


def test_help_needs_no_python(machine: Machine) -> None:
    done = machine.install("--help")
    assert done.returncode == 0
    assert "--uninstall" in done.stdout


def test_a_virtual_environment_made_by_hand_is_used_and_kept(machine: Machine) -> None:
    python = machine.add_python("python3", "3.11.9")
    environment = machine.clone / ".venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "pyvenv.cfg").touch()
    (environment / "mine").touch()
    shutil.copy(python, environment / "bin/python")
    assert machine.install("demo").returncode == 0
    assert (environment / "mine").exists()


def test_a_folder_that_is_no_environment_is_never_removed(machine: Machine) -> None:
    machine.add_python("python3", "3.11.9")
    (machine.clone / ".venv").mkdir()
    (machine.clone / ".venv/mine").touch()
    done = machine.install("demo")
    assert done.returncode == 1
    assert "run: mv " in done.stderr
    assert (machine.clone / ".venv/mine").exists()


def test_another_python_version_makes_another_environment(machine: Machine) -> None:
    machine.add_python("python3", "3.11.9")
    machine.install("demo")
    newer = machine.add_python("newer", "3.13.1")
    machine.variables["EDGEPROOF_PYTHON"] = str(newer)
    done = machine.install("demo")
    assert "with Python 3.13.1" in done.stdout
    assert len(machine.pip_calls) == 2
    assert machine.install("demo").returncode == 0
    assert len(machine.pip_calls) == 2


@pytest.mark.parametrize(
    ("pythons", "chosen"),
    [
        ({"python3": "3.9.2", "python3.12": "3.12.4"}, "3.12.4"),
        ({"python3": "3.14.0"}, "3.14.0"),
        ({"python3.11": "3.11.2", "python3.13": "3.13.0"}, "3.13.0"),
        ({"python3.13": "stub", "python3": "3.11.2"}, "3.11.2"),
    ],
)
def test_the_newest_python_that_runs_is_chosen(
    machine: Machine, pythons: dict[str, str], chosen: str
) -> None:
    for name, version in pythons.items():
        machine.add_python(name, version)
        if version == "stub":
            machine.add_program(name, "#!/bin/sh\necho 'not installed' >&2; exit 127\n")
    assert f"with Python {chosen}" in machine.install("demo", "--dry-run").stdout
