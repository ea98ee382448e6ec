"""What the page for owners promises: settings, defaults, codes, numbers."""

import re
from pathlib import Path

from edgeproof.agent import status
from edgeproof.agent.options import COMMIT_MARGIN_MS
from edgeproof.agent.settings import PREFIX, Settings
from edgeproof.agent.state import KEPT_ENDS
from edgeproof.agent.store import RETRY_S
from edgeproof.agent.watch import SENSE_S
from edgeproof.proofs import timetable
from edgeproof.proofs.parameters import SECOND, Parameters
from edgeproof.proofs.reasons import SKIPS, Reason

MISSING = {
    Reason.NO_BEAT,
    Reason.LATE_BEAT,
    Reason.UNSEALED,
    Reason.BEAT_REFUSED,
    Reason.OWNER_STOPPED,
}
"""Why a slot can be missing for the device's own part."""

TEXT = (Path(__file__).parents[2] / "docs" / "owner.md").read_text()


def test_settings_and_their_defaults_are_those_of_the_program() -> None:
    rows = re.findall(r"^\| `(EDGEPROOF_\w+)` \| (\S*) +\|", TEXT, re.MULTILINE)
    assert len(rows) == 8
    for name, default in rows:
        field = Settings.model_fields[name.removeprefix(PREFIX).lower()]
        assert str(field.default or "").lower() == default.replace("false", "")


def test_every_code_is_explained() -> None:
    rows = re.findall(r"^\| (\d+) \| (\w+) \| ([^|]+) \|", TEXT, re.MULTILINE)
    assert sorted(rows) == sorted(
        (str(int(reason)), reason.name, reason.text) for reason in SKIPS | MISSING
    )


def test_its_numbers_are_those_of_the_program() -> None:
    network = Parameters(genesis=1)
    assert f"{network.round_ms / SECOND:.0f} seconds of work" in TEXT
    assert (
        f"{timetable.expected_load(network, COMMIT_MARGIN_MS):.1f} s/h at the usual"
        in TEXT
    )
    assert f"every {RETRY_S:.0f} seconds" in TEXT
    assert f"the last {KEPT_ENDS}" in TEXT
    assert SENSE_S == 2, "every two seconds"


def test_its_lines_of_status_are_laid_out_as_the_program_does() -> None:
    found = {
        "device": "",
        "owner": "",
        "network": "",
        "explorer": "",
        "last_beacon_slot": None,
        "last_acknowledged": None,
        "disk_full": False,
        "paused": False,
        "cards": [{"card": 0, "name": "NVIDIA X", "kind": "cuda", "size": 16384}],
        "load": {"0": 26.4},
        "expected_load": 29.1,
        "figures": [
            {"round": 421, "card": 0, "unit": "bytes", "committed": str(3 << 29)}
        ],
        "statement": None,
        "uptime": {
            "24 h": {
                "accepted": 1420,
                "countable": 1440,
                "permille": 986,
                "longest_outage": 12,
                "longest_outage_s": 720,
                "reasons": {"NO_BEAT": 20},
            }
        },
        "unacknowledged": {},
        "ends": [
            {
                "reason": {
                    "name": "SKIPPED_HOT",
                    "text": "the card was hotter than its owner allows",
                },
                "at": 0,
                "round": 398,
                "phase": "SECOND_WALK",
                "card": 0,
            }
        ],
        "refused": [],
    }
    lines = status.lines(found, now=5114)
    shown = [line.strip() for line in TEXT.splitlines() if line.startswith("    ")]
    shown = [line for line in shown if not line.startswith("edgeproof")]
    assert len(shown) == 5
    # What the page shows of uptime stands at its end, in status above the ends.
    assert sorted(line for line in lines if line in shown) == sorted(shown)
