"""Runs in Numba's CUDA simulator: prints what a simulated card computes, as JSON.

    NUMBA_ENABLE_CUDASIM=1 python -m tests.kernels.simulated

A card of its own process, since Numba chooses the simulator when it is imported.
"""

import json
import sys

from edgeproof.kernels.card import Card
from edgeproof.kernels.cuda import driver
from edgeproof.kernels.cuda.card import CudaCard
from edgeproof.kernels.shapes import FEWEST_ITEMS

SEED = bytes(range(100, 132))
ITEMS = FEWEST_ITEMS + 5


def main() -> None:
    """Use every method of a card once."""
    (device,) = driver.devices()
    card: Card = CudaCard(device)
    card.warm()
    product = card.product(SEED, 64)
    memory = card.memory(SEED, 2, ITEMS)
    memory.fill(3)
    left = memory.spare(0.0)
    memory.fill(left)
    walk = memory.walk(SEED, ITEMS)
    found = {
        "name": card.name,
        "kernel": card.kernel,
        "checked": list(card.checked),
        "notices": list(card.notices),
        "digests": product.digests.tolist(),
        "product_root": product.root.hex(),
        "nonces": card.search(SEED, 3, 2**64 - 40, 40).tolist(),
        "no_nonces": card.search(SEED, 3, 7, 0).tolist(),
        "left": left,
        "items": memory.items,
        "ends": walk.ends.tolist(),
        "walk_root": walk.root.hex(),
        "walkable": memory.walk_items(1e9),
        "room": card.room(0.5) > 0,
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
