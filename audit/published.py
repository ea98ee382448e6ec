"""Is what was published what its signers said?  ``replay`` takes it as said.

Checks, numbered here and at each:

1. State is carried in from a bundle, or there is none.
2. The coordinator signed one beacon, one entropy and one intake root a slot, for slots
   between the epoch's first and its close.
3. Beacons are one hash chain, from the network's anchor on.
4. Entropy is the hash of its slot's beacon and what came from outside, which is what
   the network's source gives: nothing; a block, never one before an earlier slot's (the
   chain itself is asked in ``onchain``); or the slot's round of drand, as it signed it.
5. The phases of a round hash back to the anchor in its slot's beacon.
6. Each change of the register may follow those before it (``audit.register``).
7. Each device signed its seals, commitments, openings and skips.
8. The root of each slot's intake is that of the bitmap and messages in the bundle, so
   nothing was left out or slipped in.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from edgeproof.audit import layout
from edgeproof.audit.errors import BadBundle
from edgeproof.audit.manifest import MANIFEST
from edgeproof.audit.model import Arrived, EpochRecord
from edgeproof.audit.register import Register, in_order
from edgeproof.audit.tables import Table
from edgeproof.proofs import drand, outside, timetable
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.parameters import EntropySource, Parameters
from edgeproof.proofs.timetable import NO_ROUND
from edgeproof.telemetry import intake, signing
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.message import M, Signed
from edgeproof.telemetry.messages import (
    ZERO,
    Beacon,
    Commitment,
    Entropy,
    IntakeRoot,
    Opening,
    Retire,
    Seal,
    Skip,
)

PerSlot = TypeVar("PerSlot", Beacon, Entropy, IntakeRoot)
FromDevice = TypeVar("FromDevice", Seal, Commitment, Opening, Skip)

Step = Callable[[str, int], None]
"""Told what was checked and how many of them."""


def check(record: EpochRecord, done: Step = lambda _name, _count: None) -> None:
    """Check the record, in the order of its rows; ``done`` follows each step.

    Raises ``BadBundle`` naming the first row that its signer did not say.
    """
    _carried(record)
    done("state carried in", 1)
    _coordinator(record)
    done("coordinator's signatures", _count(record))
    beacons = _beacons(record)
    done("beacons are one chain", len(beacons))
    _entropies(record, beacons)
    done("entropy follows from beacons", len(record.entropies))
    _phases(record, beacons)
    done("phases follow from beacons", len(record.phases))
    _register(record)
    done("enrolments, signed by whom they concern", len(record.enrolments))
    digests = _devices(record)
    done("devices' signatures", sum(len(each) for each in digests.values()))
    _intake(record, digests)
    done("intake roots hold it all", len(record.intake))


def _count(record: EpochRecord) -> int:
    return len(record.beacons) + len(record.entropies) + len(record.intake)


def _carried(record: EpochRecord) -> None:
    # (1) State.
    carried = record.carried
    if (carried.previous_bundle or ZERO) != ZERO:
        if record.epoch == 0:
            got = to_hex(carried.previous_bundle)
            raise BadBundle(MANIFEST, "no bundle before epoch 0", got)
        return
    empty = carried.last_round == NO_ROUND and not (
        carried.rounds
        or carried.figures
        or carried.hashes
        or carried.sums
        or carried.balances
        or carried.records
    )
    if not empty:
        raise BadBundle(MANIFEST, "the bundle that state came from", "none")


def _coordinator(record: EpochRecord) -> None:
    # (2) The coordinator's word.
    _by_coordinator(record, layout.BEACONS, record.beacons)
    _by_coordinator(record, layout.ENTROPY, record.entropies)
    _by_coordinator(record, layout.INTAKE, [each.signed for each in record.intake])


def _by_coordinator(
    record: EpochRecord, table: Table, messages: Sequence[Signed[PerSlot]]
) -> None:
    seen: set[int] = set()
    for number, signed in enumerate(messages):
        slot = signed.message.slot
        _inside(record, table, number, slot)
        if slot in seen:
            raise BadBundle(table.file, f"one row for slot {slot}", "another", number)
        seen.add(slot)
        _signed(record, table, number, signed, record.description.coordinator)


def _beacons(record: EpochRecord) -> dict[int, Beacon]:
    # (3) The chain of beacons.
    network = record.description.parameters
    before: Beacon | None = None
    rows = {b.message.slot: n for n, b in enumerate(record.beacons)}
    beacons = {b.message.slot: b.message for b in record.beacons}
    for slot in sorted(beacons):
        link = _link(network, record.description.beacon_anchor, before, slot)
        if link is not None:
            want, steps = link
            got = _hashed(beacons[slot].value, steps)
            if got != want:
                expected = f"a value that hashes to {to_hex(want)} in {steps}"
                raise BadBundle(layout.BEACONS.file, expected, to_hex(got), rows[slot])
        before = beacons[slot]
    return beacons


def _link(
    network: Parameters, anchor: bytes, before: Beacon | None, slot: int
) -> tuple[bytes, int] | None:
    """Return what a beacon hashes to, and in how many steps; None if not in reach.

    The first beacon of a bundle after the first day is the head of its own chain: the
    coordinator's signature and the bundle before vouch for it.
    """
    chain, place = divmod(slot, network.chain_slots)
    if before is None:
        return (anchor, place + 1) if chain == 0 else None
    known = before.slot // network.chain_slots
    if known == chain:
        return before.value, slot - before.slot
    return (before.next_anchor, place + 1) if known == chain - 1 else None


def _hashed(value: bytes, times: int) -> bytes:
    for _ in range(times):
        value = keccak(value)
    return value


def _entropies(record: EpochRecord, beacons: dict[int, Beacon]) -> None:
    # (4) Entropy.
    for number, signed in enumerate(record.entropies):
        message = signed.message
        beacon = beacons.get(message.slot)
        if beacon is None:
            got = f"entropy of slot {message.slot}, which has none"
            raise BadBundle(layout.ENTROPY.file, "a beacon", got, number)
        want = outside.entropy(beacon.value, message.outside)
        if message.value != want:
            raise BadBundle(
                layout.ENTROPY.file, to_hex(want), to_hex(message.value), number
            )
    _outsides(record)


def _outsides(record: EpochRecord) -> None:
    # (4) What came from outside.
    network = record.description.parameters
    before = (0, b"")
    rows = sorted((e.message.slot, n) for n, e in enumerate(record.entropies))
    for slot, number in rows:
        found = record.entropies[number].message.outside
        if not outside.well_formed(network, found):
            expected = f"what a source of kind {network.entropy_source} gives"
            raise BadBundle(layout.ENTROPY.file, expected, to_hex(found), number)
        if network.entropy_source == EntropySource.CHAIN:
            block = outside.block_in(found)
            if block[0] < before[0] or (
                block[0] == before[0] and before[1] != block[1]
            ):
                expected = f"block {before[0]} as in the slot before, or a later one"
                got = f"block {block[0]}, {to_hex(block[1])}"
                raise BadBundle(layout.ENTROPY.file, expected, got, number)
            before = block
        if network.entropy_source == EntropySource.DRAND:
            wanted = outside.drand_round(network, slot)
            key = bytes.fromhex(network.drand_key.removeprefix("0x"))
            if not drand.verify(key, wanted, found):
                expected = f"drand's signature of round {wanted}"
                raise BadBundle(layout.ENTROPY.file, expected, to_hex(found), number)


def _phases(record: EpochRecord, beacons: dict[int, Beacon]) -> None:
    # (5) Phases.
    seen: set[tuple[int, int]] = set()
    for number, message in enumerate(record.phases):
        _inside(record, layout.PHASES, number, message.round)
        beacon = beacons.get(message.round)
        place = (message.round, message.phase)
        if beacon is None or place in seen:
            expected = "one value for each phase of a round that has a beacon"
            raise BadBundle(layout.PHASES.file, expected, f"{place}", number)
        seen.add(place)
        got = _hashed(message.value, message.phase + 1)
        if got != beacon.round_anchor:
            expected = f"a value that hashes to {to_hex(beacon.round_anchor)}"
            raise BadBundle(layout.PHASES.file, expected, to_hex(got), number)


def _register(record: EpochRecord) -> None:
    # (6) The register.
    network = record.description.parameters
    following = timetable.first_slot(network, record.epoch + 1)
    rows = {
        id(each): (table, number)
        for table, cls in layout.REGISTER.items()
        for number, each in enumerate(
            each for each in record.enrolments if type(each.signed.message) is cls
        )
    }
    register = Register()
    for each in in_order(record.enrolments):
        (table, number), change = rows[id(each)], each.signed.message
        if each.since > following:
            expected = f"slot {following} or before"
            raise BadBundle(table.file, expected, f"{each.since}", number)
        # Of its arrival no more is known than the slot from which it counts.
        arrived = each.since - 1
        if not isinstance(change, Retire):
            arrived = max(-1, each.since - network.slots_per_epoch)
            if each.since % network.slots_per_epoch:
                expected = "the first slot of an epoch"
                raise BadBundle(table.file, expected, f"{each.since}", number)
        now = timetable.slot_start(network, arrived) if arrived >= 0 else 0
        try:
            register.check(each.signed, record.description.domain, arrived, now)
        except MessageRefused as error:
            expected = "a change that its signers may make"
            raise BadBundle(table.file, expected, str(error), number) from None
        register.add(each)


def _devices(record: EpochRecord) -> dict[int, list[bytes]]:
    # (7) The devices' word.
    digests: dict[int, list[bytes]] = defaultdict(list)
    for slot, digest in (
        *_arrived(record, layout.SEALS, record.seals),
        *_arrived(record, layout.COMMITMENTS, record.commitments),
        *_arrived(record, layout.OPENINGS, record.openings),
        *_arrived(record, layout.SKIPS, record.skips),
    ):
        digests[slot].append(digest)
    return digests


def _arrived(
    record: EpochRecord, table: Table, rows: Iterable[Arrived[FromDevice]]
) -> Iterable[tuple[int, bytes]]:
    roots = {each.signed.message.slot for each in record.intake}
    for number, row in enumerate(rows):
        if row.slot not in roots:
            got = f"slot {row.slot}, which has none"
            raise BadBundle(table.file, "a slot with an intake root", got, number)
        device = row.signed.message.device
        yield row.slot, _signed(record, table, number, row.signed, device)


def _intake(record: EpochRecord, digests: dict[int, list[bytes]]) -> None:
    # (8) Nothing more, nothing less.
    network = record.description.parameters
    register = Register(record.enrolments)
    sizes = {
        epoch: -(-len(register.roster(timetable.first_slot(network, epoch))) // 8)
        for epoch in (record.epoch, record.epoch + 1)
    }
    for number, each in enumerate(record.intake):
        message = each.signed.message
        size = sizes[timetable.epoch_of(network, message.slot)]
        if len(each.heard) != size:
            got = f"{len(each.heard)} bytes"
            raise BadBundle(
                layout.INTAKE.file, f"a bitmap of {size} bytes", got, number
            )
        root, leaves = intake.root(each.heard, digests.get(message.slot, []))
        if (message.root, message.size) != (root, leaves):
            raise BadBundle(
                layout.INTAKE.file,
                f"{to_hex(root)} of {leaves} leaves",
                f"{to_hex(message.root)} of {message.size}",
                number,
            )


def _inside(record: EpochRecord, table: Table, number: int, slot: int) -> None:
    network = record.description.parameters
    first = timetable.first_slot(network, record.epoch)
    close = timetable.close_of(network, record.epoch)
    if not first <= slot < close:
        expected = f"a slot from {first} to {close - 1}"
        raise BadBundle(table.file, expected, f"{slot}", number)


def _signed(
    record: EpochRecord, table: Table, number: int, signed: Signed[M], *signers: bytes
) -> bytes:
    try:
        return signing.check(signed, record.description.domain, *signers)
    except MessageRefused as error:
        expected = f"the signature of {' and '.join(map(to_hex, signers))}"
        raise BadBundle(table.file, expected, str(error), number) from None
