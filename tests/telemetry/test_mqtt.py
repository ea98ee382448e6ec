"""The MQTT client: addresses, patience, and brokers that come and go."""

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.coordinator.embedded_broker import EmbeddedBroker
from edgeproof.telemetry.backoff import full_jitter
from edgeproof.telemetry.broker import BrokerUnavailable
from edgeproof.telemetry.mqtt import (
    BadBrokerUrl,
    BrokerAddress,
    Identity,
    MqttConnection,
    parse_url,
)
from edgeproof.telemetry.topics import COORDINATOR, broadcast, uplink

ONE = "0x" + "01" * 20
PATIENCE = 20


class Immediately:
    """Randomness that never waits."""

    def random(self) -> float:
        return 0.01


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://127.0.0.1:1884", BrokerAddress("127.0.0.1", 1884)),
        ("mqtt://broker.example", BrokerAddress("broker.example", 1883)),
        ("mqtt://broker.example/", BrokerAddress("broker.example", 1883)),
        ("mqtt://[::1]:99", BrokerAddress("::1", 99)),
    ],
)
def test_an_address_is_read(url: str, expected: BrokerAddress) -> None:
    assert parse_url(url) == expected


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "not the address"),
        ("127.0.0.1:1883", "not the address"),
        ("http://127.0.0.1", "not the address"),
        ("mqtt://", "not the address"),
        ("mqtt://host:0", "not the address"),
        ("mqtt://host:65536", "not the address"),
        ("mqtt://host:port", "not the address"),
        ("mqtt://[::1", "not the address"),
        ("mqtt://host/path", "nothing may follow"),
        ("mqtt://host?x=1", "nothing may follow"),
        ("mqtt://user:hunter2@host", "must not contain"),
    ],
)
def test_another_address_is_refused_without_telling_passwords(
    url: str, reason: str
) -> None:
    with pytest.raises(BadBrokerUrl, match=reason) as caught:
        parse_url(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.hint


def test_a_secure_address_needs_a_certificate() -> None:
    assert parse_url("mqtts://host") == BrokerAddress("host", 8883, secure=True)
    with pytest.raises(BadBrokerUrl, match="no certificate"):
        MqttConnection("mqtts://host", Identity("somebody"))


@given(st.integers(-5, 10_000), st.integers(0, 2**32))
def test_a_wait_is_below_the_doubled_bound_and_never_above_the_longest(
    failures: int, seed: int
) -> None:
    wait = full_jitter(failures, random.Random(seed), first=0.5, longest=60)  # noqa: S311 - jitter
    assert 0 <= wait < min(60, 2 ** max(failures - 1, 0) / 2 if failures < 9 else 60)


def test_waits_of_a_fleet_spread_over_the_whole_range() -> None:
    rng = random.Random(1)  # noqa: S311 - jitter
    waits = [full_jitter(4, rng, first=1, longest=60) for _ in range(4000)]
    share = [sum(low <= it < low + 2 for it in waits) for low in range(0, 8, 2)]
    assert all(900 < count < 1100 for count in share)


@pytest.mark.integration
async def test_publishing_without_a_broker_ends_with_the_timeout() -> None:
    async with EmbeddedBroker(lambda _user, _password: True) as gone:
        url = gone.url
    async with MqttConnection(url, Identity(ONE), timeout=0.2) as one:
        with pytest.raises(BrokerUnavailable, match=r"within 0\.2 s") as caught:
            await one.publish(uplink(ONE, "seal"), b"x")
        assert not one.connected
    assert str(parse_url(url).port) in caught.value.hint


@pytest.mark.integration
async def test_it_survives_a_restart_of_the_broker_with_a_new_password_each_time() -> (
    None
):
    fresh = iter(range(1_000_000))
    seen: list[str] = []
    log: list[str] = []

    def authenticate(user: str, password: str) -> bool:
        if user == ONE:
            seen.append(password)
        return True

    first = EmbeddedBroker(authenticate)
    await first.start()
    port = first.port

    def connection(user: str) -> MqttConnection:
        return MqttConnection(
            f"mqtt://127.0.0.1:{port}",
            Identity(user, lambda: f"token {next(fresh)}"),
            timeout=PATIENCE,
            rng=Immediately(),
            on_connect=lambda: log.append(f"{user} came"),
            on_disconnect=lambda reason: log.append(f"{user} left: {reason}"),
        )

    async with connection(ONE) as one, connection(COORDINATOR) as coordinator:
        await one.subscribe("n/+")
        await coordinator.publish(broadcast("beacon"), b"before")
        await first.stop()
        # Sent while nobody listens; both wait and then go out on the new broker,
        # where nothing is left of the old sessions.
        waiting = asyncio.create_task(
            coordinator.publish(broadcast("beacon"), b"after", retain=True)
        )
        async with EmbeddedBroker(authenticate, port=port), asyncio.timeout(PATIENCE):
            await waiting
            envelopes = [await anext(aiter(one)) for _ in range(2)]
            assert [it.payload for it in envelopes] == [b"before", b"after"]
            assert one.connected
            # Closed here: a connection in the making may outlive its broker otherwise.
            await coordinator.__aexit__(None, None, None)
            await one.__aexit__(None, None, None)
    assert len(seen) == len(set(seen)) >= 2
    assert log.count(f"{ONE} came") == 2
    assert any(it.startswith(f"{ONE} left: ") for it in log)


@pytest.mark.integration
async def test_a_publisher_whose_connection_breaks_sends_again() -> None:
    async with EmbeddedBroker(lambda _user, _password: True) as broker:
        identity = Identity(ONE)
        async with (
            MqttConnection(broker.url, Identity(COORDINATOR)) as coordinator,
            MqttConnection(
                broker.url, identity, timeout=PATIENCE, rng=Immediately()
            ) as one,
        ):
            await coordinator.subscribe("d/#")
            got: set[bytes] = set()

            async def collect() -> None:
                async for envelope in coordinator:
                    got.add(envelope.payload)
                    if len(got) % 10 == 0:
                        broker.kick(ONE)
                    if len(got) == 100:
                        return

            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(
                    collect(),
                    *(
                        one.publish(uplink(ONE, "seal"), str(index).encode())
                        for index in range(100)
                    ),
                )
            assert got == {str(index).encode() for index in range(100)}


@pytest.mark.integration
async def test_it_can_be_closed_while_the_broker_is_away() -> None:
    async with EmbeddedBroker(lambda _user, _password: True) as broker:
        url = broker.url
        one = MqttConnection(url, Identity(ONE), rng=Immediately())
        await one.__aenter__()
        await one.subscribe("n/+")
    async with asyncio.timeout(PATIENCE):
        await one.__aexit__(None, None, None)
