"""Uptime: only what was both claimed and heard, in any order, any number of times."""

from hypothesis import given
from hypothesis import strategies as st

from edgeproof.proofs import uptime
from edgeproof.proofs.reasons import Reason
from edgeproof.proofs.uptime import Seen

slot_sets = st.integers(0, 2**60 - 1)
claims = st.lists(slot_sets, max_size=8)


def slots_of(number: int) -> set[int]:
    return {slot for slot in range(60) if number >> slot & 1}


@given(said=claims, heard=slot_sets)
def test_accepted_is_what_some_seal_claims_and_somebody_heard(
    said: list[int], heard: int
) -> None:
    want = set().union(*map(slots_of, said)) & slots_of(heard)
    assert slots_of(uptime.accepted(said, heard)) == want


@given(said=claims, heard=slot_sets, data=st.data())
def test_order_and_repetition_of_seals_do_not_matter(
    said: list[int], heard: int, data: st.DataObject
) -> None:
    again = data.draw(st.permutations(said * 2))
    assert uptime.accepted(again, heard) == uptime.accepted(said, heard)


@given(slots=slot_sets, spare=st.integers(60, 100))
def test_a_bitmap_has_a_bit_for_each_slot(slots: int, spare: int) -> None:
    raw = uptime.bitmap(slots, spare)
    assert len(raw) == (spare + 7) // 8
    assert uptime.bits(raw) == slots
    assert {i for i in range(60) if raw[i // 8] >> i % 8 & 1} == slots_of(slots)


def test_no_slots_are_no_bytes() -> None:
    assert uptime.bitmap(0, 0) == b""
    assert uptime.bits(b"") == 0


@given(
    accepted=slot_sets, countable=slot_sets, seen=st.tuples(*[slot_sets] * 4),
    ends=st.integers(0, 60),
)  # fmt: skip
def test_each_slot_has_one_reason_and_none_where_it_was_accepted(
    accepted: int, countable: int, seen: tuple[int, int, int, int], ends: int
) -> None:
    accepted &= countable
    codes = uptime.missing(accepted, countable, Seen(*seen), ends, 60)
    for slot, code in enumerate(codes):
        heard, late, refused, stopped = (s >> slot & 1 for s in seen)
        assert (code == 0) == bool(accepted >> slot & 1)
        if not code:
            continue
        if not countable >> slot & 1:
            assert code == Reason.SLOT_VOID, "the network's fault is nobody else's"
        elif slot >= ends:
            assert code == Reason.RETIRED
        elif heard:
            assert code == Reason.UNSEALED
        elif late:
            assert code == Reason.LATE_BEAT
        elif refused:
            assert code == Reason.BEAT_REFUSED
        else:
            assert code == (Reason.OWNER_STOPPED if stopped else Reason.NO_BEAT)
