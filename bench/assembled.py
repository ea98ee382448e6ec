"""A kernel as NVIDIA's assembler made it."""

import re
from dataclasses import dataclass

from edgeproof.kernels.cuda.architectures import Capability


@dataclass(frozen=True)
class Assembled:
    """A kernel for one architecture: what a thread and a block need, and its code.

    ``spilled`` are bytes of stores and loads; ``sass`` is empty without nvdisasm.
    """

    name: str
    capability: Capability
    block: int
    registers: int
    shared: int
    stack: int
    spilled: int
    sass: str

    @property
    def row(self) -> str:
        """What it is called in tables."""
        return f"{self.name} {architecture(self.capability)}"


def architecture(capability: Capability) -> str:
    """Return what NVIDIA's tools call an architecture."""
    return f"sm_{capability[0]}{capability[1]}"


def read(
    name: str, capability: Capability, block: int, said: str, sass: str
) -> Assembled:
    """Read what ptxas said of a kernel."""

    def number(pattern: str) -> int:
        return sum(map(int, re.findall(pattern, said)))

    return Assembled(
        name,
        capability,
        block,
        number(r"Used (\d+) registers"),
        number(r"(\d+) bytes smem"),
        number(r"(\d+) bytes stack frame"),
        number(r"(\d+) bytes spill (?:stores|loads)"),
        sass,
    )
