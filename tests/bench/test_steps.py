"""Progress: a bar on a terminal, plain lines elsewhere, and none that says nothing."""

import io

from rich.console import Console

from bench.steps import Steps


def run(*, terminal: bool, seconds: float) -> str:
    """Return what four steps print that take so long each."""
    file, now = io.StringIO(), [0.0]
    console = Console(file=file, force_terminal=terminal, width=80)
    with Steps(console, lambda: now[0]) as steps:
        steps.begin("hashing", 4)
        for _ in range(4):
            now[0] += seconds
            steps.done()
    return file.getvalue()


def test_elsewhere_quick_steps_print_only_what_begins() -> None:
    assert run(terminal=False, seconds=0.1) == "hashing\n"


def test_elsewhere_slow_steps_print_a_line_each() -> None:
    lines = ["hashing", *(f"hashing: {count} of 4" for count in range(1, 5))]
    assert run(terminal=False, seconds=2).splitlines() == lines


def test_elsewhere_no_two_lines_are_less_than_two_seconds_apart() -> None:
    lines = ["hashing", "hashing: 2 of 4", "hashing: 4 of 4"]
    assert run(terminal=False, seconds=1.5).splitlines() == lines


def test_a_terminal_gets_a_bar_that_is_gone_in_the_end() -> None:
    shown = run(terminal=True, seconds=2)
    assert "\x1b[" in shown
    assert "3/4" in shown
    assert "hashing: 3" not in shown
    assert "4/4" not in shown.rsplit("\x1b[2K", 1)[-1]
