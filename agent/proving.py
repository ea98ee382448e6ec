"""Carry out what ``rounds`` orders, with a prover that lives as long as it is needed.

A prover that crashes, hangs or is killed costs the phase that it worked in and what it
held, never more: the next order starts a fresh one.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from edgeproof.agent.assignments import Assignments, command, number_of
from edgeproof.agent.load import Load
from edgeproof.agent.options import Options
from edgeproof.agent.orders import (
    Abandon,
    Cease,
    Ended,
    Open,
    Order,
    Release,
    Send,
    Walk,
    Work,
)
from edgeproof.agent.prover_process import (
    Answer,
    CardInfo,
    ProverFailed,
    ProverProcess,
    reason_of,
)
from edgeproof.agent.rounds import Rounds
from edgeproof.agent.watch import Watch
from edgeproof.agent.work import Job, Random
from edgeproof.logs import logger
from edgeproof.proofs.parameters import Phase
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.message import Signed
from edgeproof.telemetry.messages import (
    Commitment,
    Opening,
    Receipt,
    Skip,
    Statement,
)
from edgeproof.telemetry.messages import Phase as PhaseValue
from edgeproof.telemetry.signing import Key

OPENING_S = 15.0
"""An opening that takes longer hangs."""

CEASE_S = 2.0
"""What must end for its owner's sake and does not within this time is killed."""

SHORTEST_PAUSE_S = 0.005
LONGEST_PAUSE_S = 3600.0
"""Bounds of the wait for the next commitment."""

IDLE_LOOK_S = 0.5
"""How often it is checked whether the prover is still needed."""


def clock_ms() -> int:
    """Return milliseconds that only ever grow."""
    return time.monotonic_ns() // 1_000_000


class MakeRounds(Protocol):
    """What decides in a round: ``Rounds``, or a cheat of the simulator."""

    def __call__(
        self, description: Description, key: Key, /, *, margin_ms: int, rng: Random
    ) -> Rounds:
        """Return it for one device."""
        ...


Task = Work | Open | Abandon | Release
"""The orders that wait for the prover."""

Message = Signed[Commitment] | Signed[Opening] | Signed[Skip]


class Proving:
    """One device's proofs.

    ``send`` is given each message to put in the outbox, ``on_end`` each job that came
    to nothing, or to less than it could have, and why.
    """

    def __init__(  # noqa: PLR0913 - what a test or a cheat replaces comes last
        self,
        description: Description,
        key: Key,
        options: Options,
        *,
        send: Callable[[Message], None],
        on_end: Callable[[Job, Reason], None] = lambda _job, _reason: None,
        make_rounds: MakeRounds = Rounds,
    ) -> None:
        self._description = description
        self._key = key
        self._options = options
        self._send = send
        self._on_end = on_end
        self._log = logger()
        self._rounds = make_rounds(
            description,
            key,
            margin_ms=options.commit_margin_ms,
            rng=random.SystemRandom(),
        )
        self._given = Assignments()
        self._wake = asyncio.Event()
        self._orders: asyncio.Queue[Task | None] = asyncio.Queue()
        self._used = 0.0
        self._open_until = 0.0
        self._lost = Reason.PROVER_FAILED
        """Why the last prover ended, with all that it held."""
        self._broken = False
        """Whether the running one has said that its driver is."""
        self._prover = ProverProcess(
            options.prover_command,
            threads=options.prover_threads,
            niceness=options.prover_niceness,
            on_answer=self._answered,
            on_end=self._fell,
        )
        self.cards: tuple[CardInfo, ...] = ()
        """The machine's cards, empty until the prover was warm once."""
        self._here: set[int] = set()
        """Those of them that the running prover has too."""
        self._shares: dict[int, float] = {}
        self._watch = Watch(
            options.limits,
            options.state_dir,
            lambda: self.cards,
            lambda: time.monotonic() < self._open_until,
        )

    async def warm(self) -> None:
        """Compile every kernel and choose each card's size, before any round.

        Raises ``ProverFailed``.
        """
        phase = self._description.parameters.phase_ms[Phase.MATMUL]
        self.cards = await self._prover.warm(phase)
        self._used = time.monotonic()
        self._found(self.cards)
        self._rounds.sizes = {card.card: card.size for card in self.cards}
        own, gpu = self._options.prover_memory_share, self._options.gpu_memory_share
        self._shares = {c.card: gpu if c.kind == "cuda" else own for c in self.cards}
        self._rounds.unfilled = {card for card, s in self._shares.items() if not s}

    def expect_round(self) -> None:
        """Start a prover for the round that has just opened, if a card may work."""
        self._watch_until(Phase.FILL)
        self._start()

    def _start(self) -> None:
        if len(self._watch.resting()) < len(self.cards):
            self._orders.put_nowait(None)

    def _watch_until(self, phase: Phase) -> None:
        """Watch the limits until all phases from that one on are over."""
        network = self._description.parameters
        left = sum(network.phase_ms[phase:]) + network.commit_grace_ms
        self._open_until = time.monotonic() + left / 1000

    def phase(self, value: PhaseValue, entropy: bytes) -> None:
        """Begin the work of a phase, on the cards that need not rest."""
        self._watch_until(Phase(value.phase))
        self._rest(self._watch.resting())
        self._carry_out(self._rounds.phase(value, entropy, clock_ms()))

    def drawn(self, slot: int, entropy: bytes) -> None:
        """Answer what the entropy of ``slot`` draws."""
        self._carry_out(self._rounds.drawn(slot, entropy, clock_ms()))

    def receipt(self, receipt: Receipt) -> None:
        """Note a receipt."""
        self._carry_out(self._rounds.receipt(receipt, clock_ms()))

    def stored(self, wires: Iterable[bytes]) -> None:
        """Note acknowledged messages."""
        self._rounds.stored(wires)

    def beacon(self, slot: int) -> None:
        """Note that ``slot`` has begun."""
        self._carry_out(self._rounds.beacon(slot))

    def statement(self, statement: Statement) -> None:
        """Note an epoch's statement."""
        self._rounds.statement(statement)

    @property
    def load(self) -> Load:
        """How long each card has worked."""
        return self._given.load

    @property
    def work(self) -> dict[Job, int]:
        """The work that counts as far as receipts tell, of the rounds of now."""
        return self._rounds.work

    @property
    def memory(self) -> dict[str, Any]:
        """What a restart must know; see ``remember``."""
        return self._rounds.memory

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Go on from the ``memory`` of an earlier boot."""
        self._rounds.remember(memory)

    async def run(self) -> None:
        """Work until cancelled; leaves no child behind."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._work(), name="orders")
                group.create_task(self._commit(), name="commitments")
                group.create_task(self._tidy(), name="prover's end")
                group.create_task(self._watch.run(self._rest), name="limits")
        finally:
            await self._prover.stop()

    def _rest(self, resting: Mapping[int, Reason]) -> None:
        self._carry_out(self._rounds.rest(resting, clock_ms()))

    def _carry_out(self, orders: list[Order]) -> None:
        for order in orders:
            match order:
                case Send(signed):
                    self._send(signed)
                case Cease(job):  # past the queue: it is urgent
                    self._cease(job)
                case Ended(job, reason):
                    where = {"round": job.round, "card": job.card}
                    name = reason.name
                    self._log.info("ended", reason=name, phase=job.phase.name, **where)
                    self._on_end(job, reason)
                case _:
                    self._orders.put_nowait(order)
        self._wake.set()

    async def _work(self) -> None:
        """Hand orders to the prover, which is started where there is none."""
        while True:
            order = await self._orders.get()
            try:
                await self._serve(order)
            except ProverFailed as error:
                job = None if order is None or isinstance(order, Release) else order.job
                self._failed(job, str(error), error.reason)

    def _cease(self, job: Job) -> None:
        if job in self._given and self._prover.running:
            number = number_of(job)
            self._prover.send({"do": "cease", "job": number, "card": job.card})
            self._given.hurry(job, CEASE_S)

    async def _serve(self, order: Task | None) -> None:
        if isinstance(order, Abandon):
            if order.job in self._given:
                await self._prover.stop()
                self._fell("the phase was over before the work", Reason.PROVER_HUNG)
            return
        if isinstance(order, Release):
            if self._prover.running:
                fill = {"fill": number_of(order.fill), "card": order.fill.card}
                self._prover.send({"do": "release", **fill})
            return
        if isinstance(order, Work) and not self._rounds.wants(order.job):
            return
        if self._prover.running and not self._here:
            await self._prover.stop()  # a fresh one may find its cards again
        if not self._prover.running:
            if isinstance(order, Open | Walk):
                msg = "the prover that held what this needs is gone"
                raise ProverFailed(msg, reason=self._lost)
            self._found(await self._prover.load())
        self._used = time.monotonic()
        if order is not None:
            self._hand_over(order)

    def _found(self, cards: Iterable[CardInfo]) -> None:
        """Note the cards of a prover that was started, and what it says of them.

        A card whose size was measured works only as long as it is that card: where a
        driver broke, another one, or the CPU, can have taken its number.
        """
        names = {(card.card, card.kind, card.name) for card in self.cards}
        self._here = {c.card for c in cards if (c.card, c.kind, c.name) in names}
        for notice in self._prover.notices:
            self._log.warning("card", notice=notice)

    def _hand_over(self, order: Work | Open) -> None:
        if order.job.card not in self._here:
            msg = f"card {order.job.card} is not here any more, or another one is"
            raise ProverFailed(msg, reason=Reason.CARD_GONE)
        words = command(order, self._shares[order.job.card])
        patience = OPENING_S
        if not isinstance(order, Open):
            left = max(1, order.until - clock_ms())
            words["milliseconds"] = left
            patience = left / 1000 + self._options.prover_hanging_s
        self._prover.send(words)
        self._given.give(order, patience)

    def _answered(self, answer: Answer) -> None:
        self._used = time.monotonic()
        job = self._given.job(answer["job"])
        if job is None:
            return
        match answer["is"]:
            case "found":
                items = [bytes.fromhex(item) for item in answer["items"]]
                self._rounds.found(job, int(answer["size"]), items)
            case "done":
                self._given.end(job)
                self._carry_out(self._rounds.finished(job, clock_ms()))
            case "opening":
                self._given.end(job)
                payload = bytes.fromhex(answer["payload"])
                self._carry_out(self._rounds.opened(job, payload))
            case "failed":
                self._given.end(job)
                reason = reason_of(answer)
                if reason is Reason.DRIVER_RESET:
                    self._broken = True  # it ends now, and takes along what else it did
                self._failed(job, str(answer["why"]), reason)
        self._wake.set()

    def _fell(self, why: str, reason: Reason) -> None:
        """Give up what the prover was asked for: it has ended, or had to be."""
        self._lost = Reason.DRIVER_RESET if self._broken else reason
        self._broken = False
        self._log.warning("prover ended", why=why, reason=self._lost.name)
        for job in self._given.jobs:
            self._given.end(job)
            self._failed(job, why, self._lost)
        self._rounds.gone(self._lost)
        self._wake.set()
        if time.monotonic() < self._open_until:
            self._start()  # while there is time, for the next phase

    def _failed(self, job: Job | None, why: str, reason: Reason) -> None:
        where = {"round": job.round, "phase": job.phase.name} if job else {}
        self._log.warning("proof failed", why=why, reason=reason.name, **where)
        if job is not None:
            self._carry_out(self._rounds.failed(job, reason, clock_ms()))

    async def _commit(self) -> None:
        """Send commitments, and openings that waited for receipts, once due."""
        while True:
            self._carry_out(self._rounds.due(clock_ms()))
            self._wake.clear()
            due = self._rounds.next_due()
            pause = LONGEST_PAUSE_S if due is None else (due - clock_ms()) / 1000
            pause = min(max(pause, SHORTEST_PAUSE_S), LONGEST_PAUSE_S)
            # Not wait_for: before Python 3.12 it can swallow a cancellation.
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def _end_hung(self) -> None:
        """Stop the prover; what it has not begun, a fresh one may do yet."""
        await self._prover.stop()
        given = self._given.repeatable()
        again = [order for order in given if self._rounds.untouched(order.job)]
        for order in again:
            self._given.end(order.job)
        self._fell("it gave no answer in time", Reason.PROVER_HUNG)
        for order in again:
            self._orders.put_nowait(order)

    async def _tidy(self) -> None:
        """Stop a prover that hangs, or that nobody needs any more."""
        linger = self._options.prover_linger_s
        while True:
            await asyncio.sleep(IDLE_LOOK_S)
            now = time.monotonic()
            if self._given.overdue:
                await self._end_hung()
            idle = not self._rounds.busy and not self._given and self._orders.empty()
            if idle and self._prover.running and now - self._used > linger:
                await self._prover.stop()
                self._log.debug("prover stopped", idle_s=linger)
