"""Compiled code is loaded only from a folder that nobody else can write to."""

import os
from pathlib import Path

import pytest

from edgeproof.kernels import cache


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import numba  # noqa: PLC0415 - its setting is put back after each test

    monkeypatch.setattr(numba.config, "CACHE_DIR", "", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    monkeypatch.setenv(cache.VARIABLE, "")


def test_the_cache_is_this_users_and_private(tmp_path: Path) -> None:
    folder = cache.prepare()
    assert folder.parent == tmp_path / "user" / "edgeproof"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert os.environ[cache.VARIABLE] == str(folder)


def test_a_folder_chosen_by_the_user_is_respected_and_by_children_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "mine"))
    folder = cache.prepare()
    assert folder == tmp_path / "mine" / f"kernels-{cache.fingerprint()}"
    assert cache.prepare() == folder


def test_a_folder_that_others_can_write_to_is_not_used(tmp_path: Path) -> None:
    folder = cache.prepare()
    folder.chmod(0o777)
    os.environ[cache.VARIABLE] = ""
    other = cache.prepare()
    assert tmp_path not in other.parents
    assert other.stat().st_mode & 0o777 == 0o700


def test_without_a_lasting_folder_a_temporary_one_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cache.prepare().is_dir()
