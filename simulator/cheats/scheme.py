"""What every trick knows: when it is on, and who else there is."""

from collections.abc import Callable
from dataclasses import dataclass

from edgeproof.telemetry.description import Description
from edgeproof.telemetry.signing import Key


@dataclass(frozen=True, slots=True)
class Scheme:
    """The cheater's plan.

    ``active()`` tells whether it cheats by now; before, it is honest.  ``twin`` is the
    address of another device, 20 bytes: somebody else's, or its own other identity.
    """

    description: Description
    key: Key
    twin: bytes
    active: Callable[[], bool]
