"""Who is shut out of the network, and how the broker learns of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import structlog

from edgeproof.coordinator.certification import REVOKED, revoked_in
from edgeproof.telemetry.hexes import to_hex

log = structlog.get_logger()


class Door(Protocol):
    """What the reception asks about devices that are not to be heard."""

    def shut_out(self) -> frozenset[bytes]:
        """Return the devices that the operator has shut out."""
        ...

    def disconnect(self, device: bytes) -> None:
        """Cut the device's connection, where the broker can."""
        ...


class OpenDoor:
    """Nobody is shut out, and no broker is near."""

    def shut_out(self) -> frozenset[bytes]:
        """Return nobody."""
        return frozenset()

    def disconnect(self, device: bytes) -> None:
        """Do nothing."""


class Doorkeeper:
    """See ``Door``; the operator's folder is looked at for each batch.

    ``kick(user)`` cuts a connection of the embedded broker.  mosquitto refuses a
    certificate that was revoked from the next connection on; until then the reception
    refuses what comes.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._folder = data / REVOKED
        self._seen = 0
        self._known: frozenset[bytes] = frozenset()
        self.kick: Callable[[str], bool] = lambda _user: False

    def shut_out(self) -> frozenset[bytes]:
        """See ``Door.shut_out``; whoever is new there is disconnected."""
        try:
            changed = self._folder.stat().st_mtime_ns
        except FileNotFoundError:
            return self._known
        if changed != self._seen:
            before, self._known = self._known, revoked_in(self._data)
            self._seen = changed
            for device in self._known - before:
                log.warning("shut out", device=to_hex(device))
                self.disconnect(device)
        return self._known

    def disconnect(self, device: bytes) -> None:
        """See ``Door.disconnect``."""
        self.kick(to_hex(device))
