"""NVIDIA's assembler and disassembler, run on the kernels' PTX; no card is needed."""

import importlib.util
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from bench.assembled import Assembled, architecture, read
from edgeproof.errors import EdgeproofError
from edgeproof.kernels.cuda.architectures import Capability
from edgeproof.kernels.cuda.catalogue import KERNELS
from edgeproof.kernels.cuda.compiler import ARCHITECTURES, Kernel

TOOLS = {"ptxas": "nvidia-cuda-nvcc", "nvdisasm": "nvidia-cuda-nvdisasm"}
"""The programs, and the packages that bring them."""


def find(tool: str) -> str | None:
    """Return the path of a program, from its Python package or from PATH, or None."""
    package = importlib.util.find_spec("nvidia")
    for folder in (package and package.submodule_search_locations) or ():
        for path in Path(folder).glob(f"*/bin/{tool}"):
            return str(path)
    return shutil.which(tool)


def version(tool: str) -> str:
    """Return the version that a program says it is."""
    said = re.search(r"V(\d[\d.]*)", _run(tool, "--version"))
    return said[1] if said else "of an unknown version"


def variants() -> list[tuple[str, Capability]]:
    """Return each kernel's name with each architecture that it is for."""
    return [
        (kernel.name, capability)
        for kernel in KERNELS
        for capability in ARCHITECTURES
        if kernel.suits(capability)
    ]


def assemble(
    name: str, capability: Capability, ptxas: str, nvdisasm: str | None
) -> Assembled:
    """Compile, assemble and disassemble one kernel; see ``assembled``."""
    (kernel,) = (kernel for kernel in KERNELS if kernel.name == name)
    return assembled(kernel, capability, kernel.ptx(capability), ptxas, nvdisasm)


def assembled(
    kernel: Kernel,
    capability: Capability,
    ptx: str,
    ptxas: str,
    nvdisasm: str | None = None,
) -> Assembled:
    """Assemble and disassemble the PTX of a kernel.

    Raises:
        EdgeproofError: a tool refuses it.

    """
    with tempfile.TemporaryDirectory() as folder:
        source, binary = Path(folder) / "kernel.ptx", Path(folder) / "kernel.cubin"
        source.write_text(ptx, encoding="ascii")
        options = ["-v", f"-arch={architecture(capability)}", "-o", str(binary)]
        said = _run(ptxas, *options, str(source))
        sass = _run(nvdisasm, "-c", str(binary)) if nvdisasm else ""
    return read(kernel.name, capability, kernel.block, said, sass)


def _run(*command: str) -> str:
    done = subprocess.run(  # noqa: S603 - NVIDIA's own tools, on files made here
        command, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    if done.returncode:
        tool = Path(command[0]).name
        msg = f"{tool} says: {' '.join(said.split())[:300]}"
        raise EdgeproofError(msg, hint=f"install the {tool} of CUDA 13.0")
    return said
