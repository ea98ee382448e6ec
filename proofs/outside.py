"""What a slot's entropy takes from outside, so that not even the coordinator knows it.

``Entropy.value`` is the hash of the slot's beacon and of ``Entropy.outside``, which is
one thing only for each slot and source, chosen by nobody:

======  =========================================================================
none    nothing, 0 bytes
chain   number (uint64, big-endian) and hash of the first block whose timestamp is
        at or after the slot's start, ``confirmations`` deep: 40 bytes
drand   the signature of the first round whose time is at or after the slot's
        start: 48 bytes
======  =========================================================================

A device checks the layout and takes the rest on the coordinator's signature; that it is
the right block or round is checked by the coordinator and by every auditor.
"""

from dataclasses import dataclass, replace

from edgeproof.proofs import timetable
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.parameters import SECOND, EntropySource, Parameters

NUMBER_BYTES, HASH_BYTES = 8, 32

SIGNATURE_BYTES = 48
"""A drand signature: a point of G1, compressed."""

_BYTES = {
    EntropySource.NONE: 0,
    EntropySource.CHAIN: NUMBER_BYTES + HASH_BYTES,
    EntropySource.DRAND: SIGNATURE_BYTES,
}

QUICKNET_KEY = (
    "0x83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3a"
    "c6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6"
    "e9c76a4bc09e76eae8991ef5ece45a"
)
"""Public key of quicknet, the League of Entropy's chain for new uses."""

QUICKNET_GENESIS, QUICKNET_PERIOD = 1_692_803_367, 3
"""Unix second of quicknet's round 1, and seconds from one round to the next."""

DRAND_MS = 10 * SECOND
"""Time for a round of drand to come, be made, be fetched and be verified."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block of the chain; ``timestamp`` in Unix seconds."""

    number: int
    hash: bytes
    timestamp: int

    @property
    def outside(self) -> bytes:
        """What it is in an entropy."""
        return self.number.to_bytes(NUMBER_BYTES, "big") + self.hash


def entropy(beacon: bytes, outside: bytes) -> bytes:
    """Return a slot's entropy, 32 bytes."""
    return keccak(beacon, outside)


def well_formed(network: Parameters, outside: bytes) -> bool:
    """Return whether ``outside`` has the layout of the network's source."""
    return len(outside) == _BYTES[EntropySource(network.entropy_source)]


def block_in(outside: bytes) -> tuple[int, bytes]:
    """Return the number and hash of the block that a well-formed ``outside`` names."""
    number, block_hash = outside[:NUMBER_BYTES], outside[NUMBER_BYTES:]
    return int.from_bytes(number, "big"), block_hash


def reached(network: Parameters, slot: int, block: Block) -> bool:
    """Return whether ``block`` is from the slot's start or later."""
    return block.timestamp * SECOND >= timetable.slot_start(network, slot)


def is_first(
    network: Parameters, slot: int, block: Block, before: Block | None
) -> bool:
    """Return whether ``block`` is the slot's; ``before`` is the block before it.

    That is None for block 0.
    """
    return reached(network, slot, block) and (
        before is None or not reached(network, slot, before)
    )


def drand_round(network: Parameters, slot: int) -> int:
    """Return the number of the slot's drand round: 1, 2, and so on.

    It is the first one whose time is at or after the slot's start.
    """
    start = timetable.slot_start(network, slot) - network.drand_genesis * SECOND
    return max(0, -(-start // (network.drand_period * SECOND))) + 1


def drand_time(network: Parameters, number: int) -> int:
    """Return when drand's round ``number`` is made, Unix milliseconds."""
    return (network.drand_genesis + (number - 1) * network.drand_period) * SECOND


def with_source(network: Parameters, source: EntropySource) -> Parameters:
    """Return a network without source as one with ``source``, drand being quicknet.

    Openings fall due later by what entropy is late, and the close moves with them where
    it must.  Raises ``BadParameters`` where slots are too short for the source.
    """
    if source is EntropySource.NONE:
        return network
    quicknet = source is EntropySource.DRAND
    late = min(DRAND_MS, network.slot_ms) if quicknet else network.slot_ms // 2
    until = network.round_ms + network.commit_grace_ms - 1
    later = (until + late) // network.slot_ms - until // network.slot_ms
    return replace(
        network,
        close_slot=max(network.close_slot, network.decided_after + later),
        entropy_source=source.value,
        entropy_ms=late,
        drand_key=QUICKNET_KEY if quicknet else "",
        drand_genesis=QUICKNET_GENESIS if quicknet else 0,
        drand_period=QUICKNET_PERIOD if quicknet else 0,
    )
