"""The outbox keeps what it was given, once, for one process."""

import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeproof.chain.outbox import Intent, Outbox, Status, Variant
from edgeproof.errors import EdgeproofError

FIRST = Variant(b"h" * 32, b"raw", 10**30, 7, 1.5)
DEARER = Variant(b"i" * 32, b"raw2", 2 * 10**30, 8, 2.5)
INTENT = Intent("post 1-1", 4, b"d" * 20, b"data", 21_000, (FIRST,))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    box = Outbox(path)
    yield box
    box.close()


def test_an_intent_and_its_variants_survive_a_restart(path: Path) -> None:
    box = Outbox(path)
    box.add(INTENT)
    kept = box.add_variant(INTENT, DEARER)
    box.set_status(INTENT.purpose, Status.DONE)
    box.close()
    again = Outbox(path)
    (found,) = again.intents()
    again.close()
    assert found.variants == kept.variants == (FIRST, DEARER)
    assert found.status is Status.DONE
    assert (found.purpose, found.nonce, found.data) == ("post 1-1", 4, b"data")


def test_a_purpose_is_intended_once(outbox: Outbox) -> None:
    outbox.add(INTENT)
    with pytest.raises(EdgeproofError, match="already intended"):
        outbox.add(Intent("post 1-1", 5, None, b"", 1, (DEARER,)))
    assert outbox.intents() == [INTENT]


def test_a_nonce_serves_one_intent_unless_it_was_lost(outbox: Outbox) -> None:
    outbox.add(INTENT)
    other = Intent("post 2-2", 4, None, b"", 1, (DEARER,))
    with pytest.raises(EdgeproofError, match="nonce 4 taken"):
        outbox.add(other)
    outbox.set_status(INTENT.purpose, Status.LOST)
    outbox.add(other)
    assert [one.purpose for one in outbox.intents()] == ["post 1-1", "post 2-2"]


def test_it_belongs_to_one_chain_for_ever(outbox: Outbox) -> None:
    outbox.belong_to(1, b"g" * 32, b"s" * 20)
    outbox.belong_to(1, b"g" * 32, b"s" * 20)
    for other in [(2, b"g" * 32, b"s" * 20), (1, b"x" * 32, b"s" * 20)]:
        with pytest.raises(EdgeproofError, match="written for"):
            outbox.belong_to(*other)


def test_a_second_writer_is_refused(outbox: Outbox, path: Path) -> None:
    outbox.add(INTENT)
    script = (
        "import sys, pathlib\n"
        "from edgeproof.chain.outbox import Outbox\n"
        "Outbox(pathlib.Path(sys.argv[1]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "another process is sending transactions" in done.stderr


def test_only_its_owner_may_read_it(path: Path) -> None:
    Outbox(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
