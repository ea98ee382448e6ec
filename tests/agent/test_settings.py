from pathlib import Path

import pytest

from edgeproof.agent import folders, settings
from edgeproof.agent.options import Options


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_the_defaults_lie_where_the_base_directories_say(tmp_path: Path) -> None:
    assert settings.load().state_dir == tmp_path / "edgeproof"
    assert folders.state_folder(None) == tmp_path / "edgeproof"


def test_a_relative_base_directory_is_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "somewhere")
    expected = Path.home() / ".local" / "state" / "edgeproof"
    assert folders.state_folder(None) == expected


def test_what_is_given_outweighs_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EDGEPROOF_AGENT_STATE_DIR", "/from/the/environment")
    assert settings.load().state_dir == Path("/from/the/environment")
    assert folders.state_folder(None) == Path("/from/the/environment")
    assert settings.load(state_dir=tmp_path).state_dir == tmp_path
    assert folders.state_folder(tmp_path) == tmp_path


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TELEMETRY_S", "0"),
        ("TELEMETRY_S", "soon"),
        ("OUTBOX_BYTES", "100"),
        ("PROVER_NICENESS", "20"),
        ("PROVER_MEMORY_SHARE", "1.0"),
        ("PROVER_COMMAND", "[]"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"EDGEPROOF_AGENT_{name}", value)
    with pytest.raises(settings.BadSetting, match=f"EDGEPROOF_AGENT_{name}") as caught:
        settings.load()
    assert value in str(caught.value)
    assert caught.value.hint


def test_a_list_that_is_no_json_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEPROOF_AGENT_PROVER_COMMAND", "prover --fast")
    with pytest.raises(settings.BadSetting, match="prover_command") as caught:
        settings.load()
    assert "JSON" in caught.value.hint


def test_options_survive_their_way_to_the_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EDGEPROOF_AGENT_PROVER_COMMAND", '["prove", "it"]')
    options = settings.load()
    assert options.prover_command == ("prove", "it")
    assert Options.from_text(options.as_text()) == options
