"""The search for nonces on one core, against the Keccak of other libraries."""

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from bench.measure import interleave
from bench.report import Report, at_least
from bench.steps import Steps
from edgeproof.kernels.cpu.card import CpuCard

SEED = bytes(range(32))

MESSAGE = SEED + bytes(8)
"""As long as what the search hashes: one permutation, as SHA-3 takes too."""

DIFFICULTY = 20

TARGET = "over hashlib.sha3_256"

HASHES = {"edgeproof": 1_000_000, "hashlib.sha3_256": 100_000}
LIBRARY_HASHES = {"pycryptodome": 20_000, "safe-pysha3": 100_000}
"""Hashes of one timing: about a fifth of a second each."""


def bench(steps: Steps, rounds: int = 11, share: float = 1.0) -> Report:
    """Hash on every side; ``share`` is of the usual number."""
    card = CpuCard()
    steps.begin("compiling the kernels", 1)
    card.warm()
    steps.done()
    sides, skipped = libraries()
    counts = {
        name: max(4, int(share * count))
        for name, count in (HASHES | LIBRARY_HASHES).items()
        if name not in skipped
    }

    def search() -> None:
        card.search(SEED, DIFFICULTY, 0, counts["edgeproof"])

    timed: dict[str, Callable[[], None]] = {"edgeproof": search}
    for name, digest in sides.items():
        timed[name] = repeated(digest, counts[name])
    steps.begin("hashing", rounds + 1)
    timings = interleave(timed, rounds, steps)
    figures = {
        f"{name} Mkeccak/s": counts[name] / timings.median(name) / 1e6 for name in timed
    }
    for name in sides:
        times = counts["edgeproof"] / counts[name]
        figures[f"over {name}"] = times * timings.ratio(name, "edgeproof")
    flags = cpu_flags()
    if "avx2" not in flags:
        figures[f"{TARGET}, without AVX2"] = figures.pop(TARGET)
        skipped[TARGET] = "the target is for a core with AVX2"
    notes = {"vectors": vectors(flags)}
    return Report(card.name, figures, {TARGET: at_least(10.0)}, skipped, notes)


def libraries() -> tuple[dict[str, Callable[[], object]], dict[str, str]]:
    """Return one hash of ``MESSAGE`` by each library, and why others are missing."""
    sides: dict[str, Callable[[], object]] = {
        "hashlib.sha3_256": lambda: hashlib.sha3_256(MESSAGE).digest()
    }
    skipped = {}
    try:
        from Crypto.Hash import keccak  # noqa: PLC0415 - it may be missing
    except ImportError:
        skipped["pycryptodome"] = "not installed; pip install pycryptodome"
    else:
        sides["pycryptodome"] = lambda: keccak.new(
            data=MESSAGE, digest_bits=256
        ).digest()
    try:
        import sha3  # noqa: PLC0415 - it may be missing
    except ImportError:
        skipped["safe-pysha3"] = "not installed; pip install safe-pysha3"
    else:
        sides["safe-pysha3"] = lambda: sha3.keccak_256(MESSAGE).digest()
    return sides, skipped


def repeated(digest: Callable[[], object], count: int) -> Callable[[], None]:
    """Return what calls ``digest`` so many times."""

    def side() -> None:
        for _ in range(count):
            digest()

    return side


def cpu_flags() -> set[str]:
    """Return what Linux says that this CPU can do; empty elsewhere."""
    with contextlib.suppress(OSError):
        return set(Path("/proc/cpuinfo").read_text(errors="replace").split())
    return set()


def vectors(flags: set[str]) -> str:
    """Return the instructions that the search is compiled for, the widest of them."""
    if name := os.environ.get("NUMBA_CPU_NAME"):
        return f"those of {name}, as NUMBA_CPU_NAME says"
    widest = {"avx512f": "AVX-512", "avx2": "AVX2"}
    return next((widest[flag] for flag in widest if flag in flags), "not known")
