from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.agent.heartbeats import Heartbeats
from edgeproof.proofs import uptime
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.parameters import Parameters, demo
from edgeproof.telemetry.intake import telemetry_hash
from edgeproof.telemetry.messages import ZERO, Seal, Telemetry

DEVICE, BOOT, VALUE = b"\x05" * 20, b"\x07" * 16, b"\x08" * 32
NETWORK: Parameters = demo(1)  # 15 slots an epoch, a seal every 5


def beats_of(*slots: int) -> tuple[Heartbeats, list[Seal]]:
    beats, seals = Heartbeats(NETWORK, DEVICE, BOOT), []
    for slot in slots:
        beats.beat(slot, VALUE)
        seals += beats.seals(slot)
    return beats, seals


def sample(sequence: int) -> Telemetry:
    return Telemetry(DEVICE, BOOT, sequence, 0, bytes(16), b"{}")


def test_beats_are_chained_and_numbered() -> None:
    beats = Heartbeats(NETWORK, DEVICE, BOOT)
    made = [beats.beat(slot, VALUE) for slot in (3, 4, 9)]
    first, second, third = (beat for beat in made if beat)
    assert [beat.sequence for beat in (first, second, third)] == [0, 1, 2]
    assert first.previous == ZERO
    for before, after in pairwise((first, second, third)):
        assert after.previous == keccak(before.encode())


@pytest.mark.parametrize("slot", [5, 4, 0])
def test_a_slot_is_beaten_once_and_never_an_earlier_one(slot: int) -> None:
    beats, _ = beats_of(5)
    assert beats.beat(slot, VALUE) is None


def test_a_beat_covers_the_telemetry_since_the_last_one() -> None:
    beats = Heartbeats(NETWORK, DEVICE, BOOT)
    samples = [sample(0), sample(1)]
    for each in samples:
        beats.sampled(each)
    first, second = beats.beat(0, VALUE), beats.beat(1, VALUE)
    assert first
    assert first.body == telemetry_hash(samples)
    assert second
    assert second.body == telemetry_hash([])


@pytest.mark.parametrize(
    ("slots", "sealed"),
    [
        pytest.param(range(4), [], id="before-the-first-seal"),
        pytest.param(range(5), [(0, 0b11111)], id="after-seal-slots"),
        pytest.param(
            range(15),
            [(0, (1 << 5) - 1), (0, (1 << 10) - 1), (0, (1 << 15) - 1)],
            id="a-whole-epoch",
        ),
        pytest.param([0, 1, 2, 6], [(0, 0b1000111)], id="a-missed-boundary"),
        pytest.param([3, 16], [(0, 0b1000)], id="an-epoch-cut-short"),
        pytest.param([14, 15], [(0, 1 << 14)], id="the-epochs-last-slot"),
        pytest.param([3, 40], [(0, 0b1000), (2, 1 << 10)], id="a-long-absence"),
    ],
)
def test_seals_come_when_they_are_due(
    slots: list[int], sealed: list[tuple[int, int]]
) -> None:
    _, seals = beats_of(*slots)
    assert [(seal.epoch, uptime.bits(seal.slots)) for seal in seals] == sealed


def test_a_goodbye_seals_the_rest_once() -> None:
    beats, _ = beats_of(0, 1, 2)
    (seal,) = beats.unsealed()
    assert uptime.bits(seal.slots) == 0b111
    assert beats.unsealed() == []


@given(st.lists(st.integers(0, 60), unique=True).map(sorted))
def test_every_beaten_slot_is_sealed_in_the_end_and_no_other(slots: list[int]) -> None:
    beats, seals = beats_of(*slots)
    claimed: set[int] = set()
    for seal in seals + beats.unsealed():
        bits = uptime.bits(seal.slots)
        first = seal.epoch * NETWORK.slots_per_epoch
        claimed |= {first + i for i in range(NETWORK.slots_per_epoch) if bits >> i & 1}
        assert len(seal.slots) == 2
    assert claimed == set(slots)
