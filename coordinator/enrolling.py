"""What owners say: enrolments, retirements, rotations.  One pure decision each."""

from edgeproof.audit import register
from edgeproof.audit.model import Enrolment
from edgeproof.coordinator.intake import View


def admit(view: View, raw: bytes, slot: int, now: int) -> tuple[Enrolment, bool]:
    """Return the change in ``raw`` as it counts, and whether it is new.

    It arrived in ``slot``, at ``now`` (Unix milliseconds).  The very same message again
    is not new and changes nothing.  Raises ``MessageRefused``, see ``Register.check``.
    """
    signed = register.decode(raw)
    known = view.register.knows(signed.message)
    if known is not None:
        return known, False
    description = view.description
    view.register.check(signed, description.domain, slot, now)
    since = register.since(description.parameters, signed.message, slot)
    return Enrolment(signed, since), True
