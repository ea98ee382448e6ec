"""The compiled CPU kernels against every published vector of what they compute.

Products, searches and a memory as a whole have theirs in the tests beside this one.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeproof.kernels import scalar
from edgeproof.kernels.cpu import keccak, matrices, memory, selfcheck
from edgeproof.kernels.cpu.memories import CpuMemory, lane_ends
from edgeproof.kernels.cpu.products import product_keys, tile_digest
from edgeproof.kernels.cpu.trees import Tree
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.seeds import seed_words
from edgeproof.kernels.shapes import lanes

FOLDER = Path(__file__).parents[1] / "vectors"


def load(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


KECCAK, SPLITMIX, TREE, EXPANSION, MATMUL, MEMORY = map(
    load, ("keccak", "splitmix", "tree", "expansion", "matmul", "memory")
)


@pytest.fixture(autouse=True)
def warm() -> None:
    selfcheck.warm()


@pytest.mark.parametrize("vector", KECCAK, ids=lambda v: str(len(v["message"]) // 2))
def test_the_compiled_permutation_hashes_the_messages(vector: Any) -> None:
    message = bytes.fromhex(vector["message"])
    padded = bytearray(message + bytes(136 - len(message) % 136))
    padded[len(message)] ^= 0x01
    padded[-1] ^= 0x80
    states = np.zeros(keccak.STATES, dtype=np.uint64)
    for block in np.frombuffer(padded, dtype="<u8").reshape(-1, 17):
        states[: 17 * keccak.LANES] ^= np.repeat(block, keccak.LANES)
        keccak.permute(states)
    for lane in range(keccak.LANES):
        digest = states[lane : 4 * keccak.LANES : keccak.LANES]
        assert digest.astype("<u8").tobytes().hex() == vector["digest"]


@pytest.mark.parametrize("vector", SPLITMIX["outputs"], ids=lambda v: v["index"])
def test_any_output_of_a_stream_is_had_at_once(vector: Any) -> None:
    key, place = np.uint64(int(SPLITMIX["key"], 16)), np.uint64(int(vector["index"]))
    state = int(matrices.stream_state(key, place)) % 2**64
    assert f"{state:016x}" == vector["state"]
    output = int(matrices.mix64(np.uint64(state))) % 2**64
    assert f"{output:016x}" == vector["output"]


def test_the_keys_are_those_of_the_seed() -> None:
    keys = product_keys(bytes.fromhex(EXPANSION["seed"]))
    found = {name: f"{int(key):016x}" for name, key in keys._asdict().items()}
    assert found == EXPANSION["keys"]


@pytest.mark.parametrize("vector", EXPANSION["rows"])
def test_a_row_begins_with_its_entries(vector: Any) -> None:
    key = np.uint64(int(EXPANSION["keys"][vector["matrix"][0]], 16))
    out = np.empty((1, vector["n"]), dtype=np.float32)
    matrices.expand(key, vector["n"], vector["row"], out)
    entries = out[0, :16].astype(np.int8)
    assert " ".join(map(str, entries)) == vector["first_16_entries"]
    assert entries.tobytes().hex() == vector["as_signed_bytes"]
    # As they are packed for cards: two words of eight entries.
    first = np.uint64(vector["row"] * vector["n"] // 8)
    places = first + np.arange(2, dtype=np.uint64)
    words = scalar.packed_entries(scalar.mix64(scalar.stream_state(key, places)))
    assert words.astype("<u8").tobytes().hex() == vector["as_signed_bytes"]


@pytest.mark.parametrize("name", ["tile", "last_tile"])
def test_a_tile_of_a_large_product_has_its_digest(name: str) -> None:
    vector, seed = MATMUL[name], bytes.fromhex(MATMUL["seed"])
    number = vector["row"] // 64 * (vector["n"] // 64) + vector["column"] // 64
    assert hexadecimal(tile_digest(seed, vector["n"], number)) == vector["digest"]
    keys = product_keys(seed)
    a, b = (np.empty((64, vector["n"]), dtype=np.float32) for _ in range(2))
    matrices.expand(keys.a, vector["n"], vector["row"], a)
    matrices.expand(keys.b, vector["n"], vector["column"], b)
    values = (a[:1] @ b[:8].T)[0].astype(int)
    assert " ".join(map(str, values)) == vector["first_8_values"]


@pytest.mark.parametrize("vector", MATMUL["largest_sums"])
def test_the_largest_sums_have_their_digests(vector: Any) -> None:
    key = product_keys(bytes.fromhex(MATMUL["seed"])).mix
    values = np.full((64, 64), vector["every_value"], dtype=np.float32)
    sums = np.empty((1, 2), dtype=np.uint64)
    matrices.digest(key, values, vector["row"], vector["column"], sums)
    assert hexadecimal(sums[0].tolist()) == vector["digest"]


def leaves(count: int, width: int) -> Words:
    """Return the first leaves of the trees, as the vectors' README describes them."""
    key = np.uint64(int(TREE["key"], 16))
    places = np.arange(count * width, dtype=np.uint64)
    return scalar.mix64(scalar.stream_state(key, places)).reshape(count, width)


@pytest.mark.parametrize("width", [1, 2])
def test_leaves_are_as_they_are_described(width: int) -> None:
    found = [hexadecimal(leaf) for leaf in leaves(3, width).tolist()]
    assert found == TREE["first_3_leaves"][str(8 * width)]


@pytest.mark.parametrize(
    "vector", TREE["roots"], ids=lambda v: f"{v['leaves']} of {v['leaf_bytes']}"
)
def test_a_tree_has_its_root(vector: Any) -> None:
    tree = Tree(leaves(vector["leaves"], vector["leaf_bytes"] // 8))
    assert tree.root.hex() == vector["root"]


def test_each_leaf_has_its_path() -> None:
    tree, paths = Tree(leaves(5, 2)), TREE["paths_of_5_leaves_of_16_bytes"]
    assert [[node.hex() for node in tree.path(leaf)] for leaf in range(5)] == paths


@pytest.mark.parametrize("vector", MEMORY["further_items"], ids=lambda v: v["item"])
def test_an_item_is_made_anywhere(vector: Any) -> None:
    seed = seed_words(bytes.fromhex(MEMORY["fill_seed"]))
    out = np.empty((1, 16), dtype=np.uint64)
    memory.fill(seed, vector["permutations"], vector["item"], out)
    assert " ".join(f"{word:016x}" for word in out[0].tolist()) == vector["words"]


@pytest.mark.parametrize("vector", MEMORY["further_walks"], ids=lambda v: v["items"])
def test_a_walk_ends_in_its_states(vector: Any) -> None:
    fill_seed, permutations = bytes.fromhex(MEMORY["fill_seed"]), MEMORY["permutations"]
    seed, count = bytes.fromhex(vector["seed"]), vector["items"]
    held = CpuMemory(fill_seed, permutations, count)
    held.fill(count)
    found = held.walk(seed, count)
    assert [f"{end:016x}" for end in found.ends.tolist()] == vector["ends"]
    assert found.root.hex() == vector["root"]
    every = np.arange(lanes(count), dtype=np.uint64)
    again = lane_ends(fill_seed, permutations, seed, count, every)
    assert again.tolist() == found.ends.tolist()


def hexadecimal(words: Any) -> str:
    return "".join(f"{word:016x}" for word in words)
