"""A whole CUDA card in Numba's simulator: its host code, and what has no inline PTX."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgeproof.kernels import reference
from edgeproof.kernels.shapes import lanes
from tests.kernels.simulated import ITEMS, SEED


@pytest.fixture(scope="module")
def simulated(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    # The simulator computes with NumPy's words, and their overflow is meant.
    command = [sys.executable, "-W", "ignore::RuntimeWarning", "-m"]
    done = subprocess.run(
        [*command, "tests.kernels.simulated"],
        cwd=clone,
        env={
            **os.environ,
            "NUMBA_ENABLE_CUDASIM": "1",
            # Another worker's card is another one.
            "XDG_RUNTIME_DIR": str(tmp_path_factory.mktemp("runtime")),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_kernel_passes_its_self_check(simulated: dict[str, Any]) -> None:
    assert simulated["notices"] == []
    assert simulated["kernel"] == "product_plain"
    assert simulated["checked"] == [
        "product_plain",
        "tree",
        "search for nonces",
        "fill of memory",
        "walk over memory",
    ]


def test_a_product_is_the_references(simulated: dict[str, Any]) -> None:
    want = reference.digests(SEED, 64)
    assert simulated["digests"] == want.tolist()
    assert simulated["product_root"] == reference.tree_root(want).hex()


def test_the_last_nonces_are_searched_too(simulated: dict[str, Any]) -> None:
    want = reference.search(SEED, 3, 2**64 - 40, 40)
    assert len(want)
    assert simulated["nonces"] == want.tolist()
    assert simulated["no_nonces"] == []


def test_memory_is_filled_in_parts_and_walked_over(simulated: dict[str, Any]) -> None:
    assert simulated["left"] == ITEMS - 3
    assert simulated["items"] == simulated["walkable"] == ITEMS
    items = reference.items(SEED, 2, 0, ITEMS)
    want = reference.walk(items, SEED, 0, lanes(ITEMS))
    assert simulated["ends"] == want.tolist()
    assert simulated["walk_root"] == reference.tree_root(want[:, None]).hex()
    assert simulated["room"]
