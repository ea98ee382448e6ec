"""The file that a dispute is: what is claimed, and the signed messages as they came.

Bounded, and refused as a whole where it is anything else; what its claims are worth
says ``audit.dispute``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from edgeproof.errors import EdgeproofError
from edgeproof.telemetry import description
from edgeproof.telemetry.bounded_json import load_object
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.hexes import from_hex, to_hex
from edgeproof.telemetry.messages import (
    Beacon,
    Entropy,
    IntakeRoot,
    Receipt,
    Seal,
    Statement,
)

FORMAT = 1
"""Version of the file's layout."""

LARGEST = 8 * 1024 * 1024
"""Bytes of a file that anybody should read."""

MOST_CLAIMS = 64
"""Claims of one file."""

MOST_MESSAGES = 16_385
"""Messages of one claim: a statement, beacon and root of each slot of an epoch."""

LARGEST_MESSAGE = 16_384
"""Bytes of one message: a statement with all its lists full has less."""

Word = Beacon | Entropy | IntakeRoot | Receipt | Seal | Statement

KINDS: Mapping[int, type[Word]] = {
    cls.TAG: cls for cls in (Beacon, Entropy, IntakeRoot, Receipt, Seal, Statement)
}
"""The messages that evidence is made of, by tag."""


class ClaimKind(StrEnum):
    """What is claimed, and with which messages."""

    TWO_WORDS = "two-words"
    """Two signed messages that cannot both be true: of one kind and for one slot (or
    epoch), or a receipt and a root of one slot."""
    VOID_SLOT = "void-slot"
    """A statement, and beacon and intake root of more slots than it counts."""
    NOT_ACCEPTED = "not-accepted"
    """A statement without a slot; the seal that claims it, with the seal's receipt; the
    slot's intake root.  Needs the bundle, which holds the bitmap under that root."""
    NOT_IN_BUNDLE = "not-in-bundle"
    """Messages that the bundle must hold; at least one is not there, or differs."""


class BadDispute(EdgeproofError):  # noqa: N818 - a verdict on a file, not a fault of ours
    """A file that is no evidence at all."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What is claimed, and the signed messages, as they were sent."""

    kind: ClaimKind
    messages: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Dispute:
    """One file: one device's claims about one epoch.

    ``network`` is the text of the signed description.
    """

    network: str
    device: bytes
    epoch: int
    claims: tuple[Claim, ...]

    def encode(self) -> bytes:
        """Return the file."""
        values = {
            "format": FORMAT,
            "network": json.loads(self.network),
            "device": to_hex(self.device),
            "epoch": self.epoch,
            "claims": [
                {
                    "kind": claim.kind.value,
                    "messages": list(map(to_hex, claim.messages)),
                }
                for claim in self.claims
            ],
        }
        return json.dumps(values, indent=1, sort_keys=True).encode() + b"\n"

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Return the dispute in ``raw``; raise ``BadDispute`` whatever the bytes."""
        try:
            values = load_object(raw, LARGEST)
            if set(values) != {"format", "network", "device", "epoch", "claims"}:
                detail = f"fields {', '.join(sorted(values))}"
                raise BadDispute(_BAD + f"{detail:.200}")
            if values["format"] != FORMAT or type(values["epoch"]) is not int:
                detail = f"format {values['format']!r}, epoch {values['epoch']!r}"
                raise BadDispute(_BAD + f"{detail:.200}")
            if not 0 <= values["epoch"] < 1 << 40:
                raise BadDispute(_BAD + "an epoch out of range")
            return cls(
                description.canonical(values["network"]).decode(),
                from_hex(values["device"], 20),
                values["epoch"],
                tuple(map(_claim, _list(values["claims"], MOST_CLAIMS))),
            )
        except (MessageRefused, ValueError, TypeError, RecursionError) as error:
            raise BadDispute(_BAD + f"{error}"[:200]) from None


_BAD = "not the evidence of a dispute: "


def _list(value: object, most: int) -> list[Any]:
    if not isinstance(value, list) or not 0 < len(value) <= most:
        msg = f"a list of 1 to {most} is missing"
        raise ValueError(msg)
    return value


def _claim(value: object) -> Claim:
    if not isinstance(value, dict) or set(value) != {"kind", "messages"}:
        msg = "a claim has a kind and messages"
        raise ValueError(msg)
    messages = []
    for text in _list(value["messages"], MOST_MESSAGES):
        if not isinstance(text, str) or len(text) > 2 + 2 * LARGEST_MESSAGE:
            msg = f"a message is a text of at most {LARGEST_MESSAGE} bytes"
            raise ValueError(msg)
        messages.append(from_hex(text, (len(text) - 2) // 2))
    return Claim(ClaimKind(value["kind"]), tuple(messages))
