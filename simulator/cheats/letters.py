"""Tricks on the wire: messages that come late, twice, mangled, or from another time."""

from collections.abc import Sequence
from dataclasses import replace

from edgeproof.proofs import timetable
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.parameters import Phase
from edgeproof.simulator.cheats.cheat import Letter
from edgeproof.simulator.cheats.scheme import Scheme
from edgeproof.telemetry.message import decode_signed
from edgeproof.telemetry.messages import Commitment, Heartbeat
from edgeproof.telemetry.signing import Key, sign

HUGE = 10 * 1024 * 1024
"""Bytes of a message that no kind allows."""

TOO_LATE_MS = 100
"""How long after the last moment a late commitment comes."""

WRONG_SLOTS = 1
"""Slots that a lying clock is ahead."""

COMMITMENT = "commitment"


def empty(scheme: Scheme, kind: str, raw: bytes, now: int) -> Sequence[Letter]:
    """Send nothing in place of commitments."""
    del now
    return _instead(scheme, kind, raw, b"")


def truncated(scheme: Scheme, kind: str, raw: bytes, now: int) -> Sequence[Letter]:
    """Send the first half of commitments."""
    del now
    return _instead(scheme, kind, raw, raw[: len(raw) // 2])


def huge(scheme: Scheme, kind: str, raw: bytes, now: int) -> Sequence[Letter]:
    """Send commitments with ten megabytes behind them."""
    del now
    return _instead(scheme, kind, raw, raw.ljust(HUGE, b"\x00"))


def not_canonical(scheme: Scheme, kind: str, raw: bytes, now: int) -> Sequence[Letter]:
    """Send commitments whose first integer takes a byte more than it needs."""
    del now
    longer = raw[:1] + b"\x18" + raw[1:]
    return _instead(scheme, kind, raw, longer)


def late(scheme: Scheme, kind: str, raw: bytes, now: int) -> Sequence[Letter]:
    """Send commitments when their phase, with its grace, is over."""
    if kind != COMMITMENT or not scheme.active():
        return [Letter(raw)]
    message = decode_signed(Commitment, raw).message
    network = scheme.description.parameters
    phase = Phase(message.phase)
    _, end = timetable.phase_bounds(network, message.round, phase)
    last = end + network.commit_grace_ms
    return [Letter(raw, max(0, last - now) + TOO_LATE_MS)]


def in_turn(scheme: Scheme, kind: str, raw: bytes, now: int) -> Sequence[Letter]:
    """Send commitments one phase later: first the card worked for another identity."""
    if kind != COMMITMENT or not scheme.active():
        return [Letter(raw)]
    phase = Phase(decode_signed(Commitment, raw).message.phase)
    length = scheme.description.parameters.phase_ms[phase]
    return [
        replace(each, delay_ms=each.delay_ms + length)
        for each in late(scheme, kind, raw, now)
    ]


def forged(scheme: Scheme, kind: str, raw: bytes, now: int) -> Sequence[Letter]:
    """Send commitments in its own name that another key has signed."""
    del now
    if kind != COMMITMENT:
        return [Letter(raw)]
    message = decode_signed(Commitment, raw).message
    other = Key(keccak(scheme.key.address))
    signed = sign(message, scheme.description.domain, other)
    return _instead(scheme, kind, raw, signed.encode())


def lying_clock(scheme: Scheme, kind: str, raw: bytes, now: int) -> Sequence[Letter]:
    """Send heartbeats for the slot that its clock says it is."""
    del now
    if kind != "heartbeat" or not scheme.active():
        return [Letter(raw)]
    beat = Heartbeat.decode(raw)
    return [Letter(replace(beat, slot=beat.slot + WRONG_SLOTS).encode())]


def silent(scheme: Scheme, kind: str, raw: bytes, now: int) -> Sequence[Letter]:
    """Send no heartbeat at all; seals claim every slot."""
    del now
    return [] if kind == "heartbeat" and scheme.active() else [Letter(raw)]


def _instead(scheme: Scheme, kind: str, raw: bytes, other: bytes) -> Sequence[Letter]:
    cheating = kind == COMMITMENT and scheme.active()
    return [Letter(other if cheating else raw)]
