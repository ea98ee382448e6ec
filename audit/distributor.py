"""The auditor's questions, answered by a real distributor."""

from edgeproof.audit.onchain import PostedRoot
from edgeproof.chain.client import ChainClient
from edgeproof.chain.history import finalised_root
from edgeproof.chain.state import OnChainRoot
from edgeproof.proofs.outside import Block
from edgeproof.telemetry.messages import EpochRoot


class DistributorReader:
    """A ``ChainReader`` over one node; asks it anew each time."""

    def __init__(self, rpc_url: str, distributor: bytes) -> None:
        self._client = ChainClient(rpc_url)
        self._distributor = distributor

    @property
    def chain_id(self) -> int:
        """The chain's own id."""
        return self._client.chain_id

    @property
    def distributor(self) -> bytes:
        """The contract's address, 20 bytes."""
        return self._distributor

    def posted_root(self, epoch: int) -> PostedRoot | None:
        """Return the root that ends with ``epoch``: in its window, or finalised."""
        state = self._client.distributor_state(self._distributor)
        if state.pending is not None and state.pending.body.last_epoch == epoch:
            return PostedRoot(_root(state.pending.body), final=False)
        if state.finalised is not None and state.finalised.last_epoch == epoch:
            return PostedRoot(_root(state.finalised), final=True)
        older = finalised_root(self._client, self._distributor, epoch)
        return None if older is None else PostedRoot(_root(older), final=True)

    def block(self, number: int | None = None) -> Block | None:
        """Return a block, the newest unless told; None if the chain has none such."""
        return self._client.block(number)


def _root(found: OnChainRoot) -> EpochRoot:
    return EpochRoot(*found.body)
