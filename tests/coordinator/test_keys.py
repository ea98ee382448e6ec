"""Four secrets, made once, none of which shows itself."""

from pathlib import Path

import pytest

from edgeproof.coordinator import keys
from edgeproof.telemetry.keyfile import BadKeyFile

NAMES = {"coordinator.key", "attestor.key", "poster.key", "beacon.secret"}


def test_keys_are_made_once_and_kept(tmp_path: Path) -> None:
    made = keys.load(tmp_path)
    assert keys.load(tmp_path) == made
    folder = tmp_path / "keys"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {each.name for each in folder.iterdir()} == NAMES
    assert {each.stat().st_mode & 0o777 for each in folder.iterdir()} == {0o600}


def test_no_two_keys_are_alike(tmp_path: Path) -> None:
    first, second = keys.load(tmp_path / "a"), keys.load(tmp_path / "b")
    secrets = {
        secret
        for each in (first, second)
        for secret in (
            each.coordinator.secret,
            each.attestor.secret,
            each.poster.secret,
            each.beacon,
        )
    }
    assert len(secrets) == 2 * len(NAMES)


def test_a_lost_key_is_made_anew_and_the_others_stay(tmp_path: Path) -> None:
    before = keys.load(tmp_path)
    (tmp_path / "keys" / "poster.key").unlink()
    after = keys.load(tmp_path)
    assert after.poster != before.poster
    assert after.coordinator == before.coordinator
    assert after.beacon == before.beacon


def test_no_secret_is_in_what_is_shown(tmp_path: Path) -> None:
    made = keys.load(tmp_path)
    for path in (tmp_path / "keys").iterdir():
        secret = path.read_text().strip()
        assert secret not in repr(made)
        assert str(bytes.fromhex(secret)) not in repr(made)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, name: str) -> None:
    keys.load(tmp_path)
    (tmp_path / "keys" / name).chmod(0o640)
    with pytest.raises(BadKeyFile, match=name):
        keys.load(tmp_path)
