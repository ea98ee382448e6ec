"""What bounds an NVIDIA card: its clocks and widths, at the most."""

from edgeproof.kernels.cuda.architectures import ARCHITECTURES, LANES
from edgeproof.kernels.cuda.compiler import SIMULATED
from edgeproof.kernels.cuda.driver import Device, on
from edgeproof.kernels.rates import NO_BOUND, Bound

KECCAK_OPERATIONS = 4200
"""Integer operations of one Keccak: the published figure of hashcat's kernel."""


class CudaBounds:
    """See ``Bounds``."""

    def __init__(self, device: Device) -> None:
        """Read a card's highest clocks."""
        self._capability = device.capability
        self._cycles = self._bytes = 0
        if SIMULATED:
            return
        with on(device) as context:
            card = context.device
            # The driver counts in kilohertz, and memory sends two bits a clock.
            self._cycles = int(card.MULTIPROCESSOR_COUNT) * int(card.CLOCK_RATE) * 1000
            width = int(card.GLOBAL_MEMORY_BUS_WIDTH) // 8
            self._bytes = 2 * int(card.MEMORY_CLOCK_RATE) * 1000 * width

    def product(self, n: int) -> Bound:
        """Every tensor core at work in every clock."""
        del n
        known = [each for each in ARCHITECTURES if each <= self._capability]
        if not known or not self._cycles:
            return NO_BOUND
        tensor = ARCHITECTURES[max(known)].tensor
        return Bound(self._cycles * tensor, "int8 tensor cores")

    def keccak(self) -> Bound:
        """Every integer core at work in every clock."""
        return Bound(self._cycles * LANES // KECCAK_OPERATIONS, "integer cores")

    def reads(self, items: int) -> Bound:
        """Memory at its full width."""
        del items
        return Bound(self._bytes, "memory bandwidth")
