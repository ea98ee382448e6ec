"""Reason codes: each has its text, and none ever changes its number."""

import pytest

from edgeproof.proofs.reasons import Reason


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_explains_itself(reason: Reason) -> None:
    assert bool(reason.text) == (reason is not Reason.NONE)
    assert reason.text == reason.text.strip()
    assert not reason.text.endswith(".")


def test_no_two_reasons_say_the_same() -> None:
    assert len({reason.text for reason in Reason}) == len(Reason)


def test_codes_never_change_their_meaning() -> None:
    # They stand in published bundles: a number may be added here, never changed.
    assert {reason.name: reason.value for reason in Reason} == {
        "NONE": 0, "MALFORMED": 1, "TOO_LARGE": 2, "NOT_CANONICAL": 3,
        "BAD_SIGNATURE": 4, "WRONG_SIGNER": 5, "WRONG_TOPIC": 6, "NOT_ENROLLED": 7,
        "LATE": 8, "WRONG_BEACON": 9, "STALE_NONCE": 10, "UNKNOWN_ROUND": 11,
        "CONTRADICTION": 12, "OUT_OF_RANGE": 13, "QUOTA": 14, "RETIRED": 15,
        "BAD_TOKEN": 16, "TOKEN_EXPIRED": 17, "TOKEN_SPENT": 18,
        "BAD_CERTIFICATE_REQUEST": 19, "REVOKED": 20, "NO_COMMITMENT": 30,
        "NO_OPENING": 31, "BROKEN_CHAIN": 32, "TOO_MUCH_WORK": 33, "WRONG_SIZE": 34,
        "BAD_OPENING": 35, "BAD_PATH": 36, "WRONG_TILE": 37, "WRONG_DIFFICULTY": 38,
        "BAD_NONCE": 39, "NONCE_ORDER": 40, "WRONG_LANE": 41,
        "VOID_UNVERIFIED": 42, "PROVER_KILLED": 50,
        "CARD_OUT_OF_MEMORY": 51, "DRIVER_RESET": 52, "PROVER_HUNG": 53,
        "DISK_FULL": 54, "PROVER_FAILED": 55, "CARD_GONE": 56, "NO_ROUND_YET": 60,
        "NO_UPTIME": 61, "BUCKET_NOT_MEASURED": 62, "BELOW_STAKE": 63,
        "SHARE_BELOW_ONE_UNIT": 64, "NOTHING_PROVEN": 65, "SKIPPED_PAUSED": 70,
        "SKIPPED_HOURS": 71, "SKIPPED_IN_USE": 72, "SKIPPED_HOT": 73,
        "SKIPPED_POWER": 74, "NO_BEAT": 80, "LATE_BEAT": 81, "UNSEALED": 82,
        "BEAT_REFUSED": 83, "OWNER_STOPPED": 84, "PHASE_VOID": 90,
        "SLOT_VOID": 91,
    }  # fmt: skip


def test_a_code_fits_its_column() -> None:
    assert all(0 <= reason < 2**16 for reason in Reason)
