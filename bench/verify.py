"""What verifying costs beside proving, and how many devices one core can verify."""

import time
from dataclasses import dataclass
from statistics import median

import numpy as np

from bench.measure import interleave
from bench.report import Report, at_most
from bench.steps import Steps
from edgeproof.kernels.cpu import memories, nonces, products
from edgeproof.kernels.cpu.card import CpuCard
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.shapes import lanes
from edgeproof.proofs import challenge, matmul, memory, merkle, proof_of_work
from edgeproof.proofs.parameters import Parameters
from edgeproof.proofs.reasons import Reason

SEED, DRAW = bytes(range(32)), bytes(range(100, 132))
SIZE, PRODUCTS = 4096, 32
"""The proof whose cost has a target."""

TARGET = f"verifying over proving, n={SIZE}, T={PRODUCTS}"
HOUR = 3600.0


@dataclass(frozen=True)
class Kind:
    """What a device of one kind proves in a round of the standard network."""

    n: int
    products: int
    items: int
    solutions: int


CLASSES = {
    "CPU class": Kind(2048, 50, 400_000, 700),
    "GPU class": Kind(16384, 1000, 1 << 28, 700),
}


def bench(
    steps: Steps, n: int = SIZE, count: int = PRODUCTS, rounds: int = 5
) -> Report:
    """Prove ``count`` products, verify them, and cost each kind of device."""
    card = CpuCard()
    steps.begin("compiling the kernels", 1)
    card.warm()
    steps.done()
    seconds, roots, digests = prove(card, n, count, steps)
    opening = matmul.open_products(DRAW, digests, n)

    def check() -> None:
        if matmul.verify(SEED, n, roots, DRAW, opening) is not Reason.NONE:
            msg = "an honest proof does not hold"
            raise AssertionError(msg)

    steps.begin("verifying it", rounds + 1)
    checked = interleave({"verify": check}, rounds, steps).median("verify")
    name = f"verifying over proving, n={n}, T={count}"
    figures = {
        "proving, s": seconds,
        "verifying, s": checked,
        name: checked / seconds,
    }
    skipped = {} if name == TARGET else {TARGET: "another size was asked for"}
    grid = {}
    for title, kind in CLASSES.items():
        grid[title] = cost(kind, steps, rounds)
        per_hour = grid[title]["devices an hour"]
        figures[f"{title}: devices a core verifies an hour"] = per_hour
    grids = {"one device's round: seconds of one core, and bytes of messages": grid}
    notes = {"a round an hour": "as the standard network expects"}
    targets = {TARGET: at_most(1 / 1000)}
    return Report(card.name, figures, targets, skipped, notes, grids)


def prove(
    card: CpuCard, n: int, count: int, steps: Steps
) -> tuple[float, list[bytes], list[Words]]:
    """Return the seconds of a chain of products, its roots and digests."""
    seed, roots, digests, taken = SEED, [], [], []
    steps.begin(f"proving {count} products of n={n}", count + 1)
    card.product(seed, n)  # pays for fresh memory
    steps.done()
    for number in range(count):
        started = time.perf_counter()
        made = card.product(seed, n)
        taken.append(time.perf_counter() - started)
        roots.append(made.root)
        digests.append(made.digests)
        seed = matmul.next_seed(seed, made.root, number)
        steps.done()
    # Other work on the machine slows single products down, not all of them.
    return median(taken) * count, roots, digests


def cost(kind: Kind, steps: Steps, rounds: int) -> dict[str, float]:
    """Return what one device's round costs a verifier, by proof, and its messages.

    Paths are walked and tiles computed for real; what they are compared with does not
    change what that costs.
    """
    network = Parameters(genesis=1)
    words = np.arange(kind.solutions, dtype=np.uint64)
    tiles = matmul.tiles(kind.n)
    path = (bytes(32),) * matmul.depth(kind.n)
    chosen = np.array(
        challenge.opened_lanes(DRAW, lanes(kind.items), memory.OPENINGS),
        dtype=np.uint64,
    )

    def compute() -> None:
        matmul.chain_seeds(SEED, [bytes(32)] * kind.products)
        drawn = challenge.opened_tiles(DRAW, kind.products, tiles, matmul.OPENINGS)
        for _, tile in drawn:
            merkle.check_path(bytes(16), tile, tiles, path, bytes(32))
            products.tile_digest(SEED, kind.n, tile)

    def walk() -> None:
        memories.lane_ends(SEED, network.fill_permutations, SEED, kind.items, chosen)

    def hashing() -> None:
        nonces.meet(SEED, 0, words)

    steps.begin(f"verifying a round with n={kind.n}", rounds + 1)
    sides = {"compute": compute, "one walk": walk, "hash": hashing}
    timings = interleave(sides, rounds, steps)
    found = {name: timings.median(name) for name in sides}
    whole = found["compute"] + 2 * found["one walk"] + found["hash"]
    walk_bytes = memory.opening_bytes(chosen.tolist(), lanes(kind.items)) + 32
    return {
        **found,
        "whole round": whole,
        "devices an hour": HOUR / whole,
        "compute bytes": matmul.opening_bytes(kind.n) + 32 * kind.products,
        "walks' bytes": 2 * walk_bytes,
        "hash bytes": proof_of_work.NONCE_BYTES * kind.solutions,
    }
