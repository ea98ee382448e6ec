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
        ("GPU_MEMORY_SHARE", "1.0"),
        ("CPU_SHARE", "0"),
        ("CPU_SHARE", "1.5"),
        ("MAX_CELSIUS", "200"),
        ("MAX_CELSIUS", "hot"),
        ("MAX_WATTS", "1"),
        ("HOURS", "at night"),
        ("HOURS", "22:00-25:00"),
        ("HOURS", "22:60-07:00"),
        ("ONLY_WHEN_IDLE", "perhaps"),
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


def test_limits_are_none_unless_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEPROOF_AGENT_MAX_CELSIUS", "")
    options = settings.load()
    assert (options.max_celsius, options.max_watts, options.hours) == (None, None, "")
    assert not options.only_when_idle
    assert (options.gpu_memory_share, options.prover_memory_share) == (0.8, 0.5)


@pytest.mark.parametrize(
    ("share", "cores", "threads"),
    [(1.0, 16, 16), (0.5, 5, 2), (0.01, 16, 1), (2 / 3, 3, 2), (0.58, 100, 58)],
)
def test_a_share_of_the_cores_becomes_threads(
    share: float, cores: int, threads: int
) -> None:
    assert settings.Settings(cpu_share=share).threads(cores) == threads


def test_a_prover_that_does_not_step_back_cannot_tell_whether_others_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EDGEPROOF_AGENT_ONLY_WHEN_IDLE", "true")
    assert settings.load().only_when_idle
    monkeypatch.setenv("EDGEPROOF_AGENT_PROVER_NICENESS", "0")
    with pytest.raises(settings.BadSetting, match=r"ONLY_WHEN_IDLE.*NICENESS"):
        settings.load()
