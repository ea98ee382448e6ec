import os
import signal

import pytest

from .conftest import Machine


def test_installing_links_the_command_and_says_what_comes_next(
    machine: Machine,
) -> None:
    machine.add_python("python3", "3.11.9")
    done = machine.install()
    assert done.returncode == 0, done.stderr
    assert machine.command.resolve().parent == (
        machine.home / ".local/share/edgeproof/venv/bin"
    )
    assert "agent enrol" in done.stdout
    assert "agent run" in done.stdout
    assert f'export PATH="{machine.command.parent}:$PATH"' in done.stdout
    assert machine.pip_calls == ["-m pip install --no-input .[agent]"]


def test_a_machine_with_an_nvidia_card_gets_its_kernels(machine: Machine) -> None:
    machine.add_python("python3", "3.11.9")
    machine.install()
    card = machine.programs / "nvidia-smi"
    card.write_text("#!/bin/sh\n")
    card.chmod(0o755)
    done = machine.install()
    assert done.returncode == 0, done.stderr
    assert "an NVIDIA card is here" in done.stdout
    assert machine.pip_calls[-1] == "-m pip install --no-input .[agent,cuda]"
    machine.install()
    assert len(machine.pip_calls) == 2


def test_the_path_hint_is_left_out_where_the_path_is_right(machine: Machine) -> None:
    machine.add_python("python3", "3.11.9")
    machine.variables["PATH"] = f"{machine.programs}:{machine.command.parent}"
    assert "export PATH" not in machine.install().stdout


def test_a_second_run_changes_nothing(machine: Machine) -> None:
    machine.add_python("python3", "3.11.9")
    machine.install()
    before = machine.files()
    again = machine.install()
    assert again.returncode == 0
    assert machine.files() == before
    assert len(machine.pip_calls) == 1


@pytest.mark.parametrize("changed", ["pyproject.toml", "src/edgeproof/__init__.py"])
def test_a_changed_clone_is_installed_again(machine: Machine, changed: str) -> None:
    machine.add_python("python3", "3.11.9")
    machine.install()
    with (machine.clone / changed).open("a") as file:
        file.write("# changed\n")
    machine.install()
    assert len(machine.pip_calls) == 2


def test_nothing_is_left_in_the_clone_or_the_temporary_folder(machine: Machine) -> None:
    machine.add_python("python3", "3.11.9")
    before = machine.files()
    machine.install()
    home = machine.home.name
    assert {p for p in machine.files() if not p.startswith(home)} == {
        p for p in before if not p.startswith(home)
    }


@pytest.mark.parametrize(
    "arguments", [[], ["demo"], ["demo", "--agents", "2"], ["test"], ["--uninstall"]]
)
@pytest.mark.parametrize("installed", [False, True])
def test_a_dry_run_prints_steps_and_changes_nothing(
    machine: Machine, arguments: list[str], *, installed: bool
) -> None:
    machine.add_python("python3", "3.11.9")
    if installed:
        machine.install()
    before = machine.files()
    done = machine.install(*arguments, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert machine.files() == before
    nothing_to_do = arguments == ([] if installed else ["--uninstall"])
    assert ("would " in done.stdout) != nothing_to_do
    assert "ran " not in done.stdout


def test_uninstalling_removes_exactly_what_was_installed(machine: Machine) -> None:
    machine.add_python("python3", "3.11.9")
    (machine.home / ".local/share/another").mkdir(parents=True)
    before = machine.files()
    machine.install()
    assert machine.files() != before
    done = machine.install("--uninstall")
    assert done.returncode == 0, done.stderr
    assert machine.files() == before


def test_uninstalling_leaves_no_folder_that_was_not_there(machine: Machine) -> None:
    machine.add_python("python3", "3.11.9")
    before = machine.files()
    machine.install()
    machine.install()
    machine.install("--uninstall")
    assert machine.files() == before


def test_uninstalling_keeps_keys_unless_they_are_purged(machine: Machine) -> None:
    machine.add_python("python3", "3.11.9")
    machine.install()
    key = machine.home / ".local/state/edgeproof/device.key"
    key.parent.mkdir(parents=True)
    key.write_text("the only copy")
    kept = machine.install("--uninstall")
    assert key.read_text() == "the only copy"
    assert str(key.parent) in kept.stdout
    purged = machine.install("--uninstall", "--purge")
    assert purged.returncode == 0
    assert not key.parent.exists()


def test_xdg_folders_are_honoured(machine: Machine) -> None:
    machine.add_python("python3", "3.11.9")
    machine.variables["XDG_DATA_HOME"] = str(machine.folder / "data")
    machine.variables["XDG_STATE_HOME"] = str(machine.folder / "state")
    (machine.folder / "state/edgeproof").mkdir(parents=True)
    machine.install()
    assert (machine.folder / "data/edgeproof/venv/bin/edgeproof").exists()
    machine.install("--uninstall", "--purge")
    assert not (machine.folder / "data").exists()
    assert not (machine.folder / "state/edgeproof").exists()


def test_somebody_elses_command_is_neither_replaced_nor_removed(
    machine: Machine,
) -> None:
    machine.add_python("python3", "3.11.9")
    machine.command.parent.mkdir(parents=True)
    machine.command.write_text("mine")
    done = machine.install()
    assert done.returncode == 1
    assert f"mv '{machine.command}'" in done.stderr
    machine.install("--uninstall")
    assert machine.command.read_text() == "mine"


def test_an_interrupted_installation_stops_and_the_next_one_recovers(
    machine: Machine,
) -> None:
    machine.add_python("python3", "3.11.9")
    os.mkfifo(machine.programs / "block")
    terminal, stderr = os.openpty()
    process = machine.start(stderr=stderr)
    # On a terminal the seconds are shown while pip runs; by then it does.
    seen = b""
    while not (b"0 s" in seen and machine.pip_calls):
        seen += os.read(terminal, 1000)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 130
    process.communicate()
    os.close(terminal)
    os.close(stderr)
    (machine.programs / "block").unlink()
    assert list((machine.folder / "tmp").iterdir()) == []

    done = machine.install()
    assert done.returncode == 0, done.stderr
    assert "half made" in done.stdout
    assert machine.command.exists()


def test_an_environment_whose_python_vanished_is_made_again(machine: Machine) -> None:
    machine.add_python("python3", "3.11.9")
    machine.install()
    (machine.home / ".local/share/edgeproof/venv/bin/python").unlink()
    done = machine.install()
    assert done.returncode == 0, done.stderr
    assert "its Python is gone" in done.stdout
    assert machine.command.exists()
