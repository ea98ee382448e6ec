"""Installing the wheel gives all of edgeproof, on its own and away from the clone."""

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def output_of(*command: str | Path, folder: Path) -> str:
    """Return what a command says, failing with all of it if it fails."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def tracked(clone: Path) -> list[str]:
    if not (clone / ".git").exists():
        pytest.skip("only git can tell what belongs to the packages")
    names = output_of("git", "ls-files", "-z", folder=clone).split("\0")
    return [name for name in names if name and (clone / name).exists()]


@pytest.fixture(scope="module")
def packaged(clone: Path, tracked: list[str]) -> set[str]:
    """Return the names that the tracked files of the packages have when installed."""
    rooms = {
        link.name for link in (clone / "src/edgeproof").iterdir() if link.is_symlink()
    }
    assert {"agent", "coordinator", "proofs"} <= rooms
    inside = {
        f"edgeproof/{name}" for name in tracked if name.partition("/")[0] in rooms
    }
    beside = {
        name.removeprefix("src/")
        for name in tracked
        if name.startswith("src/") and not (clone / name).is_symlink()
    }
    return inside | beside


@pytest.fixture(
    scope="module",
    params=[["--wheel"], []],
    ids=["from the clone", "from the source distribution"],
)
def wheel(
    request: pytest.FixtureRequest,
    clone: Path,
    tracked: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Build as pip does, from a copy: the build must not see what git does not."""
    source = tmp_path_factory.mktemp("source")
    for name in tracked:
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clone / name, target, follow_symlinks=False)
    output_of(sys.executable, "-m", "build", *request.param, folder=source)
    [built] = (source / "dist").glob("*.whl")
    return built


def test_the_wheel_has_the_files_that_git_tracks_and_no_others(
    wheel: Path, packaged: set[str]
) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if name[-1] != "/"}
    described = {name for name in names if ".dist-info/" in name}
    assert names - described == packaged
    assert "edgeproof/py.typed" in names
    assert any(name.endswith("/LICENSE") for name in described)


@dataclass(frozen=True)
class Installed:
    """A fresh virtual environment with the wheel in it, far from the clone."""

    folder: Path

    def run(self, program: str, *arguments: str) -> str:
        return output_of(self.folder / "bin" / program, *arguments, folder=self.folder)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Install the wheel alone; its dependencies are those of the running Python.

    A .pth file lends them, which takes no time and no network. Such a borrowed folder
    comes after the environment's own, and its own .pth files are not read, so the
    editable edgeproof in it stays out of sight.
    """
    folder = tmp_path_factory.mktemp("installed")
    output_of(sys.executable, "-m", "venv", "--without-pip", folder, folder=folder)
    python = folder / "bin" / "python"
    output_of(
        *(sys.executable, "-m", "pip", "--python", python),
        *("install", "--quiet", "--no-deps", wheel),
        folder=folder,
    )
    [own] = folder.glob("lib/python*/site-packages")
    (own / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return Installed(folder)


def test_every_package_is_imported_from_the_wheel(
    installed: Installed, packaged: set[str]
) -> None:
    packages = sorted(
        name.removesuffix("/__init__.py").replace("/", ".")
        for name in packaged
        if name.endswith("/__init__.py")
    )
    assert "edgeproof.agent" in packages
    program = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]: print(importlib.import_module(name).__file__)"
    )
    origins = installed.run("python", "-c", program, *packages).splitlines()
    assert len(origins) == len(packages)
    assert all(Path(origin).is_relative_to(installed.folder) for origin in origins)


def test_the_command_shows_its_help(installed: Installed) -> None:
    assert "edgeproof" in installed.run("edgeproof", "--help")
