"""One signer's transactions, each sent at most once whatever crashes.

The order is the point: an intent with its nonce and signed bytes is on disk before
any node hears of it; after a crash the same bytes go out again; a higher fee keeps the
nonce; an intent is done only when it is final.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount

from edgeproof.chain.client import ChainClient, Fees, Receipt
from edgeproof.chain.errors import RpcRefused
from edgeproof.chain.events import ChainEvent, EventKind
from edgeproof.chain.outbox import Intent, Outbox, Status, Variant

Checkpoint = Callable[[str], None]
"""Called with the name of each step as it is reached; tests kill the process there."""

STEPS = ("built", "persisted", "broadcast", "mined", "recorded")
"""The steps of one transaction, in order.  ``built`` is before anything is on disk."""


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """How much haste is worth; fees in wei per gas.

    A replacement must raise both fees by a tenth at most nodes; we raise by an eighth.
    """

    bump_after: float = 60.0
    """Seconds a transaction may wait before its fee is raised."""
    ceiling: int = 500 * 10**9
    """Above this nothing is sent: a person is told instead."""

    def first(self, suggested: Fees) -> tuple[int, int]:
        """Return (max fee, priority fee): room for the base fee to double."""
        return 2 * suggested.base + suggested.priority, suggested.priority

    def raised(self, last: Variant, suggested: Fees) -> tuple[int, int]:
        """Return fees that replace ``last`` at any node, and suit the market now."""
        max_fee, priority = self.first(suggested)
        return (
            max(max_fee, _an_eighth_more(last.max_fee)),
            max(priority, _an_eighth_more(last.priority_fee)),
        )


class Sender:
    """The only writer of one key's transactions.  Not for concurrent use."""

    def __init__(  # noqa: PLR0913 - the seams that tests and operators set, by name
        self,
        client: ChainClient,
        outbox: Outbox,
        key: bytes,
        *,
        confirmations: int = 0,
        fees: FeePolicy | None = None,
        checkpoint: Checkpoint = lambda _: None,
    ) -> None:
        self._client = client
        self._outbox = outbox
        self._account: LocalAccount = Account.from_key(key)
        self._confirmations = confirmations
        self._fees = fees or FeePolicy()
        self._checkpoint = checkpoint
        self.address = bytes.fromhex(self._account.address[2:])
        outbox.belong_to(client.chain_id, client.genesis_hash(), self.address)

    def begin(
        self, purpose: str, recipient: bytes | None, data: bytes, now: float
    ) -> tuple[bool, list[ChainEvent]]:
        """Persist a new intent and broadcast it; raise ``Reverted`` if it would fail.

        Return whether there is an intent now (not above the fee ceiling).  Call only
        when no intent is open.  ``now`` dates the fee, in unix seconds.
        """
        gas = self._client.estimate_gas(self.address, recipient, data)
        max_fee, priority = self._fees.first(self._client.fees())
        if max_fee > self._fees.ceiling:
            return False, [self._too_dear(purpose, max_fee)]
        intent = Intent(
            purpose=purpose,
            nonce=self._client.nonce(self.address),
            recipient=recipient,
            data=data,
            gas=gas + gas // 4,  # the state may change before it is mined
            variants=(),
        )
        variant = self._sign(intent, max_fee, priority, now)
        intent = replace(intent, variants=(variant,))
        self._checkpoint(f"{purpose}: built")
        self._outbox.add(intent)
        self._checkpoint(f"{purpose}: persisted")
        events = self._broadcast(intent)
        self._checkpoint(f"{purpose}: broadcast")
        sent = f"sent with nonce {intent.nonce}"
        return True, [
            ChainEvent(EventKind.SENT, purpose, sent, transaction=variant.hash),
            *events,
        ]

    def settle(self, intent: Intent, now: float) -> tuple[bool, list[ChainEvent]]:
        """Bring an intent one step on; return whether it moved, and what happened."""
        for variant in reversed(intent.variants):
            receipt = self._client.receipt(variant.hash)
            if receipt is not None:
                return self._mined(intent, variant, receipt)
        if self._client.nonce(self.address) > intent.nonce:
            return self._overtaken(intent)
        if intent.status is not Status.OPEN:  # a reorganisation took its block
            self._outbox.set_status(intent.purpose, Status.OPEN)
        events = self._broadcast(intent)
        if now - intent.variants[-1].signed_at >= self._fees.bump_after:
            events += self._bump(intent, now)
        waiting = ChainEvent(EventKind.WAITING, intent.purpose, "not mined yet")
        return False, events or [waiting]

    def _mined(
        self, intent: Intent, variant: Variant, receipt: Receipt
    ) -> tuple[bool, list[ChainEvent]]:
        self._checkpoint(f"{intent.purpose}: mined")
        depth = self._client.block_number() - receipt.block_number
        if depth < self._confirmations:
            message = f"mined, {depth} of {self._confirmations} blocks deep"
            return False, [ChainEvent(EventKind.WAITING, intent.purpose, message)]
        if intent.status is not Status.OPEN:
            message = "final, but the node does not show its effect yet"
            return False, [ChainEvent(EventKind.WAITING, intent.purpose, message)]
        status = Status.DONE if receipt.succeeded else Status.REVERTED
        self._outbox.set_status(intent.purpose, status)
        self._checkpoint(f"{intent.purpose}: recorded")
        if receipt.succeeded:
            message = f"confirmed in block {receipt.block_number}"
            kind = EventKind.CONFIRMED
        else:
            message = f"reverted in block {receipt.block_number}"
            kind = EventKind.REVERTED
        return True, [
            ChainEvent(kind, intent.purpose, message, transaction=variant.hash)
        ]

    def _overtaken(self, intent: Intent) -> tuple[bool, list[ChainEvent]]:
        """Learn who used the nonce, since no receipt is ours: a stranger, if final."""
        final = max(0, self._client.block_number() - self._confirmations)
        if self._client.nonce(self.address, final) <= intent.nonce:
            message = f"nonce {intent.nonce} is used; waiting to learn by what"
            return False, [ChainEvent(EventKind.WAITING, intent.purpose, message)]
        # The node may have mined one of ours between our two questions.
        if any(self._client.receipt(one.hash) for one in intent.variants):
            return False, []
        self._outbox.set_status(intent.purpose, Status.LOST)
        message = f"nonce {intent.nonce} was used by a transaction that is not ours"
        hint = f"nothing else may send from 0x{self.address.hex()}: give it its own key"
        return True, [ChainEvent(EventKind.LOST, intent.purpose, message, hint)]

    def _broadcast(self, intent: Intent) -> list[ChainEvent]:
        """Send the newest variant's bytes, as often as need be: they work once."""
        try:
            self._client.send_raw(intent.variants[-1].raw)
        except RpcRefused as refused:
            said = str(refused).lower()
            if "nonce too low" in said:  # mined meanwhile; the next look tells
                return []
            if "underpriced" in said and len(intent.variants) > 1:
                return []  # the node holds another variant; the next bump replaces it
            hint = "look at the node's message"
            if "insufficient funds" in said:
                hint = f"send coins to 0x{self.address.hex()}"
            message = f"the node refused it: {refused}"
            return [ChainEvent(EventKind.ALERT, intent.purpose, message, hint)]
        return []

    def _bump(self, intent: Intent, now: float) -> list[ChainEvent]:
        last = intent.variants[-1]
        max_fee, priority = self._fees.raised(last, self._client.fees())
        if max_fee > self._fees.ceiling:
            return [self._too_dear(intent.purpose, max_fee)]
        variant = self._sign(intent, max_fee, priority, now)
        raised = self._outbox.add_variant(intent, variant)
        self._checkpoint(f"{intent.purpose}: bump persisted")
        message = f"fee raised to {max_fee} wei per gas, nonce {intent.nonce}"
        bumped = ChainEvent(
            EventKind.BUMPED, intent.purpose, message, transaction=variant.hash
        )
        return [bumped, *self._broadcast(raised)]

    def _too_dear(self, purpose: str, max_fee: int) -> ChainEvent:
        message = f"{max_fee} wei per gas is above the ceiling {self._fees.ceiling}"
        hint = "wait for lower fees, or raise the ceiling"
        return ChainEvent(EventKind.ALERT, purpose, message, hint)

    def _sign(self, intent: Intent, max_fee: int, priority: int, now: float) -> Variant:
        fields: dict[str, Any] = {
            "type": 2,
            "chainId": self._client.chain_id,
            "nonce": intent.nonce,
            "gas": intent.gas,
            "maxFeePerGas": max_fee,
            "maxPriorityFeePerGas": priority,
            "value": 0,
            "data": intent.data,
        }
        if intent.recipient is not None:
            fields["to"] = intent.recipient
        signed = self._account.sign_transaction(fields)
        return Variant(
            hash=bytes(signed.hash),
            raw=bytes(signed.raw_transaction),
            max_fee=max_fee,
            priority_fee=priority,
            signed_at=now,
        )


def _an_eighth_more(fee: int) -> int:
    return fee + -(-fee // 8)
