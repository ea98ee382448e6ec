"""The settings' file, what overrides it, and what is wrong with it."""

from pathlib import Path

import pytest

from edgeproof.coordinator.settings import FILE, BadSetting, Settings

GOOD = {
    "rpc": '"http://127.0.0.1:8545"',
    "embedded_broker": "true",
    "web_port": "8080",
}
PREFIX = "EDGEPROOF_COORDINATOR_"


def write(folder: Path, **changes: str | None) -> Path:
    rows = {**GOOD, **changes}
    lines = [f"{name} = {value}\n" for name, value in rows.items() if value is not None]
    (folder / FILE).write_text("".join(lines))
    return folder


def test_the_file_is_read_and_the_rest_has_defaults(tmp_path: Path) -> None:
    settings = Settings.load(write(tmp_path))
    assert settings.rpc == "http://127.0.0.1:8545"
    assert settings.embedded_broker is True
    assert (settings.web_host, settings.web_port) == ("127.0.0.1", 8080)
    assert settings.verifiers == 1
    assert len(settings.drand_urls) > 1


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("rpc", "http://node:1", "http://node:1"),
        ("embedded_broker", "false", False),
        ("web_host", "localhost", "localhost"),
        ("web_port", "9", 9),
        ("verifiers", "3", 3),
        ("drand_urls", '["https://relay:1/x"]', ("https://relay:1/x",)),
    ],
)
def test_the_environment_overrides_the_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    text: str,
    value: object,
) -> None:
    monkeypatch.setenv(PREFIX + name.upper(), text)
    assert getattr(Settings.load(write(tmp_path)), name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rpc", None),
        ("rpc", "5"),
        ("embedded_broker", '"perhaps"'),
        ("web_port", '"eighty"'),
        ("web_port", "70000"),
        ("web_port", "0"),
        ("verifiers", "0"),
        ("verifiers", "1000"),
        ("misspelt", "1"),
    ],
)
def test_a_bad_value_is_named_with_its_file(
    tmp_path: Path, name: str, value: str | None
) -> None:
    with pytest.raises(BadSetting, match=name) as failure:
        Settings.load(write(tmp_path, **{name: value}))
    assert str(tmp_path / FILE) in failure.value.hint


def test_a_bad_value_in_the_environment_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PREFIX + "WEB_PORT", "many")
    with pytest.raises(BadSetting, match="web_port") as failure:
        Settings.load(write(tmp_path))
    assert PREFIX + "WEB_PORT" in failure.value.hint


def test_a_missing_setting_does_not_show_the_others(tmp_path: Path) -> None:
    folder = write(tmp_path, rpc='"http://node/token"', web_port=None)
    with pytest.raises(BadSetting, match="web_port: Field required") as failure:
        Settings.load(folder)
    assert "token" not in str(failure.value)


def test_a_file_that_is_no_toml_is_named_with_the_place(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("rpc = \n")
    with pytest.raises(BadSetting, match="line 1") as failure:
        Settings.load(tmp_path)
    assert failure.value.hint


def test_a_folder_without_coordinator_says_how_to_found_one(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="no coordinator") as failure:
        Settings.load(tmp_path / "nothing")
    assert "coordinator init" in failure.value.hint


def test_settings_never_change(tmp_path: Path) -> None:
    settings = Settings.load(write(tmp_path))
    with pytest.raises(ValueError, match="frozen"):
        settings.web_port = 1  # type: ignore[misc] # what it must refuse
