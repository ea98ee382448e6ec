#!/usr/bin/env python3
"""Measure what the kernels reach against what the machine could do.

``bench/run.py NAME [--json FILE] [--check]`` prints each figure beside its target.
With ``--check`` it exits 1 when a target is missed, else 3 when something had to be
skipped.
"""

import argparse
import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

if not __package__:  # started as a file: Python looked beside it, not around it
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench.report import Report
from bench.steps import Steps
from edgeproof.errors import EdgeproofError

BENCHES = {
    "agent": "memory, processor and traffic of an idle agent beside a bare client",
    "cheaters": "every cheat against the real verifier; rewrites docs/protocol.md",
    "intake": "heartbeats that one core takes, in process and over MQTT",
    "matmul": "whole proofs of products against bare BLAS",
    "memory": "walks against random reads, and recomputing items against reading them",
    "pow": "the search for nonces against other libraries' Keccak",
    "ptx": "what the CUDA kernels become, and what that allows; needs no card",
    "soak": "10,000 devices on one coordinator for 10 minutes: nothing lost",
    "verify": "verifying proofs against proving, and devices that one core verifies",
}
"""What each bench measures; it is the function ``bench`` of the module so called."""

THREADS = ("NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
"""Set to 1 before NumPy or Numba are loaded: figures are those of one core."""

PIPED_WIDTH = 140
"""Columns of a table that goes to a file: as many as the widest one needs."""


def load(name: str) -> Callable[[Steps], Report]:
    """Import one bench, and with it what it needs."""
    for variable in THREADS:
        os.environ[variable] = "1"
    bench: Callable[[Steps], Report] = importlib.import_module(f"bench.{name}").bench
    return bench


def main(arguments: Sequence[str]) -> int:
    """Run one bench; return the exit status, 2 for arguments that make no sense."""
    parser = argparse.ArgumentParser(
        prog="bench/run.py",
        description="Measure what the kernels reach against what the machine could do.",
        epilog="\n".join(f"{name:8} {what}" for name, what in BENCHES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=BENCHES, help="what to measure, see below")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument(
        "--check",
        action="store_true",
        help="exit 1 when a target is missed, else 3 when something was skipped",
    )
    chosen = parser.parse_args(arguments)
    if chosen.json and (not chosen.json.parent.is_dir() or chosen.json.is_dir()):
        parser.error(f"--json: {chosen.json} is not a file in an existing folder")
    try:
        with Steps(Console(stderr=True)) as steps:
            report = load(chosen.name)(steps)
    except EdgeproofError as error:
        print(f"bench/run.py: {error}\n  try: {error.hint}", file=sys.stderr)
        return 1
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPED_WIDTH)
    console.print(report.tables(chosen.name))
    if chosen.json:
        text = json.dumps(report.document(chosen.name), indent=1)
        chosen.json.write_text(text + "\n", encoding="utf-8")
    return report.status(check=chosen.check)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
