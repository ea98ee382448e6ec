"""Topics: what they are, who may use them, and the laws of filters."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.telemetry import topics
from edgeproof.telemetry.topics import COORDINATOR, Action, Family, Topic

OWN = "0x" + "ab" * 20
OTHER = "0x" + "cd" * 20

kinds = {
    Family.BROADCAST: topics.BROADCAST_KINDS,
    Family.DOWNLINK: topics.DOWNLINK_KINDS,
    Family.UPLINK: topics.UPLINK_KINDS,
}
devices = st.integers(0, 2**160 - 1).map("0x{:040x}".format)
real_topics = st.sampled_from(sorted(Family)).flatmap(
    lambda family: st.builds(
        Topic,
        st.just(family),
        st.just("") if family is Family.BROADCAST else devices,
        st.sampled_from(sorted(kinds[family])),
    )
)
levels = st.sampled_from(
    ["", "n", "c", "d", "+", "#", "beacon", "ack", "seal", "$SYS", OWN, OTHER]
)
anything = st.text(max_size=80) | st.lists(levels, max_size=5).map("/".join)


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("n/beacon", Topic(Family.BROADCAST, "", "beacon")),
        (f"c/{OWN}/ack", Topic(Family.DOWNLINK, OWN, "ack")),
        (f"d/{OWN}/opening", Topic(Family.UPLINK, OWN, "opening")),
        ("", None),
        ("n", None),
        ("n/", None),
        ("n/seal", None),
        ("n/+", None),
        ("/n/beacon", None),
        ("n/beacon/", None),
        (f"n/{OWN}/beacon", None),
        ("c/ack", None),
        ("c//ack", None),
        (f"c/{OWN}/seal", None),
        (f"d/{OWN}/ack", None),
        (f"d/{OWN}/#", None),
        (f"d/{OWN.upper()}/seal", None),
        (f"d/{OWN[2:]}/seal", None),
        (f"d/{OWN[:-1]}/seal", None),
        (f"d/{OWN}0/seal", None),
        (f"d/{OWN}\n/seal", None),
        (f"d/{OWN}/seal\n", None),
        ("d/0x" + "\u0661" * 40 + "/seal", None),  # digits, but not ASCII
        ("d/" + "x" * 100_000, None),
        ("$SYS/beacon", None),
    ],
)
def test_only_topics_of_the_network_are_read(
    topic: str, expected: Topic | None
) -> None:
    assert topics.parse(topic) == expected


def test_topics_are_built_as_they_are_read() -> None:
    assert topics.broadcast("root") == "n/root"
    assert topics.downlink(OWN, "receipt") == f"c/{OWN}/receipt"
    assert topics.uplink(OWN, "seal") == f"d/{OWN}/seal"


@pytest.mark.parametrize(
    ("device", "kind"),
    [(OWN, "root"), (OWN, ""), ("", "seal"), ("+", "seal"), (OWN, "#")],
)
def test_no_other_topic_can_be_built(device: str, kind: str) -> None:
    with pytest.raises(topics.BadTopic, match="no such topic"):
        topics.uplink(device, kind)


@given(real_topics)
def test_what_is_built_is_read_back_and_fits_the_bound(topic: Topic) -> None:
    assert topics.parse(str(topic)) == topic
    assert len(str(topic)) <= 55 <= topics.MAX_TOPIC_LENGTH


@given(anything)
def test_what_is_read_is_written_back_as_it_was(text: str) -> None:
    topic = topics.parse(text)
    assert topic is None or str(topic) == text


PUBLISH, SUBSCRIBE = Action.PUBLISH, Action.SUBSCRIBE


@pytest.mark.parametrize(
    ("user", "action", "what", "expected"),
    [
        (OWN, PUBLISH, f"d/{OWN}/heartbeat", True),
        (OWN, PUBLISH, f"d/{OTHER}/heartbeat", False),
        (OWN, PUBLISH, f"c/{OWN}/ack", False),
        (OWN, PUBLISH, "n/beacon", False),
        (OWN, PUBLISH, f"d/{OWN}/unheard-of", False),
        (OWN, PUBLISH, f"d/{OWN}/#", False),
        (OWN, SUBSCRIBE, "n/+", True),
        (OWN, SUBSCRIBE, "n/beacon", True),
        (OWN, SUBSCRIBE, "n/#", False),
        (OWN, SUBSCRIBE, "n/unheard-of", False),
        (OWN, SUBSCRIBE, f"c/{OWN}/#", True),
        (OWN, SUBSCRIBE, f"c/{OWN}/+", True),
        (OWN, SUBSCRIBE, f"c/{OWN}/receipt", True),
        (OWN, SUBSCRIBE, f"c/{OTHER}/receipt", False),
        (OWN, SUBSCRIBE, "c/+/receipt", False),
        (OWN, SUBSCRIBE, "c/#", False),
        (OWN, SUBSCRIBE, f"d/{OWN}/#", False),
        (OWN, SUBSCRIBE, "#", False),
        (OWN, SUBSCRIBE, "+/+", False),
        (OWN, SUBSCRIBE, f"+/{OWN}/#", False),
        (OWN, SUBSCRIBE, "$SYS/#", False),
        (OWN, SUBSCRIBE, f"$share/g/c/{OWN}/#", False),
        (COORDINATOR, PUBLISH, "n/beacon", True),
        (COORDINATOR, PUBLISH, f"c/{OWN}/statement", True),
        (COORDINATOR, PUBLISH, f"d/{OWN}/seal", False),
        (COORDINATOR, PUBLISH, "c/coordinator/ack", False),
        (COORDINATOR, SUBSCRIBE, "d/#", True),
        (COORDINATOR, SUBSCRIBE, "d/+/#", True),
        (COORDINATOR, SUBSCRIBE, "d/+/seal", True),
        (COORDINATOR, SUBSCRIBE, f"d/{OWN}/+", True),
        (COORDINATOR, SUBSCRIBE, "d/+/unheard-of", False),
        (COORDINATOR, SUBSCRIBE, "d/+", False),
        (COORDINATOR, SUBSCRIBE, "#", False),
        (COORDINATOR, SUBSCRIBE, "c/#", False),
        ("", PUBLISH, "n/beacon", False),
        ("", SUBSCRIBE, "n/+", False),
        ("Coordinator", SUBSCRIBE, "d/#", False),
        (OWN.upper(), PUBLISH, f"d/{OWN.upper()}/seal", False),
        ("+", PUBLISH, "d/+/seal", False),
        ("+", SUBSCRIBE, "c/+/#", False),
    ],
)
def test_each_user_may_do_exactly_what_its_part_needs(
    user: str, action: Action, what: str, *, expected: bool
) -> None:
    assert topics.allowed(user, action, what) is expected


@given(st.sampled_from([OWN, COORDINATOR]), anything, real_topics)
def test_no_subscription_reaches_what_is_for_others(
    user: str, topic_filter: str, topic: Topic
) -> None:
    if not topics.allowed(user, SUBSCRIBE, topic_filter):
        return
    if topics.matches(topic_filter, str(topic)):
        if user == COORDINATOR:
            assert topic.family is Family.UPLINK
        else:
            assert topic.family is not Family.UPLINK
            assert topic.device in {"", OWN}


@given(st.text(max_size=60) | devices, anything)
def test_whatever_is_published_names_its_publisher(user: str, text: str) -> None:
    if topics.allowed(user, PUBLISH, text):
        topic = topics.parse(text)
        assert topic is not None
        by_device = topic.family is Family.UPLINK
        assert user == (topic.device if by_device else COORDINATOR)


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/c", False),
        ("a/+", "a/b", True),
        ("a/+", "a", False),
        ("a/+", "a/", True),
        ("a/+", "a/b/c", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("#", "a/b", True),
        ("+/+", "a/b", True),
        ("#", "$SYS/a", False),
        ("+/a", "$SYS/a", False),
        ("$SYS/#", "$SYS/a", True),
        ("a/#/b", "a/x/b", False),
        ("a/b/c", "a/b", False),
    ],
)
def test_filters_cover_what_the_standard_says(
    topic_filter: str, topic: str, *, expected: bool
) -> None:
    assert topics.matches(topic_filter, topic) is expected


@given(real_topics, anything)
def test_looking_filters_up_finds_exactly_those_that_match(
    topic: Topic, topic_filter: str
) -> None:
    found = list(topics.filters_matching(str(topic)))
    assert len(found) == len(set(found))
    assert all(topics.matches(it, str(topic)) for it in found)
    assert topics.matches(topic_filter, str(topic)) == (topic_filter in found)


@given(real_topics)
def test_a_real_topic_holds_nothing_that_a_broker_reads_as_a_wildcard(
    topic: Topic,
) -> None:
    assert re.fullmatch(r"[a-z0-9/]+", str(topic))
