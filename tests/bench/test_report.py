"""What a report says in words, in JSON, and by its exit status."""

import io
import json

import pytest
from rich.console import Console

from bench.report import Report, Target, at_least, at_most, number

HELD = Report("a CPU", {"speed": 2.0}, {"speed": at_least(2.0)})
MISSED = Report("a CPU", {"speed": 1.9}, {"speed": at_least(2.0)})
SKIPPED = Report("a CPU", {"speed": 2.0}, HELD.targets, {"other": "it is missing"})
NOTHING = Report("a CPU", {}, HELD.targets, {"speed": "no card"})
BOTH = Report("a CPU", {"speed": 1.9}, HELD.targets, {"other": "it is missing"})
GRID = Report(
    "a CPU",
    {"speed": 2.0},
    HELD.targets,
    {"other": "it is missing"},
    {"BLAS": "OpenBLAS"},
    {"needs": {"first": {"room": 1234.5}, "second": {"time": 0.0}}},
)


def text(report: Report) -> str:
    file = io.StringIO()
    Console(file=file, width=120).print(report.tables("pow"))
    return file.getvalue()


@pytest.mark.parametrize(
    ("report", "status"),
    [(HELD, 0), (MISSED, 1), (SKIPPED, 3), (NOTHING, 3), (BOTH, 1), (GRID, 3)],
)
def test_only_a_check_makes_the_status_tell(report: Report, status: int) -> None:
    assert report.status(check=True) == status
    assert report.status(check=False) == 0


@pytest.mark.parametrize(
    ("target", "good", "bad"),
    [(at_least(2), (2.0, 3.0), (1.999, 0.0)), (at_most(0), (0.0, -1.0), (0.001, 5.0))],
    ids=str,
)
def test_the_bound_itself_is_good_enough(
    target: Target, good: tuple[float, ...], bad: tuple[float, ...]
) -> None:
    assert all(target.holds(value) for value in good)
    assert not any(target.holds(value) for value in bad)


def test_a_report_without_targets_is_refused() -> None:
    with pytest.raises(ValueError, match="none at all"):
        Report("a CPU", {"speed": 2.0}, {})


def test_a_target_that_was_neither_measured_nor_skipped_is_refused() -> None:
    with pytest.raises(ValueError, match="speed"):
        Report("a CPU", {"sped": 2.0}, {"speed": at_least(2.0)})


def test_what_was_skipped_does_not_hold() -> None:
    assert not NOTHING.holds("speed")
    assert NOTHING.document("pow")["targets"]["speed"]["holds"] is False


def test_the_document_is_plain_json_of_the_promised_shape() -> None:
    document = json.loads(json.dumps(GRID.document("pow")))
    assert document == {
        "bench": "pow",
        "machine": "a CPU",
        "notes": {"BLAS": "OpenBLAS"},
        "figures": {
            "speed": 2.0,
            "first, needs: room": 1234.5,
            "second, needs: time": 0.0,
        },
        "targets": {"speed": {"at_least": 2.0, "holds": True}},
        "skipped": {"other": "it is missing"},
    }
    most = Report("a CPU", {"bytes": 1.0}, {"bytes": at_most(0)}).document("ptx")
    assert most["targets"] == {"bytes": {"at_most": 0, "holds": False}}


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (HELD, ["pow on a CPU", "speed", "2", "at least 2", "holds"]),
        (MISSED, ["1.9", "at least 2", "missed"]),
        (SKIPPED, ["other", "skipped", "it is missing", "holds"]),
        (NOTHING, ["speed", "skipped", "at least 2", "no card"]),
        (GRID, ["needs", "first", "room", "1,234", "BLAS: OpenBLAS"]),
    ],
)
def test_tables_name_figures_targets_verdicts_and_reasons(
    report: Report, words: list[str]
) -> None:
    shown = text(report)
    assert [word for word in words if word not in shown] == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0"), (0.8765, "0.876"), (12.34, "12.3"), (123.4, "123"), (4754.2, "4,754")],
)
def test_numbers_have_three_digits_or_no_fraction(value: float, shown: str) -> None:
    assert number(value) == shown
