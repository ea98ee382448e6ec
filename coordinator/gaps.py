"""What a device said and did not arrive: seen by the numbers of what did.  Pure.

Heartbeats and telemetry of one boot, and the commitments of one phase, are numbered
from 0.  A number that was passed over is asked for, once a slot and device; what the
device does not have any more stays away, and nobody waits for it.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

MOST_CHAINS = 16
"""Chains of one device that are followed; the latest count."""


class Link(NamedTuple):
    """A numbered message: ``chain`` says of what it is the ``number``-th."""

    device: bytes
    tag: int
    chain: bytes
    number: int


@dataclass(slots=True)
class _Device:
    asked: int = -1
    """The slot in which it was asked last."""
    chains: OrderedDict[tuple[int, bytes], int] = field(default_factory=OrderedDict)
    """By tag and chain, the number that is to come next."""


class Gaps:
    """Follow the chains of every device, within bounds."""

    def __init__(self) -> None:
        self._devices: dict[bytes, _Device] = {}

    def after(self, links: list[Link], slot: int) -> dict[bytes, set[int]]:
        """Return whom to ask for what: the tags of messages that were passed over.

        ``links`` arrived in ``slot``, in whatever order: what fills a gap within them
        is none.
        """
        wanted: dict[bytes, set[int]] = {}
        for link in sorted(links, key=lambda each: each.number):
            known = self._devices.setdefault(link.device, _Device())
            key = (link.tag, link.chain)
            expected = known.chains.pop(key, None)
            if expected is None:
                # A coordinator that starts amid a boot has missed nothing it knows of.
                expected = link.number
            if link.number > expected and known.asked < slot:
                wanted.setdefault(link.device, set()).add(link.tag)
            known.chains[key] = max(expected, link.number + 1)
            while len(known.chains) > MOST_CHAINS:
                known.chains.popitem(last=False)
        for device in wanted:
            self._devices[device].asked = slot
        return wanted

    def forget(self, devices: set[bytes]) -> None:
        """Follow nobody but ``devices`` any more."""
        self._devices = {d: k for d, k in self._devices.items() if d in devices}
