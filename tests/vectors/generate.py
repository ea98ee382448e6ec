"""Write the test vectors from the reference, or check that they are what it gives."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from edgeproof.kernels import reference
from edgeproof.kernels.scalar import Words, mix64, stream_state
from edgeproof.kernels.shapes import SIZES, TILE, lanes
from edgeproof.proofs import challenge, merkle, payout_tree, scores, split
from edgeproof.proofs.parameters import EVERYTHING
from edgeproof.telemetry import intake, signing
from edgeproof.telemetry.eip712 import Domain
from edgeproof.telemetry.message import Message, type_string
from edgeproof.telemetry.messages import EpochRoot, Seal
from edgeproof.telemetry.signing import Key

FOLDER = Path(__file__).parent
SEED = bytes(range(32))
ENTROPY = bytes.fromhex("e1" * 32)
PHASE_VALUE = bytes.fromhex("a7" * 32)
DEVICE = bytes.fromhex("d0" * 20)
KEY = np.uint64(0x0123456789ABCDEF)


def keccak() -> object:
    """Messages just below, at and above the 136 bytes of a block."""
    messages = [
        bytes(i % 251 for i in range(size)) for size in (0, 1, 40, 135, 136, 137)
    ]
    return [
        {"message": message.hex(), "digest": reference.keccak256(message).hex()}
        for message in messages
    ]


def splitmix() -> object:
    """Outputs of one stream: the first ones, the last one, and around 2^32."""
    places = (0, 1, 2, 7, 2**32 - 1, 2**32, 2**64 - 1)
    states = stream_state(KEY, np.array(places, dtype=np.uint64))
    return {
        "key": word(KEY),
        "outputs": [
            {"index": str(place), "state": word(state), "output": word(output)}
            for place, state, output in zip(places, states, mix64(states), strict=True)
        ],
    }


def tree() -> object:
    """Roots over leaves of one and of two words, most of them no power of two."""
    every = {width: leaves(257, width) for width in (1, 2)}
    few = [leaf.astype(">u8").tobytes() for leaf in every[2][:5]]
    return {
        "key": word(KEY),
        "first_3_leaves": {
            str(8 * width): [words_hex(leaf) for leaf in all_[:3]]
            for width, all_ in every.items()
        },
        "roots": [
            {
                "leaf_bytes": 8 * width,
                "leaves": count,
                "root": reference.tree_root(all_[:count]).hex(),
            }
            for width, all_ in every.items()
            for count in (1, 2, 3, 4, 5, 6, 7, 257)
        ],
        "paths_of_5_leaves_of_16_bytes": [
            [sibling.hex() for sibling in merkle.path(few, index)]
            for index in range(len(few))
        ],
    }


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
                "first_16_entries": numbers(entries),
                "as_signed_bytes": entries.astype(np.int8).tobytes().hex(),
            }
            for name, key in (("a", keys.a), ("b_transposed", keys.b))
            for n, row in ((512, 0), (512, 511), (16384, 0), (16384, 16383))
            for entries in [reference.expand(key, n, row, 1)[0, :16]]
        ],
    }


def matmul() -> object:
    """A product small enough to write its four digests down; tiles of larger ones."""
    digests = reference.digests(SEED, 128)
    root = reference.tree_root(digests)
    last = SIZES[-1] - TILE
    key = reference.product_keys(SEED).mix
    return {
        "seed": SEED.hex(),
        "n": 128,
        "digests": [words_hex(each) for each in digests],
        "root": root.hex(),
        "next_seed": reference.keccak256(SEED + root + bytes(8)).hex(),
        "tile": tile(512, 7 * TILE, 3 * TILE),
        "last_tile": tile(SIZES[-1], last, last),
        "largest_sums": [
            {
                "every_value": value,
                "row": last,
                "column": last,
                "digest": digest(key, np.full((TILE, TILE), value), last, last),
            }
            for value in (-(2**24), 2**24)
        ],
    }


def tile(n: int, row: int, column: int) -> object:
    """One tile of the product of size ``n``, and its digest."""
    keys = reference.product_keys(SEED)
    values = (
        reference.expand(keys.a, n, row, TILE)
        @ reference.expand(keys.b, n, column, TILE).T
    )
    return {
        "n": n,
        "row": row,
        "column": column,
        "first_8_values": numbers(values[0, :8]),
        "digest": digest(keys.mix, values, row, column),
    }


def digest(key: np.uint64, values: reference.Matrix, row: int, column: int) -> str:
    """Return the digest of a tile as hexadecimal."""
    return words_hex(reference.digest_tile(key, values, row, column))


def memory() -> object:
    """Items, walks over some of a hundred, and the lanes that one draw opens."""
    permutations, count = 2, 100
    filled = reference.items(SEED, permutations, 0, count)
    seed = reference.keccak256(SEED)
    other = reference.keccak256(seed)
    ends = reference.walk(filled, seed, 0, lanes(count))
    drawn = reference.keccak256(PHASE_VALUE + ENTROPY)
    return {
        "fill_seed": SEED.hex(),
        "permutations": permutations,
        "items": [" ".join(word(each) for each in item) for item in filled[:3]],
        "further_items": [
            {
                "permutations": many,
                "item": place,
                "words": " ".join(
                    word(each) for each in reference.items(SEED, many, place, 1)[0]
                ),
            }
            for many, place in ((1, 0), (128, 3), (1, 2**32 - 1))
        ],
        "walk": {
            "seed": seed.hex(),
            "items": count,
            "ends": [word(end) for end in ends],
        },
        "root": reference.tree_root(ends[:, None]).hex(),
        "further_walks": [
            {
                "seed": other.hex(),
                "items": fewer,
                "ends": [word(end) for end in found],
                "root": reference.tree_root(found[:, None]).hex(),
            }
            for fewer in (64, 65, 100)
            for found in [reference.walk(filled[:fewer], other, 0, lanes(fewer))]
        ],
        "draw": drawn.hex(),
        "lanes": 1_000_000,
        "opened_lanes": numbers(np.array(challenge.opened_lanes(drawn, 1_000_000, 10))),
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
        "share_draw": int.from_bytes(
            reference.keccak256(challenge.VERIFIED + ENTROPY + DEVICE), "big"
        )
        % EVERYTHING,
    }


def proof_of_work() -> object:
    """The solutions among the first 256 nonces, some that need 64 bits, the last."""
    return [
        {
            "seed": SEED.hex(),
            "difficulty": 5,
            "start": word(np.uint64(start)),
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
        for start in (0, 2**63 + 5, 2**64 - 256)
    ]


def numbers(values: reference.Matrix) -> str:
    """Return integers as one line of decimal numbers."""
    return " ".join(map(str, values.tolist()))


def word(value: np.uint64) -> str:
    """Return a 64-bit word as 16 hex digits."""
    return f"{int(value):016x}"


def words_hex(values: Words) -> str:
    """Return words as the big-endian bytes that are hashed or committed."""
    return values.astype(">u8").tobytes().hex()


def leaves(count: int, width: int) -> Words:
    """Return (count, width) words: the outputs of the stream of ``KEY``, in order."""
    places = np.arange(count * width, dtype=np.uint64)
    return mix64(stream_state(KEY, places)).reshape(count, width)


def messages() -> object:
    """Type strings of all messages; one seal, signed, byte by byte."""
    key = Key(b"\x01" * 32)
    domain = Domain(31337, b"\x22" * 32)
    seal = Seal(key.address, b"\x33" * 16, 7, b"\xff\x7f", b"\x44" * 32)
    signed = signing.sign(seal, domain, key)
    root = EpochRoot(6, 7, b"\x55" * 32, 10**18, b"\x66" * 32)
    distributor = Domain(31337, b"\x77" * 20)
    heard = b"\x05"
    intake_root, size = intake.root(heard, [seal.digest(domain)])
    return {
        "types": {str(cls.TAG): type_string(cls) for cls in MESSAGES},
        "secret": key.secret.hex(),
        "address": key.address.hex(),
        "chain_id": domain.chain_id,
        "network_id": domain.place.hex(),
        "domain_separator": domain.separator.hex(),
        "seal_fields": [value_of(value) for _, value in seal.values()],
        "seal_digest": seal.digest(domain).hex(),
        "seal_signature": signed.signatures[0].hex(),
        "seal_encoded": signed.encode().hex(),
        "distributor": distributor.place.hex(),
        "distributor_separator": distributor.separator.hex(),
        "epoch_root_fields": [value_of(value) for _, value in root.values()],
        "epoch_root_digest": root.digest(distributor).hex(),
        "heard": heard.hex(),
        "intake_root": intake_root.hex(),
        "intake_size": size,
    }


def value_of(value: object) -> object:
    """Return bytes as hexadecimal, a number as text."""
    return value.hex() if isinstance(value, bytes) else str(value)


def settlement() -> object:
    """Weights, a split with dust, and the tree that three owners claim from."""
    opened, figures = [2, 6, 11], [100, 70, 90]
    balances = {bytes([i]) * 20: 10**18 * i + i for i in (1, 2, 3)}
    tree = payout_tree.build(balances)
    weights = {"first": 1300, "second": 700, "third": 1}
    return {
        "opened": numbers(np.array(opened)),
        "figures": numbers(np.array(figures)),
        "slot_figures": numbers(
            np.array([scores.slot_figure(s, opened, figures) for s in range(15)])
        ),
        "weight_of_all_15": scores.weight((1 << 15) - 1, 0, opened, figures),
        "budget": 1000,
        "weights": weights,
        "floor": 1,
        "rewards": split.split(1000, weights, 1),
        "balances": {owner.hex(): str(amount) for owner, amount in balances.items()},
        "leaves": {
            owner.hex(): payout_tree.leaf(owner, amount).hex()
            for owner, amount in balances.items()
        },
        "root": tree.root.hex(),
        "proofs": {
            owner.hex(): [node.hex() for node in tree.proof(owner)]
            for owner in balances
        },
    }


MESSAGES: tuple[type[Message], ...] = tuple(
    sorted(Message.__subclasses__(), key=lambda cls: cls.TAG)
)
"""Every message, by its tag."""

VECTORS = {
    "keccak": keccak,
    "splitmix": splitmix,
    "tree": tree,
    "expansion": expansion,
    "matmul": matmul,
    "memory": memory,
    "draw": draw,
    "pow": proof_of_work,
    "messages": messages,
    "settlement": settlement,
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
