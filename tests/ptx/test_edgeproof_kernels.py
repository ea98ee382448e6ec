"""Every CUDA kernel of the project, for every architecture, without any card.

Its PTX is assembled by ptxas, and executed on the CPU in both orders of threads: what
it gives must be the reference's, bit for bit.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from bench import assembler
from edgeproof.kernels import reference
from edgeproof.kernels.cuda import (
    dot_products,
    expansion,
    keccak,
    memory,
    products,
    tensor_products,
)
from edgeproof.kernels.cuda.architectures import Capability
from edgeproof.kernels.cuda.catalogue import KERNELS
from edgeproof.kernels.cuda.compiler import ARCHITECTURES, Kernel
from edgeproof.kernels.scalar import Words
from edgeproof.kernels.seeds import seed_words
from edgeproof.kernels.shapes import lanes
from tests.ptx.run import LaunchError, load

SEED = bytes(range(32))
OTHER_SEED = bytes(range(200, 232))
Launch = Callable[..., None]
"""Takes the number of blocks and the arguments."""

COMBINATIONS = [
    pytest.param(
        kernel,
        capability,
        # One process compiles a kernel once for all tests of it.
        marks=pytest.mark.xdist_group(f"{kernel.name} {capability}"),
        id=f"{kernel.name}-sm_{capability[0]}{capability[1]}",
    )
    for kernel in KERNELS
    for capability in ARCHITECTURES
    if kernel.suits(capability)
]


# The reference takes its time, and every architecture asks for the same.
digests = cache(reference.digests)
items_of = cache(reference.items)
keccak256 = cache(reference.keccak256)
search = cache(reference.search)


@cache
def ptx_of(kernel: Kernel, capability: Capability) -> str:
    return kernel.ptx(capability)


@pytest.mark.parametrize(("kernel", "capability"), COMBINATIONS)
def test_ptxas_takes_it_and_nothing_leaves_the_registers(
    kernel: Kernel, capability: Capability
) -> None:
    ptxas = assembler.find("ptxas")
    assert ptxas, "no ptxas; pip install -e .[dev]"
    ptx = ptx_of(kernel, capability)
    assert f".target sm_{capability[0]}{capability[1]}" in ptx
    usage = assembler.assembled(kernel, capability, ptx, ptxas)
    assert (usage.spilled, usage.stack) == (0, 0)
    assert usage.registers * kernel.block <= 65536  # at least one block fits


@pytest.mark.parametrize(("kernel", "capability"), COMBINATIONS)
def test_its_ptx_gives_the_references_bits(
    kernel: Kernel, capability: Capability
) -> None:
    program = load(ptx_of(kernel, capability))
    for reverse in (False, True):

        def launch(blocks: int, *arguments: object, reverse: bool = reverse) -> None:
            program.launch(blocks, kernel.block, *arguments, reverse=reverse)

        CHECKS[kernel.name](launch)


def check_search(launch: Launch) -> None:
    for seed, start, count, bits in (
        (SEED, 5, 700, 4),
        (OTHER_SEED, 2**64 - 300, 300, 3),  # the last nonces that there are
        (SEED, 0, 1, 0),
    ):
        want = search(seed, bits, start, count)
        found, hits = np.zeros(len(want) + 1, np.uint64), np.zeros(1, np.uint32)
        limit = (1 << (64 - bits)) - 1
        launch(3, seed_words(seed), limit, start, count, found, hits)
        assert hits[0] == len(want)
        assert np.sort(found[:-1]).tolist() == want.tolist()

    # With less room than there are hits it counts on, and writes nowhere else.
    found, hits = np.zeros(2, np.uint64), np.zeros(1, np.uint32)
    launch(1, seed_words(SEED), 2**64 - 1, 10, 9, found, hits)
    assert hits[0] == 9
    assert set(found.tolist()) <= set(range(10, 19))


def check_hash_leaves(launch: Launch) -> None:
    for count, width in ((1, 1), (130, 1), (1, 2), (129, 2)):
        leaves = random_words(count * width)
        nodes = np.zeros(4 * count, np.uint64)
        launch(-(-count // keccak.BLOCK), leaves, np.uint32(width), nodes, count)
        for at, leaf in enumerate(leaves.reshape(count, width)):
            hashed = keccak256(b"\x00" + leaf.astype(">u8").tobytes())
            assert nodes[4 * at : 4 * at + 4].tobytes() == hashed


def check_reduce_nodes(launch: Launch) -> None:
    for count in (1, 2, 3, 5, 200, 255, 256, 257, 600):
        nodes = random_words(4 * count)
        level = [node.tobytes() for node in nodes.reshape(count, 4)]
        blocks = -(-count // keccak.SUBTREE)
        above = np.zeros(4 * blocks, np.uint64)
        launch(blocks, nodes, count, above)
        for block in range(blocks):
            part = level[keccak.SUBTREE * block :][: keccak.SUBTREE]
            assert above[4 * block : 4 * block + 4].tobytes() == top(part)


def check_expand(launch: Launch) -> None:
    for seed, n in ((SEED, 64), (OTHER_SEED, 128)):
        key = reference.product_keys(seed).a
        entries = np.zeros(n * n // 8, np.uint64)
        launch(2, key, entries)
        found = entries.view(np.int8).reshape(n, n)
        assert np.array_equal(found, reference.expand(key, n, 0, n))


def check_product(kernel: Kernel) -> Callable[[Launch], None]:
    side = products.side(kernel)

    def check(launch: Launch) -> None:
        for seed, n in ((SEED, side), (OTHER_SEED, 2 * side)):
            keys = reference.product_keys(seed)
            a, b = (packed(reference.expand(key, n, 0, n)) for key in keys[:2])
            found = multiply(launch, kernel, a, b, n, keys.mix)
            assert np.array_equal(found, digests(seed, n))

        # The smallest and the largest entries; and each entry in a place of its own.
        n = side
        for left, right in (
            (np.full((n, n), -32), np.full((n, n), -32)),
            (np.full((n, n), -32), np.full((n, n), 31)),
            (np.eye(n, dtype=np.int64), np.arange(n * n).reshape(n, n) % 64 - 32),
            (np.arange(n * n).reshape(n, n) % 63 - 31, np.eye(n, dtype=np.int64)),
        ):
            key = np.uint64(0x9E3779B97F4A7C15)
            found = multiply(launch, kernel, packed(left), packed(right), n, key)
            whole = left @ right.T
            want = [
                reference.digest_tile(key, whole[i : i + 64, j : j + 64], i, j)
                for i in range(0, n, 64)
                for j in range(0, n, 64)
            ]
            assert found.tolist() == np.array(want).tolist()

    return check


def multiply(  # noqa: PLR0917 - as the kernel is called
    launch: Launch, kernel: Kernel, a: Words, b: Words, n: int, key: np.uint64
) -> Words:
    found = np.zeros(2 * (n // 64) ** 2, np.uint64)
    side = products.side(kernel)
    operands: list[Any] = [a, b]
    if side == 64:
        operands = [a.view(np.uint32), b.view(np.uint32)]
    launch((n // side) ** 2, *operands, np.uint32(n), key, found)
    return found.reshape(-1, 2)


def check_fill(launch: Launch) -> None:
    for seed, permutations in ((SEED, 1), (OTHER_SEED, 2)):
        items = np.zeros(150 * 16, np.uint64)
        launch(1, seed_words(seed), np.uint32(permutations), 0, 20, items)
        assert not items[20 * 16 :].any()
        launch(2, seed_words(seed), np.uint32(permutations), 20, 130, items)
        want = items_of(seed, permutations, 0, 150)
        assert np.array_equal(items.reshape(150, 16), want)


def check_walk(launch: Launch) -> None:
    key = int.from_bytes(SEED[:8], "big")
    for count in (64, 100, 3000):
        items = random_words(16 * count)
        ends = np.zeros(lanes(count), np.uint64)
        launch(-(-len(ends) // memory.WALK_BLOCK), items, count, key, ends)
        want = reference.walk(items.reshape(count, 16), SEED, 0, len(ends))
        assert ends.tolist() == want.tolist()


CHECKS: dict[str, Callable[[Launch], None]] = {
    keccak.search.name: check_search,
    keccak.hash_leaves.name: check_hash_leaves,
    keccak.reduce_nodes.name: check_reduce_nodes,
    expansion.expand.name: check_expand,
    memory.fill.name: check_fill,
    memory.walk.name: check_walk,
    **{
        kernel.name: check_product(kernel)
        for kernel in (
            tensor_products.product_ampere,
            tensor_products.product_turing,
            dot_products.product_dp4a,
            dot_products.product_plain,
        )
    },
}


def test_every_kernel_has_a_name_of_its_own_and_a_check() -> None:
    assert sorted(CHECKS) == sorted(kernel.name for kernel in KERNELS)


def test_every_architecture_has_every_kind_of_kernel() -> None:
    for capability in ARCHITECTURES:
        suiting = {kernel for kernel in KERNELS if kernel.suits(capability)}
        tensor = {tensor_products.product_ampere, tensor_products.product_turing}
        assert len(suiting & tensor) == 1
        assert suiting >= set(KERNELS) - tensor


def test_a_kernel_that_reads_beyond_its_array_is_found_out() -> None:
    program = load(ptx_of(memory.walk, (9, 0)))
    items, ends = random_words(16 * 99), np.zeros(lanes(100), np.uint64)
    with pytest.raises(LaunchError, match="line"):
        program.launch(1, memory.WALK_BLOCK, items, 100, 7, ends)


def packed(entries: Any) -> Words:
    words: Words = np.ascontiguousarray(entries, dtype=np.int8).view(np.uint64).ravel()
    return words


def random_words(count: int) -> Words:
    return np.random.default_rng(count).integers(0, 2**64, count, dtype=np.uint64)


def top(level: list[bytes]) -> bytes:
    """Return the root of a level of nodes, RFC 6962's way."""
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        parents = [keccak256(b"\x01" + a + b) for a, b in pairs]
        level = parents + level[len(level) & ~1 :]
    return level[0]
