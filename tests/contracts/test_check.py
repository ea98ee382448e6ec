"""contracts/check.sh says what is missing, and build.mjs sees what is stale."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def test_without_node_it_says_so_and_how_to_get_it(clone: Path, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "dirname").symlink_to(str(shutil.which("dirname")))
    done = subprocess.run(
        ["/bin/sh", clone / "contracts" / "check.sh"],
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "no node" in done.stderr
    assert "apt-get install nodejs" in done.stderr


@pytest.fixture
def copy(
    clone: Path, tmp_path: Path, require_service: Callable[[str, str], Path]
) -> Path:
    """A copy of the sources and artifacts, beside the clone's installed compiler."""
    require_service("node", "apt-get install nodejs npm")
    modules = clone / "contracts" / "node_modules"
    if not (modules / "solc").exists():
        require_service("solc from npm", "npm ci --ignore-scripts in contracts/")
    for folder in ("src", "tools"):
        shutil.copytree(clone / "contracts" / folder, tmp_path / "contracts" / folder)
    (tmp_path / "contracts" / "node_modules").symlink_to(modules)
    shutil.copytree(
        clone / "chain" / "artifacts",
        tmp_path / "chain" / "artifacts",
        ignore=shutil.ignore_patterns("*.py", "__pycache__"),
    )
    return tmp_path


def check(copy: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["node", copy / "contracts" / "tools" / "build.mjs", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_committed_artifacts_are_what_the_sources_build_to(copy: Path) -> None:
    done = check(copy)
    assert done.returncode == 0, done.stderr


def test_a_changed_source_makes_the_artifacts_stale(copy: Path) -> None:
    source = copy / "contracts" / "src" / "Distributor.sol"
    replace_in(source, "VETOES_BEFORE_OVERRIDE = 2", "VETOES_BEFORE_OVERRIDE = 3")
    done = check(copy)
    assert done.returncode == 1
    assert "Distributor.json is not what contracts/src builds to" in done.stderr


def test_a_changed_artifact_is_seen(copy: Path) -> None:
    artifact = copy / "chain" / "artifacts" / "EdgeproofToken.json"
    replace_in(artifact, '"bytecode": "0x61', '"bytecode": "0x60')
    done = check(copy)
    assert done.returncode == 1
    assert "EdgeproofToken.json is not what" in done.stderr


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
