"""The cards of this machine: what a device proves its work with."""

from edgeproof.kernels.card import Card
from edgeproof.kernels.cpu.card import CpuCard


def cards() -> list[Card]:
    """Return the machine's cards, at least one, in the order of their index."""
    return [CpuCard()]
