"""What the streaming multiprocessors (SM) of NVIDIA's architectures can do.

Limits: CUDA C++ Programming Guide, "Technical Specifications per Compute Capability",
and CUDA's own ``cuda_occupancy.h``.  Rates: the guide's "Throughput of Native
Arithmetic Instructions", and NVIDIA's engineers on which pipe runs what:
https://forums.developer.nvidia.com/t/302018 and /t/108729.  No card was asked.
"""

from dataclasses import dataclass

Capability = tuple[int, int]
"""What NVIDIA calls a compute capability: (9, 0) is sm_90."""

WARP = 32
SUBCORES = 4
"""Parts of an SM, each with a scheduler that issues one warp instruction a clock."""

REGISTERS = 65536
REGISTER_UNIT = 256
"""Registers of an SM, and how many a warp's are rounded up to."""

LANES = 64
"""Threads a clock and SM on the integer pipe (logic, additions, shifts), and as many
on the pipe of integer multiplications and dot products, which works beside it.

12.0 is said to add integers on twice as many lanes; whether logic and shifts too is
not documented, so it is modelled like the others.
"""

ISSUED = SUBCORES * WARP
"""Threads a clock and SM whose instructions are issued, whatever they are."""

SHARED_BYTES = 128
"""Bytes a clock and SM of shared memory: 32 banks of 4 bytes."""


@dataclass(frozen=True)
class Architecture:
    """One SM: most warps and blocks at a time, and bytes of shared memory.

    ``shared_unit`` is what a block's shared memory is rounded up to, and
    ``shared_reserved`` what CUDA keeps of it for itself.  ``tensor`` is its int8
    multiplications a clock on tensor cores.
    """

    warps: int
    blocks: int
    shared: int
    shared_unit: int
    shared_reserved: int
    tensor: int


ARCHITECTURES: dict[Capability, Architecture] = {
    # Published dense int8 TOPS are 2 x SMs x clock in GHz x tensor / 1000:
    # T4: 130 TOPS from 40 SMs at 1.590 GHz
    (7, 5): Architecture(32, 16, 64 << 10, 256, 0, 1024),
    # A100: 624 from 108 at 1.410
    (8, 0): Architecture(64, 32, 164 << 10, 128, 1024, 2048),
    # RTX 3090: 284 from 82 at 1.695
    (8, 6): Architecture(48, 16, 100 << 10, 128, 1024, 1024),
    # RTX 4090: 661 from 128 at 2.520
    (8, 9): Architecture(48, 24, 100 << 10, 128, 1024, 1024),
    # H100 SXM: 1979 from 132 at 1.830
    (9, 0): Architecture(64, 32, 228 << 10, 128, 1024, 4096),
    # B200: 4500 from 148 at 1.855
    (10, 0): Architecture(64, 32, 228 << 10, 128, 1024, 8192),
    # RTX 5090: 838 from 170 at 2.407
    (12, 0): Architecture(48, 24, 100 << 10, 128, 1024, 1024),
}


def resident_warps(
    architecture: Architecture, registers: int, shared: int, threads: int
) -> int:
    """Return how many warps of a kernel an SM holds at a time.

    ``registers`` are a thread's, ``shared`` a block's bytes, ``threads`` a block's.
    """
    warps = -(-threads // WARP)
    each = round_up(max(registers, 1) * WARP, REGISTER_UNIT)
    fitting = REGISTERS // SUBCORES // each * SUBCORES
    blocks = min(architecture.blocks, architecture.warps // warps, fitting // warps)
    room = round_up(shared + architecture.shared_reserved, architecture.shared_unit)
    if room:
        blocks = min(blocks, architecture.shared // room)
    return blocks * warps


def round_up(value: int, unit: int) -> int:
    """Return the next multiple of ``unit``."""
    return -(-value // unit) * unit
