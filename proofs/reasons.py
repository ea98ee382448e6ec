"""The one table of reason codes: why something was refused, void, or unpaid.

The same number stands in acknowledgements, bundles and logs, the same name in the
API, the explorer and ``edgeproof agent why``.  A code never changes its meaning.
"""

from enum import IntEnum


class Reason(IntEnum):
    """Code 0 is the absence of a reason.  ``text`` explains a code to a person."""

    NONE = 0

    # 1-29: a message was refused
    MALFORMED = 1
    TOO_LARGE = 2
    NOT_CANONICAL = 3
    BAD_SIGNATURE = 4
    WRONG_SIGNER = 5
    WRONG_TOPIC = 6
    NOT_ENROLLED = 7
    LATE = 8
    WRONG_BEACON = 9
    STALE_NONCE = 10
    UNKNOWN_ROUND = 11
    CONTRADICTION = 12
    OUT_OF_RANGE = 13
    QUOTA = 14
    RETIRED = 15
    BAD_TOKEN = 16
    TOKEN_EXPIRED = 17
    TOKEN_SPENT = 18
    BAD_CERTIFICATE_REQUEST = 19
    REVOKED = 20

    # 30-49: a proof failed
    NO_COMMITMENT = 30
    NO_OPENING = 31
    BROKEN_CHAIN = 32
    TOO_MUCH_WORK = 33
    WRONG_SIZE = 34
    BAD_OPENING = 35
    BAD_PATH = 36
    WRONG_TILE = 37
    WRONG_DIFFICULTY = 38
    BAD_NONCE = 39
    NONCE_ORDER = 40
    WRONG_LANE = 41
    VOID_UNVERIFIED = 42

    # 50-59: the device says that its prover failed
    PROVER_KILLED = 50
    CARD_OUT_OF_MEMORY = 51
    DRIVER_RESET = 52
    PROVER_HUNG = 53
    DISK_FULL = 54
    PROVER_FAILED = 55
    CARD_GONE = 56

    # 60-69: a reward or weight is zero
    NO_ROUND_YET = 60
    NO_UPTIME = 61
    BUCKET_NOT_MEASURED = 62
    BELOW_STAKE = 63
    SHARE_BELOW_ONE_UNIT = 64
    NOTHING_PROVEN = 65

    # 70-79: the device says that its owner comes first
    SKIPPED_PAUSED = 70
    SKIPPED_HOURS = 71
    SKIPPED_IN_USE = 72
    SKIPPED_HOT = 73
    SKIPPED_POWER = 74

    # 80-89: a slot is missing from a device's uptime
    NO_BEAT = 80
    LATE_BEAT = 81
    UNSEALED = 82
    BEAT_REFUSED = 83
    OWNER_STOPPED = 84

    # 90-99: the network's fault, never the device's
    PHASE_VOID = 90
    SLOT_VOID = 91

    @property
    def text(self) -> str:
        """One line for a person: what happened."""
        return _TEXT[self]


SKIPS = frozenset(
    {
        Reason.PROVER_KILLED,
        Reason.CARD_OUT_OF_MEMORY,
        Reason.DRIVER_RESET,
        Reason.PROVER_HUNG,
        Reason.DISK_FULL,
        Reason.PROVER_FAILED,
        Reason.CARD_GONE,
        Reason.SKIPPED_PAUSED,
        Reason.SKIPPED_HOURS,
        Reason.SKIPPED_IN_USE,
        Reason.SKIPPED_HOT,
        Reason.SKIPPED_POWER,
    }
)
"""Why a device may say that it skips a phase: its own word, unpaid and no failure."""

_TEXT: dict[Reason, str] = {
    Reason.NONE: "",
    Reason.MALFORMED: "the bytes are not the message that the topic calls for",
    Reason.TOO_LARGE: "the message is larger than its kind allows",
    Reason.NOT_CANONICAL: "the message is not in its one canonical encoding",
    Reason.BAD_SIGNATURE: "no key recovers from the signature",
    Reason.WRONG_SIGNER: "the signer is not the subject of the message",
    Reason.WRONG_TOPIC: "the message came on another device's topic",
    Reason.NOT_ENROLLED: "the device is not enrolled in this epoch",
    Reason.LATE: "the message arrived after its deadline",
    Reason.WRONG_BEACON: "the heartbeat does not carry its slot's beacon value",
    Reason.STALE_NONCE: "the enrolment's nonce does not exceed the last one",
    Reason.UNKNOWN_ROUND: "no round was opened at that slot",
    Reason.CONTRADICTION: "two different messages carry one sequence number",
    Reason.OUT_OF_RANGE: "a field is outside its range",
    Reason.QUOTA: "the device sent more messages than a slot admits",
    Reason.RETIRED: "the owner has retired the device",
    Reason.BAD_TOKEN: "the enrolment token is not one that its owner signed",
    Reason.TOKEN_EXPIRED: "the enrolment token has expired",
    Reason.TOKEN_SPENT: "the enrolment token has enrolled as many devices as it may",
    Reason.BAD_CERTIFICATE_REQUEST: "the request shows no key that TLS can use",
    Reason.REVOKED: "the operator has shut the device out",
    Reason.NO_COMMITMENT: "nothing was committed by the end of the phase",
    Reason.NO_OPENING: "the drawn openings did not arrive by their deadline",
    Reason.BROKEN_CHAIN: "a commitment does not name its predecessor",
    Reason.TOO_MUCH_WORK: "more work items than a phase may hold",
    Reason.WRONG_SIZE: "the size is not an allowed one, or it changed",
    Reason.BAD_OPENING: "the opening does not answer the draw",
    Reason.BAD_PATH: "an opened digest is not under its committed root",
    Reason.WRONG_TILE: "an opened tile is not the product of its rows",
    Reason.WRONG_DIFFICULTY: "the target is not the one the last figure sets",
    Reason.BAD_NONCE: "a nonce does not meet the target",
    Reason.NONCE_ORDER: "nonces are not strictly increasing",
    Reason.WRONG_LANE: "an opened lane of the walk does not end where it must",
    Reason.VOID_UNVERIFIED: "a later round failed, and this one had not been verified",
    Reason.PROVER_KILLED: "the device's prover was killed amid its work",
    Reason.CARD_OUT_OF_MEMORY: "the device's card had too little free memory",
    Reason.DRIVER_RESET: "the driver of the device's card gave up its work",
    Reason.PROVER_HUNG: "the device's prover gave no answer in time",
    Reason.DISK_FULL: "the device's disk was full",
    Reason.PROVER_FAILED: "the device's prover could not do its work",
    Reason.CARD_GONE: "the device's card is not there any more",
    Reason.NO_ROUND_YET: "no round has been proven yet",
    Reason.NO_UPTIME: "no slot was both claimed by a seal and heard on time",
    Reason.BUCKET_NOT_MEASURED: "this network does not measure this bucket yet",
    Reason.BELOW_STAKE: "the stake is below the network's minimum",
    Reason.SHARE_BELOW_ONE_UNIT: "the share is less than one unit of the token",
    Reason.NOTHING_PROVEN: "no slot had a proven figure on both sides",
    Reason.SKIPPED_PAUSED: "the owner paused the device",
    Reason.SKIPPED_HOURS: "it was outside the hours that the owner set",
    Reason.SKIPPED_IN_USE: "the owner was using the machine",
    Reason.SKIPPED_HOT: "the card was hotter than its owner allows",
    Reason.SKIPPED_POWER: "the card drew more power than its owner allows",
    Reason.NO_BEAT: "no heartbeat arrived",
    Reason.LATE_BEAT: "the heartbeat arrived after the slot and its grace",
    Reason.UNSEALED: "the heartbeat arrived, but no seal of the device claims the slot",
    Reason.BEAT_REFUSED: "the heartbeat did not carry the slot's beacon value",
    Reason.OWNER_STOPPED: "the agent had said that it was being stopped",
    Reason.PHASE_VOID: "the network published this phase late or not at all",
    Reason.SLOT_VOID: "the network published no beacon or intake root",
}
