"""``edgeproof agent`` as its owner meets it, in processes of its own."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from edgeproof.agent import status
from edgeproof.agent.commands import app
from edgeproof.agent.options import Options
from edgeproof.agent.pause import PAUSE_FILE
from edgeproof.agent.state import DISK_FULL_FILE, KEPT_ENDS, NotEnrolled, State
from edgeproof.agent.work import Job
from edgeproof.proofs.parameters import Phase
from edgeproof.proofs.reasons import Reason
from tests.agent.conftest import enrolled

if TYPE_CHECKING:
    from tests.agent.conftest import Coordinator

HEAVY = ("numba", "numpy", "web3", "sqlite_utils", "structlog", "aiomqtt")


@pytest.fixture
def folder(coordinator: "Coordinator", options: Options) -> Path:
    """The state folder of an enrolled device that a network has answered."""
    device = enrolled(coordinator, options)
    state = State(options.state_dir)
    state.put("acknowledged", {"slot": 7, "at": time.time() * 1000})
    state.put("cards", [{"card": 0, "name": "A CPU", "kind": "cpu", "size": 1024}])
    figure = {"round": 6, "card": 0, "bucket": "memory", "unit": "bytes"}
    state.put("figures", [figure | {"committed": str(3 << 29)}])
    state.save_refusal("seal", 8, 0)
    state.put("load", {"since": 0, "minutes": [[0, int(time.time()) // 60, 26.44]]})
    state.save_end(Job(6, Phase.SECOND_WALK, 0), Reason.SKIPPED_HOT, 0)
    state.save_end(None, Reason.DISK_FULL, 0)
    state.save_statement(coordinator.statement(device, 3))
    state.close()
    return options.state_dir


def test_status_tells_what_the_network_said(folder: Path) -> None:
    result = CliRunner().invoke(app, ["status", "--state", str(folder)])
    assert result.exit_code == 0
    for expected in (
        "heartbeat of slot 7",
        "50.0 %, 3 of 6 slots",
        "1.000000000000000005 tokens",
        "does not measure this bucket",
        "after its deadline",
        "A CPU (cpu), n = 1024",
        "1.5 GiB by card 0 in the round of slot 6",
        "proof load      26.4 s/h on card 0 (of 1170)",
        "second walk by card 0 in the round of slot 6: the card was hotter",
        "(SKIPPED_HOT)",
        "the device's disk was full (DISK_FULL)",
    ):
        assert expected in result.output


def test_status_is_one_json_object_too(folder: Path) -> None:
    result = CliRunner().invoke(app, ["status", "--json", "--state", str(folder)])
    found = json.loads(result.output)
    assert found["statement"]["rewards"] == [str(10**18), "0", "0", "5"]
    assert found["unacknowledged"] == {}


def test_status_of_no_device_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotEnrolled, match="not enrolled") as caught:
        status.collect(tmp_path)
    assert "agent enrol" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_pause_is_a_file_that_status_shows(folder: Path) -> None:
    where = ["--state", str(folder)]

    def says(word: str) -> str:
        result = CliRunner().invoke(app, [word, *where])
        assert result.exit_code == 0
        return result.output

    assert "paused" not in says("status")
    for _ in range(2):
        assert "agent resume" in says("pause")
    assert (folder / PAUSE_FILE).stat().st_mode & 0o777 == 0o600
    assert "paused" in says("status")
    for _ in range(2):
        says("resume")
    assert "paused" not in says("status")


def test_a_full_disk_is_shown(folder: Path) -> None:
    (folder / DISK_FULL_FILE).touch()
    assert "free some room" in "\n".join(status.lines(status.collect(folder)))


def test_the_last_ends_are_kept(folder: Path) -> None:
    state = State(folder)
    for number in range(KEPT_ENDS + 5):
        state.save_end(Job(number, Phase.POW, 0), Reason.PROVER_HUNG, number)
    state.close()
    ends = status.collect(folder)["ends"]
    assert [end["round"] for end in ends] == list(range(5, KEPT_ENDS + 5))


@pytest.mark.parametrize("word", ["pause", "resume"])
def test_no_device_cannot_be_paused(tmp_path: Path, word: str) -> None:
    result = CliRunner().invoke(app, [word, "--state", str(tmp_path / "nothing")])
    assert isinstance(result.exception, NotEnrolled)


@pytest.mark.parametrize("arguments", [["enrol"], ["status", "--nonsense"], ["dance"]])
def test_wrong_usage_exits_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(0, "0"), (1, "0.000000000000000001"), (10**18, "1"), (15 * 10**17, "1.5")],
)
def test_amounts_are_exact(amount: int, shown: str) -> None:
    assert status.tokens(amount) == shown


@pytest.mark.integration
def test_status_starts_light(folder: Path) -> None:
    program = (
        "import sys\n"
        "from edgeproof.agent.commands import app\n"
        "app(['status'], standalone_mode=False)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"EDGEPROOF_AGENT_STATE_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    print(f"status: {time.perf_counter() - started:.2f} s")
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.integration
def test_the_service_is_light_too() -> None:
    heavy = ("numba", "numpy", "web3", "pydantic", "typer", "rich", "stamina")
    program = (
        "import sys\n"
        "from edgeproof.agent import serving\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
