"""Children never outlive the program that started them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgeproof.simulator.processes import ChildDied, Family

pytestmark = pytest.mark.integration

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""

DEMO = """
import sys, time
from pathlib import Path
from edgeproof.simulator.processes import Family
with Family(Path(sys.argv[1])) as family:
    family.start("sleeper", [sys.executable, "-c",
        "import os, time; print(os.getpid(), flush=True); time.sleep(600)"])
    print("started", flush=True)
    time.sleep(600)
"""


def gone(pid: int, seconds: float = 10.0) -> bool:
    """Return whether a process ends within ``seconds``; a zombie has ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def first_number(log: Path) -> int:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if log.exists() and log.read_text().strip():
            return int(log.read_text().split()[0])
        time.sleep(0.05)
    pytest.fail(f"nothing in {log}")


def test_leaving_stops_children_and_grandchildren(tmp_path: Path) -> None:
    with Family(tmp_path) as family:
        family.start("parent", [sys.executable, "-c", PARENT])
        grandchild = first_number(family.log("parent"))
    assert gone(grandchild)


def test_a_killed_program_leaves_no_child(tmp_path: Path) -> None:
    command = [sys.executable, "-c", DEMO, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as demo:
        child = first_number(tmp_path / "sleeper.log")
        os.kill(demo.pid, signal.SIGKILL)
        demo.wait(10)
    assert gone(child)


def test_a_dead_child_is_named_with_its_last_words(tmp_path: Path) -> None:
    with Family(tmp_path) as family:
        family.start(
            "talker", [sys.executable, "-c", "print('alas'); raise SystemExit(3)"]
        )
        with pytest.raises(ChildDied, match="talker ended with status 3") as death:
            family.finish("talker", 20)
    assert "alas" in death.value.hint


def test_a_child_announces_itself_in_json(tmp_path: Path) -> None:
    program = "import time; print('{\"rpc\": 1}', flush=True); time.sleep(600)"
    with Family(tmp_path) as family:
        command = [sys.executable, "-c", program]
        assert family.start_announcing("chain", command, 20) == {"rpc": 1}
        family.check()
