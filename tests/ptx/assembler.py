"""NVIDIA's assembler, ptxas: whether it takes a kernel, and what that costs."""

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

NUMBERS = {
    "registers": r"Used (\d+) registers",
    "spilled": r"(\d+) bytes spill stores",
    "reloaded": r"(\d+) bytes spill loads",
    "stack": r"(\d+) bytes stack frame",
}


@dataclass(frozen=True)
class Usage:
    """What a thread of a kernel takes: registers, and bytes of anything else."""

    registers: int
    spilled: int
    reloaded: int
    stack: int


def find() -> Path:
    """Return ptxas: the one of the pinned package, else one on PATH."""
    package = importlib.util.find_spec("nvidia.cu13")
    places = package.submodule_search_locations if package else None
    for place in places or ():
        program = Path(place) / "bin" / "ptxas"
        if program.exists():
            return program
    if found := shutil.which("ptxas"):
        return Path(found)
    message = "no ptxas: pip install -e .[dev]"
    raise FileNotFoundError(message)


def assemble(ptx: str, capability: tuple[int, int], folder: Path) -> Usage:
    """Return what the only entry of ``ptx`` takes on cards of that capability.

    Raises RuntimeError where ptxas refuses it.
    """
    source = folder / "kernel.ptx"
    source.write_text(ptx)
    architecture = f"-arch=sm_{capability[0]}{capability[1]}"
    command: list[str | Path] = [find(), "-v", architecture, source]
    command += ["-o", folder / "kernel.cubin"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"ptxas refuses it: {done.stderr}"
        raise RuntimeError(message)
    found = {}
    for name, pattern in NUMBERS.items():
        (number,) = re.findall(pattern, done.stderr)
        found[name] = int(number)
    return Usage(**found)
