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

from edgeproof.agent.options import Options
from edgeproof.agent.orders import (
    Abandon,
    Fill,
    Multiply,
    Open,
    Order,
    Release,
    Search,
    Send,
    Walk,
)
from edgeproof.agent.prover_process import (
    Answer,
    CardInfo,
    ProverFailed,
    ProverProcess,
)
from edgeproof.agent.rounds import Rounds
from edgeproof.agent.work import Job, Random
from edgeproof.logs import logger
from edgeproof.proofs.parameters import Phase
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.message import Signed
from edgeproof.telemetry.messages import Commitment, Opening, Receipt, Statement
from edgeproof.telemetry.messages import Phase as PhaseValue
from edgeproof.telemetry.signing import Key

HANGING_S = 15.0
"""A prover that is so late with an answer is taken for hung, and killed."""

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


Work = Fill | Walk | Multiply | Search
"""The orders that a phase begins with."""

Task = Work | Open | Abandon | Release
"""The orders that concern the prover."""


class Proving:
    """One device's proofs.  ``send`` is given each message to put in the outbox."""

    def __init__(
        self,
        description: Description,
        key: Key,
        options: Options,
        *,
        send: Callable[[Signed[Commitment] | Signed[Opening]], None],
        make_rounds: MakeRounds = Rounds,
    ) -> None:
        self._description = description
        self._key = key
        self._options = options
        self._send = send
        self._log = logger()
        self._rounds = make_rounds(
            description,
            key,
            margin_ms=options.commit_margin_ms,
            rng=random.SystemRandom(),
        )
        self._numbers: dict[int, Job] = {}
        self._due: dict[int, float] = {}
        self._wake = asyncio.Event()
        self._orders: asyncio.Queue[Task | None] = asyncio.Queue()
        self._used = 0.0
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

    async def warm(self) -> None:
        """Compile every kernel and choose each card's size, before any round.

        Raises ``ProverFailed``.
        """
        phase = self._description.parameters.phase_ms[Phase.MATMUL]
        self.cards = await self._prover.warm(phase)
        self._used = time.monotonic()
        self._found(self.cards)
        self._rounds.sizes = {card.card: card.size for card in self.cards}

    def expect_round(self) -> None:
        """Start a prover for the round that has just opened."""
        self._orders.put_nowait(None)

    def phase(self, value: PhaseValue, entropy: bytes) -> None:
        """Begin the work of a phase."""
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
        finally:
            await self._prover.stop()

    def _carry_out(self, orders: list[Order]) -> None:
        for order in orders:
            match order:
                case Send(signed):
                    self._send(signed)
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
                self._failed(job, str(error))

    async def _serve(self, order: Task | None) -> None:
        if isinstance(order, Abandon):
            if _number(order.job) in self._due:
                await self._prover.stop()
                self._fell("the phase was over before the work was")
            return
        if isinstance(order, Release):
            if self._prover.running:
                fill = {"fill": _number(order.fill), "card": order.fill.card}
                self._prover.send({"do": "release", **fill})
            return
        if isinstance(order, Work) and not self._rounds.wants(order.job):
            return
        if not self._prover.running:
            if isinstance(order, Open | Walk):
                msg = "the prover that held what this needs is gone"
                raise ProverFailed(msg)
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
            raise ProverFailed(msg)
        number = _number(order.job)
        self._numbers[number] = order.job
        command = {"job": number, "card": order.job.card} | self._command(order)
        left = 0
        if not isinstance(order, Open):
            left = max(1, order.until - clock_ms())
            command |= {"seed": order.seed.hex(), "milliseconds": left}
        self._prover.send(command)
        self._due[number] = time.monotonic() + HANGING_S + left / 1000

    def _command(self, order: Work | Open) -> dict[str, object]:
        match order:
            case Fill():
                return {
                    "do": "fill",
                    "permutations": order.permutations,
                    "walk_ms": order.walk_ms,
                    "share": self._options.prover_memory_share,
                }
            case Walk():
                return {"do": "walk", "fill": _number(order.fill)}
            case Multiply():
                return {"do": "multiply", "size": order.size}
            case Search():
                aim = {"difficulty": order.difficulty, "hashes": order.hashes}
                return {"do": "search", **aim}
            case Open():
                what = {"draw": order.draw.hex(), "items": order.items}
                return {"do": "open", **what, "count": order.count}

    def _answered(self, answer: Answer) -> None:
        number = answer["job"]
        job = self._numbers.get(number)
        self._used = time.monotonic()
        if job is None:
            return
        match answer["is"]:
            case "found":
                items = [bytes.fromhex(item) for item in answer["items"]]
                self._rounds.found(job, int(answer["size"]), items)
            case "done":
                self._due.pop(number, None)
                self._carry_out(self._rounds.finished(job, clock_ms()))
            case "opening":
                self._due.pop(number, None)
                payload = bytes.fromhex(answer["payload"])
                self._carry_out(self._rounds.opened(job, payload))
            case "failed":
                self._due.pop(number, None)
                self._failed(job, str(answer["why"]))
        self._wake.set()

    def _fell(self, why: str) -> None:
        """Give up what the prover was asked for: it ended by itself."""
        self._log.warning("prover ended", why=why)
        for number in list(self._due):
            del self._due[number]
            job = self._numbers[number]
            self._carry_out(self._rounds.finished(job, clock_ms()))
        self._wake.set()

    def _failed(self, job: Job | None, why: str) -> None:
        where = {"round": job.round, "phase": job.phase.name} if job else {}
        self._log.warning("proof failed", why=why, **where)
        if job is not None:
            self._carry_out(self._rounds.finished(job, clock_ms()))

    async def _commit(self) -> None:
        """Send commitments, and openings that waited for receipts, once due."""
        while True:
            self._wake.clear()
            for order in self._rounds.due(clock_ms()):
                if isinstance(order, Send):
                    self._send(order.signed)
                else:
                    self._orders.put_nowait(order)
            due = self._rounds.next_due()
            pause = LONGEST_PAUSE_S if due is None else (due - clock_ms()) / 1000
            pause = min(max(pause, SHORTEST_PAUSE_S), LONGEST_PAUSE_S)
            # Not wait_for: before Python 3.12 it can swallow a cancellation.
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def _tidy(self) -> None:
        """Stop a prover that hangs, or that nobody needs any more."""
        linger = self._options.prover_linger_s
        while True:
            await asyncio.sleep(IDLE_LOOK_S)
            now = time.monotonic()
            if any(due < now for due in self._due.values()):
                await self._prover.stop()
                self._fell("it gave no answer in time")
            idle = not self._rounds.busy and not self._due and self._orders.empty()
            if idle and self._prover.running and now - self._used > linger:
                await self._prover.stop()
                self._log.debug("prover stopped", idle_s=linger)


def _number(job: Job) -> int:
    """Return the one number of a job in the prover's protocol."""
    return (job.round << 40) | (job.card << 8) | int(job.phase)
