"""What a device measured of itself, as telemetry carries it: JSON, compressed.

One message holds the samples since the last beat: much of them is the same, and takes
no room twice.  Whoever reads it inflates no more than it may hold.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry.bounded_json import load_object
from edgeproof.telemetry.errors import MessageRefused

LONGEST = 4096
"""Bytes of a message's readings, compressed (RFC 1950)."""

INFLATED = 64 * 1024
"""Bytes of the JSON that they may become."""

Sample = Mapping[str, Any]
"""Groups of readings by name: JSON values, and ``at``, Unix milliseconds."""


def pack(samples: Sequence[Sample]) -> bytes:
    """Return the readings of a message that holds as much of ``samples`` as fits.

    The latest sample stays; of it, where even that is too large, the largest groups go,
    and are counted as ``omitted``.
    """
    kept = list(samples)
    while True:
        text = _text({"samples": kept})
        raw = zlib.compress(text, 9)
        if len(raw) <= LONGEST and len(text) <= INFLATED:
            return raw
        kept = kept[(len(kept) + 1) // 2 :] if len(kept) > 1 else [_smaller(kept[0])]


def unpack(raw: bytes) -> str:
    """Return the JSON in a message's readings.

    Raises ``MessageRefused``: TOO_LARGE, or MALFORMED for anything but one object.
    """
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(raw, INFLATED + 1)
    except zlib.error as error:
        raise MessageRefused(Reason.MALFORMED, f"readings: {error}") from None
    if len(text) > INFLATED:
        detail = f"readings of more than {INFLATED} bytes"
        raise MessageRefused(Reason.TOO_LARGE, detail)
    if not inflater.eof or inflater.unused_data:
        raise MessageRefused(Reason.MALFORMED, "readings cut off, or too long")
    load_object(text, INFLATED)
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise MessageRefused(Reason.MALFORMED, "readings are not UTF-8") from None


def _smaller(sample: Sample) -> Sample:
    groups = {name: len(_text({name: value})) for name, value in sample.items()}
    groups.pop("omitted", None)
    largest = max(groups, key=groups.__getitem__)
    omitted = sample.get("omitted", 0)
    count = omitted + 1 if isinstance(omitted, int) else 1
    return {n: v for n, v in sample.items() if n != largest} | {"omitted": count}


def _text(values: object) -> bytes:
    return json.dumps(values, separators=(",", ":"), allow_nan=False).encode()
