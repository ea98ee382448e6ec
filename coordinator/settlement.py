"""Bring each epoch's root to the chain: the poster, and what became of its work."""

import asyncio
import time
from pathlib import Path

import structlog

from edgeproof.audit.attestation import ATTESTATION, Attestation
from edgeproof.chain.client import ChainClient
from edgeproof.chain.events import ChainEvent, EventKind
from edgeproof.chain.outbox import Outbox
from edgeproof.chain.poster import Poster
from edgeproof.chain.roots import RootToPost
from edgeproof.coordinator.closing import NOTHING, WAITING
from edgeproof.coordinator.store import Store
from edgeproof.errors import EdgeproofError
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.signing import Key

log = structlog.get_logger()

PAUSE = 1.0
"""Seconds between looks at the chain."""

POSTED, FINALISED = "posted", "finalised"


class Settlement:
    """One signer, one writer: the only task that sends transactions."""

    def __init__(  # noqa: PLR0913 - where roots come from and where they go
        self,
        store: Store,
        description: Description,
        *,
        rpc: str,
        signer: Key,
        outbox: Path,
        bundles: Path,
    ) -> None:
        self._store = store
        self._distributor = description.distributor
        self._bundles = bundles
        self._client = ChainClient(rpc)
        self._poster = Poster(
            self._client,
            Outbox(outbox),
            signer.secret,
            description.distributor,
            confirmations=description.parameters.confirmations,
        )
        self._last_alert = ""

    async def run(self) -> None:
        """Serve until cancelled.  A chain out of reach is retried for ever."""
        while True:
            try:
                await asyncio.to_thread(self._advance)
            except EdgeproofError as error:
                self._alert(str(error), error.hint)
            await asyncio.sleep(PAUSE)

    def _advance(self) -> None:
        open_roots = [
            epoch
            for epoch, (state, _) in self._store.postings().items()
            if state not in {NOTHING, FINALISED}
        ]
        if not open_roots:
            return
        wanted = [self._root(epoch) for epoch in open_roots]
        for event in self._poster.advance(wanted, time.time()):
            self._note(event, wanted)
        self._compare(wanted)

    def _root(self, epoch: int) -> RootToPost:
        path = self._bundles / str(epoch) / ATTESTATION
        try:
            raw = path.read_bytes()
        except OSError as error:
            msg = f"cannot read {path}: {error.strerror}"
            raise EdgeproofError(msg, hint="restore the bundle from a copy") from None
        attestation = Attestation.decode(raw)
        root = attestation.root
        return RootToPost(
            first_epoch=root.first_epoch,
            last_epoch=root.last_epoch,
            root=root.root,
            cumulative_total=root.cumulative_total,
            data_hash=root.data_hash,
            signatures=tuple(attestation.signatures.items()),
        )

    def _compare(self, wanted: list[RootToPost]) -> None:
        """Write down what the chain says, not what we hope."""
        ranges = [root.epochs for root in wanted]
        state = self._client.distributor_state(self._distributor, ranges)
        for root in wanted:
            known = self._store.postings()[root.last_epoch]
            if root.last_epoch < state.next_epoch:
                now = FINALISED
            elif state.pending is not None and state.pending.body.epochs == root.epochs:
                now = POSTED
            else:
                now = WAITING
            if now != known[0]:
                self._store.keep_posting(root.last_epoch, now, known[1])
                log.info("root", epoch=root.last_epoch, state=now)

    def _note(self, event: ChainEvent, wanted: list[RootToPost]) -> None:
        if event.kind is EventKind.CONFIRMED and event.transaction is not None:
            for root in wanted:
                if " {}-{} ".format(*root.epochs) in event.purpose:
                    state, _ = self._store.postings()[root.last_epoch]
                    transaction = to_hex(event.transaction)
                    self._store.keep_posting(root.last_epoch, state, transaction)
        if event.kind is EventKind.ALERT:
            self._alert(event.message, event.hint)
        elif event.kind is not EventKind.WAITING:
            log.info(
                "chain",
                event_kind=str(event.kind),
                purpose=event.purpose,
                what=event.message,
            )

    def _alert(self, message: str, hint: str) -> None:
        if message != self._last_alert:
            self._last_alert = message
            log.warning("settlement waits for a person", what=message, hint=hint)
