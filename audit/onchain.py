"""What an auditor asks the chain, and whether a bundle agrees with the answer."""

from dataclasses import dataclass
from typing import Protocol

from edgeproof.audit import layout
from edgeproof.audit.errors import BadBundle
from edgeproof.audit.model import EpochRecord
from edgeproof.proofs import outside
from edgeproof.proofs.outside import Block
from edgeproof.proofs.parameters import EntropySource
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

    def block(self, number: int | None = None) -> Block | None:
        """Return a block, the newest unless told; None if the chain has none such."""
        ...


def check(record: EpochRecord, attested: EpochRoot, chain: ChainReader) -> PostedRoot:
    """Return the root on chain; raise ``BadBundle`` unless it is the bundle's own.

    1. It is the chain, and the distributor, that the description names.
    2. It holds a root for this epoch.
    3. That root is the attested one: epochs, root, cumulative total and data hash.
    """
    network = record.description
    # (1) Where we look.
    _check_chain(record, chain)
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


def check_blocks(record: EpochRecord, chain: ChainReader) -> int:
    """Return how many entropies took their slot's block, all of them or none.

    Raises ``BadBundle`` unless 1. it is the chain that the description names, and each
    entropy names 2. a block of it, 3. the first from the slot's start on.
    """
    network = record.description.parameters
    if network.entropy_source != EntropySource.CHAIN:
        return 0
    _check_chain(record, chain)  # (1)
    for row, signed in enumerate(record.entropies):
        slot = signed.message.slot
        number, block_hash = outside.block_in(signed.message.outside)
        block = chain.block(number)
        if block is None or block.hash != block_hash:  # (2)
            expected = f"block {number}, {to_hex(block.hash) if block else 'none'}"
            got = to_hex(block_hash)
            raise BadBundle(layout.ENTROPY.file, expected, got, row)
        before = chain.block(number - 1) if number else None
        if not outside.is_first(network, slot, block, before):  # (3)
            expected = f"the first block from the start of slot {slot} on"
            got = f"block {number} of {block.timestamp}"
            raise BadBundle(layout.ENTROPY.file, expected, got, row)
    return len(record.entropies)


def _check_chain(record: EpochRecord, chain: ChainReader) -> None:
    wanted = record.description.chain_id
    if chain.chain_id != wanted:
        raise BadBundle(CHAIN, f"chain id {wanted}", f"{chain.chain_id}")
