"""A machine made of stubs: what install.sh finds on PATH is what a test put there."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

TOOLS = tuple(
    """
    awk cat chmod cksum cp df dirname env find grep head id ln mkdir mkfifo mktemp mv
    readlink rm rmdir sh sleep sort tail touch tr
    """.split()  # noqa: SIM905 -- one name a line would hide the list in its layout
)
"""The programs of a bare system that install.sh may use, and no Python."""

STUB_PYTHON = r"""#!/bin/sh
# Answers as a Python would, writes down each call of pip, and fails as the test says.
case "$1 $2" in
"-c "*ensurepip*) [ -e "$STUBS/venv-module" ] ;;
"-c "*) echo VERSION ;;
"-m venv")
    mkdir -p "$3/bin" && touch "$3/pyvenv.cfg" && cp "$0" "$3/bin/python" &&
        head -c "${VENV_BYTES:-0}" /dev/zero >"$3/filler" ;;
"-m pip")
    echo "$*" >>"$STUBS/pip-calls"
    [ ! -p "$STUBS/block" ] || cat "$STUBS/block"
    [ -z "${PIP_SAYS:-}" ] || { echo "$PIP_SAYS"; exit 1; }
    command=${0%/*}/edgeproof
    printf '#!/bin/sh\necho ran edgeproof "$@"\n' >"$command" && chmod +x "$command" ;;
*stages.py*)
    case "$*" in
    *--check*nonsense*) exit 2 ;;
    *--check*) ;;
    *) echo "ran $*" ;;
    esac ;;
*) exit 9 ;;
esac
"""


@dataclass
class Machine:
    """A clone, a home and a PATH of their own, all with spaces in their names."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home of a user"

    @property
    def clone(self) -> Path:
        return self.folder / "clone of edgeproof"

    @property
    def programs(self) -> Path:
        return self.folder / "programs on PATH"

    @property
    def command(self) -> Path:
        return self.home / ".local/bin/edgeproof"

    @property
    def pip_calls(self) -> list[str]:
        calls = self.programs / "pip-calls"
        return calls.read_text().splitlines() if calls.exists() else []

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": str(self.programs),
            "HOME": str(self.home),
            "TMPDIR": str(self.folder / "tmp"),
            "STUBS": str(self.programs),
            **self.variables,
        }

    def add_program(self, name: str, script: str) -> Path:
        path = self.programs / name
        path.unlink(missing_ok=True)  # never write through a link to the real one
        path.write_text(script)
        path.chmod(0o755)
        return path

    def add_python(self, name: str, version: str) -> Path:
        (self.programs / "venv-module").touch()
        return self.add_program(name, STUB_PYTHON.replace("VERSION", version))

    def start(
        self, *arguments: str, wrapper: Sequence[str] = (), stderr: int | None = None
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*wrapper, str(self.clone / "install.sh"), *arguments],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if stderr is None else stderr,
            text=True,
        )

    def install(
        self, *arguments: str, wrapper: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments, wrapper=wrapper) as process:
            output, errors = process.communicate(timeout=60)
        return subprocess.CompletedProcess(
            arguments, process.returncode, output, errors
        )

    def files(self) -> dict[str, str]:
        """Every path of the machine, and what it holds."""
        return {
            str(path.relative_to(self.folder)): str(path.readlink())
            if path.is_symlink()
            else "a folder"
            if path.is_dir()
            else path.read_text()
            for path in sorted(self.folder.rglob("*"))
            if self.programs not in path.parents
        }


@pytest.fixture
def machine(tmp_path: Path, clone: Path) -> Machine:
    """Return a machine with the usual tools, a fresh clone, and no Python."""
    made = Machine(tmp_path)
    for folder in (made.home, made.programs, tmp_path / "tmp"):
        folder.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        assert found is not None, name
        (made.programs / name).symlink_to(found)
    for name in ("install.sh", "pyproject.toml", "tests/stages.py"):
        (made.clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clone / name, made.clone / name)
    package = made.clone / "src/edgeproof"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    return made
