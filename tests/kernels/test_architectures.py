"""Limits and rates of architectures, against CUDA's occupancy and published peaks."""

import pytest

from edgeproof.kernels.cuda import compiler
from edgeproof.kernels.cuda.architectures import (
    ARCHITECTURES,
    Capability,
    resident_warps,
)

# Warps by CUDA 13.0's own cuda_occupancy.h, for the limits of the programming guide,
# in the order of the table; kernels as registers, bytes of shared memory, threads.
OCCUPANCY = {
    (32, 0, 256): (32, 64, 48, 48, 64, 64, 48),
    (80, 0, 128): (24, 24, 24, 24, 24, 24, 24),
    (72, 4608, 32): (14, 28, 16, 18, 28, 28, 18),
    (206, 43008, 128): (4, 8, 8, 8, 8, 8, 8),
    (48, 8448, 256): (32, 40, 40, 40, 40, 40, 40),
    (255, 0, 1024): (0, 0, 0, 0, 0, 0, 0),
    (12, 0, 256): (32, 64, 48, 48, 64, 64, 48),
    (64, 49152, 64): (2, 6, 4, 4, 8, 8, 4),
}

PEAKS = [
    ((7, 5), 40, 1.59, 130),  # T4
    ((8, 0), 108, 1.41, 624),  # A100
    ((8, 6), 82, 1.695, 284),  # RTX 3090
    ((8, 9), 128, 2.52, 661),  # RTX 4090
    ((9, 0), 132, 1.83, 1979),  # H100 SXM
    ((10, 0), 148, 1.855, 4500),  # B200
    ((12, 0), 170, 2.407, 838),  # RTX 5090
]
"""Multiprocessors, GHz, and dense int8 TOPS as published."""


def test_every_architecture_that_kernels_are_compiled_for_is_known() -> None:
    assert set(compiler.ARCHITECTURES) <= set(ARCHITECTURES)
    assert {capability for capability, *_ in PEAKS} == set(ARCHITECTURES)


@pytest.mark.parametrize("kernel", OCCUPANCY, ids=str)
def test_resident_warps_are_those_of_cudas_calculator(
    kernel: tuple[int, int, int],
) -> None:
    found = [resident_warps(each, *kernel) for each in ARCHITECTURES.values()]
    assert tuple(found) == OCCUPANCY[kernel]


def test_a_kernel_that_fills_an_a100_by_hand() -> None:
    # 2048 threads of 32 registers are all 65,536: 64 warps. One register more is
    # rounded up to 40, so a quarter of the file holds 12 warps, and 6 blocks fit.
    ampere = ARCHITECTURES[8, 0]
    assert resident_warps(ampere, 32, 0, 256) == 64
    assert resident_warps(ampere, 33, 0, 256) == 48


@pytest.mark.parametrize(("capability", "processors", "clock", "published"), PEAKS)
def test_tensor_rates_give_the_published_peaks(
    capability: Capability, processors: int, clock: float, published: float
) -> None:
    rate = ARCHITECTURES[capability].tensor
    assert 2 * processors * clock * rate / 1000 == pytest.approx(published, rel=0.005)
