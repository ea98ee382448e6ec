"""Each bench that times something, at sizes that take no time: not its figures."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from rich.console import Console

from bench import agent, cheaters, intake, matmul, memory, soak, verify
from bench import pow as hashing
from bench.report import Report
from bench.steps import Steps
from edgeproof.kernels.cpu import keccak
from edgeproof.kernels.shapes import WALK_READS
from edgeproof.simulator import trial
from edgeproof.simulator.cheats.catalogue import CHEATS
from edgeproof.simulator.cheats.cheat import Cheat


def test_hashing_is_compared_with_every_library(steps: Steps) -> None:
    report = hashing.bench(steps, rounds=1, share=1e-3)
    for name in ("hashlib.sha3_256", "pycryptodome", "safe-pysha3"):
        assert report.figures[f"{name} Mkeccak/s"] > 0
        assert report.figures[f"over {name}"] > 0
    assert report.targets[hashing.TARGET].bound == 10


@pytest.mark.parametrize(
    ("module", "name"), [("Crypto", "pycryptodome"), ("sha3", "safe-pysha3")]
)
def test_a_missing_library_is_named_and_the_check_is_incomplete(
    module: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "Crypto.Hash", raising=False)
    sides, skipped = hashing.libraries()
    assert name not in sides
    assert list(skipped) == [name]
    assert f"pip install {name}" in skipped[name]


def test_without_avx2_the_target_does_not_apply(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "cpu_flags", set)
    report = hashing.bench(steps, rounds=1, share=1e-3)
    assert "AVX2" in report.skipped[hashing.TARGET]
    assert report.status(check=True) == 3


@pytest.mark.parametrize(
    ("flags", "named", "said"),
    [
        ({"sse2", "avx2", "avx512f"}, "", "AVX-512"),
        ({"sse2", "avx2"}, "", "AVX2"),
        ({"neon"}, "", "not known"),
        ({"avx2", "avx512f"}, "haswell", "haswell"),
    ],
)
def test_the_widest_vectors_are_named(
    flags: set[str], named: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CPU_NAME", named)
    assert said in hashing.vectors(flags)


def test_every_library_computes_the_same_kind_of_hash() -> None:
    sides, _ = hashing.libraries()
    assert sides["pycryptodome"]() == sides["safe-pysha3"]()
    assert sides["hashlib.sha3_256"]() != sides["safe-pysha3"]()  # another padding


def test_products_are_compared_with_bare_blas(steps: Steps) -> None:
    report = matmul.bench(steps, {64: 1, 128: 1})
    assert report.figures["n=128 proof GMAC/s"] > 0
    assert 0 < report.figures["n=128 of bare sgemm"] < 2
    assert list(report.targets) == ["n=2048 of bare sgemm", "n=4096 of bare sgemm"]
    assert report.status(check=True) == 3  # neither of those sizes was asked for


def test_the_blas_is_named_or_its_name_is_skipped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("threadpoolctl")
    notes, skipped = matmul.blas()
    assert "kernels" in notes["BLAS"]
    assert not skipped
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    notes, skipped = matmul.blas()
    assert not notes
    assert "pip install threadpoolctl" in skipped["BLAS"]


def test_walks_are_compared_with_plain_reads_and_recomputation(steps: Steps) -> None:
    report = memory.bench(steps, rounds=1, items=1 << 10)
    assert set(report.figures) == {
        "walk GB/s",
        "plain reads GB/s",
        "walk of plain reads",
        "R=2 recompute over read",
        "R=16 recompute over read",
        "R=128 recompute over read",
    }
    assert all(value > 0 for value in report.figures.values())
    costs = [report.figures[f"R={r} recompute over read"] for r in (2, 16, 128)]
    assert costs == sorted(costs)


def test_recomputation_is_the_same_work_for_every_number_of_permutations() -> None:
    for r in memory.PERMUTATIONS:
        lanes = memory.lanes(r)
        assert lanes % keccak.LANES == 0
        assert lanes * r * WALK_READS == memory.WORK


def test_verifying_is_compared_with_proving(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = verify.Kind(512, 3, 1000, 10)
    monkeypatch.setattr(verify, "CLASSES", {"small": small})
    report = verify.bench(steps, 512, 2, rounds=1)
    ratio = report.figures["verifying over proving, n=512, T=2"]
    proving, verifying = report.figures["proving, s"], report.figures["verifying, s"]
    assert ratio == pytest.approx(verifying / proving)
    assert report.status(check=True) == 3  # the size with a target was not measured
    ((title, grid),) = report.grids.items()
    assert "seconds" in title
    row = grid["small"]
    parts = row["compute"] + 2 * row["one walk"] + row["hash"]
    assert row["whole round"] == pytest.approx(parts)
    assert row["devices an hour"] == pytest.approx(3600 / parts)
    assert row["compute bytes"] == 64 * (16 + 6 * 32) + 3 * 32
    assert row["hash bytes"] == 80


def test_cheaters_are_caught_and_the_page_gets_their_table(
    steps: Steps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{cheaters.BEGIN}an old table\n{cheaters.END}after\n")
    few = {kind: CHEATS[kind] for kind in ("garbage", "late-commitment")}
    monkeypatch.setattr(cheaters, "CHEATS", few)
    report = cheaters.bench(steps, cheaters.Scale(12, 1, 30, 0.2), page)
    assert report.figures["cheats that were paid"] == 0
    assert report.figures["honest proofs refused, of 30"] == 0
    assert set(report.figures) == set(report.targets)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "an old table" not in text
    assert "| `late-commitment` | commits when the phase is over | LATE |" in text
    assert "| 1 of 1 |" in text


def test_a_cheat_that_works_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def paid(cheat: Cheat, *, seed: int) -> trial.Trial:
        del cheat
        return trial.run(None, seed=seed)

    monkeypatch.setattr(cheaters, "CHEATS", {"garbage": CHEATS["garbage"]})
    monkeypatch.setattr(cheaters, "trial", SimpleNamespace(run=paid))
    assert cheaters.catalogue(Steps(Console(quiet=True)), 1) == ({"garbage": 0}, 0)


@pytest.mark.parametrize(
    ("caught", "errors"), [(50, 0), (52, 0.3), (70, 3.9), (20, 5.9)]
)
def test_a_rate_is_judged_by_its_standard_error(caught: int, errors: float) -> None:
    rate = cheaters.Rate(0.01, caught, 100, 0.5)
    assert rate.error == pytest.approx(errors, abs=0.001)


def test_a_certainty_allows_no_exception() -> None:
    assert cheaters.Rate(0.5, 100, 100, 1.0).error == 0
    assert cheaters.Rate(0.5, 99, 100, 1.0).error > 1000


@pytest.mark.integration
def test_heartbeats_are_taken_in_process_and_over_mqtt(
    steps: Steps, require_service: Callable[[str, str], Path]
) -> None:
    require_service("mosquitto", "apt-get install mosquitto")
    report = intake.bench(steps, devices=40, rounds=1)
    assert report.figures[intake.TARGET] > 0
    assert report.figures[intake.WHOLE] > 0
    (shares,) = (grid["share"] for grid in report.grids.values())
    assert sum(shares.values()) == pytest.approx(1)
    assert {"MQTT client", "SQLite", "signatures"} <= set(shares)


@pytest.mark.integration
def test_a_soak_loses_nothing(
    steps: Steps, require_service: Callable[[str, str], Path]
) -> None:
    require_service("mosquitto", "apt-get install mosquitto")
    report = soak.bench(steps, devices=30, slots=3, slot_ms=2400)
    assert report.figures["heartbeats"] == 90
    assert report.figures["seals"] == 9
    for lost in (soak.LOST_BEATS, soak.LOST_SEALS, soak.UNANSWERED):
        assert report.holds(lost)
    assert set(report.targets) <= set(report.figures)


def test_a_soak_that_loses_something_does_not_hold() -> None:
    figures = dict.fromkeys(soak.TARGETS, 0.0) | {soak.LOST_SEALS: 1.0}
    assert Report("", figures, soak.TARGETS).status(check=True) == 1


def test_growth_is_the_slope_of_memory_over_minutes() -> None:
    assert soak._growth([(0, 100), (1, 102), (2, 104)]) == pytest.approx(2)


@pytest.mark.integration
def test_an_idle_agent_is_measured_beside_a_bare_client(
    steps: Steps, require_service: Callable[[str, str], Path]
) -> None:
    require_service("mosquitto", "apt-get install mosquitto")
    report = agent.bench(steps, seconds=3, warm_s=12)
    (idle,) = report.grids.values()
    assert set(idle) == {"agent", "bare client"}
    for row in idle.values():
        assert row["resident memory, MB"] > row["proportional, MB"] > 1
    assert idle["agent"]["traffic, MB a day"] > 0


@pytest.mark.parametrize("bench", [agent, soak])
def test_without_a_broker_nothing_is_claimed(
    steps: Steps, monkeypatch: pytest.MonkeyPatch, bench: ModuleType
) -> None:
    monkeypatch.setattr(bench.shutil, "which", lambda *_, **__: None)
    report = bench.bench(steps)
    assert report.figures == {}
    assert set(report.skipped) == set(report.targets)
    assert report.status(check=True) == 3
