"""Every topic of the network, and who may use which.

=====================  ==========================================================
``n/<kind>``           the coordinator to everybody: beacon (retained), entropy,
                       phase, root
``c/<device>/<kind>``  the coordinator to one device: ack, receipt, resend,
                       statement
``d/<device>/<kind>``  one device to the coordinator: heartbeat, telemetry, seal,
                       commitment, opening, skip, status
=====================  ==========================================================

A device is written as ``0x`` and 40 lower-case hex digits, everywhere.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from edgeproof.errors import EdgeproofError

COORDINATOR = "coordinator"
"""User name of the coordinator on the broker; every other user is a device."""

BROADCAST_KINDS = frozenset({"beacon", "entropy", "phase", "root"})
"""What follows ``n/``."""

DOWNLINK_KINDS = frozenset({"ack", "receipt", "resend", "statement"})
"""What follows ``c/<device>/``."""

UPLINK_KINDS = frozenset(
    {
        "commitment",
        "heartbeat",
        "opening",
        "seal",
        "skip",
        "status",
        "telemetry",
    }
)
"""What follows ``d/<device>/``."""

MAX_TOPIC_LENGTH = 64
"""Characters; longer ones are refused unread.  The longest real topic has 55."""

_DEVICE = re.compile(r"0x[0-9a-f]{40}")


class Family(StrEnum):
    """First level of a topic: who speaks to whom."""

    BROADCAST = "n"
    DOWNLINK = "c"
    UPLINK = "d"


class Action(StrEnum):
    """What a client asks a broker to let it do."""

    PUBLISH = "publish"
    SUBSCRIBE = "subscribe"


class BadTopic(EdgeproofError):  # noqa: N818 - reads as what it is about
    """A topic cannot be built from these parts: a fault of the caller."""


class Topic(NamedTuple):
    """A topic of the network, taken apart; ``device`` is empty for broadcasts."""

    family: Family
    device: str
    kind: str

    def __str__(self) -> str:
        """Return the topic as it stands on the wire."""
        if self.family is Family.BROADCAST:
            return f"{self.family}/{self.kind}"
        return f"{self.family}/{self.device}/{self.kind}"


def is_device(name: str) -> bool:
    """Tell whether ``name`` is an address as topics and user names write it."""
    return _DEVICE.fullmatch(name) is not None


def broadcast(kind: str) -> str:
    """Return the topic for everybody; raise ``BadTopic`` for an unknown kind."""
    return _checked(f"{Family.BROADCAST}/{kind}")


def downlink(device: str, kind: str) -> str:
    """Return the topic to one device; raise ``BadTopic`` if there is none such."""
    return _checked(f"{Family.DOWNLINK}/{device}/{kind}")


def uplink(device: str, kind: str) -> str:
    """Return the topic from one device; raise ``BadTopic`` if there is none such."""
    return _checked(f"{Family.UPLINK}/{device}/{kind}")


def parse(topic: str) -> Topic | None:
    """Return the parts of ``topic``, or None if the network has no such topic.

    Wildcards are not topics.  For every topic that parses, ``str(parse(t)) == t``.
    """
    if len(topic) > MAX_TOPIC_LENGTH:
        return None
    match topic.split("/"):
        case [Family.UPLINK, device, kind] if kind in UPLINK_KINDS:
            return Topic(Family.UPLINK, device, kind) if is_device(device) else None
        case [Family.DOWNLINK, device, kind] if kind in DOWNLINK_KINDS:
            return Topic(Family.DOWNLINK, device, kind) if is_device(device) else None
        case [Family.BROADCAST, kind] if kind in BROADCAST_KINDS:
            return Topic(Family.BROADCAST, "", kind)
    return None


def allowed(user: str, action: Action, topic_or_filter: str) -> bool:
    """Tell whether the broker lets ``user`` do this.  What is not listed is denied.

    1. The coordinator publishes broadcasts and downlinks.
    2. A device publishes its own uplinks.
    3. The coordinator subscribes to uplinks: ``d/#``, or ``d/`` and a device or
       ``+``, then ``#``, ``+`` or a kind.
    4. A device subscribes to broadcasts, ``n/+`` or ``n/<kind>``, and to its own
       downlinks, ``c/<device>/`` and ``#``, ``+`` or a kind.
    """
    if user != COORDINATOR and not is_device(user):
        return False
    if len(topic_or_filter) > MAX_TOPIC_LENGTH:
        return False
    if action is Action.PUBLISH:
        return _may_publish(user, topic_or_filter)
    return _may_subscribe(user, topic_or_filter.split("/"))


def matches(topic_filter: str, topic: str) -> bool:
    """Tell whether an MQTT filter covers a topic (MQTT 3.1.1, 4.7): any topic at all.

    >>> matches("d/+/seal", "d/0x00/seal"), matches("n/#", "n"), matches("n/+", "n/a/b")
    (True, True, False)
    """
    filter_levels = topic_filter.split("/")
    levels = topic.split("/")
    if topic.startswith("$") and filter_levels[0] in {"+", "#"}:
        return False
    for index, wanted in enumerate(filter_levels):
        if wanted == "#":
            return index == len(filter_levels) - 1
        if index == len(levels) or wanted not in {"+", levels[index]}:
            return False
    return len(filter_levels) == len(levels)


def filters_matching(topic: str) -> Iterator[str]:
    """Yield every filter that covers a topic of the network, once each.

    At most 22 for three levels: a broker that looks each up needs not compare a
    topic with the filters of every device.
    """
    prefixes = [""]
    yield "#"
    levels = topic.split("/")
    for depth, level in enumerate(levels, start=1):
        prefixes = [f"{prefix}{it}" for prefix in prefixes for it in (level, "+")]
        for prefix in prefixes:
            yield f"{prefix}/#"
            if depth == len(levels):
                yield prefix
        prefixes = [f"{prefix}/" for prefix in prefixes]


def _checked(topic: str) -> str:
    if parse(topic) is None:
        msg = f"no such topic: {topic[: 2 * MAX_TOPIC_LENGTH]!r}"
        raise BadTopic(msg, hint="devices are 0x and 40 lower-case hex digits")
    return topic


def _may_publish(user: str, topic: str) -> bool:
    found = parse(topic)
    if found is None:
        return False
    if user == COORDINATOR:
        return found.family in {Family.BROADCAST, Family.DOWNLINK}
    return found.family is Family.UPLINK and found.device == user


def _may_subscribe(user: str, levels: list[str]) -> bool:
    match levels:
        case [Family.UPLINK, "#"]:
            return user == COORDINATOR
        case [Family.UPLINK, device, kind]:
            return (
                user == COORDINATOR
                and (device == "+" or is_device(device))
                and kind in UPLINK_KINDS | {"#", "+"}
            )
        case [Family.BROADCAST, kind]:
            return user != COORDINATOR and kind in BROADCAST_KINDS | {"+"}
        case [Family.DOWNLINK, device, kind]:
            return device == user and kind in DOWNLINK_KINDS | {"#", "+"}
    return False
