"""How much memory may be taken, from what the system says."""

import builtins
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from edgeproof.kernels.cpu import room
from edgeproof.kernels.cpu.card import CpuCard

GIB = 2**30


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Make a machine with 8 GiB available, and no container around us."""
    monkeypatch.setattr(room, "GROUP", tmp_path)
    known = SimpleNamespace(available=8 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: known)


def test_a_card_takes_a_share_of_what_is_available() -> None:
    assert room.available_bytes() == 8 * GIB
    assert CpuCard().room(0.5) == 4 * GIB // 128
    assert CpuCard().room(0.0) == 0


def test_no_card_takes_more_items_than_an_index_reaches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vast = SimpleNamespace(available=2**50)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: vast)
    assert CpuCard().room(0.9) == 2**32


@pytest.mark.parametrize(
    ("most", "current", "left"),
    [
        ("max", str(GIB), 8 * GIB),
        (str(3 * GIB), str(GIB), 2 * GIB),
        (str(GIB), str(2 * GIB), 0),
        (str(64 * GIB), str(GIB), 8 * GIB),
        ("nonsense", "0", 8 * GIB),
    ],
)
def test_a_container_bounds_it(
    tmp_path: Path, most: str, current: str, left: int
) -> None:
    (tmp_path / "memory.max").write_text(f"{most}\n")
    (tmp_path / "memory.current").write_text(f"{current}\n")
    assert room.available_bytes() == left


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("MemTotal: 9 kB\nMemAvailable:    1234 kB\n", 1234 * 1024),
        ("MemTotal: 9 kB\n", 0),
        ("MemAvailable: many kB\n", 0),
    ],
)
def test_without_psutil_the_kernel_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, want: int
) -> None:
    whole = builtins.__import__

    def without(
        name: str,
        at: Mapping[str, object] | None = None,
        here: Mapping[str, object] | None = None,
        names: Sequence[str] = (),
        level: int = 0,
    ) -> object:
        if name == "psutil":
            raise ImportError(name)
        return whole(name, at, here, names, level)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr(room, "MEMORY_INFO", tmp_path / "meminfo")
    (tmp_path / "meminfo").write_text(text)
    assert room.available_bytes() == want
    (tmp_path / "meminfo").unlink()
    assert room.available_bytes() == 0
