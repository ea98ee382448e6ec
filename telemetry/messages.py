"""The messages that cross the wire.  Layouts and vectors: docs/protocol.md.

A message never changes once released: a new layout takes a new tag.  Slots are
absolute, counted from genesis; times are Unix milliseconds; addresses are 20 bytes.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from edgeproof.telemetry.kinds import (
    Address,
    Amounts,
    Bitmap,
    Bytes16,
    Bytes32,
    Codes,
    Digests,
    Outside,
    Path,
    Payload,
    Readings,
    RequestBytes,
    SlotCodes,
    TokenBytes,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Uint256,
)
from edgeproof.telemetry.message import Message

ZERO = bytes(32)
"""``previous`` of the first message of a chain."""


# From a device.


@dataclass(frozen=True, slots=True)
class Enrol(Message):
    """``device`` works for ``owner`` from the next epoch on.  Signed by both."""

    TAG: ClassVar[int] = 1
    SIGNERS: ClassVar[int] = 2
    device: Address
    owner: Address
    nonce: Uint64
    issued_at: Uint64


@dataclass(frozen=True, slots=True)
class Heartbeat(Message):
    """One beat of one boot in one slot, chained by ``previous``; sealed later.

    ``beacon`` is the slot's value, which nobody knew before; ``body`` the hash of the
    telemetry since the last beat (``telemetry_hash``).
    """

    TAG: ClassVar[int] = 2
    device: Address
    boot: Bytes16
    sequence: Uint64
    slot: Uint64
    beacon: Bytes32
    previous: Bytes32
    body: Bytes32


@dataclass(frozen=True, slots=True)
class Telemetry(Message):
    """What the device claims of itself since its last beat.  Shown, never paid.

    ``readings`` is compressed JSON, see ``samples``; ``taken_at`` the time of the last.
    ``salt`` keeps the hash in the heartbeat from revealing the readings.
    """

    TAG: ClassVar[int] = 3
    device: Address
    boot: Bytes16
    sequence: Uint64
    taken_at: Uint64
    salt: Bytes16
    readings: Readings


@dataclass(frozen=True, slots=True)
class Seal(Message):
    """The slots of ``epoch`` in which this boot beat, and the head of its chain.

    Bit ``i`` of ``slots`` (bit ``i % 8`` of byte ``i // 8``) is the epoch's slot ``i``.
    """

    TAG: ClassVar[int] = 4
    SIGNERS: ClassVar[int] = 1
    device: Address
    boot: Bytes16
    epoch: Uint64
    slots: Bitmap
    head: Bytes32


@dataclass(frozen=True, slots=True)
class Commitment(Message):
    """Work finished in one phase of the round that opened at slot ``round``.

    Chained per (round, card, phase): ``sequence`` counts from 0, ``previous`` is the
    digest of the message before.  ``size`` is n of a product or the pow difficulty d;
    ``payload`` 32-byte roots or 8-byte big-endian nonces.
    """

    TAG: ClassVar[int] = 5
    SIGNERS: ClassVar[int] = 1
    device: Address
    round: Uint64
    card: Uint32
    phase: Uint8
    sequence: Uint32
    size: Uint64
    previous: Bytes32
    payload: Payload


@dataclass(frozen=True, slots=True)
class Opening(Message):
    """The drawn parts of what was committed, with their Merkle paths.

    ``commitment`` is the digest of the last message of the prefix that counted.
    """

    TAG: ClassVar[int] = 6
    SIGNERS: ClassVar[int] = 1
    device: Address
    round: Uint64
    card: Uint32
    phase: Uint8
    commitment: Bytes32
    payload: Payload


@dataclass(frozen=True, slots=True)
class Skip(Message):
    """The card leaves out a phase, or what is left of it: unpaid, and no failure.

    ``reason`` is one of ``reasons.SKIPS``.
    """

    TAG: ClassVar[int] = 9
    SIGNERS: ClassVar[int] = 1
    device: Address
    round: Uint64
    card: Uint32
    phase: Uint8
    reason: Uint16


@dataclass(frozen=True, slots=True)
class TokenEnrol(Message):
    """``device`` works for who signed ``token``, an encoded ``EnrolToken``."""

    TAG: ClassVar[int] = 10
    SIGNERS: ClassVar[int] = 1
    device: Address
    nonce: Uint64
    issued_at: Uint64
    token: TokenBytes


@dataclass(frozen=True, slots=True)
class Retire(Message):
    """``device`` ends its work, at once.  Signed by its owner alone."""

    TAG: ClassVar[int] = 11
    SIGNERS: ClassVar[int] = 1
    device: Address
    owner: Address
    nonce: Uint64
    issued_at: Uint64


@dataclass(frozen=True, slots=True)
class Rotate(Message):
    """``successor`` takes the place of ``device`` from the next epoch on.

    Signed by both, ``device`` first.  The owner stays; the record begins anew.
    """

    TAG: ClassVar[int] = 12
    SIGNERS: ClassVar[int] = 2
    device: Address
    successor: Address
    nonce: Uint64
    issued_at: Uint64


@dataclass(frozen=True, slots=True)
class CertificateRequest(Message):
    """``device`` asks for a certificate of the key in ``request`` (PKCS #10, DER)."""

    TAG: ClassVar[int] = 13
    SIGNERS: ClassVar[int] = 1
    device: Address
    issued_at: Uint64
    request: RequestBytes


@dataclass(frozen=True, slots=True)
class EnrolToken(Message):
    """``owner`` lets up to ``count`` devices enrol until ``expires_at``."""

    TAG: ClassVar[int] = 14
    SIGNERS: ClassVar[int] = 1
    owner: Address
    token_id: Bytes32
    count: Uint32
    expires_at: Uint64


class Presence(IntEnum):
    """What a ``Status`` says."""

    LOST = 0
    ONLINE = 1
    STOPPED = 2


@dataclass(frozen=True, slots=True)
class Status(Message):
    """Birth and last will: a hint for people, never evidence.

    ``online`` is a ``Presence``: LOST in the will of a connection that broke, ONLINE
    after each connect, STOPPED in the goodbye of an agent that is being stopped.
    """

    TAG: ClassVar[int] = 7
    device: Address
    boot: Bytes16
    online: Uint8


@dataclass(frozen=True, slots=True)
class ConnectToken(Message):
    """The password of an MQTT connection where there are no client certificates."""

    TAG: ClassVar[int] = 8
    SIGNERS: ClassVar[int] = 1
    device: Address
    issued_at: Uint64


# From the coordinator, to everybody.


@dataclass(frozen=True, slots=True)
class Beacon(Message):
    """The value of a slot: ``keccak(value) == `` the value of the slot before.

    ``round_anchor`` is the fifth hash of this slot's phase values, should a round open;
    ``next_anchor`` stands before the first value of the next chain.
    """

    TAG: ClassVar[int] = 20
    SIGNERS: ClassVar[int] = 1
    slot: Uint64
    value: Bytes32
    round_anchor: Bytes32
    next_anchor: Bytes32


@dataclass(frozen=True, slots=True)
class Entropy(Message):
    """``keccak(beacon value || outside)``: what the slot's draws follow from."""

    TAG: ClassVar[int] = 21
    SIGNERS: ClassVar[int] = 1
    slot: Uint64
    value: Bytes32
    outside: Outside


@dataclass(frozen=True, slots=True)
class Phase(Message):
    """A phase of a round begins.  Unsigned: ``value`` hashes to the one before it."""

    TAG: ClassVar[int] = 22
    round: Uint64
    phase: Uint8
    value: Bytes32


@dataclass(frozen=True, slots=True)
class IntakeRoot(Message):
    """What arrived in a slot: the root of ``size`` leaves (``intake.leaves``)."""

    TAG: ClassVar[int] = 23
    SIGNERS: ClassVar[int] = 1
    slot: Uint64
    size: Uint32
    root: Bytes32


# From the coordinator, to one device.


@dataclass(frozen=True, slots=True)
class Receipt(Message):
    """``message`` is leaf ``index`` of ``size`` under the intake root of ``slot``."""

    TAG: ClassVar[int] = 30
    SIGNERS: ClassVar[int] = 1
    device: Address
    slot: Uint64
    message: Bytes32
    index: Uint32
    size: Uint32
    path: Path
    root: Bytes32


@dataclass(frozen=True, slots=True)
class Ack(Message):
    """These messages are on the coordinator's disk, or refused with a reason code.

    ``messages`` are the Keccak-256 of the bytes as sent; ``reasons`` runs beside it.
    """

    TAG: ClassVar[int] = 31
    SIGNERS: ClassVar[int] = 1
    device: Address
    messages: Digests
    reasons: Codes


@dataclass(frozen=True, slots=True)
class Statement(Message):
    """A device's epoch: accepted slots, weights and rewards by bucket, reasons.

    Buckets stand in the order of ``parameters.Bucket``.  ``difficulties`` holds card
    and difficulty of its next pow, in turn.  ``missing`` has one byte for each slot of
    the epoch: the reason code why it was not accepted, 0 where it was.
    """

    TAG: ClassVar[int] = 32
    SIGNERS: ClassVar[int] = 1
    device: Address
    owner: Address
    epoch: Uint64
    slots: Bitmap
    missing: SlotCodes
    counted: Uint32
    weights: Amounts
    rewards: Amounts
    reasons: Codes
    difficulties: Codes


@dataclass(frozen=True, slots=True)
class Resend(Message):
    """Messages of these ``tags`` were passed over: send what is unacknowledged again.

    ``slot`` is the one in which the gap was seen.
    """

    TAG: ClassVar[int] = 33
    SIGNERS: ClassVar[int] = 1
    device: Address
    slot: Uint64
    tags: Codes


# About the network.


@dataclass(frozen=True, slots=True)
class Network(Message):
    """The network description: the Keccak-256 of its canonical JSON."""

    TAG: ClassVar[int] = 40
    SIGNERS: ClassVar[int] = 1
    network_id: Bytes32
    content: Bytes32


@dataclass(frozen=True, slots=True)
class EpochRoot(Message):
    """What attestors sign and the distributor reads, in the distributor's domain."""

    TAG: ClassVar[int] = 41
    SIGNERS: ClassVar[int] = 1
    first_epoch: Uint64
    last_epoch: Uint64
    root: Bytes32
    cumulative_total: Uint256
    data_hash: Bytes32


SEALED: tuple[type[Message], ...] = (Seal, Commitment, Opening, Skip)
"""Device-signed messages whose digests are leaves of the slot's intake root."""
