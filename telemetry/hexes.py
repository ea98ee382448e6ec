"""Bytes as people read them: lower-case hexadecimal behind 0x."""

from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry.errors import MessageRefused


def to_hex(raw: bytes) -> str:
    """Return ``0x`` and two lower-case digits a byte."""
    return "0x" + raw.hex()


def from_hex(text: object, length: int) -> bytes:
    """Return the ``length`` bytes that ``text`` spells.

    Raises ``MessageRefused`` (MALFORMED) for any other length, digit or prefix.
    Upper-case digits are read, since wallets print checksummed addresses.
    """
    if isinstance(text, str) and text.startswith("0x") and len(text) == 2 + 2 * length:
        try:
            return bytes.fromhex(text[2:])
        except ValueError:
            pass
    detail = f"{text!r:.80} is not 0x and {2 * length} hexadecimal digits"
    raise MessageRefused(Reason.MALFORMED, detail)
