"""How often each cheat is caught, and an honest proof refused: the table of the docs.

Rewrites the table between the markers of docs/protocol.md.  What stands there follows
from seeds alone and is the same on every machine; the figures that depend on this one
are printed beside it: what one card under several names earns, and how much of its
memory a card can do without.
"""

import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from bench import sharing
from bench.report import Report, Target, at_most
from bench.steps import Steps
from edgeproof.kernels.cpu import memories
from edgeproof.kernels.cpu.card import CpuCard
from edgeproof.kernels.cpu.memories import CpuMemory
from edgeproof.kernels.cpu.trees import Tree
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.shapes import WALK_COVER, WALK_READS
from edgeproof.proofs import challenge, matmul, memory, proof_of_work
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.parameters import BUCKET_PHASES, Bucket, Parameters, Phase
from edgeproof.proofs.reasons import Reason
from edgeproof.simulator import trial
from edgeproof.simulator.cheats.catalogue import CHEATS
from edgeproof.simulator.cheats.cheat import Cheat

PAGE = Path(__file__).resolve().parent.parent / "docs" / "protocol.md"
BEGIN, END = "<!-- cheaters:begin -->\n", "<!-- cheaters:end -->\n"

FRACTIONS = (0.01, 0.05, 0.10, 0.25, 0.50)
"""Shares of the tiles, and of the lanes, that are invented."""

SIGMAS = 4.0
"""Standard errors by which a rate may differ from its expectation: 1 in 16,000."""

WALK_ITEMS = 1 << 16
"""Items of the walks with invented ends: 1024 lanes, as the product has tiles."""

SIZE = 2048
"""Rows of the product with invented tiles: it has 1024 of them."""


@dataclass(frozen=True)
class Scale:
    """How much is tried."""

    draws: int = 400
    networks: int = 3
    proofs: int = 10_000
    seconds: float = 2.0


FULL = Scale()


def bench(steps: Steps, scale: Scale = FULL, page: Path = PAGE) -> Report:
    """Try every cheat and as many honest proofs; rewrite the table of ``page``."""
    card = CpuCard()
    steps.begin("compiling the kernels", 1)
    card.warm()
    steps.done()
    kinds, alarms = catalogue(steps, scale.networks)
    tiles = tile_rates(card, steps, scale.draws)
    lanes = lane_rates(steps, scale.draws)
    refused, of = honest(card, steps, scale.proofs)
    write(page, table(kinds, tiles, lanes, (refused, of), scale))
    figures = {
        "cheats that were paid": float(
            sum(scale.networks - caught for caught in kinds.values())
        ),
        "honest devices beside a cheater refused": float(alarms),
        f"honest proofs refused, of {scale.proofs:,}": float(refused),
        "tiles: standard errors off (1-f)^64": worst(tiles),
        "lanes: standard errors off (1-f)^32": worst(lanes),
        **sharing.figures(card, steps, scale.seconds),
        **unheld(steps),
    }
    targets: dict[str, Target] = {
        name: at_most(0) for name in figures if "paid" in name or "refused" in name
    }
    targets |= {name: at_most(SIGMAS) for name in figures if "errors" in name}
    targets |= {name: at_most(1.1) for name in figures if "one card" in name}
    network = Parameters(genesis=1)
    most = memory.unheld(network.phase_ms[Phase.FILL], network.phase_ms[Phase.WALK])
    targets |= {name: at_most(most) for name in figures if "without" in name}
    notes = {"table": f"written to {page.name}"}
    return Report(card.name, figures, targets, {}, notes)


def catalogue(steps: Steps, networks: int) -> tuple[dict[str, int], int]:
    """Return in how many networks each cheat was unpaid, for a reason it must have.

    And how many devices beside one were refused anything.
    """
    found, alarms = {}, 0
    steps.begin("trying every cheat", networks * len(CHEATS))
    for kind, cheat in CHEATS.items():
        found[kind] = 0
        for seed in range(networks):
            tried = trial.run(cheat, seed=seed)
            good, bad = tried.devices
            found[kind] += caught(cheat, tried, bad)
            alarms += any(
                verdict.reason
                for verdict in tried.outcome.verdicts
                if verdict.device == good
            )
            steps.done()
    return found, alarms


def caught(cheat: Cheat, tried: trial.Trial, device: bytes) -> bool:
    """Return whether a cheater has nothing, and for each zero a reason it must have."""
    return not tried.reward(device) and all(
        tried.reason(device, bucket) in cheat.reasons(bucket)
        for bucket in BUCKET_PHASES
    )


@dataclass(frozen=True)
class Rate:
    """How often a fraction of garbage was caught, and how often it is to be."""

    wrong: float
    caught: int
    draws: int
    expected: float

    @property
    def error(self) -> float:
        """Return the distance from the expectation, in standard errors.

        Nothing is allowed where the expectation is a certainty.
        """
        variance = self.expected * (1 - self.expected) / self.draws
        distance = abs(self.caught / self.draws - self.expected)
        least = 0.5 / self.draws  # a rate is a whole number of draws
        return max(0.0, distance - least) / math.sqrt(max(variance, 1e-12))


def worst(rates: list[Rate]) -> float:
    """Return the largest error."""
    return max(rate.error for rate in rates)


def tile_rates(card: CpuCard, steps: Steps, draws: int) -> list[Rate]:
    """Return how often invented tiles of a product are caught, by their fraction."""
    seed = keccak(b"tiles")
    digests = card.product(seed, SIZE).digests

    def holds(spoiled: Words, draw: bytes) -> bool:
        root = Tree(spoiled).root
        opening = matmul.open_products(draw, [spoiled], SIZE)
        return matmul.verify(seed, SIZE, [root], draw, opening) is Reason.NONE

    return _rates("tiles", digests, holds, matmul.pass_probability, steps, draws)


def lane_rates(steps: Steps, draws: int) -> list[Rate]:
    """Return how often invented lanes of a walk are caught, by their fraction."""
    fill, walk, permutations = keccak(b"fill"), keccak(b"walk"), 1
    held = CpuMemory(fill, permutations, WALK_ITEMS)
    held.fill(WALK_ITEMS)
    ends = held.walk(walk, WALK_ITEMS).ends

    def holds(spoiled: Words, draw: bytes) -> bool:
        words = spoiled[:, 0]
        root = Tree(spoiled).root
        opening = memory.open_walk(draw, words, WALK_ITEMS)
        verdict = memory.verify(
            fill, walk, WALK_ITEMS, root, draw, opening, permutations
        )
        return verdict is Reason.NONE

    return _rates("lanes", ends[:, None], holds, memory.pass_probability, steps, draws)


def _rates(  # noqa: PLR0913, PLR0917 - a rate is measured with all of these
    what: str,
    right: Words,
    holds: Callable[[Words, bytes], bool],
    passes: Callable[[float], float],
    steps: Steps,
    draws: int,
) -> list[Rate]:
    steps.begin(f"inventing {what}", len(FRACTIONS) * draws)
    found = []
    rng = random.Random(what)  # noqa: S311 - the table is to be repeatable
    for fraction in FRACTIONS:
        count, survived = round(fraction * len(right)), 0
        for _ in range(draws):
            spoiled = right.copy()
            spoiled[rng.sample(range(len(right)), count)] ^= np.uint64(1)
            survived += holds(spoiled, rng.randbytes(32))
            steps.done()
        expected = 1.0 - passes(count / len(right))
        found.append(Rate(count / len(right), draws - survived, draws, expected))
    return found


def honest(card: CpuCard, steps: Steps, proofs: int) -> tuple[int, dict[Bucket, int]]:
    """Return how many of so many honest proofs were refused, and how many of each kind.

    Of random sizes, by random cards of random devices.
    """
    rng = random.Random("honest")  # noqa: S311 - the table is to be repeatable
    refused, of = 0, dict.fromkeys(BUCKET_PHASES, 0)
    steps.begin("proving honestly", proofs)
    kinds: tuple[tuple[Bucket, Callable[[], Reason]], ...] = (
        (Bucket.COMPUTE, partial(_product, card, rng)),
        (Bucket.MEMORY, partial(_walk, rng)),
        (Bucket.HASH, partial(_nonces, card, rng)),
    )
    for number in range(proofs):
        bucket, prove = kinds[number % len(kinds)]
        refused += prove() is not Reason.NONE
        of[bucket] += 1
        steps.done()
    return refused, of


def _seed(rng: random.Random, phase: Phase) -> bytes:
    return challenge.card_seed(
        challenge.DOMAINS[phase],
        rng.randbytes(32),
        rng.randbytes(32),
        rng.randbytes(20),
        rng.randrange(64),
    )


def _product(card: CpuCard, rng: random.Random) -> Reason:
    n = rng.choices((512, 1024, 2048), (90, 9, 1))[0]
    first = seed = _seed(rng, Phase.MATMUL)
    roots, digests = [], []
    for number in range(rng.randint(1, 3)):
        made = card.product(seed, n)
        roots.append(made.root)
        digests.append(made.digests)
        seed = matmul.next_seed(seed, made.root, number)
    draw = rng.randbytes(32)
    opening = matmul.open_products(draw, digests, n)
    return matmul.verify(first, n, roots, draw, opening)


def _walk(rng: random.Random) -> Reason:
    fill, walk = _seed(rng, Phase.FILL), _seed(rng, Phase.WALK)
    items, permutations = rng.randint(64, 8192), rng.randint(1, 3)
    held = CpuMemory(fill, permutations, items + rng.randrange(64))
    held.fill(held.room)
    made = held.walk(walk, items)
    draw = rng.randbytes(32)
    opening = memory.open_walk(draw, made.ends, items)
    return memory.verify(fill, walk, items, made.root, draw, opening, permutations)


def _nonces(card: CpuCard, rng: random.Random) -> Reason:
    seed, difficulty = _seed(rng, Phase.POW), rng.randint(0, 9)
    start = rng.randrange(2**63)
    found = card.search(seed, difficulty, start, 16 << difficulty)
    if not len(found):  # one in ten million: there is nothing to commit to
        return Reason.NONE
    return proof_of_work.verify(seed, difficulty, proof_of_work.encode(found))


def unheld(steps: Steps) -> dict[str, float]:
    """Return which share of an honest card's items one can claim without holding them.

    What it lacks it makes as it walks, four times each, at this machine's measured
    speeds.  The share is the same for a card that holds nothing as for what one claims
    beyond what it holds.
    """
    network = Parameters(genesis=1)
    permutations = network.fill_permutations
    steps.begin("making items in place of holding them", 2)
    held = CpuMemory(bytes(32), permutations, 1 << 14)
    started = time.perf_counter()
    held.fill(held.room)
    filling = (time.perf_counter() - started) / held.room
    steps.done()
    chosen = np.arange(64, dtype=np.uint64)
    started = time.perf_counter()
    memories.lane_ends(bytes(32), permutations, bytes(32), held.room, chosen)
    making = (time.perf_counter() - started) / (len(chosen) * WALK_READS)
    steps.done()
    filled = network.phase_ms[Phase.FILL] / filling
    made = network.phase_ms[Phase.WALK] / making
    return {"items claimed without memory for them": made / WALK_COVER / filled}


def table(
    kinds: dict[str, int],
    tiles: list[Rate],
    lanes: list[Rate],
    proofs: tuple[int, dict[Bucket, int]],
    scale: Scale,
) -> str:
    """Return the text that stands between the markers."""
    return "\n".join([*_lines(kinds, tiles, lanes, proofs, scale), ""])


def _lines(
    kinds: dict[str, int],
    tiles: list[Rate],
    lanes: list[Rate],
    proofs: tuple[int, dict[Bucket, int]],
    scale: Scale,
) -> Iterator[str]:
    yield "| cheat | what it does | refused | why it is unpaid | caught |"
    yield "|---|---|---|---|---|"
    for kind, times in kinds.items():
        cheat = CHEATS[kind]
        told = cheat.refused.name if cheat.refused else ""
        yield (
            f"| `{kind}` | {cheat.description} | {told} | {why(cheat)} |"
            f" {times} of {scale.networks} |"
        )
    yield ""
    yield "| invented | share | caught | expected |"
    yield "|---|---|---|---|"
    for name, rates in (("tiles", tiles), ("lanes", lanes)):
        for rate in rates:
            yield (
                f"| {name} | {rate.wrong:.2%} | {rate.caught} of {rate.draws}"
                f" ({rate.caught / rate.draws:.1%}) | {rate.expected:.1%} |"
            )
    refused, of = proofs
    yield ""
    yield "| honest proofs | tried | refused |"
    yield "|---|---|---|"
    counts = ", ".join(f"{n:,} {bucket.name.lower()}" for bucket, n in of.items())
    tried = f"{sum(of.values()):,}"
    yield f"| of random sizes on random cards: {counts} | {tried} | {refused} |"


def why(cheat: Cheat) -> str:
    """Return the reasons that each bucket's zero must have, in words."""
    by_reasons: dict[str, list[str]] = {}
    for bucket in cheat.unpaid:
        names = " or ".join(reason.name for reason in sorted(cheat.unpaid[bucket]))
        by_reasons.setdefault(names, []).append(bucket.name.lower())
    if len(by_reasons) == 1:
        return next(iter(by_reasons))
    return ", ".join(f"{'/'.join(b)}: {names}" for names, b in by_reasons.items())


def write(page: Path, text: str) -> None:
    """Put the table between the page's markers."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}{text}{END}{after}", encoding="utf-8")
