"""What an owner sees of ``edgeproof kernels``."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from typer.testing import CliRunner

from edgeproof import cli
from edgeproof.errors import EdgeproofError
from edgeproof.kernels import machine, nvml, rates
from edgeproof.kernels.card import Card
from edgeproof.kernels.cpu.card import CpuCard
from edgeproof.kernels.rates import NO_BOUND, Bound, Bounds, Rate

RATES = [
    Rate("product, n = 512", 45 * 10**9, "MAC/s", Bound(50 * 10**9, "bare sgemm")),
    Rate("search", 16 * 10**6, "keccak/s", NO_BOUND),
]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(card: Card, bounds: Bounds, seconds: float, step: Any) -> list[Rate]:
        del bounds
        step(f"measured for {seconds:g} s")
        assert card.kernel  # it is warm
        return RATES

    monkeypatch.setattr(rates, "measure", measure)
    monkeypatch.setattr(nvml, "read", list)
    monkeypatch.delenv(machine.VARIABLE, raising=False)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(cli.app, ["kernels", *arguments])


def test_the_cards_are_listed() -> None:
    found = run("list")
    assert found.exit_code == 0
    assert CpuCard().name in found.stdout
    assert "cpu" in found.stdout
    assert "threads" in found.stdout

    (card,) = json.loads(run("list", "--json").stdout)["cards"]
    assert (card["card"], card["kind"], card["name"]) == (0, "cpu", CpuCard().name)


def test_a_check_shows_what_is_proven_beside_its_limit() -> None:
    found = run("check", "--seconds", "0.5")
    assert found.exit_code == 0
    lines = found.stdout.splitlines()
    (product,) = (line for line in lines if line.lstrip().startswith("product, n"))
    assert product.split()[4:] == [
        "45",
        "GMAC/s",
        "50",
        "GMAC/s",
        "90",
        "%",
        "bare",
        "sgemm",
    ]
    (search,) = (line for line in lines if line.lstrip().startswith("search "))
    assert search.split()[1:] == ["16", "Mkeccak/s", "-", "-"]
    assert "product (blas)" in found.stdout
    assert "card 0: measured for 0.5 s" in found.stderr
    assert "no NVIDIA card was checked" in found.stderr


def test_a_check_is_one_json_object_if_asked_for() -> None:
    found = json.loads(run("check", "--json").stdout)
    (card,) = found["cards"]
    assert card["product_kernel"] == "blas"
    assert "search for nonces" in card["checked"]
    assert card["rates"][0] == {
        "kernel": "product, n = 512",
        "proven": 45 * 10**9,
        "unit": "MAC/s",
        "bound": 50 * 10**9,
        "bound_by": "bare sgemm",
    }


@pytest.mark.parametrize("notices", [("the BLAS is wrong",)])
def test_a_kernel_that_is_wrong_fails_the_check(
    notices: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = CpuCard.warm

    def warm(card: CpuCard) -> None:
        honest(card)
        card.notices = notices

    monkeypatch.setattr(CpuCard, "warm", warm)
    found = run("check")
    assert isinstance(found.exception, EdgeproofError)
    assert "note: the BLAS is wrong" in found.stderr
    assert "product (blas)" in found.stdout  # what was measured is shown all the same


@pytest.mark.parametrize("seconds", ["0", "-1", "601", "x"])
def test_a_time_that_measures_nothing_is_wrong_usage(seconds: str) -> None:
    assert run("check", "--seconds", seconds).exit_code == 2
