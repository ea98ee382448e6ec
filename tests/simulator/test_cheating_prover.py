"""The cheater's card is honest until its moment has come, and is caught after it."""

from pathlib import Path

import pytest

from edgeproof.kernels.cpu.card import CpuCard
from edgeproof.proofs import matmul, memory, proof_of_work
from edgeproof.proofs.reasons import Reason
from edgeproof.simulator.cheating_prover import disguised
from edgeproof.simulator.cheats.catalogue import DEFAULT, by_kind

SEED, DRAW, SIZE = bytes(range(32)), b"\x0d" * 32, 512


@pytest.mark.parametrize(
    ("moment", "tile", "lane", "nonce"),
    [
        pytest.param(
            "0",
            Reason.WRONG_TILE,
            Reason.WRONG_LANE,
            Reason.BAD_NONCE,
            id="cheating",
        ),
        pytest.param(str(1 << 62), Reason.NONE, Reason.NONE, Reason.NONE, id="not yet"),
        pytest.param("soon", Reason.NONE, Reason.NONE, Reason.NONE, id="no moment"),
        pytest.param(None, Reason.NONE, Reason.NONE, Reason.NONE, id="never told to"),
    ],
)
def test_garbage_is_caught(
    tmp_path: Path, moment: str | None, tile: Reason, lane: Reason, nonce: Reason
) -> None:
    start = tmp_path / "cheat-from"
    if moment is not None:
        start.write_text(moment)
    card = disguised(CpuCard(), by_kind(DEFAULT), start)

    product = card.product(SEED, SIZE)
    opening = matmul.open_products(DRAW, [product.digests], SIZE)
    verdict = matmul.verify(SEED, SIZE, [product.root], DRAW, opening)
    assert verdict is tile

    held = card.memory(SEED, 2, 9000)
    held.fill(9000)
    walk = held.walk(DRAW, 9000)
    opening = memory.open_walk(DRAW, walk.ends, 9000)
    verdict = memory.verify(SEED, DRAW, 9000, walk.root, DRAW, opening, 2)
    assert verdict is lane

    nonces = proof_of_work.encode(card.search(SEED, 8, 0, 1 << 14))
    assert proof_of_work.verify(SEED, 8, nonces) is nonce
