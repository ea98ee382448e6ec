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
DIFFICULTY = 15
ALONE = "one name"
ROUNDS = 5
"""Times that each is measured: what counts is the best."""

clock = time.process_time
"""A window is so much time of the processor: what else runs here costs no identity."""


class SharedCard(Disguise):
    """A card that does one thing at a time, whoever asks, and counts what it does.

    ``work`` is in products and in nonces tried, solutions would be luck; what is not
    done by ``until`` is not paid, and not counted.
    """

    def __init__(self, honest: Card) -> None:
        super().__init__(honest, lambda: True)
        self._lock = threading.Lock()
        self.work = 0
        self.until = 0.0

    def product(self, seed: bytes, n: int) -> Product:
        """See ``Card``."""
        with self._lock:
            made = self.honest.product(seed, n)
            self.work += clock() <= self.until
            return made

    def search(self, seed: bytes, difficulty: int, start: int, count: int) -> Words:
        """See ``Card``."""
        with self._lock:
            found = self.honest.search(seed, difficulty, start, count)
            self.work += count * (clock() <= self.until)
            return found


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
        ways[name, ALONE] = partial(in_turn, shared, command, 1)
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


def in_turn(card: SharedCard, command: Command, count: int) -> int:
    """Return what the card does for so many identities, one after another."""
    return sum(at_once(card, command, 1, identity) for identity in range(count))


def at_once(card: SharedCard, command: Command, count: int, first: int = 0) -> int:
    """Return what the card does for so many identities in one window."""
    before = card.work
    card.until = clock() + command["milliseconds"] / 1000
    # Threads for one too: a main thread can be slower than others.
    threads = [
        threading.Thread(target=serve, args=(card, command, first + identity))
        for identity in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return card.work - before


def serve(card: Card, command: Command, identity: int) -> None:
    """Have an identity's prover do what is commanded."""
    seed = keccak(identity.to_bytes(4, "big"))
    job = {"job": identity, "card": 0, "seed": seed.hex()}
    CardProver(card, lambda _answer: None, clock).serve({**command, **job}, clock())
