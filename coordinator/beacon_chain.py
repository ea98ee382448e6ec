"""The values that drive everything, derived from one secret.

Deterministic, so a restart publishes what it would have published.  A chain of
``chain_slots`` values is revealed backwards: ``keccak(value[t]) == value[t - 1]``.
"""

from functools import lru_cache

from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.parameters import Parameters, Phase

_CHAIN = b"edgeproof/v1/beacon-chain"
_ROUND = b"edgeproof/v1/round-chain"


class BeaconChain:
    """The beacons of one network, from its secret (32 bytes)."""

    def __init__(self, secret: bytes, network: Parameters) -> None:
        self._secret = secret
        self._length = network.chain_slots

    def anchor(self, chain: int) -> bytes:
        """Return what stands before the first value of ``chain``."""
        return keccak(self._values(chain)[0])

    def value(self, slot: int) -> bytes:
        """Return the beacon value of ``slot``."""
        chain, place = divmod(slot, self._length)
        return self._values(chain)[place]

    def next_anchor(self, slot: int) -> bytes:
        """Return the anchor of the chain after the slot's."""
        return self.anchor(slot // self._length + 1)

    def phase_values(self, slot: int) -> list[bytes]:
        """Return the value that starts each phase of a round opened in ``slot``."""
        tip = keccak(_ROUND, self._secret, slot.to_bytes(8, "big"))
        values = [tip]
        while len(values) < len(Phase):
            values.append(keccak(values[-1]))
        return values[::-1]

    def round_anchor(self, slot: int) -> bytes:
        """Return what the slot's beacon says of its round: the hash of phase 0."""
        return keccak(self.phase_values(slot)[0])

    def _values(self, chain: int) -> tuple[bytes, ...]:
        return _chain(self._secret, chain, self._length)


@lru_cache(maxsize=3)
def _chain(secret: bytes, chain: int, length: int) -> tuple[bytes, ...]:
    values = [keccak(_CHAIN, secret, chain.to_bytes(8, "big"))]
    while len(values) < length:
        values.append(keccak(values[-1]))
    return tuple(reversed(values))
