"""What the CUDA kernels become for each architecture, and what that allows.

Nothing is timed.  Registers, spills and instructions are the assembler's; the clocks
are a model: how fast a multiprocessor can issue such instructions at best.
"""

import importlib.util
import multiprocessing
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from bench import sass
from bench.assembled import Assembled, architecture
from bench.report import Report, at_least, at_most
from bench.steps import Steps
from bench.units import UNITS, Keccak, N, NotUnderstoodError
from edgeproof.kernels.cpu.card import CpuCard
from edgeproof.kernels.cuda.architectures import (
    ARCHITECTURES,
    WARP,
    Capability,
    resident_warps,
)

SPILLED = "spilled bytes"
OPERATIONS = "integer operations per Keccak"
SHARE = "share of int8 tensor peak"
TENSOR = f"{SHARE}, sm_80"
SEARCH = "keccak.search"
"""The kernel whose operations have a target: the worst of its architectures."""

PUBLISHED = 4200
"""About as many integer operations as hashcat's kernel is said to take for a Keccak.

The theory agrees, at 4,186: a round takes 58 shifts and 122 logical operations of three
inputs (theta 20 + 50, chi 50, iota 2).  There are 23, and of the last one 46 are needed
for the digest's first word.
"""

TARGETS = {
    SPILLED: at_most(0),
    OPERATIONS: at_most(1.1 * PUBLISHED),
    TENSOR: at_least(0.9),
}

RESOURCES = "resources"
HASHING = "instructions per Keccak"
MULTIPLYING = f"instructions per 1,000 multiplications at n={N}"
BUSY = "modelled share of the clocks that each pipe is busy (1: it bounds the kernel)"


def bench(
    steps: Steps, chosen: Sequence[tuple[str, Capability]] | None = None
) -> Report:
    """Compile every kernel for every architecture, or those that are chosen."""
    name = CpuCard().name
    if not importlib.util.find_spec("numba_cuda"):
        return nothing(name, "no numba-cuda; pip install 'edgeproof[cuda]'")
    from bench import assembler  # noqa: PLC0415 - it needs numba-cuda

    ptxas, nvdisasm = assembler.find("ptxas"), assembler.find("nvdisasm")
    if not ptxas:
        return nothing(name, f"no ptxas; pip install {assembler.TOOLS['ptxas']}")
    variants = assembler.variants() if chosen is None else chosen
    steps.begin("compiling and assembling", len(variants))
    workers = min(2, os.cpu_count() or 1)
    done = {}
    # Not forked: that would copy a process in which other threads hold locks.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn) as pool:
        tasks = {
            pool.submit(assembler.assemble, *variant, ptxas, nvdisasm): variant
            for variant in variants
        }
        for task in as_completed(tasks):
            done[tasks[task]] = task.result()
            steps.done()
    install = f"no nvdisasm; pip install {assembler.TOOLS['nvdisasm']}"
    lacking = "" if nvdisasm else install
    notes = {"ptxas": assembler.version(ptxas)}
    return report(name, [done[variant] for variant in variants], lacking, notes)


def nothing(machine_name: str, reason: str) -> Report:
    """Return the report of a machine that cannot compile the kernels."""
    return Report(machine_name, {}, TARGETS, dict.fromkeys(TARGETS, reason))


def report(
    machine_name: str,
    built: Sequence[Assembled],
    lacking: str = "",
    notes: Mapping[str, str] | None = None,
) -> Report:
    """Count and model what was built; ``lacking`` says why there is no SASS."""
    figures = {SPILLED: float(sum(kernel.spilled for kernel in built))}
    grids: dict[str, dict[str, dict[str, float]]] = {
        RESOURCES: {kernel.row: resources(kernel) for kernel in built},
        HASHING: {},
        MULTIPLYING: {},
        BUSY: {},
    }
    skipped, tensor = {}, {}
    for kernel in built:
        if kernel.name not in UNITS:
            continue
        try:
            counted = cost(kernel, lacking)
        except NotUnderstoodError as reason:
            skipped[f"instructions of {kernel.row}"] = str(reason)
            continue
        busy = sass.clocks(counted, ARCHITECTURES[kernel.capability])
        bound = max(busy.values())
        grids[BUSY][kernel.row] = {pipe: each / bound for pipe, each in busy.items()}
        unit = UNITS[kernel.name]
        if isinstance(unit, Keccak):
            clocks = {"clocks": bound / WARP}
            grids[HASHING][kernel.row] = classes(counted, 1.0) | clocks
        else:
            scale = 1000 / (unit.entries * N)
            grids[MULTIPLYING][kernel.row] = classes(counted, scale)
        if kernel.name == SEARCH:
            operations = float(sass.operations(counted))
            figures[OPERATIONS] = max(operations, figures.get(OPERATIONS, 0.0))
        if busy["tensor"]:
            tensor[kernel.capability] = busy["tensor"] / bound
    for capability in sorted(tensor):
        figures[f"{SHARE}, {architecture(capability)}"] = tensor[capability]
    for name in sorted(set(TARGETS) - set(figures)):
        skipped[name] = lacking or "the kernel that decides it was not counted"
    shown = {title: grid for title, grid in grids.items() if grid}
    return Report(machine_name, figures, TARGETS, skipped, notes or {}, shown)


def cost(kernel: Assembled, lacking: str) -> sass.Counted:
    """Return what a warp does for a unit of the kernel's work."""
    if lacking:
        raise NotUnderstoodError(lacking)
    return UNITS[kernel.name].count(sass.parse(kernel.sass))


def resources(kernel: Assembled) -> dict[str, float]:
    """Return what a kernel needs, and the share of an SM's warps that this allows."""
    limits = ARCHITECTURES[kernel.capability]
    warps = resident_warps(limits, kernel.registers, kernel.shared, kernel.block)
    return {
        "threads": kernel.block,
        "registers": kernel.registers,
        "shared bytes": kernel.shared,
        "stack bytes": kernel.stack,
        "spilled bytes": kernel.spilled,
        "warps": warps,
        "occupancy": warps / limits.warps,
    }


def classes(counted: sass.Counted, scale: float) -> dict[str, float]:
    """Return how many instructions of each class, and of all, times ``scale``."""
    found = dict.fromkeys(sass.CLASSES, 0.0)
    for name, count in counted.items():
        found[sass.classify(name)] += scale * count
    return found | {"all": scale * counted.total()}
