"""Hostile JSON ends in a refusal, whatever the recursion limit is."""

import sys
from collections.abc import Iterator

import pytest

from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry.bounded_json import MOST_BRACKETS, load_object
from edgeproof.telemetry.errors import MessageRefused


@pytest.fixture(autouse=True)
def _a_library_raised_the_limit() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("[" * 500_000, Reason.MALFORMED, id="deep arrays"),
        pytest.param('{"a":' * 100_000, Reason.MALFORMED, id="deep objects"),
        pytest.param("", Reason.MALFORMED, id="nothing"),
        pytest.param("[]", Reason.MALFORMED, id="not an object"),
        pytest.param("{", Reason.MALFORMED, id="cut off"),
        pytest.param(b"\xff{}", Reason.MALFORMED, id="not UTF-8"),
        pytest.param('{"a":' + "9" * 5000 + "}", Reason.MALFORMED, id="a long number"),
        pytest.param(" " * 1_000_001, Reason.TOO_LARGE, id="too large"),
    ],
)
def test_hostile_json_is_refused(text: str | bytes, reason: Reason) -> None:
    with pytest.raises(MessageRefused) as refusal:
        load_object(text, 1_000_000)
    assert refusal.value.reason is reason


def test_the_deepest_allowed_object_is_read() -> None:
    depth = MOST_BRACKETS
    found = load_object('{"a":' * depth + "1" + "}" * depth, 1_000_000)
    for _ in range(depth - 1):
        found = found["a"]
    assert found == {"a": 1}
