import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import Machine

NO_NETWORK = (
    "WARNING: Retrying after connection broken by 'NewConnectionError(Failed to "
    "establish a new connection: [Errno -3] Temporary failure in name resolution')'"
)
FULL_DISK = "ERROR: Could not install: [Errno 28] No space left on device"


def only_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line that a failure is to be told in."""
    assert done.returncode == 1, done.stdout
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("edgeproof: ")
    assert "; run: " in done.stderr
    return done.stderr


def mount_a_file_system(options: str, over: str) -> list[str]:
    """Return what runs a command with an empty memory disk over a folder.

    The mount is seen by that command alone, and goes with it.
    """
    unshare, mount = shutil.which("unshare"), shutil.which("mount")
    script = f'{mount} -t tmpfs -o {options} none "$0" && exec "$@"'
    wrapper = [str(unshare), "--mount", "sh", "-c", script, over]
    if (
        not (unshare and mount)
        or subprocess.run(
            [*wrapper, "true"], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("mounting is not allowed here; tests with stubs cover this in part")
    return wrapper


def test_no_python(machine: Machine) -> None:
    line = only_line(machine.install())
    assert "no Python found, 3.11 or newer is needed" in line
    assert "pyenv install" in line


def test_a_python_that_is_too_old(machine: Machine) -> None:
    machine.add_python("python3", "3.10.12")
    line = only_line(machine.install("demo"))
    assert "Python 3.10.12 is too old, 3.11 or newer is needed" in line


def test_the_packages_of_this_system_are_named_if_they_have_a_python(
    machine: Machine,
) -> None:
    machine.add_program("apt-get", "#!/bin/sh\nexit 0\n")
    machine.add_program("apt-cache", '#!/bin/sh\n[ "$2" = python3.12-venv ]\n')
    machine.add_program("id", "#!/bin/sh\necho 1000\n")
    line = only_line(machine.install())
    assert "run: sudo apt-get install python3.12 python3.12-venv" in line


@pytest.mark.parametrize(
    ("version", "problem"),
    [("3.9.1", "EDGEPROOF_PYTHON is Python 3.9.1"), ("", "does not run")],
)
def test_the_named_python_does_not_do(
    machine: Machine, version: str, problem: str
) -> None:
    machine.add_python("python3", "3.12.1")
    machine.variables["EDGEPROOF_PYTHON"] = (
        str(machine.add_python("old", version)) if version else "/no/such/python"
    )
    line = only_line(machine.install())
    assert problem in line
    assert "run: unset EDGEPROOF_PYTHON" in line


def test_no_venv_module_without_root(machine: Machine) -> None:
    machine.add_python("python3", "3.12.77")
    (machine.programs / "venv-module").unlink()
    machine.add_program("apt-get", "#!/bin/sh\nexit 0\n")
    machine.add_program("id", "#!/bin/sh\necho 1000\n")
    line = only_line(machine.install())
    assert "lacks the venv module; run: sudo apt-get install python3.12-venv" in line


def test_root_on_debian_gets_the_venv_module_installed(machine: Machine) -> None:
    machine.add_python("python3", "3.12.77")
    (machine.programs / "venv-module").unlink()
    machine.add_program("id", "#!/bin/sh\necho 0\n")
    machine.add_program(
        "apt-get",
        '#!/bin/sh\ncase "$*" in'
        ' "install -y python3.12-venv") touch "$STUBS/venv-module" ;;'
        " update) ;; *) exit 1 ;; esac\n",
    )
    done = machine.install()
    assert done.returncode == 0, done.stderr
    assert "install python3.12-venv with apt-get" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["demo"], ["test"]])
def test_no_network(machine: Machine, arguments: list[str]) -> None:
    machine.add_python("python3", "3.11.9")
    machine.variables["PIP_SAYS"] = NO_NETWORK
    line = only_line(machine.install(*arguments))
    assert "no network" in line
    log = line.partition("(log: ")[2].partition(")")[0]
    assert "NewConnectionError" in Path(log).read_text()

    del machine.variables["PIP_SAYS"]
    assert machine.install(*arguments).returncode == 0


def test_a_disk_that_pip_finds_full_is_given_back(machine: Machine) -> None:
    machine.add_python("python3", "3.11.9")
    machine.variables["PIP_SAYS"] = FULL_DISK
    line = only_line(machine.install("demo"))
    assert "full" in line
    assert not (machine.clone / ".venv").exists()


def test_another_failure_of_pip_points_at_its_log(machine: Machine) -> None:
    machine.add_python("python3", "3.11.9")
    machine.variables["PIP_SAYS"] = "error: subprocess-exited-with-error"
    assert "pip install failed; run: tail -n 20 " in only_line(machine.install("demo"))


def test_a_full_disk(machine: Machine) -> None:
    machine.add_python("python3", "3.11.9")
    machine.variables["VENV_BYTES"] = "300000"
    wrapper = mount_a_file_system("size=100k", str(machine.home))
    line = only_line(machine.install(wrapper=wrapper))
    assert "is full: " in line


def test_a_read_only_home(machine: Machine) -> None:
    machine.add_python("python3", "3.11.9")
    if os.geteuid() == 0:  # root may write where the mode says no
        wrapper = mount_a_file_system("ro", str(machine.home))
    else:
        wrapper = []
        machine.home.chmod(0o500)
    line = only_line(machine.install(wrapper=wrapper))
    assert f"cannot write in {machine.home}: it is read-only or not yours" in line
    assert "run: HOME=" in line


def test_a_home_that_is_a_file(machine: Machine) -> None:
    machine.add_python("python3", "3.11.9")
    machine.home.rmdir()
    machine.home.touch()
    assert "cannot write in" in only_line(machine.install())


def test_no_home(machine: Machine) -> None:
    machine.add_python("python3", "3.11.9")
    machine.variables["HOME"] = ""
    assert "HOME is not set" in only_line(machine.install())


def test_two_installations_at_once(machine: Machine) -> None:
    machine.add_python("python3", "3.11.9")
    environment = machine.clone / ".venv"
    environment.mkdir()
    # This process stands for the other install.sh: it is alive.
    (environment / ".edgeproof-unfinished").write_text(str(os.getpid()))
    assert f"process {os.getpid()}, is at work" in only_line(machine.install("demo"))
