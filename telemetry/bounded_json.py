"""JSON from strangers: bounded before it is parsed.

The parser recurses with each bracket, and some libraries raise Python's own limit so
far that deep nesting kills the process.
"""

import json
from typing import Any

from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry.errors import MessageRefused

MOST_BRACKETS = 500
"""Brackets in one text, strings included: half of what Python's parser stands."""


def load_object(text: str | bytes, largest: int) -> dict[str, Any]:
    """Return the JSON object in ``text`` of at most ``largest`` bytes or characters.

    Raises ``MessageRefused``: TOO_LARGE, or MALFORMED for anything but an object.
    """
    if len(text) > largest:
        detail = f"{len(text)} bytes of JSON, at most {largest}"
        raise MessageRefused(Reason.TOO_LARGE, detail)
    raw = text.encode() if isinstance(text, str) else text
    if raw.count(b"[") + raw.count(b"{") > MOST_BRACKETS:
        detail = f"JSON with more than {MOST_BRACKETS} brackets"
        raise MessageRefused(Reason.MALFORMED, detail)
    try:
        values = json.loads(raw)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise MessageRefused(Reason.MALFORMED, "not a JSON object")
    return values
