"""Write the test vectors from the reference, or check that they are what it gives."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from edgeproof.kernels import reference
from edgeproof.kernels.shapes import TILE
from edgeproof.proofs import challenge

FOLDER = Path(__file__).parent
SEED = bytes(range(32))
ENTROPY = bytes.fromhex("e1" * 32)
PHASE_VALUE = bytes.fromhex("a7" * 32)
DEVICE = bytes.fromhex("d0" * 20)


def keccak() -> object:
    """Messages just below, at and above the 136 bytes of a block."""
    messages = [
        bytes(i % 251 for i in range(size)) for size in (0, 1, 40, 135, 136, 137)
    ]
    return [
        {"message": message.hex(), "digest": reference.keccak256(message).hex()}
        for message in messages
    ]


def expansion() -> object:
    """The first 16 entries of some rows, at the smallest and the largest size."""
    keys = reference.product_keys(SEED)
    return {
        "seed": SEED.hex(),
        "keys": {name: word(key) for name, key in keys._asdict().items()},
        "rows": [
            {
                "matrix": name,
                "n": n,
                "row": row,
                "first_16_entries": numbers(reference.expand(key, n, row, 1)[0, :16]),
            }
            for name, key in (("a", keys.a), ("b_transposed", keys.b))
            for n, row in ((512, 0), (512, 511), (16384, 0), (16384, 16383))
        ],
    }


def matmul() -> object:
    """A product small enough to write its four digests down."""
    digests = reference.digests(SEED, 128)
    root = reference.tree_root(digests)
    keys = reference.product_keys(SEED)
    row, column = 7 * TILE, 3 * TILE
    values = (
        reference.expand(keys.a, 512, row, TILE)
        @ reference.expand(keys.b, 512, column, TILE).T
    )
    tile = reference.digest_tile(keys.mix, values, row, column)
    return {
        "seed": SEED.hex(),
        "n": 128,
        "digests": [digest.astype(">u8").tobytes().hex() for digest in digests],
        "root": root.hex(),
        "next_seed": reference.keccak256(SEED + root + bytes(8)).hex(),
        "tile": {
            "n": 512,
            "row": row,
            "column": column,
            "first_8_values": numbers(values[0, :8]),
            "digest": tile.astype(">u8").tobytes().hex(),
        },
    }


def draw() -> object:
    """Seeds of one card in every phase, and the places that one draw opens."""
    drawn = reference.keccak256(PHASE_VALUE + ENTROPY)
    return {
        "entropy": ENTROPY.hex(),
        "phase_value": PHASE_VALUE.hex(),
        "device": DEVICE.hex(),
        "card": 3,
        "seeds": {
            domain.decode(): reference.keccak256(
                domain + ENTROPY + PHASE_VALUE + DEVICE + bytes([0, 0, 0, 3])
            ).hex()
            for domain in (
                challenge.FILL,
                challenge.WALK,
                challenge.MATMUL,
                challenge.POW,
            )
        },
        "last_message_digest": PHASE_VALUE.hex(),
        "draw": drawn.hex(),
        "products": 1000,
        "tiles_per_product": 4096,
        "opened_product_and_tile": [
            f"{product} {tile}"
            for product, tile in challenge.opened_tiles(drawn, 1000, 4096, 10)
        ],
    }


def proof_of_work() -> object:
    """The solutions among the first 256 nonces, and among some that need 64 bits."""
    return [
        {
            "seed": SEED.hex(),
            "difficulty": 5,
            "start": start,
            "count": 256,
            "solutions": [
                {
                    "nonce": word(nonce),
                    "digest": reference.keccak256(
                        SEED + int(nonce).to_bytes(8, "big")
                    ).hex(),
                }
                for nonce in reference.search(SEED, 5, start, 256)
            ],
        }
        for start in (0, 2**63 + 5)
    ]


def numbers(values: reference.Matrix) -> str:
    """Return integers as one line of decimal numbers."""
    return " ".join(map(str, values.tolist()))


def word(value: np.uint64) -> str:
    """Return a 64-bit word as 16 hex digits."""
    return f"{int(value):016x}"


VECTORS = {
    "keccak": keccak,
    "expansion": expansion,
    "matmul": matmul,
    "draw": draw,
    "pow": proof_of_work,
}
"""File name without suffix, and what writes it."""


def render(name: str) -> str:
    """Return the text of one vector file."""
    return json.dumps(VECTORS[name](), indent=1) + "\n"


def main() -> int:
    """Write or check every file; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    changed = []
    for name in VECTORS:
        path, text = FOLDER / f"{name}.json", render(name)
        if not path.exists() or path.read_text() != text:
            changed.append(path.name)
            if not check:
                path.write_text(text)
    print("changed:", ", ".join(changed) or "nothing")
    return 1 if check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
