"""What a broker owes a client: bounded, in order, until acknowledged."""

from hypothesis import given
from hypothesis import strategies as st

from edgeproof.coordinator.broker_mailbox import Mailbox, Message


def message(text: str, *, acknowledged: bool = True) -> Message:
    return Message("n/root", text.encode(), acknowledged=acknowledged)


def payloads(sent: list[Message]) -> list[str]:
    return [it.payload.decode() for it in sent]


def drain(mailbox: Mailbox) -> list[Message]:
    sent = []
    while (it := mailbox.next()) is not None:
        sent.append(it)
    return sent


def test_the_window_bounds_what_is_on_its_way() -> None:
    mailbox = Mailbox(window=2)
    for text in "abc":
        assert mailbox.put(message(text))
    first, second = drain(mailbox)
    assert payloads([first, second]) == ["a", "b"]
    assert mailbox.acknowledge(first.packet_id)
    assert payloads(drain(mailbox)) == ["c"]


def test_an_unknown_acknowledgement_changes_nothing() -> None:
    mailbox = Mailbox()
    mailbox.put(message("a"))
    assert not mailbox.acknowledge(1)
    assert len(mailbox) == 1


def test_what_was_on_its_way_is_sent_again_first_with_its_number_and_marked() -> None:
    mailbox = Mailbox(window=2)
    for text in "abc":
        mailbox.put(message(text))
    before = drain(mailbox)
    mailbox.acknowledge(before[0].packet_id)
    mailbox.rewind()
    again = drain(mailbox)
    assert payloads(again) == ["b", "c"]
    assert [it.duplicate for it in again] == [True, False]
    assert again[0].packet_id == before[1].packet_id != again[1].packet_id


def test_a_full_mailbox_drops_the_newest() -> None:
    mailbox = Mailbox(max_messages=2)
    assert [mailbox.put(message(text)) for text in "abc"] == [True, True, False]
    assert mailbox.dropped == 1
    assert payloads(drain(mailbox)) == ["a", "b"]


def test_the_bytes_are_bounded_until_they_are_acknowledged() -> None:
    mailbox = Mailbox(max_bytes=3)
    assert mailbox.put(message("abc"))
    assert not mailbox.put(message("d"))
    (sent,) = drain(mailbox)
    assert not mailbox.put(message("d"))
    mailbox.acknowledge(sent.packet_id)
    assert mailbox.put(message("d"))


def test_at_most_once_needs_no_acknowledgement_and_no_window() -> None:
    mailbox = Mailbox(window=1)
    for text in "abc":
        mailbox.put(message(text, acknowledged=False))
    assert [it.packet_id for it in drain(mailbox)] == [0, 0, 0]
    assert len(mailbox) == 0


steps = st.lists(st.sampled_from(["put", "send", "acknowledge", "rewind"]), max_size=80)


@given(steps, st.integers(1, 4))
def test_each_message_is_delivered_and_first_deliveries_keep_their_order(
    todo: list[str], window: int
) -> None:
    mailbox = Mailbox(window=window)
    put = 0
    seen: list[int] = []
    on_the_way: list[Message] = []
    for step in [*todo, "rewind", *["send", "acknowledge"] * (len(todo) + 1)]:
        match step:
            case "put":
                mailbox.put(message(str(put)))
                put += 1
            case "send" if (sent := mailbox.next()) is not None:
                assert sent.packet_id not in {it.packet_id for it in on_the_way}
                on_the_way.append(sent)
                seen.append(int(sent.payload))
                assert len(on_the_way) <= window
            case "acknowledge" if on_the_way:
                mailbox.acknowledge(on_the_way.pop(0).packet_id)
            case "rewind":
                mailbox.rewind()
                on_the_way = []
    assert list(dict.fromkeys(seen)) == list(range(put))
    assert len(mailbox) == 0
