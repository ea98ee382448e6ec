"""What the person in front of the demo reads."""

import io

import pytest
from rich.console import Console

from edgeproof.simulator.snapshot import DeviceNow, EpochNow, Rate, Reward, Snapshot
from edgeproof.simulator.view import COIN, View, percent, short, tokens, walked

A, B = "0x" + "aa" * 20, "0x" + "bb" * 20
OWNER = "0x" + "cc" * 20
NAMES = {A: "agent 2", B: "agent 1"}
NOW = Snapshot(
    slot=7,
    epoch=0,
    activity="matmul",
    devices=(
        DeviceNow(
            A,
            OWNER,
            6,
            5,
            6,
            {
                "compute": Rate(3, 12_345_000_000, ""),
                "memory": Rate(3, 3 * 2**29, ""),
            },
        ),
        DeviceNow(B, OWNER, 0, 0, 0, {"hash": Rate(3, 0, "BAD_NONCE")}),
    ),
    epochs=(),
)
CLOSED = EpochNow(
    4,
    "finalised",
    "0x" + "12" * 32,
    3 * COIN,
    COIN // 2,
    (
        Reward(A, OWNER, 15, 15, 10**9, 2**30, 2 * 10**6, 2 * COIN, ""),
        Reward(
            B,
            OWNER,
            14,
            15,
            0,
            0,
            0,
            0,
            "hash: [a] nonce [/b] is wrong; memory: too",
        ),
    ),
)


def printed(*, terminal: bool = False) -> tuple[View, io.StringIO]:
    said = io.StringIO()
    console = Console(file=said, force_terminal=terminal, width=160)
    return View(console, NAMES), said


@pytest.mark.parametrize(
    ("memory", "shown"),
    [
        (0, "0 B/s"),
        (64 * 128, "65.5 kB/s"),  # one lane of 256 reads in half a second
        (65 * 128, "131 kB/s"),
        (2**30, "8.59 GB/s"),
    ],
)
def test_a_walk_reads_its_memory_four_times_in_its_phase(
    memory: int, shown: str
) -> None:
    assert walked(memory) == shown


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0, "0.0000"),
        (1, "0.0000"),
        (10**14 - 1, "0.0000"),
        (10**14, "0.0001"),
        (COIN - 1, "0.9999"),
        (COIN, "1.0000"),
        (12 * COIN + COIN // 2, "12.5000"),
        (2**80 * COIN, f"{2**80}.0000"),
    ],
)
def test_tokens_are_cut_never_rounded_up(amount: int, shown: str) -> None:
    assert tokens(amount) == shown


def test_shares_and_addresses_are_short() -> None:
    assert percent(1, 3) == "33 %"
    assert percent(0, 5) == "0 %"
    assert percent(0, 0) == "-"
    assert short("0x" + "ab" * 32) == "0xababab…abab"


def test_a_plain_line_names_every_agent_in_order() -> None:
    view, said = printed()
    with view:
        view.show(NOW)
    line = said.getvalue().strip()
    assert line == (
        "epoch 0  slot 7  matmul; agent 1: 0 beats, up -, -, -, -, BAD_NONCE;"
        " agent 2: 6 beats, up 83 %, 12.3 GMAC/s, 1.5 GiB, 12.9 GB/s, -"
    )


def test_plain_lines_are_few() -> None:
    view, said = printed()
    with view:
        for _ in range(10):
            view.show(NOW)
    assert said.getvalue().count("\n") == 1


def test_before_slot_zero_the_network_is_starting() -> None:
    view, said = printed()
    with view:
        view.show(Snapshot(-3, -1, "", (), ()))
    assert said.getvalue() == "starting\n"


@pytest.mark.parametrize("terminal", [True, False])
def test_an_epoch_shows_each_reward_and_why_it_is_zero(*, terminal: bool) -> None:
    view, said = printed(terminal=terminal)
    with view:
        view.show(NOW)
        view.epoch(CLOSED)
    shown = said.getvalue()
    for part in (
        "Epoch 4: root 0x121212…1212",
        "1 GMAC/s",
        "1 GiB",
        "8.59 GB/s",
        "2 Mkeccak/s",
        "93 %",
        "2.0000",
        "hash: [a] nonce [/b] is wrong",
        "memory: too",
        "paid in all so far 3.0000, left unallocated this epoch 0.5000",
    ):
        assert part in shown
    assert "; memory" not in shown  # each reason stands in a line of its own


def test_a_terminal_gets_its_cursor_back() -> None:
    view, said = printed(terminal=True)

    def interrupted() -> None:
        with view:
            view.step("compiling")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    hidden, shown = "\x1b[?25l", "\x1b[?25h"
    assert hidden in said.getvalue()
    assert said.getvalue().rindex(shown) > said.getvalue().rindex(hidden)


@pytest.mark.parametrize("text", ["Kept in /tmp/a[b]", "[/red] is no tag", "[red]"])
def test_what_is_said_is_printed_as_it_is(text: str) -> None:
    view, said = printed()
    with view:
        view.say(text)
        view.step(text)
    assert said.getvalue() == f"{text}\n{text}\n"


def test_a_verdict_begins_with_its_own_colour() -> None:
    view, said = printed(terminal=True)
    with view:
        view.verdict("as it must be:", "[b] too", "green")
    assert "\x1b[32mas it must be:\x1b[0m [b] too\n" in said.getvalue()
