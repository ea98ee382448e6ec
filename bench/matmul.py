"""The whole proof of a product, against nothing but BLAS at the same size."""

from collections.abc import Mapping

import numpy as np

from bench.measure import interleave
from bench.report import Report, at_least
from bench.steps import Steps
from edgeproof.kernels.cpu import products
from edgeproof.kernels.cpu.card import CpuCard
from edgeproof.kernels.cpu.matrices import Floats

SEED = bytes(range(32))

ROUNDS = {512: 41, 1024: 21, 2048: 11, 4096: 9}
"""Rounds for each size: the smaller, the more is needed against noise."""

TARGETS = {2048: 0.88, 4096: 0.93}


def bench(steps: Steps, rounds: Mapping[int, int] = ROUNDS) -> Report:
    """Multiply at each size, with all that a proof does, and without."""
    card = CpuCard()
    steps.begin("compiling the kernels", 1)
    card.warm()
    steps.done()
    figures = {}
    for n, times in rounds.items():
        a, b, c = (np.ones((n, n), dtype=np.float32) for _ in range(3))

        def proof(n: int = n) -> object:
            return card.product(SEED, n)

        def bare(a: Floats = a, b: Floats = b, c: Floats = c) -> object:
            return np.matmul(a, b.T, out=c)

        steps.begin(f"multiplying at n={n}", times + 1)
        timings = interleave({"proof": proof, "sgemm": bare}, times, steps)
        figures[f"n={n} proof GMAC/s"] = n**3 / timings.median("proof") / 1e9
        figures[f"n={n} sgemm GMAC/s"] = n**3 / timings.median("sgemm") / 1e9
        figures[f"n={n} of bare sgemm"] = timings.ratio("sgemm", "proof")
    notes, skipped = blas()
    notes["multiplier"] = products.used()
    targets = {f"n={n} of bare sgemm": at_least(least) for n, least in TARGETS.items()}
    for name in set(targets) - set(figures):
        skipped[name] = "not among the sizes asked for"
    return Report(card.name, figures, targets, skipped, notes)


def blas() -> tuple[dict[str, str], dict[str, str]]:
    """Return which BLAS both sides call and how, or why that is not known."""
    try:
        import threadpoolctl  # noqa: PLC0415 - it may be missing
    except ImportError:
        return {}, {"BLAS": "not named; pip install threadpoolctl"}
    found = [
        f"{pool['internal_api']} {pool['version']}, {pool.get('architecture', '?')}"
        f" kernels, {pool['num_threads']} thread"
        for pool in threadpoolctl.threadpool_info()
        if pool["user_api"] == "blas"
    ]
    if not found:
        return {}, {"BLAS": "threadpoolctl does not know the BLAS that NumPy uses"}
    return {"BLAS": "; ".join(found)}, {}
