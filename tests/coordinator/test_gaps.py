"""Numbers that were passed over are asked for: once a slot, and only while one can."""

from hypothesis import given
from hypothesis import strategies as st

from edgeproof.coordinator.gaps import MOST_CHAINS, Gaps, Link

DEVICE, OTHER = b"\x01" * 20, b"\x02" * 20
BOOT = bytes(16)


def links(*numbers: int, device: bytes = DEVICE, chain: bytes = BOOT) -> list[Link]:
    return [Link(device, 2, chain, number) for number in numbers]


def test_a_number_that_is_passed_over_is_asked_for() -> None:
    gaps = Gaps()
    assert gaps.after(links(0, 1), 5) == {}
    assert gaps.after(links(3), 6) == {DEVICE: {2}}
    assert gaps.after(links(2), 6) == {}, "it came"
    assert gaps.after(links(4), 6) == {}


def test_one_device_is_asked_once_a_slot() -> None:
    gaps = Gaps()
    gaps.after(links(0), 5)
    assert gaps.after(links(2), 6) == {DEVICE: {2}}
    assert gaps.after(links(9), 6) == {}
    assert gaps.after(links(20), 7) == {DEVICE: {2}}


def test_who_starts_amid_a_boot_has_missed_nothing() -> None:
    assert Gaps().after(links(1000), 5) == {}


def test_chains_and_devices_are_followed_apart() -> None:
    gaps = Gaps()
    gaps.after([*links(0), *links(0, device=OTHER), *links(0, chain=b"next")], 5)
    found = gaps.after(
        [*links(1), *links(2, device=OTHER), *links(1, chain=b"next")], 6
    )
    assert found == {OTHER: {2}}


def test_a_device_cannot_make_us_follow_chains_without_end() -> None:
    gaps = Gaps()
    for number in range(5 * MOST_CHAINS):
        gaps.after(links(0, chain=b"%d" % number), 5)
    assert len(gaps._devices[DEVICE].chains) == MOST_CHAINS
    gaps.forget({OTHER})
    assert gaps._devices == {}


@given(st.permutations(range(8)), st.integers(1, 8))
def test_what_comes_together_in_any_order_has_no_gap(
    order: list[int], cut: int
) -> None:
    gaps = Gaps()
    first = sorted(order)[:cut]
    assert gaps.after(links(*sorted(first, key=order.index)), 1) == {}
    rest = [n for n in order if n not in first]
    assert gaps.after(links(*rest, *first), 2) == {}
