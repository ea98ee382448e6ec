"""What would fail without a word in NumPy or Numba is said before they are imported."""

import json
import os
import subprocess
import sys
import threading

import pytest

from edgeproof.errors import EdgeproofError
from edgeproof.kernels import preflight


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in preflight.THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("value", ["", "1", "64", "1024"])
def test_a_number_of_threads_may_be_set(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_NUM_THREADS", value)
    preflight.check()


@pytest.mark.parametrize("name", preflight.THREAD_VARIABLES)
@pytest.mark.parametrize(
    "value", ["0", "-1", "two", "1.5", " 2", "1025", "9" * 50, "²"]
)
def test_a_wrong_number_of_threads_is_refused_with_its_value(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(EdgeproofError, match=name) as refused:
        preflight.check()
    assert repr(value) in str(refused.value)
    assert "1 to 1024" in refused.value.hint


def test_threads_that_cannot_be_started_are_missed_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preflight, "_cores", lambda: 4)
    honest, started = threading.Thread.start, 0

    def start(thread: threading.Thread) -> None:
        nonlocal started
        if started == 2:
            message = "can't start new thread"
            raise RuntimeError(message)
        started += 1
        honest(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    before = threading.active_count()
    with pytest.raises(
        EdgeproofError, match="start 2 threads, 4 are needed"
    ) as refused:
        preflight.check()
    assert "ulimit -u" in refused.value.hint
    assert threading.active_count() == before


WITHOUT_THREADS = """
import os, resource, sys
from edgeproof.agent import prover
os.setgid(65534)
os.setuid(65534)
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
prover.run()
"""
"""The prover as somebody whom the limit binds; the files are read before."""


@pytest.mark.skipif(
    sys.platform != "linux" or os.getuid() != 0,
    reason="the limit binds no root, and only root can become another user on Linux",
)
def test_a_prover_without_threads_says_so() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_THREADS],
        input='{"do": "load"}\n{"do": "search", "job": 7}\n',
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert (first["is"], first["job"]) == ("failed", None)
    assert "could start 0 threads" in first["why"]
    assert second["job"] == 7
