"""Seeds and draws: the vectors by table, then what they promise."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.proofs import challenge
from edgeproof.proofs.parameters import Phase

VECTOR = json.loads(
    (Path(__file__).parents[1] / "vectors" / "draw.json").read_text(encoding="utf-8")
)
DOMAINS = [challenge.FILL, challenge.WALK, challenge.MATMUL, challenge.POW]
WORD = bytes(32)


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_seed_matches_its_vector(domain: bytes) -> None:
    entropy, value, device = (
        bytes.fromhex(VECTOR[name]) for name in ("entropy", "phase_value", "device")
    )
    seed = challenge.card_seed(domain, entropy, value, device, VECTOR["card"])
    assert seed.hex() == VECTOR["seeds"][domain.decode()]


def test_a_draw_matches_its_vector() -> None:
    draw = challenge.draw(
        bytes.fromhex(VECTOR["last_message_digest"]), bytes.fromhex(VECTOR["entropy"])
    )
    assert draw.hex() == VECTOR["draw"]
    opened = challenge.opened_tiles(
        draw, VECTOR["products"], VECTOR["tiles_per_product"], 10
    )
    assert [f"{p} {t}" for p, t in opened] == VECTOR["opened_product_and_tile"]


def test_a_draw_of_who_is_verified_matches_its_vector() -> None:
    entropy, device = (bytes.fromhex(VECTOR[name]) for name in ("entropy", "device"))
    assert challenge.share_draw(entropy, device) == VECTOR["share_draw"]


@pytest.mark.parametrize(("entropy", "device"), [(WORD[1:], WORD[:20]), (WORD, WORD)])
def test_parts_of_another_size_draw_nobody(entropy: bytes, device: bytes) -> None:
    with pytest.raises(ValueError, match="bytes"):
        challenge.share_draw(entropy, device)


def test_every_part_changes_the_seed() -> None:
    other = bytes([1]) * 32
    seeds = {
        challenge.card_seed(domain, entropy, value, device, card)
        for domain in DOMAINS
        for entropy in (WORD, other)
        for value in (WORD, other)
        for device in (WORD[:20], other[:20])
        for card in (0, 1, 2**32 - 1)
    }
    assert len(seeds) == 4 * 2 * 2 * 2 * 3


@pytest.mark.parametrize(
    ("entropy", "value", "device", "card"),
    [
        (WORD[1:], WORD, WORD[:20], 0),
        (WORD, WORD + b"x", WORD[:20], 0),
        (WORD, WORD, WORD, 0),
        (WORD, WORD, WORD[:20], -1),
        (WORD, WORD, WORD[:20], 2**32),
    ],
)
def test_parts_of_another_size_make_no_seed(
    entropy: bytes, value: bytes, device: bytes, card: int
) -> None:
    with pytest.raises(ValueError, match="bytes|32-bit"):  # noqa: RUF043 - either
        challenge.card_seed(challenge.POW, entropy, value, device, card)


def test_a_draw_needs_two_hashes() -> None:
    with pytest.raises(ValueError, match="entropy has 32 bytes, not 0"):
        challenge.draw(WORD, b"")


@given(
    draw=st.binary(min_size=32, max_size=32),
    products=st.integers(1, 4096),
    tiles=st.sampled_from([1, 4, 64, 65536]),
    count=st.integers(0, 70),
)
def test_every_place_drawn_exists_and_more_openings_only_add(
    draw: bytes, products: int, tiles: int, count: int
) -> None:
    opened = challenge.opened_tiles(draw, products, tiles, count)
    assert len(opened) == count
    assert all(0 <= p < products and 0 <= t < tiles for p, t in opened)
    more = challenge.opened_tiles(draw, products, tiles, count + 5)
    assert more[:count] == opened


def test_places_are_drawn_evenly() -> None:
    opened = challenge.opened_tiles(WORD, 4, 4, 16000)
    counts = Counter(opened)
    chi_square = sum(
        (counts[p, t] - 1000) ** 2 / 1000 for p in range(4) for t in range(4)
    )
    assert chi_square < 40  # 15 degrees of freedom: passed by 99.95 % of good draws


def test_every_phase_has_a_domain_and_only_the_walks_share_one() -> None:
    assert set(challenge.DOMAINS) == set(Phase)
    walks = challenge.DOMAINS[Phase.WALK], challenge.DOMAINS[Phase.SECOND_WALK]
    assert walks == (challenge.WALK, challenge.WALK)
    assert len(set(challenge.DOMAINS.values())) == len(Phase) - 1


@given(
    draw=st.binary(min_size=32, max_size=32),
    lanes=st.integers(1, 2**26),
    count=st.integers(0, 40),
)
def test_lanes_are_drawn_as_tiles_are(draw: bytes, lanes: int, count: int) -> None:
    opened = challenge.opened_lanes(draw, lanes, count)
    assert opened == [p for p, _ in challenge.opened_tiles(draw, lanes, 1, count)]
