"""Intake roots: any order and any repetition of what arrived is one root."""

from hypothesis import given
from hypothesis import strategies as st

from edgeproof.proofs import merkle
from edgeproof.proofs.keccak import keccak
from edgeproof.telemetry import intake
from edgeproof.telemetry.messages import Telemetry

digests = st.lists(st.binary(min_size=32, max_size=32), max_size=20)


@given(heard=st.binary(max_size=4), arrived=digests, data=st.data())
def test_order_and_repetition_do_not_matter(
    heard: bytes, arrived: list[bytes], data: st.DataObject
) -> None:
    again = data.draw(st.permutations(arrived * 2))
    assert intake.root(heard, again) == intake.root(heard, arrived)


@given(heard=st.binary(max_size=4), arrived=digests)
def test_the_root_is_the_tree_over_bitmap_and_messages(
    heard: bytes, arrived: list[bytes]
) -> None:
    leaves = [keccak(b"edgeproof/v1/heard", heard), *sorted(set(arrived))]
    assert intake.root(heard, arrived) == (merkle.root(leaves), len(leaves))
    assert intake.leaves(heard, arrived) == leaves


@given(
    heard=st.binary(max_size=4),
    arrived=digests,
    extra=st.binary(min_size=32, max_size=32),
)
def test_who_was_heard_and_what_was_said_are_both_in_the_root(
    heard: bytes, arrived: list[bytes], extra: bytes
) -> None:
    root, _ = intake.root(heard, arrived)
    assert intake.root(heard + b"\0", arrived)[0] != root
    if extra not in arrived:
        assert intake.root(heard, [*arrived, extra])[0] != root


def test_the_bitmap_follows_the_roster_and_ignores_strangers() -> None:
    roster = [bytes([i]) * 20 for i in range(10)]
    heard = intake.heard_bitmap(roster, [roster[9], roster[0], b"x" * 20, roster[0]])
    assert heard == bytes([0b1, 0b10])
    assert intake.heard_bitmap([], [roster[0]]) == b""


def test_the_body_of_a_heartbeat_covers_each_sample_in_order() -> None:
    one = Telemetry(bytes(20), bytes(16), 0, 1, bytes(16), b"{}")
    other = Telemetry(bytes(20), bytes(16), 1, 1, bytes(16), b"{}")
    hashes = {
        intake.telemetry_hash(samples)
        for samples in ([], [one], [other], [one, other], [other, one])
    }
    assert len(hashes) == 5
    assert intake.telemetry_hash([]) == keccak()
