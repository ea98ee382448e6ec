"""One exception tree, whose messages are for people."""

import importlib
import pkgutil
from typing import Any

import pytest

import edgeproof
from edgeproof.errors import EdgeproofError
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry.errors import MessageRefused


def test_an_error_carries_a_hint_or_none() -> None:
    assert str(EdgeproofError("the disk is full", hint="remove something")) == (
        "the disk is full"
    )
    assert EdgeproofError("the disk is full", hint="remove something").hint
    assert EdgeproofError("the disk is full").hint == ""


def test_a_refusal_says_its_reason_and_detail() -> None:
    assert str(MessageRefused(Reason.LATE)) == "the message arrived after its deadline"
    refused = MessageRefused(Reason.LATE, "slot 7")
    assert str(refused) == "the message arrived after its deadline (slot 7)"
    assert refused.reason is Reason.LATE


@pytest.mark.parametrize("package", ["proofs", "telemetry", "audit"])
def test_every_exception_of_ours_is_in_the_tree(package: str) -> None:
    folder: Any = importlib.import_module(f"edgeproof.{package}")
    for module in pkgutil.iter_modules(folder.__path__, folder.__name__ + "."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, Exception):
                ours = value.__module__.startswith(edgeproof.__name__)
                assert not ours or issubclass(value, EdgeproofError), value
