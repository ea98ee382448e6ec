"""What one card earns under several names, measured beside what it earns under one."""

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from bench.steps import Steps
from edgeproof.agent.card_prover import CardProver
from edgeproof.kernels.card import Card, Product
from edgeproof.kernels.scalar import Words
from edgeproof.proofs.keccak import keccak
from edgeproof.simulator.cheats.cards import Disguise

IDENTITIES = (2, 10)
SIZE = 512
DIFFICULTY = 13
ALONE = "one name"
ROUNDS = 5
"""Times that each is measured: what counts is the best."""

clock = time.process_time
"""A window is so much time of the processor: what else runs here costs no identity."""


class SharedCard(Disguise):
    """A card that does one thing at a time, whoever asks."""

    def __init__(self, honest: Card) -> None:
        super().__init__(honest, lambda: True)
        self._lock = threading.Lock()

    def product(self, seed: bytes, n: int) -> Product:
        """See ``Card``."""
        with self._lock:
            return self.honest.product(seed, n)

    def search(self, seed: bytes, difficulty: int, start: int, count: int) -> Words:
        """See ``Card``."""
        with self._lock:
            return self.honest.search(seed, difficulty, start, count)


Command = Mapping[str, Any]


def commands(milliseconds: int) -> dict[str, Command]:
    """Return what each kind of work is asked for with."""
    return {
        "compute": {"do": "multiply", "size": SIZE, "milliseconds": milliseconds},
        "hash": {
            "do": "search",
            "difficulty": DIFFICULTY,
            "hashes": 0,
            "milliseconds": milliseconds,
        },
    }


def figures(card: Card, steps: Steps, seconds: float) -> dict[str, float]:
    """Return what one card's identities earn together, over what it earns alone."""
    shared = SharedCard(card)
    whole = int(1000 * seconds)
    ways: dict[tuple[str, str], Callable[[], int]] = {}
    for name, command in commands(whole).items():
        ways[name, ALONE] = partial(items, shared, command, 0)
        for count in IDENTITIES:
            part = commands(whole // count)[name]
            ways[name, f"{count} names at once"] = partial(
                at_once, shared, command, count
            )
            ways[name, f"{count} names in turn"] = partial(in_turn, shared, part, count)
    steps.begin("working under several names", ROUNDS * len(ways))
    most = dict.fromkeys(ways, 0)
    for _ in range(ROUNDS):  # in turn, so that a slow moment costs every way the same
        for way, work in ways.items():
            most[way] = max(most[way], work())
            steps.done()
    return {
        f"{name}: {way}, over one card's": found / most[name, ALONE]
        for (name, way), found in most.items()
        if way != ALONE
    }


def in_turn(card: Card, command: Command, count: int) -> int:
    """Return the items that so many identities commit to, one after another."""
    return sum(items(card, command, identity) for identity in range(count))


def at_once(card: Card, command: Command, count: int) -> int:
    """Return the items that so many identities commit to in one window."""
    found = [0] * count

    def work(identity: int) -> None:
        found[identity] = items(card, command, identity)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(found)


def items(card: Card, command: Command, identity: int) -> int:
    """Return how many items an identity's prover finds."""
    found = 0

    def answer(said: Mapping[str, object]) -> None:
        nonlocal found
        if said["is"] == "found" and isinstance(said["items"], list):
            found += len(said["items"])

    seed = keccak(identity.to_bytes(4, "big"))
    job = {"job": identity, "card": 0, "seed": seed.hex()}
    CardProver(card, answer, clock).serve({**command, **job}, clock())
    return found
