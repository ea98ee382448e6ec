"""Rounds of drand's quicknet as it published them, and what is none of them."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from edgeproof import proofs
from edgeproof.proofs import drand
from edgeproof.proofs.outside import with_source
from edgeproof.proofs.parameters import EntropySource, Parameters

VECTOR = json.loads((Path(__file__).parents[1] / "vectors" / "drand.json").read_text())
KEY = bytes.fromhex(VECTOR["public_key"])
RECORDED = {row["round"]: bytes.fromhex(row["signature"]) for row in VECTOR["rounds"]}
GOOD = RECORDED[1000]

FIELD = int(
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f624"
    "1eabfffeb153ffffb9feffffffffaaab",
    16,
)
"""Of coordinates, a prime."""


def first_byte(value: int) -> bytes:
    return bytes([value]) + GOOD[1:]


def coordinate(x: int) -> bytes:
    """Return the compressed point with this x, which may be none."""
    return (x | 1 << 383).to_bytes(48, "big")


def test_the_pinned_chain_is_quicknet() -> None:
    network = with_source(Parameters(genesis=2**31), EntropySource.DRAND)
    assert network.drand_key == "0x" + VECTOR["public_key"]
    assert network.drand_genesis == VECTOR["genesis"]
    assert network.drand_period == VECTOR["period"]


@pytest.mark.parametrize("row", VECTOR["rounds"], ids=lambda row: row["round"])
def test_a_recorded_round_of_quicknet_is_verified(row: dict[str, Any]) -> None:
    signature = bytes.fromhex(row["signature"])
    assert drand.verify(KEY, row["round"], signature)
    assert hashlib.sha256(signature).hexdigest() == row["randomness"]


@pytest.mark.parametrize(
    ("number", "signature"),
    [
        pytest.param(1001, GOOD, id="of-another-round"),
        pytest.param(0, GOOD, id="of-round-zero"),
        pytest.param(-1, GOOD, id="of-a-round-below-zero"),
        pytest.param(2**64, GOOD, id="of-a-round-beyond-all"),
        pytest.param(1000, RECORDED[1], id="the-signature-of-another-round"),
        pytest.param(1000, b"", id="empty"),
        pytest.param(1000, GOOD[:-1], id="cut-short"),
        pytest.param(1000, GOOD + b"\0", id="with-a-byte-more"),
        pytest.param(1000, GOOD + GOOD, id="twice"),
        pytest.param(1000, first_byte(GOOD[0] ^ 0x20), id="the-point-mirrored"),
        pytest.param(1000, first_byte(GOOD[0] & 0x7F), id="not-marked-compressed"),
        pytest.param(1000, first_byte(GOOD[0] | 0x40), id="marked-infinite"),
        pytest.param(1000, b"\xc0" + bytes(47), id="infinity"),
        pytest.param(1000, b"\xe0" + bytes(47), id="infinity-mirrored"),
        pytest.param(1000, bytes(48), id="zeros"),
        pytest.param(1000, b"\xff" * 48, id="ones"),
        pytest.param(1000, coordinate(FIELD), id="a-coordinate-that-is-the-prime"),
        pytest.param(1000, coordinate(FIELD + 4), id="a-second-spelling-of-x-4"),
        pytest.param(1000, coordinate(0), id="of-order-three"),
    ],
)
def test_anything_else_is_refused(number: int, signature: bytes) -> None:
    assert not drand.verify(KEY, number, signature)


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(KEY[:-1], id="cut-short"),
        pytest.param(bytes(96), id="zeros"),
        pytest.param(b"\xc0" + bytes(95), id="infinity"),
        pytest.param(bytes([KEY[0] ^ 0x20]) + KEY[1:], id="mirrored"),
    ],
)
def test_another_key_verifies_nothing(key: bytes) -> None:
    assert not drand.verify(key, 1000, GOOD)


def test_without_the_library_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drand.verify.cache_clear()
    monkeypatch.delattr(proofs, "bls", raising=False)
    monkeypatch.setitem(sys.modules, "edgeproof.proofs.bls", None)
    with pytest.raises(drand.NoBls) as caught:
        drand.verify(KEY, 1000, GOOD)
    assert "edgeproof[drand]" in caught.value.hint
