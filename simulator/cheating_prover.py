"""The prover of a demo's cheater: the honest program with a card that cheats.

    python -m edgeproof.simulator.cheating_prover --cheat KIND --from-file FILE

It is honest until the Unix millisecond that FILE names, for ever if there is no FILE.
"""

import argparse
import time
from pathlib import Path

from edgeproof.agent.prover import run
from edgeproof.kernels.card import Card
from edgeproof.simulator.cheats.catalogue import by_kind
from edgeproof.simulator.cheats.cheat import Cheat

LONGEST = 32
"""Characters of FILE that are read."""


def started(start: Path) -> bool:
    """Return whether the moment that a file names has come."""
    try:
        with start.open() as file:
            return time.time_ns() // 1_000_000 >= int(file.read(LONGEST))
    except (OSError, ValueError):
        return False


def disguised(card: Card, cheat: Cheat, start: Path) -> Card:
    """Return the card that cheats from the moment on that the file names."""
    return cheat.card(card, lambda: started(start))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--cheat", type=by_kind, required=True)
    parser.add_argument("--from-file", type=Path, required=True)
    given = parser.parse_args()
    run(lambda card: disguised(card, given.cheat, given.from_file))
