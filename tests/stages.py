"""Runs the checks and tests in stages: `./install.sh test [STAGE...]`.

Only the standard library, so that any Python can check the names of stages before
anything is installed. Every stage runs even if one before it failed; the exit status
tells whether all passed, and the last line is pytest's own, counting every test of
this command.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = Path(sys.prefix)

OTHER_PYTHONS = ("3.12", "3.13")
"""Minor versions, beside the one that runs this, whose unit tests `pythons` runs."""


FUZZ_SECONDS = "60"

PTX = "tests/ptx"
"""What the stage `ptx` runs, and no other."""

UNIT = ("-n", "2", "-m", "not integration", f"--ignore={PTX}")
"""Options for the tests that start nothing."""


class SkippedError(Exception):
    """A stage cannot run here, and may be left out; the message says why."""


def run_quietly(*command: str | Path) -> bool:
    """Whether the command succeeded; its output is shown only if it did not."""
    print(f"$ {' '.join(map(str, command))}", flush=True)
    done = subprocess.run(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode != 0:
        sys.stdout.flush()
        sys.stdout.buffer.write(done.stdout)
    return done.returncode == 0


def run_pytest(*options: str, python: str | Path = sys.executable) -> bool:
    """Whether the tests passed; shows their output live but for its last line.

    That line is kept in `closing_line`, to come after the times of the stages.
    """
    color = "yes" if sys.stdout.isatty() else "no"
    with subprocess.Popen(
        [python, "-m", "pytest", f"--color={color}", *options],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={**os.environ, "COLUMNS": str(shutil.get_terminal_size().columns)},
    ) as pytest:
        if pytest.stdout is None:  # never: stdout=PIPE
            raise AssertionError
        closing_line[:] = [copy_but_last_line(pytest.stdout)]
    return pytest.returncode == 0


closing_line: list[bytes] = []
"""What the latest pytest said last; empty if none ran."""


def copy_but_last_line(source: IO[bytes]) -> bytes:
    """Copy to stdout as it comes; the last whole line is returned instead."""
    held = b""
    while chunk := os.read(source.fileno(), 65536):
        held += chunk
        end = held.rfind(b"\n", 0, -1) + 1
        # Progress dots come without a newline, and are not to wait for one; what may
        # become the closing line is.
        unfinished = COLOR.sub(b"", held[end:])
        if not unfinished.endswith(b"\n") and unfinished[:1] not in b"=\x1b":
            end = len(held)
        sys.stdout.buffer.write(held[:end])
        sys.stdout.buffer.flush()
        held = held[end:]
    return held


COLOR = re.compile(rb"\x1b\[[\d;]*m")
"""A change of colour on a terminal."""


def lint() -> bool:
    """Style of Python, and of shell where shellcheck is installed."""
    ruff = ENVIRONMENT / "bin" / "ruff"
    passed = run_quietly(ruff, "check")
    passed &= run_quietly(ruff, "format", "--check")
    if shutil.which("shellcheck"):
        passed &= run_quietly("shellcheck", "install.sh", ".ci/run")
    return passed


def types() -> bool:
    """Static types, strictly."""
    return run_quietly(ENVIRONMENT / "bin" / "mypy")


def layers() -> bool:
    """Which package may import which."""
    return run_quietly(ENVIRONMENT / "bin" / "lint-imports", "--no-cache")


def contracts() -> bool:
    """The Solidity contracts: build, compare with the artifacts, test."""
    required = os.environ.get("EDGEPROOF_REQUIRE_SERVICES") == "1"
    if not required and not shutil.which("npm"):
        message = "npm is not installed; run: sudo apt-get install nodejs npm"
        raise SkippedError(message)
    return run_quietly("sh", "contracts/check.sh")


def ptx() -> bool:
    """CUDA kernels without a card: assembled, and their PTX run on the CPU."""
    # A kernel's tests go together: they compile it once.
    return run_pytest("-n", "2", "--dist", "loadgroup", PTX)


def fuzz() -> bool:
    """A minute of arbitrary bytes for every decoder of what strangers send."""
    if importlib.util.find_spec("atheris") is None:
        message = "atheris is not to be had for this machine"
        raise SkippedError(message)
    return run_quietly(sys.executable, "-m", "tests.fuzz.run", FUZZ_SECONDS)


def unit() -> bool:
    """Tests that start nothing, one worker a core."""
    return run_pytest(*UNIT)


def integration() -> bool:
    """Tests that start servers and processes.

    One at a time: each starts several processes with deadlines in seconds, which two
    tests at once would miss on two cores.
    """
    return run_pytest("-m", "integration", f"--ignore={PTX}")


def pythons() -> bool:
    """The unit tests on the other supported Pythons of this machine."""
    found = {minor: python for minor in OTHER_PYTHONS if (python := find(minor))}
    if not found:
        message = f"none of Python {', '.join(OTHER_PYTHONS)} is installed"
        raise SkippedError(message)
    passed = True
    for minor, python in found.items():
        folder = ENVIRONMENT / "pythons" / minor
        inner = folder / "bin" / "python"
        passed &= (
            (inner.exists() or run_quietly(python, "-m", "venv", folder))
            and run_quietly(inner, "-m", "pip", "install", "--quiet", "-e", ".[dev]")
            and run_pytest(*UNIT, python=inner)
        )
    return passed


def find(minor: str) -> str | None:
    """A Python of that minor version which runs, or None."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [
        shutil.which(f"python{minor}"),  # under pyenv perhaps a stub that fails
        *map(str, sorted(versions.glob(f"{minor}.*/bin/python"))),
    ]
    for candidate in candidates:
        if candidate and run_version(candidate) == minor:
            return candidate
    return None


def run_version(python: str) -> str:
    """What that Python says it is, such as '3.12'; '' if it does not run."""
    program = "import ensurepip, sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run(
        [python, "-c", program], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


# pytest's stages come last, so that its closing line can.
STAGES: dict[str, Callable[[], bool]] = {
    "lint": lint,
    "types": types,
    "layers": layers,
    "contracts": contracts,
    "ptx": ptx,
    "fuzz": fuzz,
    "unit": unit,
    "integration": integration,
}
"""What runs when no stage is named, in this order."""

NAMED_STAGES: dict[str, Callable[[], bool]] = {"pythons": pythons}
"""What runs only when named: it installs every dependency once more."""


def main(arguments: Sequence[str]) -> int:
    """Run the named stages, in their order; 0 if all passed, 2 for an unknown name."""
    check_only, names = arguments[:1] == ["--check"], [*arguments]
    if check_only:
        names = names[1:]
    every = NAMED_STAGES | STAGES
    if unknown := [name for name in names if name not in every]:
        print(f"edgeproof: no such stage: {' '.join(unknown)}", file=sys.stderr)
        print(f"usage: ./install.sh test [{'|'.join(every)}]...", file=sys.stderr)
        return 2
    if check_only:
        return 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EDGEPROOF_TALLY"] = str(Path(folder) / "tally.json")
        # Shared by all stages and kept between runs: kernels take long to compile.
        os.environ.setdefault("NUMBA_CACHE_DIR", str(ENVIRONMENT / "numba-cache"))
        chosen = [name for name in every if name in (names or STAGES)]
        results = [(name, *timed(every[name])) for name in chosen]
    print()
    for name, outcome, seconds in results:
        print(f"stage {name:<11}  {outcome:<7} {seconds:6.1f} s")
    failed = sum(outcome == "FAILED" for _, outcome, _ in results)
    sys.stdout.flush()
    if closing_line:
        sys.stdout.buffer.write(closing_line[0])
    else:
        passed = sum(outcome == "ok" for _, outcome, _ in results)
        print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def timed(stage: Callable[[], bool]) -> tuple[str, float]:
    """Outcome ('ok', 'FAILED' or 'skipped') and seconds of one stage."""
    print(f"\n== {stage.__name__}: {(stage.__doc__ or '').splitlines()[0]}", flush=True)
    started = time.monotonic()
    try:
        outcome = "ok" if stage() else "FAILED"
    except SkippedError as reason:
        print(f"skipped: {reason}")
        outcome = "skipped"
    return outcome, time.monotonic() - started


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
