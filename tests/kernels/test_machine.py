"""Which cards a machine proves with, and what its owner is told."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from edgeproof.errors import EdgeproofError
from edgeproof.kernels import machine, nvml
from edgeproof.kernels.cpu.card import CpuCard
from edgeproof.kernels.cuda import driver
from edgeproof.kernels.cuda.driver import Device

CARD = nvml.GpuReading("NVIDIA X", 1 << 34, 0, 0, 40, 50.0)


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(machine.VARIABLE, raising=False)


@pytest.fixture
def two_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = [
        Device(number, f"NVIDIA {number}", f"GPU-{number}", (9, 0), 1 << 34)
        for number in range(2)
    ]
    monkeypatch.setattr(nvml, "read", lambda: [CARD, CARD])
    monkeypatch.setattr(driver, "devices", lambda: devices)


def kinds(found: machine.Machine) -> list[tuple[int, str]]:
    return [(card.index, card.kind) for card in found.cards]


def test_a_machine_without_nvidia_proves_with_its_cpu_and_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nvml, "read", list)
    found = machine.look()
    assert kinds(found) == [(0, "cpu")]
    assert found.cards[0].name
    assert found.notices == []


def test_nvidias_cards_take_the_cpus_place(two_cards: None) -> None:
    del two_cards
    assert kinds(machine.look()) == [(0, "cuda"), (1, "cuda")]


@pytest.mark.parametrize(
    ("chosen", "want"),
    [
        ("all", [(0, "cuda"), (1, "cuda")]),
        ("1", [(1, "cuda")]),
        ("1,0", [(0, "cuda"), (1, "cuda")]),
        (" CPU ", [(0, "cpu")]),
    ],
)
def test_the_owner_chooses_cards(
    chosen: str,
    want: list[tuple[int, str]],
    two_cards: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del two_cards
    monkeypatch.setenv(machine.VARIABLE, chosen)
    assert kinds(machine.look()) == want


@pytest.mark.parametrize(
    ("chosen", "why"),
    [("2", "names card 2"), ("-1", "is '-1'"), ("gpu", "is 'gpu'"), ("0,", "is '0,'")],
)
def test_a_choice_that_is_not_here_is_refused(
    chosen: str, why: str, two_cards: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del two_cards
    monkeypatch.setenv(machine.VARIABLE, chosen)
    with pytest.raises(EdgeproofError, match=why) as refused:
        machine.look()
    assert refused.value.hint


def test_a_card_whose_kernels_are_not_installed_is_said_and_the_cpu_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nvml, "read", lambda: [CARD])
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    found = machine.look()
    assert kinds(found) == [(0, "cpu")]
    (notice,) = found.notices
    assert notice.startswith("the kernels for NVIDIA X are not installed")
    assert "pip install 'edgeproof[cuda]'" in notice


def test_a_driver_that_is_too_old_is_said_and_the_cpu_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def too_old() -> list[Device]:
        msg = "the NVIDIA driver says: CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"
        raise EdgeproofError(msg, hint="reboot")

    monkeypatch.setattr(nvml, "read", lambda: [CARD])
    monkeypatch.setattr(driver, "devices", too_old)
    found = machine.look()
    assert kinds(found) == [(0, "cpu")]
    assert found.notices == [
        "the NVIDIA driver says: CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (reboot)"
    ]
    # Whoever asked for that card does not get another one.
    monkeypatch.setenv(machine.VARIABLE, "0")
    with pytest.raises(EdgeproofError, match="MISMATCH"):
        machine.look()


@dataclass
class FakeCard(CpuCard):
    """A card that is as right as it is told."""

    index: int
    wrong: str = ""
    said: Sequence[str] = ()
    warmed: list[int] = field(default_factory=list)

    def warm(self) -> None:
        self.warmed.append(self.index)
        self.notices = self.said
        if self.wrong:
            raise EdgeproofError(self.wrong, hint="buy another")


def test_a_card_that_is_wrong_is_dropped_and_the_others_work() -> None:
    good = FakeCard(1, said=("one kernel is not used",))
    found = machine.Machine([FakeCard(0, wrong="no bits are right"), good])
    machine.warm(found)
    assert found.cards == [good]
    assert found.notices == [
        "no bits are right (buy another)",
        "one kernel is not used",
    ]


def test_where_no_card_is_right_the_reason_is_raised() -> None:
    found = machine.Machine([FakeCard(0, wrong="first"), FakeCard(1, wrong="last")])
    with pytest.raises(EdgeproofError, match="last") as refused:
        machine.warm(found)
    assert refused.value.hint == "buy another"
