"""All cards of a prover: each has a thread that serves its commands in their order.

The commands are those of ``agent.prover``.
"""

import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any

from edgeproof.agent.card_prover import CardProver
from edgeproof.agent.failures import FAILURES, Answer, explained, failure
from edgeproof.kernels import machine
from edgeproof.kernels.machine import Machine
from edgeproof.proofs.reasons import Reason

Command = tuple[Mapping[str, Any], float]
"""A command, and the ``time.monotonic`` at which it arrived."""


class Prover:
    """Serve commands with the given cards, and give each answer to ``answer``.

    It is called from the thread of each card, but never from two at a time.
    """

    def __init__(self, own: Machine, answer: Callable[[Answer], None]) -> None:
        self._own = own
        self._unlocked = answer
        self._lock = threading.Lock()
        self._works: dict[int, CardProver] = {}
        self._queues: dict[int, queue.SimpleQueue[Command]] = {}
        for card in own.cards:
            commands = self._queues[card.index] = queue.SimpleQueue()
            work = self._works[card.index] = CardProver(card, self._answer)
            name = f"card {card.index}"
            threading.Thread(
                target=_serve, args=(work, commands), name=name, daemon=True
            ).start()

    def serve(self, command: Mapping[str, Any], arrived: float) -> None:
        """Carry out what concerns all cards; give any other command to its card."""
        try:
            match command["do"]:
                case "load":
                    self._ready(None)
                case "warm":
                    self._ready(command["phase_ms"] / 1000)
                case "cease":
                    # At once, beside the card's thread: that one is at work.
                    if work := self._works.get(command["card"]):
                        work.cease(command["job"])
                case _ if command["card"] in self._queues:
                    self._queues[command["card"]].put((command, arrived))
                case _:
                    why = f"card {command['card']!r} is not here any more"
                    self._answer(failure(command, why, Reason.CARD_GONE))
        except FAILURES as error:
            self._answer(explained(command, error))

    def _answer(self, answer: Answer) -> None:
        with self._lock:
            self._unlocked(answer)

    def _ready(self, phase_seconds: float | None) -> None:
        machine.warm(self._own)
        cards = [
            {
                "card": card.index,
                "name": card.name,
                "kind": card.kind,
                "size": card.preferred_size(phase_seconds) if phase_seconds else 0,
            }
            for card in self._own.cards
        ]
        notices = [notice[:500] for notice in self._own.notices]
        self._own.notices.clear()  # said once
        self._answer({"is": "ready", "cards": cards, "notices": notices})


def _serve(card: CardProver, commands: queue.SimpleQueue[Command]) -> None:
    while True:
        card.serve(*commands.get())
