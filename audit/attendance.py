"""Who was there: claimed by a seal AND heard by an intake root.  Pure."""

from collections import defaultdict
from collections.abc import Mapping

from edgeproof.audit.model import Attendance, EpochRecord, Outcome
from edgeproof.audit.register import Register
from edgeproof.proofs import timetable, uptime
from edgeproof.proofs.uptime import Seen


def heard(record: EpochRecord, register: Register) -> dict[bytes, int]:
    """Return the slots of the epoch in which the bitmaps have each of its devices.

    Bit i is the epoch's slot i; in the roster's order.
    """
    network = record.description.parameters
    first = timetable.first_slot(network, record.epoch)
    bitmaps = {
        h.signed.message.slot - first: uptime.bits(h.heard) for h in record.intake
    }
    inside = [i for i in range(network.slots_per_epoch) if i in bitmaps]
    return {
        device: sum(1 << i for i in inside if bitmaps[i] >> place & 1)
        for place, device in enumerate(register.roster(first))
    }


def attend(record: EpochRecord, register: Register, countable: int) -> list[Attendance]:
    """Return the accepted slots of every device of the epoch, in the roster's order.

    A device that its owner retired is not there any more.
    """
    network = record.description.parameters
    first = timetable.first_slot(network, record.epoch)
    end = first + network.slots_per_epoch
    claims: dict[bytes, list[int]] = defaultdict(list)
    for seal in record.seals:
        message = seal.signed.message
        if message.epoch == record.epoch:
            claims[message.device].append(uptime.bits(message.slots))
    arrived, rows = heard(record, register), []
    for device, owner in register.roster(first).items():
        working = (1 << register.ends(device, first, end) - first) - 1
        slots = uptime.accepted(claims[device], arrived[device] & countable & working)
        rows.append(Attendance(device, owner, slots))
    return rows


def missing(
    record: EpochRecord, outcome: Outcome, hints: Mapping[bytes, Seen]
) -> dict[bytes, bytes]:
    """Return why each slot of each device is missing, see ``uptime.missing``.

    ``hints`` is what only the coordinator saw; what was heard follows from the record.
    """
    network = record.description.parameters
    first = timetable.first_slot(network, record.epoch)
    count = network.slots_per_epoch
    register = Register(record.enrolments)
    arrived, nothing = heard(record, register), Seen()
    reasons = {}
    for row in outcome.attendance:
        hint = hints.get(row.device, nothing)
        seen = Seen(arrived[row.device], hint.late, hint.refused, hint.stopped)
        ends = register.ends(row.device, first, first + count) - first
        reasons[row.device] = uptime.missing(
            row.slots, outcome.countable, seen, ends, count
        )
    return reasons
