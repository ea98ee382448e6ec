"""Measure what the kernels reach against what the machine could do.

``bench/run.py NAME [--json FILE] [--check]`` prints each figure beside its target.
With ``--check`` it exits 1 when a target is missed.  Both sides of a ratio are timed
in turn, in one process with one thread, and medians are compared.
"""

import os

for variable in ("NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before NumPy loads
    os.environ[variable] = "1"

import argparse  # noqa: E402 - see above
import hashlib  # noqa: E402 - see above
import json  # noqa: E402 - see above
import sys  # noqa: E402 - see above
import time  # noqa: E402 - see above
from collections.abc import Callable, Sequence  # noqa: E402 - see above
from pathlib import Path  # noqa: E402 - see above
from statistics import median  # noqa: E402 - see above

import numpy as np  # noqa: E402 - see above
import sha3  # noqa: E402 - see above

from edgeproof.kernels import machine  # noqa: E402 - see above
from edgeproof.kernels.card import Card  # noqa: E402 - see above
from edgeproof.kernels.cpu.matrices import Floats  # noqa: E402 - see above

SEED = bytes(range(32))


def medians(rounds: int, sides: Sequence[Callable[[], object]]) -> list[float]:
    """Return each side's median seconds, run in turn; the first round warms up."""
    taken: list[list[float]] = [[] for _ in sides]
    for number in range(rounds + 1):
        for times, side in zip(taken, sides, strict=True):
            started = time.perf_counter()
            side()
            if number:
                times.append(time.perf_counter() - started)
    return [median(times) for times in taken]


def matmul(card: Card) -> tuple[dict[str, float], dict[str, float]]:
    """Time the whole proof of a product against BLAS alone at the same size."""
    figures = {}
    for n, rounds in ((512, 21), (1024, 11), (2048, 7), (4096, 3)):
        a, b, c = (np.ones((n, n), dtype=np.float32) for _ in range(3))

        def proof(n: int = n) -> object:
            return card.product(SEED, n)

        def bare(a: Floats = a, b: Floats = b, c: Floats = c) -> object:
            return np.matmul(a, b.T, out=c)

        seconds, blas = medians(rounds, [proof, bare])
        figures[f"n={n} GMAC/s"] = n**3 / seconds / 1e9
        figures[f"n={n} of bare sgemm"] = blas / seconds
    return figures, {"n=2048 of bare sgemm": 0.88, "n=4096 of bare sgemm": 0.93}


def pow_(card: Card) -> tuple[dict[str, float], dict[str, float]]:
    """Time Keccak on one core against the libraries that a device may have."""
    message, few = SEED + bytes(8), 100_000

    def hashlib_side() -> None:
        for _ in range(few):
            hashlib.sha3_256(message).digest()

    def pysha3_side() -> None:
        for _ in range(few):
            sha3.keccak_256(message).digest()

    many = 1_000_000
    ours, standard, pysha3 = medians(
        7, [lambda: card.search(SEED, 20, 0, many), hashlib_side, pysha3_side]
    )
    rate = many / ours
    return {
        "MH/s": rate / 1e6,
        "over hashlib.sha3_256": rate * standard / few,
        "over safe-pysha3": rate * pysha3 / few,
    }, {"over hashlib.sha3_256": 10.0}


BENCHES = {"matmul": matmul, "pow": pow_}


def main() -> int:
    """Run one bench; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=BENCHES)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--check", action="store_true", help="exit 1 on a miss")
    chosen = parser.parse_args()
    card = machine.look().cards[0]
    card.warm()
    figures, targets = BENCHES[chosen.name](card)
    held = {name: figures[name] >= least for name, least in targets.items()}
    for name, value in figures.items():
        target = f"at least {targets[name]:g}" if name in targets else ""
        print(f"{name:28} {value:10.3f}  {target:16} {_verdict(held.get(name))}")
    if chosen.json:
        report = {
            "bench": chosen.name,
            "machine": card.name,
            "figures": figures,
            "targets": {
                name: {"at_least": least, "holds": held[name]}
                for name, least in targets.items()
            },
        }
        chosen.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 1 if chosen.check and not all(held.values()) else 0


def _verdict(held: bool | None) -> str:  # noqa: FBT001 - None: there is no target
    return {None: "", True: "holds", False: "missed"}[held]


if __name__ == "__main__":
    sys.exit(main())
