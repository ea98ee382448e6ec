"""Readings: as much as fits, the latest first of all, and nothing that explodes."""

import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry import samples
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.samples import INFLATED, LONGEST

values = st.recursive(
    st.integers() | st.text(max_size=30) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
sample = st.dictionaries(st.text(min_size=1, max_size=10), values, max_size=6)


@given(st.lists(sample, min_size=1, max_size=5))
def test_what_fits_reads_back(given_samples: list[dict[str, Any]]) -> None:
    raw = samples.pack(given_samples)
    assert len(raw) <= LONGEST
    assert json.loads(samples.unpack(raw)) == {"samples": given_samples}


@given(st.lists(st.binary(min_size=200, max_size=1500), min_size=1, max_size=12))
def test_the_latest_sample_stays(parts: list[bytes]) -> None:
    """Noise does not get smaller: earlier samples go, half of them at a time."""
    given_samples = [{"at": i, "x": part.hex()} for i, part in enumerate(parts)]
    found = json.loads(samples.unpack(samples.pack(given_samples)))["samples"]
    assert found == given_samples[-len(found) :]


def test_of_a_sample_that_is_too_large_the_largest_groups_go() -> None:
    noise = b"".join(keccak(bytes([n])) for n in range(250)).hex()
    one = {"at": 5, "gpus": noise, "cpu": 1, "disk": noise[:2000]}
    (found,) = json.loads(samples.unpack(samples.pack([one])))["samples"]
    assert found == {"at": 5, "cpu": 1, "disk": noise[:2000], "omitted": 1}


def test_a_minute_of_a_machine_with_sixteen_cards_fits() -> None:
    card = {
        "name": "NVIDIA H100 80GB HBM3", "memory": 85520809984, "used": 4194304,
        "percent": 0, "celsius": 31, "watts": 70.1, "mhz": 1980, "memory_mhz": 2619,
        "ecc_corrected": 0, "ecc_uncorrected": 0, "throttled": ["idle"],
    }  # fmt: skip
    minute = [
        {
            "at": 1_800_000_000_000 + 10_000 * i,
            "cpu": {"cores": 128, "percent": 3.1 + i, "load": [1.5, 1.25, 1.0 + i]},
            "network": {"sent": 10**12 + 977 * i, "received": 10**12 + 7919 * i},
            "gpus": [
                card | {"watts": 70 + 1.7 * i + n, "celsius": 30 + (n + i) % 9}
                for n in range(16)
            ],
        }
        for i in range(6)
    ]
    found = json.loads(samples.unpack(samples.pack(minute)))["samples"]
    assert found == minute


BAD = {
    "nothing": (b"", Reason.MALFORMED),
    "plain": (b"{}", Reason.MALFORMED),
    "cut": (zlib.compress(b'{"samples":[]}')[:-3], Reason.MALFORMED),
    "more_behind": (zlib.compress(b"{}") + b"x", Reason.MALFORMED),
    "a_list": (zlib.compress(b"[]"), Reason.MALFORMED),
    "no_utf8": (zlib.compress(b'{"a":"\xff"}'), Reason.MALFORMED),
    "bomb": (zlib.compress(bytes(50_000_000), 9), Reason.TOO_LARGE),
    "brackets": (zlib.compress(b'{"a":' + b"[" * 60_000), Reason.MALFORMED),
}


@pytest.mark.parametrize(("raw", "reason"), BAD.values(), ids=BAD.keys())
def test_what_is_none_is_refused(raw: bytes, reason: Reason) -> None:
    with pytest.raises(MessageRefused) as refusal:
        samples.unpack(raw)
    assert refusal.value.reason is reason


@given(st.binary(max_size=100))
def test_any_bytes_are_refused_or_json(raw: bytes) -> None:
    for candidate in (raw, zlib.compress(raw)):
        try:
            text = samples.unpack(candidate)
        except MessageRefused:
            continue
        assert isinstance(json.loads(text), dict)
        assert len(text.encode()) <= INFLATED
