from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from edgeproof.agent import beacons
from edgeproof.agent.beacons import Follower
from edgeproof.coordinator.beacon_chain import BeaconChain
from edgeproof.proofs import merkle, timetable
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry import signing
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.message import Message
from edgeproof.telemetry.messages import (
    ZERO,
    Ack,
    Beacon,
    Entropy,
    IntakeRoot,
    Phase,
    Receipt,
)
from edgeproof.telemetry.signing import Key

if TYPE_CHECKING:
    from tests.agent.conftest import Coordinator


@pytest.fixture
def follower(coordinator: "Coordinator", device: Key) -> Follower:
    start = beacons.start(coordinator.description)
    return Follower(coordinator.description, device.address, start)


def hear(follower: Follower, coordinator: "Coordinator", *slots: int) -> None:
    for slot in slots:
        follower.beacon(coordinator.sign(coordinator.beacon(slot)))
        follower.entropy(coordinator.sign(coordinator.entropy(slot)))


def test_beacons_are_followed_from_genesis_and_over_gaps(
    coordinator: "Coordinator", follower: Follower
) -> None:
    for slot in (0, 1, 7, 30):
        beacon = coordinator.beacon(slot)
        assert follower.beacon(coordinator.sign(beacon)) == beacon
        assert follower.beacon(coordinator.sign(beacon)) is None
    assert follower.slot == 30


def test_a_restart_goes_on_from_the_saved_position(
    coordinator: "Coordinator", follower: Follower, device: Key
) -> None:
    hear(follower, coordinator, 0, 1)
    again = Follower(coordinator.description, device.address, follower.position)
    assert again.position == follower.position
    hear(again, coordinator, 5)
    forged = replace(coordinator.beacon(6), value=b"\x01" * 32)
    with pytest.raises(MessageRefused):
        again.beacon(coordinator.sign(forged))


def test_the_next_chain_hangs_on_the_anchor_in_the_last_beacon(
    coordinator: "Coordinator", follower: Follower
) -> None:
    length = coordinator.parameters.chain_slots
    value = b"\x0a" * 32
    last = replace(coordinator.beacon(length - 1), next_anchor=keccak(value))
    follower.beacon(coordinator.sign(last))
    wrong = Beacon(length, b"\x0b" * 32, ZERO, ZERO)
    with pytest.raises(MessageRefused) as caught:
        follower.beacon(coordinator.sign(wrong))
    assert caught.value.reason is Reason.WRONG_BEACON
    assert follower.beacon(coordinator.sign(replace(wrong, value=value)))


def test_a_chain_without_a_known_anchor_is_taken_on_the_signature_alone(
    coordinator: "Coordinator", follower: Follower
) -> None:
    length = coordinator.parameters.chain_slots
    value = b"\x0a" * 32
    first = Beacon(length + 3, keccak(value), ZERO, ZERO)
    assert follower.beacon(coordinator.sign(first))
    assert follower.beacon(coordinator.sign(Beacon(length + 4, value, ZERO, ZERO)))
    wrong = Beacon(length + 5, value, ZERO, ZERO)
    with pytest.raises(MessageRefused):
        follower.beacon(coordinator.sign(wrong))


def refusals(coordinator: "Coordinator") -> dict[str, tuple[str, Message, Reason]]:
    beacon = coordinator.beacon(2)
    root = IntakeRoot(1, 1, merkle.root([b"leaf"]))
    other = b"\x77" * 20
    receipt = Receipt(b"\x00" * 20, 1, bytes(32), 0, 1, (), merkle.root([bytes(32)]))
    return {
        "another-value": (
            "beacon",
            replace(beacon, value=bytes(32)),
            Reason.WRONG_BEACON,
        ),
        "a-second-beacon-for-a-slot": (
            "beacon",
            replace(coordinator.beacon(1), round_anchor=ZERO),
            Reason.CONTRADICTION,
        ),
        "entropy-that-does-not-follow": (
            "entropy",
            replace(coordinator.entropy(2), value=ZERO),
            Reason.WRONG_BEACON,
        ),
        "entropy-without-beacon": (
            "entropy",
            coordinator.entropy(9),
            Reason.WRONG_BEACON,
        ),
        "a-second-root": ("root", replace(root, size=2), Reason.CONTRADICTION),
        "a-receipt-for-another": (
            "receipt",
            replace(receipt, device=other),
            Reason.WRONG_TOPIC,
        ),
        "an-ack-without-reasons": (
            "ack",
            Ack(b"\x00" * 20, (bytes(32),), ()),
            Reason.OUT_OF_RANGE,
        ),
        "a-card-without-difficulty": (
            "statement",
            coordinator.statement(b"\x00" * 20, 0, (1, 2, 3)),
            Reason.OUT_OF_RANGE,
        ),
    }


NAMES = [
    "another-value",
    "a-second-beacon-for-a-slot",
    "entropy-that-does-not-follow",
    "entropy-without-beacon",
    "a-second-root",
    "a-receipt-for-another",
    "an-ack-without-reasons",
    "a-card-without-difficulty",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_message_is_refused_with_its_reason_and_changes_nothing(
    coordinator: "Coordinator", follower: Follower, device: Key, name: str
) -> None:
    hear(follower, coordinator, 0, 1)
    if name == "entropy-that-does-not-follow":
        follower.beacon(coordinator.sign(coordinator.beacon(2)))
    follower.root(coordinator.sign(IntakeRoot(1, 1, merkle.root([b"leaf"]))))
    kind, message, reason = refusals(coordinator)[name]
    if getattr(message, "device", None) == b"\x00" * 20:
        message = replace(message, device=device.address)  # type: ignore[type-var] # each message is a dataclass
    before = follower.position
    with pytest.raises(MessageRefused) as caught:
        getattr(follower, kind)(coordinator.sign(message))
    assert caught.value.reason is reason
    assert follower.position == before


def test_entropy_takes_from_outside_what_its_source_gives(
    coordinator: "Coordinator", device: Key
) -> None:
    network = replace(coordinator.parameters, entropy_source="chain", entropy_ms=500)
    coordinator.parameters = replace(network, close_slot=6)
    start = beacons.start(coordinator.description)
    follower = Follower(coordinator.description, device.address, start)
    follower.beacon(coordinator.sign(coordinator.beacon(0)))
    beacon = coordinator.beacon(0).value
    for wrong in (b"", bytes(39), bytes(41), bytes(48)):
        entropy = Entropy(0, keccak(beacon, wrong), wrong)
        with pytest.raises(MessageRefused, match="bytes from outside"):
            follower.entropy(coordinator.sign(entropy))
    block = bytes(7) + b"\x05" + keccak(b"block")
    with pytest.raises(MessageRefused, match="does not follow"):
        follower.entropy(coordinator.sign(Entropy(0, keccak(beacon), block)))
    entropy = Entropy(0, keccak(beacon, block), block)
    assert follower.entropy(coordinator.sign(entropy)) == entropy
    assert follower.entropy_of(0) == keccak(beacon, block)


def test_without_source_nothing_may_come_from_outside(
    coordinator: "Coordinator", follower: Follower
) -> None:
    follower.beacon(coordinator.sign(coordinator.beacon(0)))
    value = keccak(coordinator.beacon(0).value, b"x")
    with pytest.raises(MessageRefused, match="1 bytes from outside"):
        follower.entropy(coordinator.sign(Entropy(0, value, b"x")))


def test_a_follower_crosses_one_day_after_the_other(
    coordinator: "Coordinator", device: Key
) -> None:
    days, length = 4, 5
    chain = BeaconChain(b"\x01" * 32, replace(coordinator.parameters, chain_slots=5))
    network = replace(coordinator.parameters, chain_slots=length)
    coordinator.parameters = network
    coordinator.values = [chain.anchor(0)]
    follower = Follower(
        coordinator.description, device.address, beacons.start(coordinator.description)
    )

    def beacon(slot: int) -> Beacon:
        anchors = chain.round_anchor(slot), chain.next_anchor(slot)
        return Beacon(slot, chain.value(slot), *anchors)

    gap = 2 * length - 1  # the last of the second day: its anchor stood in the others
    for slot in [slot for slot in range(days * length) if slot != gap]:
        for wrong in (chain.value(slot + length), keccak(chain.value(slot))):
            with pytest.raises(MessageRefused, match="does not lead"):
                follower.beacon(coordinator.sign(replace(beacon(slot), value=wrong)))
        assert follower.beacon(coordinator.sign(beacon(slot))) == beacon(slot)
        if slot % 3 == 0:  # a restart, on any day
            follower = Follower(
                coordinator.description, device.address, follower.position
            )
    assert follower.slot == days * length - 1


def test_what_somebody_else_signed_is_refused(
    coordinator: "Coordinator", follower: Follower, device: Key
) -> None:
    domain = coordinator.description.domain
    raw = signing.sign(coordinator.beacon(0), domain, device).encode()
    with pytest.raises(MessageRefused) as caught:
        follower.beacon(raw)
    assert caught.value.reason is Reason.WRONG_SIGNER


def test_every_phase_value_of_an_open_round_is_believed_once(
    coordinator: "Coordinator", follower: Follower
) -> None:
    hear(follower, coordinator, 0)
    assert follower.opens(0)
    for number in range(5):
        value = Phase(0, number, coordinator.phase_value(0, number))
        assert follower.phase(value.encode()) == value
        assert follower.phase(value.encode()) is None


@pytest.mark.parametrize(
    ("slot", "number", "shown"),
    [
        pytest.param(0, 1, 0, id="the-value-of-the-phase-before"),
        pytest.param(0, 0, 1, id="the-value-of-the-phase-after"),
        pytest.param(1, 0, 0, id="a-slot-in-which-no-round-opens"),
        pytest.param(5, 0, 0, id="a-slot-not-reached"),
        pytest.param(0, 5, 4, id="a-phase-that-does-not-exist"),
    ],
)
def test_a_wrong_phase_value_is_refused(
    coordinator: "Coordinator", follower: Follower, slot: int, number: int, shown: int
) -> None:
    hear(follower, coordinator, 0)
    follower.phase(Phase(0, 2, coordinator.phase_value(0, 2)).encode())
    hear(follower, coordinator, 1)
    raw = Phase(slot, number, coordinator.phase_value(slot, shown)).encode()
    with pytest.raises(MessageRefused):
        follower.phase(raw)


def test_after_a_gap_a_round_is_known_by_its_phase_value_only(
    coordinator: "Coordinator", follower: Follower
) -> None:
    hear(follower, coordinator, 0, 4)
    assert follower.opens(4) is None
    assert follower.position.last_round is None
    assert follower.phase(Phase(4, 0, coordinator.phase_value(4, 0)).encode())
    assert follower.opens(4)
    assert follower.position.last_round == 4
    hear(follower, coordinator, 5)
    assert follower.opens(5) is False  # a round lasts two slots


def test_before_the_first_round_there_was_none(coordinator: "Coordinator") -> None:
    start = beacons.start(coordinator.description)
    assert start.last_round == timetable.NO_ROUND


def test_a_receipt_must_lead_to_the_slots_root(
    coordinator: "Coordinator", follower: Follower, device: Key
) -> None:
    leaves = [b"\x01" * 32, b"\x02" * 32, b"\x03" * 32]
    root = merkle.root(leaves)
    path = tuple(merkle.path(leaves, 1))
    receipt = Receipt(device.address, 4, leaves[1], 1, 3, path, root)
    assert follower.receipt(coordinator.sign(receipt)) == receipt
    with pytest.raises(MessageRefused) as caught:
        follower.receipt(coordinator.sign(replace(receipt, index=2)))
    assert caught.value.reason is Reason.BAD_PATH
    follower.root(coordinator.sign(IntakeRoot(4, 3, b"\x09" * 32)))
    with pytest.raises(MessageRefused) as caught:
        follower.receipt(coordinator.sign(receipt))
    assert caught.value.reason is Reason.CONTRADICTION
