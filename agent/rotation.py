"""A device's key is replaced by another one, which the old one signs for.

``device.key.next`` holds the successor from before it is announced until it takes over.
The crash states, and what the next start does in each:

1. ``device.key.next`` exists, not announced: ``key rotate`` again announces the same.
2. Announced, the state does not say so: likewise; the coordinator answers alike.
3. The state says so: the service takes over when it is time (``due``).
4. The old key is linked as ``device.key.old-<address>``: taking over goes on.
5. ``device.key.next`` has replaced ``device.key`` (one atomic rename), the state still
   says so: ``due`` finds no successor's file, and forgets.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edgeproof.agent import identity
from edgeproof.agent.certificate import VALIDITY
from edgeproof.agent.control import Control, Standing
from edgeproof.agent.delivery import wall_ms
from edgeproof.agent.outbox import OUTBOX_FILE
from edgeproof.agent.state import State
from edgeproof.errors import EdgeproofError
from edgeproof.proofs import timetable
from edgeproof.proofs.parameters import Parameters
from edgeproof.telemetry import keyfile, signing
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.messages import Rotate
from edgeproof.telemetry.signing import Key

NEXT_FILE = f"{identity.KEY_FILE}.next"
"""Name of the successor's key in the state folder."""

ROTATION = "rotation"
"""Name of what is remembered of an announced rotation."""


class RotationPending(EdgeproofError):  # noqa: N818 - reads as what it is about
    """A rotation was announced and has not taken place yet."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """An announced rotation: ``epoch`` is the successor's first."""

    epoch: int

    def due(self, network: Parameters, slot: int, *, settled: bool) -> bool:
        """Tell whether the successor takes over, as the beacon of ``slot`` has come.

        From its first epoch on, once the old key's messages are ``settled``
        (acknowledged), and at latest when that key's last epoch is closed.
        """
        first = timetable.first_slot(network, self.epoch)
        closed = timetable.close_of(network, self.epoch - 1)
        return slot >= closed or (slot >= first and settled)


def rotate(
    folder: Path, network: Description, control: Control
) -> tuple[Key, Standing]:
    """Announce a new key for this device; return it, and from when it counts.

    Raises ``RotationPending``, ``BadKeyFile``, ``Refused`` or ``NetworkUnreachable``.
    """
    old = identity.device_key(folder)
    state = State(folder)
    try:
        if state.get(ROTATION) is not None:
            msg = "this device is about to change its key already"
            raise RotationPending(msg, hint="wait for the next epoch: agent status")
        successor = keyfile.make_key(folder / NEXT_FILE)
        now = wall_ms()
        nonce = max(now, (state.get("nonce") or 0) + 1)
        state.put("nonce", nonce)
        message = Rotate(old.address, successor.address, nonce, now)
        signed = signing.sign(message, network.domain, old, successor)
        standing = control.enrol(signed.encode())
        state.put(ROTATION, {"epoch": standing.epoch})
    finally:
        state.close()
    return successor, standing


def announced(state: State, folder: Path) -> Rotation | None:
    """Return the rotation that is to take place, None if there is none."""
    known = state.get(ROTATION)
    if known is None:
        return None
    if not (folder / NEXT_FILE).exists():
        state.put(ROTATION, None)
        return None
    return Rotation(int(known["epoch"]))


def take_over(folder: Path) -> Key:
    """Make the successor's key the device's, and return it.

    The old key stays as ``device.key.old-<address>``; what its outbox still held can
    reach nobody any more, and is set aside with it.  Safe to repeat.
    """
    path, successor = folder / identity.KEY_FILE, folder / NEXT_FILE
    if successor.exists():
        old = to_hex(keyfile.read_key(path).address)
        with suppress(FileExistsError):
            os.link(path, folder / f"{identity.KEY_FILE}.old-{old}")
        outbox = folder / OUTBOX_FILE
        if outbox.exists():
            for left in folder.glob(f"{OUTBOX_FILE}*"):
                left.rename(left.with_name(f"{left.name}.old-{old}"))
        successor.replace(path)
    state = State(folder)
    for of_the_old_one in (ROTATION, "memory", "figures", VALIDITY):
        state.put(of_the_old_one, None)
    state.close()
    return keyfile.read_key(path)
