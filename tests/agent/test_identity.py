from pathlib import Path

import pytest

from edgeproof.agent import identity
from edgeproof.telemetry.keyfile import BadKeyFile


def test_a_key_is_made_once_and_open_to_its_user_only(tmp_path: Path) -> None:
    made = identity.ensure_device_key(tmp_path)
    path = tmp_path / identity.KEY_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert identity.ensure_device_key(tmp_path) == made
    assert identity.device_key(tmp_path) == made
    assert [each.name for each in tmp_path.iterdir()] == [identity.KEY_FILE]


def test_a_missing_key_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(BadKeyFile, match="no key yet") as caught:
        identity.device_key(tmp_path)
    assert "enrol" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "mode", "complaint"),
    [
        pytest.param("11" * 32, 0o640, "others", id="readable-by-the-group"),
        pytest.param("11" * 31, 0o600, "does not hold", id="too-short"),
        pytest.param("11" * 33, 0o600, "does not hold", id="too-long"),
        pytest.param("zz" * 32, 0o600, "does not hold", id="no-digits"),
        pytest.param("00" * 32, 0o600, "no secp256k1 key", id="zero"),
        pytest.param("ff" * 32, 0o600, "no secp256k1 key", id="above-the-order"),
    ],
)
def test_a_wrong_key_file_is_refused_and_never_replaced(
    tmp_path: Path, content: str, mode: int, complaint: str
) -> None:
    path = tmp_path / identity.KEY_FILE
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(BadKeyFile, match=complaint) as caught:
        identity.ensure_device_key(tmp_path)
    assert content not in str(caught.value)
    assert path.read_text() == content
