"""Uptime over days: what counts, what an outage is, and what is looked back at."""

from hypothesis import given
from hypothesis import strategies as st

from edgeproof.proofs import history
from edgeproof.proofs.history import MOST_EPOCHS, EpochUptime, Window
from edgeproof.proofs.parameters import Parameters
from edgeproof.proofs.reasons import Reason

NETWORK = Parameters(genesis=1)
SIZE = NETWORK.slots_per_epoch
UP, DOWN, VOID = 0, int(Reason.NO_BEAT), int(Reason.SLOT_VOID)


def epoch(number: int, *parts: tuple[int, int]) -> EpochUptime:
    """An epoch of runs: (slots, code) each; the rest is up."""
    codes = b"".join(bytes([code]) * count for count, code in parts)
    return EpochUptime(number, codes.ljust(SIZE, b"\0"))


def day(*epochs: EpochUptime) -> Window:
    return history.windows(NETWORK, epochs)["24 h"]


def test_no_epoch_is_no_uptime() -> None:
    assert day() == Window(0, 0, 0, {})
    assert day().permille is None


def test_a_day_ends_with_the_last_closed_epoch() -> None:
    epochs = [epoch(number, (1, DOWN)) for number in range(30)]
    found = history.windows(NETWORK, epochs[::-1])
    assert found["24 h"] == Window(24 * 59, 24 * 60, 1, {DOWN: 24})
    assert found["7 days"] == found["90 days"] == Window(30 * 59, 1800, 1, {DOWN: 30})
    assert found["24 h"].permille == 983, "rounded down"


def test_a_window_cuts_an_epoch_where_it_begins() -> None:
    slow = Parameters(genesis=1, slot_ms=61_000)
    epochs = [epoch(number, (SIZE, DOWN)) for number in range(30)]
    found = history.windows(slow, epochs)["24 h"]
    assert found.countable == 24 * 3600 // 61


def test_a_void_slot_neither_ends_nor_lengthens_an_outage() -> None:
    found = day(epoch(7, (3, DOWN), (5, VOID), (2, DOWN)))
    assert found == Window(50, 55, 5, {DOWN: 5})


def test_an_outage_goes_on_across_epochs_but_not_where_none_was_known() -> None:
    ends_down = epoch(3, (50, UP), (10, DOWN))
    begins_down = epoch(4, (7, DOWN))
    assert day(ends_down, begins_down).longest_outage == 17
    assert day(ends_down, epoch(5, (7, DOWN))).longest_outage == 10


codes = st.lists(st.sampled_from([UP, DOWN, VOID]), min_size=SIZE, max_size=SIZE)


@given(st.lists(codes, min_size=1, max_size=4))
def test_the_slots_of_a_window_add_up(epochs: list[list[int]]) -> None:
    found = day(*(EpochUptime(n, bytes(each)) for n, each in enumerate(epochs)))
    flat = [code for each in epochs for code in each]
    assert found.accepted == flat.count(UP)
    assert found.countable == len(flat) - flat.count(VOID)
    assert found.accepted + sum(found.reasons.values()) == found.countable
    runs = bytes(code for code in flat if code != VOID).split(b"\0")
    assert found.longest_outage == max(map(len, runs))


def test_so_many_epochs_are_ninety_days() -> None:
    assert MOST_EPOCHS * SIZE * NETWORK.slot_ms >= 90 * 24 * 3600 * 1000
