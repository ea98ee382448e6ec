"""What an auditor asks the chain, and whether a bundle agrees with the answer."""

from dataclasses import dataclass
from typing import Protocol

from edgeproof.audit.errors import BadBundle
from edgeproof.audit.model import EpochRecord
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.messages import EpochRoot

CHAIN = "chain"
"""Stands where a difference names a file."""


@dataclass(frozen=True, slots=True)
class PostedRoot:
    """A root that the distributor holds; ``final`` once it minted."""

    root: EpochRoot
    final: bool


class ChainReader(Protocol):
    """Reads one distributor; ``EdgeproofError`` where it can't."""

    @property
    def chain_id(self) -> int:
        """The chain's own id."""
        ...

    @property
    def distributor(self) -> bytes:
        """The contract's address, 20 bytes."""
        ...

    def posted_root(self, epoch: int) -> PostedRoot | None:
        """Return the latest root that ends with ``epoch`` and was not vetoed."""
        ...


def check(record: EpochRecord, attested: EpochRoot, chain: ChainReader) -> PostedRoot:
    """Return the root on chain; raise ``BadBundle`` unless it is the bundle's own.

    1. It is the chain, and the distributor, that the description names.
    2. It holds a root for this epoch.
    3. That root is the attested one: epochs, root, cumulative total and data hash.
    """
    network = record.description
    # (1) Where we look.
    if chain.chain_id != network.chain_id:
        raise BadBundle(CHAIN, f"chain id {network.chain_id}", f"{chain.chain_id}")
    if chain.distributor != network.distributor:
        expected = f"distributor {to_hex(network.distributor)}"
        raise BadBundle(CHAIN, expected, to_hex(chain.distributor))
    # (2) Something was posted.
    posted = chain.posted_root(record.epoch)
    if posted is None:
        raise BadBundle(CHAIN, f"a root that ends with epoch {record.epoch}", "none")
    # (3) It is the same.
    for (_, want), (_, have), name in zip(
        attested.values(), posted.root.values(), EpochRoot.__slots__, strict=True
    ):
        if want != have:
            expected, got = (
                to_hex(value) if isinstance(value, bytes) else f"{value}"
                for value in (want, have)
            )
            raise BadBundle(CHAIN, f"{name} {expected}", got)
    return posted
