"""Gets roots posted and finalised, each exactly once, whatever crashes."""

import threading
from collections.abc import Sequence

from edgeproof.chain.client import ChainClient
from edgeproof.chain.decisions import (
    Action,
    AskPerson,
    Finalise,
    Post,
    Rest,
    Settle,
    decide,
)
from edgeproof.chain.errors import Reverted
from edgeproof.chain.events import ChainEvent, EventKind
from edgeproof.chain.outbox import Outbox
from edgeproof.chain.roots import RootToPost
from edgeproof.chain.sender import Checkpoint, FeePolicy, Sender

STEPS_PER_CALL = 6
"""A post and a finalisation with their settlements, and one more look."""

TOO_EARLY = frozenset({"ChallengeWindowOpen", "EpochNotEnded"})
"""The contract's clock is a little behind ours: wait, and ask again."""


class Poster:
    """Drives post, challenge window and finalisation for one distributor.

    Safe to kill at any line: what it meant to send is on disk before it is sent, and a
    new poster with the same outbox goes on from there.  At most one thread is inside
    ``advance`` at a time.
    """

    def __init__(  # noqa: PLR0913 - the seams that tests and operators set, by name
        self,
        client: ChainClient,
        outbox: Outbox,
        signer_key: bytes,
        distributor: bytes,
        *,
        confirmations: int = 0,
        fees: FeePolicy | None = None,
        checkpoint: Checkpoint = lambda _: None,
    ) -> None:
        self._client = client
        self._outbox = outbox
        self._distributor = distributor
        self._sender = Sender(
            client,
            outbox,
            signer_key,
            confirmations=confirmations,
            fees=fees,
            checkpoint=checkpoint,
        )
        self._lock = threading.Lock()

    @property
    def address(self) -> bytes:
        """The account that pays for the transactions."""
        return self._sender.address

    def advance(self, wanted: Sequence[RootToPost], now: float) -> list[ChainEvent]:
        """Do what can be done now towards having ``wanted`` finalised; never wait.

        Call it again and again with all roots that are not known to be final.  ``now``
        (unix seconds) only ages fees: deadlines follow the chain's clock.  The last
        event says what it waits for.  Raises ``ChainUnreachable`` or ``RpcRefused``
        when the node fails; the next call goes on where this one stopped.
        """
        with self._lock:
            events: list[ChainEvent] = []
            for _ in range(STEPS_PER_CALL):
                progressed, seen = self._step(wanted, now)
                events += seen
                if not progressed:
                    break
            return events

    def _step(
        self, wanted: Sequence[RootToPost], now: float
    ) -> tuple[bool, list[ChainEvent]]:
        ranges = [root.epochs for root in wanted]
        state = self._client.distributor_state(self._distributor, ranges)
        action = decide(state, self._outbox.intents(), wanted)
        try:
            return self._act(action, now)
        except Reverted as refusal:
            if refusal.name in TOO_EARLY:
                return False, [ChainEvent(EventKind.WAITING, "", str(refusal))]
            alert = ChainEvent(EventKind.ALERT, "", str(refusal), refusal.hint)
            return False, [alert]

    def _act(self, action: Action, now: float) -> tuple[bool, list[ChainEvent]]:
        match action:
            case Settle(intent):
                return self._sender.settle(intent, now)
            case Post(purpose, root):
                data = self._client.call_data(
                    "Distributor", "post", root.body, root.attestations()
                )
                return self._sender.begin(purpose, self._distributor, data, now)
            case Finalise(purpose):
                data = self._client.call_data("Distributor", "finalise")
                return self._sender.begin(purpose, self._distributor, data, now)
            case Rest(why, until):
                message = why if until is None else f"{why} until {until}"
                return False, [ChainEvent(EventKind.WAITING, "", message)]
            case AskPerson(problem, hint):
                return False, [ChainEvent(EventKind.ALERT, "", problem, hint)]
