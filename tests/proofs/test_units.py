"""What people read instead of long numbers."""

import pytest

from edgeproof.proofs.units import quantity


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0 MAC/s"),
        (999, "999 MAC/s"),
        (1_000, "1 kMAC/s"),
        (12_345, "12.3 kMAC/s"),
        (4_560_000, "4.56 MMAC/s"),
        (999_400_000, "999 MMAC/s"),
        (999_500_000, "1 GMAC/s"),
        (999_999_999, "1 GMAC/s"),
        (20_000_000_000, "20 GMAC/s"),
        (7 * 10**12, "7 TMAC/s"),
        (2_500 * 10**12, "2500 TMAC/s"),
    ],
)
def test_a_rate_has_three_digits_and_a_prefix(value: int, shown: str) -> None:
    assert quantity(value, "MAC/s") == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (1 << 20, "1 MiB"),
        (3 << 29, "1.5 GiB"),
        (999 << 30, "999 GiB"),
        (1 << 39, "512 GiB"),
        (1 << 40, "1 TiB"),
    ],
)
def test_bytes_are_shown_in_powers_of_two(value: int, shown: str) -> None:
    assert quantity(value, "bytes") == shown
