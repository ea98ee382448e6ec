"""What public entropy asks of a card: its seed, and the places it must open."""

from collections.abc import Mapping

from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.parameters import EVERYTHING, Phase

FILL = b"edgeproof/v1/fill"
WALK = b"edgeproof/v1/walk"
MATMUL = b"edgeproof/v1/matmul"
POW = b"edgeproof/v1/pow"
"""Domains of ``card_seed``, one for each phase, so that no seed serves two of them."""

VERIFIED = b"edgeproof/v1/verified"
"""Domain of the draw of rounds that are verified, where not all are."""

DOMAINS: Mapping[Phase, bytes] = {
    Phase.FILL: FILL,
    Phase.WALK: WALK,
    Phase.MATMUL: MATMUL,
    Phase.SECOND_WALK: WALK,
    Phase.POW: POW,
}
"""The domain of each phase; the value of the phase tells the two walks apart."""

CARDS = 2**32
"""Card numbers are below this."""


def card_seed(
    domain: bytes, entropy: bytes, phase_value: bytes, device: bytes, card: int
) -> bytes:
    """Return the 32-byte seed of one card's work in one phase.

    ``keccak(domain || entropy || phase value || device || card)``: 32, 32 and 20
    bytes, and the card's number as 4 big-endian bytes.

    Raises:
        ValueError: a part has another size, or the card is not in ``[0, CARDS)``.

    """
    _expect(entropy=(entropy, 32), phase_value=(phase_value, 32), device=(device, 20))
    if not 0 <= card < CARDS:
        msg = f"card {card} is not a 32-bit number"
        raise ValueError(msg)
    return keccak(domain, entropy, phase_value, device, card.to_bytes(4, "big"))


def draw(last_message_digest: bytes, entropy: bytes) -> bytes:
    """Return the 32-byte draw over everything that a card committed to in a phase.

    The digest of the last message counted covers all before it; ``entropy`` is that of
    the first slot after the commitment could no longer change.

    Raises:
        ValueError: either is not 32 bytes.

    """
    _expect(last_message_digest=(last_message_digest, 32), entropy=(entropy, 32))
    return keccak(last_message_digest, entropy)


def share_draw(entropy: bytes, device: bytes) -> int:
    """Return a number below 10,000: below a network's share, the round is verified.

    ``keccak("edgeproof/v1/verified" || entropy || device) mod 10,000``.

    Raises:
        ValueError: a part has another size.

    """
    _expect(entropy=(entropy, 32), device=(device, 20))
    return int.from_bytes(keccak(VERIFIED, entropy, device), "big") % EVERYTHING


def opened_tiles(
    draw: bytes, products: int, tiles_per_product: int, count: int
) -> list[tuple[int, int]]:
    """Return ``count`` pairs (product, tile) to open, in the order of the draw.

    They are ``opened_places`` of all tiles, products first.
    """
    picked = opened_places(draw, products * tiles_per_product, count)
    return [divmod(place, tiles_per_product) for place in picked]


def opened_lanes(draw: bytes, lanes: int, count: int) -> list[int]:
    """Return the ``count`` lanes of a walk to open, in the order of the draw."""
    return opened_places(draw, lanes, count)


def opened_places(draw: bytes, places: int, count: int) -> list[int]:
    """Return ``count`` of ``places`` places, in the order of the draw.

    Word i of the draw, 64 bits, is bytes 8 (i mod 4) to 8 (i mod 4) + 8, big-endian,
    of ``keccak(draw || i div 4 as 8 bytes)``; it picks place ``word * places >> 64``.
    Places may repeat, which keeps the chance that a fraction f of wrong ones passes at
    (1 - f)^count.  A place's chance differs from uniform by less than 2^-64: in all,
    at 2^28 places, by less than 2^-36.
    """
    words = b"".join(
        keccak(draw, number.to_bytes(8, "big")) for number in range(-(-count // 4))
    )
    return [
        int.from_bytes(words[8 * i : 8 * i + 8], "big") * places >> 64
        for i in range(count)
    ]


def _expect(**parts: tuple[bytes, int]) -> None:
    for name, (value, size) in parts.items():
        if len(value) != size:
            msg = f"{name} has {size} bytes, not {len(value)}"
            raise ValueError(msg)
