"""Who works for whom: each refusal, and one roster from any order."""

from collections.abc import Callable
from contextlib import suppress
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.audit import register
from edgeproof.audit.model import Change, Enrolment
from edgeproof.audit.register import Register, in_order
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.reasons import Reason
from edgeproof.simulator.epochs import SimulatedNetwork
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.message import Signed
from edgeproof.telemetry.messages import Enrol, EnrolToken, Retire, Rotate, TokenEnrol
from edgeproof.telemetry.signing import Key, sign

NETWORK = SimulatedNetwork(count=1)
PARAMETERS = NETWORK.parameters
EPOCH = PARAMETERS.slots_per_epoch
DOMAIN = NETWORK.description.domain
NOW = 1_000


def key(name: str) -> Key:
    return Key(keccak(name.encode()))


DEVICE, NEXT, THIRD = key("device"), key("next"), key("third")
OWNER, OTHER = key("owner"), key("other")


def enrol(nonce: int = 1, owner: Key = OWNER, device: Key = DEVICE) -> Signed[Enrol]:
    message = Enrol(device.address, owner.address, nonce, 0)
    return sign(message, DOMAIN, device, owner)


def token(count: int = 2, expires_at: int = NOW + 1, by: Key = OWNER) -> bytes:
    message = EnrolToken(OWNER.address, bytes(32), count, expires_at)
    return sign(message, DOMAIN, by).encode()


def by_token(
    device: Key = DEVICE, shown: bytes | None = None, nonce: int = 1
) -> Signed[TokenEnrol]:
    shown = token() if shown is None else shown
    return sign(TokenEnrol(device.address, nonce, 0, shown), DOMAIN, device)


def retire(nonce: int = 2, owner: Key = OWNER, device: Key = DEVICE) -> Signed[Retire]:
    return sign(Retire(device.address, owner.address, nonce, 0), DOMAIN, owner)


def rotate(
    nonce: int = 2, old: Key = DEVICE, new: Key = NEXT, by: Key | None = None
) -> Signed[Rotate]:
    message = Rotate(old.address, new.address, nonce, 0)
    return sign(message, DOMAIN, old, by or new)


def told(*changes: tuple[Signed[Change], int]) -> Register:
    """Return what is known once the changes came, each in its slot."""
    known = Register()
    for signed, slot in changes:
        known.check(signed, DOMAIN, slot, NOW)
        known.add(counted(signed, slot))
    return known


def counted(signed: Signed[Change], slot: int) -> Enrolment:
    return Enrolment(signed, register.since(PARAMETERS, signed.message, slot))


def test_a_device_works_from_the_next_epoch_until_it_is_retired() -> None:
    known = told((enrol(), 3), (retire(), EPOCH + 4))
    owners = [
        known.owner(DEVICE.address, slot) for slot in (EPOCH - 1, EPOCH, 2 * EPOCH)
    ]
    assert owners == [None, OWNER.address, None]
    assert known.roster(EPOCH) == {DEVICE.address: OWNER.address}
    assert known.roster(2 * EPOCH) == {}
    assert known.ends(DEVICE.address, EPOCH, 2 * EPOCH) == EPOCH + 5
    assert [known.retired(DEVICE.address, EPOCH + i) for i in (3, 4)] == [False, True]


@pytest.mark.parametrize(("slot", "since"), [(-3, 0), (0, 15), (14, 15), (15, 30)])
def test_an_enrolment_counts_from_the_next_epoch(slot: int, since: int) -> None:
    assert counted(enrol(), slot).since == since


def test_who_enrols_again_after_a_retirement_is_back_in_the_next_epoch() -> None:
    known = told((enrol(), 0), (retire(), 20), (enrol(3, OTHER), 21))
    assert known.retired(DEVICE.address, 2 * EPOCH - 2)
    assert not known.retired(DEVICE.address, 2 * EPOCH - 1)
    assert known.roster(2 * EPOCH) == {DEVICE.address: OTHER.address}


def test_the_owner_stops_whoever_took_its_device_over() -> None:
    known = told((enrol(), 0), (enrol(2, OTHER), 20))
    for owner in (OWNER, OTHER):
        known.check(retire(3, owner), DOMAIN, 21, NOW)
    known.add(counted(retire(3), 21))
    assert known.roster(2 * EPOCH) == {}


def test_a_successor_works_for_the_same_owner() -> None:
    known = told((enrol(), 0), (rotate(), 20), (rotate(3, NEXT, THIRD), 40))
    assert known.roster(EPOCH) == {DEVICE.address: OWNER.address}
    assert known.roster(2 * EPOCH) == {NEXT.address: OWNER.address}
    assert known.roster(3 * EPOCH) == {THIRD.address: OWNER.address}
    assert known.last_owner(THIRD.address) == OWNER.address
    known.check(retire(4, OWNER, THIRD), DOMAIN, 50, NOW)


def test_a_replaced_device_may_enrol_again_and_its_successor_keeps_the_owner() -> None:
    known = told((enrol(), 0), (rotate(), 20), (enrol(3, OTHER), 40))
    assert known.roster(3 * EPOCH) == dict(
        sorted({DEVICE.address: OTHER.address, NEXT.address: OWNER.address}.items())
    )


ENROLLED = ((enrol(), 0),)
SPENT = ((by_token(key("a")), 0), (by_token(key("b")), 0))

REFUSED: dict[
    str,
    tuple[tuple[tuple[Signed[Change], int], ...], Callable[[], Signed[Change]], Reason],
] = {
    "an enrolment without its owner": (
        (),
        lambda: sign(enrol().message, DOMAIN, DEVICE, OTHER),
        Reason.WRONG_SIGNER,
    ),
    "an old nonce": (ENROLLED, lambda: enrol(1, OTHER), Reason.STALE_NONCE),
    "a nonce that its rotation used": (
        (*ENROLLED, (rotate(), 20)),
        lambda: enrol(2, OTHER, NEXT),
        Reason.STALE_NONCE,
    ),
    "a token that is none": ((), lambda: by_token(shown=b"x"), Reason.BAD_TOKEN),
    "a token by somebody": (
        (),
        lambda: by_token(shown=token(by=OTHER)),
        Reason.BAD_TOKEN,
    ),
    "a token of yesterday": (
        (),
        lambda: by_token(shown=token(expires_at=NOW)),
        Reason.TOKEN_EXPIRED,
    ),
    "a token once too often": (SPENT, lambda: by_token(key("c")), Reason.TOKEN_SPENT),
    "a retirement by somebody": (
        ENROLLED,
        lambda: retire(2, OTHER),
        Reason.WRONG_SIGNER,
    ),
    "a retirement of nobody": ((), retire, Reason.WRONG_SIGNER),
    "a rotation of nobody": ((), rotate, Reason.NOT_ENROLLED),
    "a rotation of the retired": (
        (*ENROLLED, (retire(), 20)),
        lambda: rotate(3),
        Reason.NOT_ENROLLED,
    ),
    "a rotation without the successor": (
        ENROLLED,
        lambda: rotate(by=OTHER),
        Reason.WRONG_SIGNER,
    ),
    "a successor that is known": (
        (*ENROLLED, (enrol(1, OTHER, NEXT), 0)),
        rotate,
        Reason.CONTRADICTION,
    ),
    "a successor of two": (
        (*ENROLLED, (enrol(1, OTHER, THIRD), 0), (rotate(), 20)),
        lambda: rotate(2, THIRD, NEXT),
        Reason.CONTRADICTION,
    ),
    "its own successor": (
        ENROLLED,
        lambda: rotate(new=DEVICE),
        Reason.CONTRADICTION,
    ),
}


@pytest.mark.parametrize(
    ("before", "change", "reason"), REFUSED.values(), ids=REFUSED.keys()
)
def test_what_may_not_follow_has_its_reason(
    before: tuple[tuple[Signed[Change], int], ...],
    change: Callable[[], Signed[Change]],
    reason: Reason,
) -> None:
    with pytest.raises(MessageRefused) as refusal:
        told(*before).check(change(), DOMAIN, 40, NOW)
    assert refusal.value.reason is reason


def test_a_device_may_use_its_token_again() -> None:
    told(*SPENT).check(by_token(key("a"), nonce=2), DOMAIN, 1, NOW)


def test_noise_is_no_change() -> None:
    for raw in (b"", b"\x80", b"\x81\x02", enrol().encode() + b"x", bytes(600)):
        with pytest.raises(MessageRefused):
            register.decode(raw)
    for signed in (enrol(), by_token(), retire(), rotate()):
        assert register.decode(signed.encode()) == signed


STORY = (
    (enrol(), 0),
    (by_token(THIRD), 0),
    (rotate(), 20),
    (retire(5, OWNER, THIRD), 21),
    (enrol(3, OTHER, NEXT), 40),
)


def test_any_order_gives_one_roster() -> None:
    changes = [counted(*change) for change in STORY]
    rosters = {
        tuple(
            tuple(Register(order).roster(epoch * EPOCH).items()) for epoch in range(5)
        )
        for order in permutations(changes)
    }
    assert len(rosters) == 1
    whole = told(*STORY)
    assert [whole.roster(e * EPOCH) for e in range(5)] == [
        dict(items) for items in rosters.pop()
    ]


@given(st.permutations([counted(*change) for change in STORY]))
def test_what_was_admitted_can_be_checked_again_in_order(
    changes: list[Enrolment],
) -> None:
    known = Register()
    for each in in_order(changes):
        change = each.signed.message
        slot = each.since - (1 if isinstance(change, Retire) else EPOCH)
        known.check(each.signed, DOMAIN, slot, 0)
        known.add(each)
    assert known.roster(3 * EPOCH) == told(*STORY).roster(3 * EPOCH)


def test_forged_rotations_in_a_circle_end() -> None:
    circle = [
        Enrolment(rotate(1, DEVICE, NEXT), 0),
        Enrolment(rotate(1, NEXT, DEVICE), 0),
    ]
    assert Register(circle).roster(EPOCH) == {}
    assert sorted(in_order(circle), key=id) == sorted(circle, key=id)
    assert Register(circle).last_owner(DEVICE.address) is None


@given(st.lists(st.sampled_from("abcdef"), max_size=12), st.integers(1, 4))
def test_a_token_never_enrols_more_devices_than_it_says(
    names: list[str], count: int
) -> None:
    known, shown = Register(), token(count)
    for nonce, name in enumerate(names, start=1):
        change = by_token(key(name), shown, nonce)
        with suppress(MessageRefused):
            known.check(change, DOMAIN, 0, NOW)
            known.add(counted(change, 0))
    assert len(known.roster(EPOCH)) == min(count, len(set(names)))
