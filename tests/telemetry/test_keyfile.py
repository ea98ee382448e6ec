"""Secrets in files: closed to others, whole or absent, never replaced."""

import multiprocessing
from pathlib import Path

import pytest

from edgeproof.telemetry import keyfile
from edgeproof.telemetry.keyfile import BadKeyFile


def test_a_secret_is_made_once_and_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "a.key"
    made = keyfile.make_secret(path)
    assert keyfile.make_secret(path) == made == keyfile.read_secret(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["a.key"]


def test_two_processes_at_once_end_with_one_secret(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        made = pool.map(keyfile.make_secret, [path] * 8)
    assert set(made) == {keyfile.read_secret(path)}


@pytest.mark.parametrize(
    ("content", "mode", "complaint"),
    [
        pytest.param("11" * 32, 0o644, "others may read", id="open to others"),
        pytest.param("11" * 31, 0o600, "does not hold", id="too short"),
        pytest.param("11" * 40, 0o600, "does not hold", id="too long"),
        pytest.param("secret", 0o600, "does not hold", id="no digits"),
        pytest.param("00" * 32, 0o600, "no secp256k1 key", id="zero"),
    ],
)
def test_a_wrong_file_is_named_and_its_content_is_not(
    tmp_path: Path, content: str, mode: int, complaint: str
) -> None:
    path = tmp_path / "a.key"
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(BadKeyFile, match=complaint) as failure:
        keyfile.make_key(path)
    assert content not in str(failure.value)
    assert failure.value.hint
    assert path.read_text() == content


def test_a_missing_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(BadKeyFile, match="No such file"):
        keyfile.read_key(tmp_path / "none")


def test_a_file_appears_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "file"
    keyfile.write_private(target, b"before")

    def crash(_descriptor: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", crash)
        with pytest.raises(KeyboardInterrupt):
            keyfile.write_private(target, b"after")
    assert target.read_bytes() == b"before"
    keyfile.write_private(target, b"after")
    assert target.read_bytes() == b"after"
    assert target.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert target.stat().st_mode & 0o777 == 0o600
