"""What a device does in a compute round, event by event.  Pure.

Every method that may lead to action returns orders, to be carried out in that order.
Times are milliseconds of the caller's clock; only differences matter.
"""

from collections.abc import Container, Iterable, Mapping
from typing import Any

from edgeproof.agent.difficulties import Difficulties
from edgeproof.agent.orders import (
    Abandon,
    Cease,
    Ended,
    Fill,
    Multiply,
    Open,
    Order,
    Release,
    Search,
    Send,
    Walk,
)
from edgeproof.agent.work import (
    OPENED,
    WALKS,
    CardWork,
    Job,
    Prefix,
    Random,
    amount,
)
from edgeproof.proofs import challenge, timetable
from edgeproof.proofs.parameters import DRAW_SLOTS, LATEST_DRAW, Phase
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry import signing
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.messages import (
    Opening,
    Receipt,
    Skip,
    Statement,
)
from edgeproof.telemetry.messages import Phase as PhaseValue
from edgeproof.telemetry.signing import Key

RECEIPT_WAIT = 4
"""Missing receipts are waited for this part (a quarter) of a slot after the draw."""


class Rounds:
    """Every card's part in the rounds of now."""

    def __init__(
        self,
        description: Description,
        key: Key,
        *,
        margin_ms: int,
        rng: Random,
    ) -> None:
        self._network = description.parameters
        self._domain = description.domain
        self._key = key
        self.sizes: Mapping[int, int] = {}
        """The n of each card; a card that is not here takes no part."""
        self.unfilled: Container[int] = ()
        """The cards whose owner lends no memory."""
        self._margin = margin_ms
        self._rng = rng
        self._works: dict[Job, CardWork] = {}
        self._draws: dict[int, tuple[bytes, int]] = {}
        self._openings: dict[Job, bytes] = {}
        self._held: set[Job] = set()
        """The fills whose memory is held."""
        self._resting: Mapping[int, Reason] = {}
        self._lost: dict[Job, Reason] = {}
        """The fills given up before their walks, of which the network is to hear."""
        self._difficulties = Difficulties(self._network)

    def phase(self, value: PhaseValue, entropy: bytes, now: int) -> list[Order]:
        """Begin the work of a phase whose value just came, on every card."""
        phase = Phase(value.phase)
        orders: list[Order] = []
        for card in self.sizes:
            job = Job(value.round, phase, card)
            fill = job.fill
            if job in self._works or (phase is Phase.FILL and card in self.unfilled):
                continue
            reason = self._resting.get(card)
            if phase in WALKS and fill not in self._held:
                if fill not in self._lost:
                    continue  # there was none, or it was said that there is none
                reason = self._lost.pop(fill)
            length = self._network.phase_ms[phase]
            work = CardWork(
                job=job,
                device=self._key.address,
                begun=now,
                length=length,
                margin=min(self._margin, length // 2),
                rng=self._rng,
            )
            self._works[job] = work
            if reason is not None:
                orders += self._spare(card, reason)
                orders += self._give_up(work, reason, now)
                continue
            domain, device = challenge.DOMAINS[phase], self._key.address
            seed = challenge.card_seed(domain, entropy, value.value, device, card)
            orders += self._begin(work, seed)
        return orders

    def rest(self, resting: Mapping[int, Reason], now: int) -> list[Order]:
        """Note which cards must rest from now on, and why; end at once what they do.

        What they have committed in full is still opened, when it is drawn.
        """
        self._resting = resting
        orders: list[Order] = []
        for card, reason in resting.items():
            for work in self._works.values():
                if work.job.card == card and not work.closed:
                    orders.append(Cease(work.job))
                    orders += self._give_up(work, reason, now)
            orders += self._spare(card, reason)
        return orders

    def failed(self, job: Job, reason: Reason, now: int) -> list[Order]:
        """Note that the work on ``job``, or its opening, has failed.

        Nonces that were found prove themselves; all else needs to be opened.
        """
        work = self._works.get(job)
        if work is None or work.given_up:
            return []
        if work.done:  # it is the opening that failed
            return [Ended(job, reason)]
        if job.phase is Phase.POW and not work.empty:
            return [*self.finished(job, now), Ended(job, reason)]
        return self._give_up(work, reason, now)

    def _give_up(self, work: CardWork, reason: Reason, now: int) -> list[Order]:
        """Let nothing of a job count, and say why where that can arrive in time."""
        work.give_up()
        job = work.job
        orders: list[Order] = [Ended(job, reason)]
        if job.phase is Phase.POW:
            self._difficulties.forget(job.card, job.round)
        fill = job.fill
        if job.phase in (Phase.FILL, *WALKS):
            self._lost.pop(fill, None)  # one word is enough for both walks
            if fill in self._held:
                orders.append(self._release(fill))
        if now <= work.begun + work.length + self._network.commit_grace_ms:
            skip = Skip(
                device=self._key.address,
                round=job.round,
                card=job.card,
                phase=int(job.phase),
                reason=int(reason),
            )
            orders.append(Send(signing.sign(skip, self._domain, self._key)))
        return orders

    def _spare(self, card: int, reason: Reason) -> list[Order]:
        """Give a card's memory back; its next walk will tell the network why."""
        fills = [fill for fill in sorted(self._held) if fill.card == card]
        self._lost |= dict.fromkeys(fills, reason)
        return [self._release(fill) for fill in fills]

    def _begin(self, work: CardWork, seed: bytes) -> list[Order]:
        job = work.job
        match job.phase:
            case Phase.FILL:
                # No card holds two memories: what an earlier round left goes first.
                earlier = [fill for fill in self._held if fill.card == job.card]
                released = [self._release(fill) for fill in earlier]
                self._held.add(job)
                permutations = self._network.fill_permutations
                walk_ms = min(self._network.phase_ms[phase] for phase in WALKS)
                fill = Fill(job, seed, permutations, walk_ms, work.until)
                return [*released, fill]
            case Phase.WALK | Phase.SECOND_WALK:
                return [Walk(job, job.fill, seed, work.until)]
            case Phase.MATMUL:
                return [Multiply(job, seed, self.sizes[job.card], work.until)]
            case Phase.POW:
                difficulty, hashes = self.difficulty(job.card)
                return [Search(job, seed, difficulty, hashes, work.until)]

    def _release(self, fill: Job) -> Release:
        self._held.discard(fill)
        return Release(fill)

    def found(self, job: Job, size: int, items: list[bytes]) -> None:
        """Take what the prover found."""
        if work := self._works.get(job):
            work.found(size, items)

    def finished(self, job: Job, now: int) -> list[Order]:
        """Note that the prover has ended its work on ``job``, whether well or not.

        Memory is released after the second walk, or after a first one without result.
        """
        work = self._works.get(job)
        if work is None:
            return []
        work.finished(now)
        over = job.phase is Phase.SECOND_WALK or (
            job.phase is Phase.WALK and work.size is None
        )
        fill = job.fill
        return [self._release(fill)] if over and fill in self._held else []

    def due(self, now: int) -> list[Order]:
        """Return what is due now: commitments to send, work to open."""
        orders: list[Order] = []
        for work in self._works.values():
            open_before = not work.closed
            signed = work.commit(now, self._key, self._domain)
            if signed is not None:
                orders.append(Send(signed))
            elif open_before and work.closed and work.late:
                orders += self._give_up(work, Reason.PROVER_HUNG, now)
        return orders + self._draw(now)

    def next_due(self) -> int | None:
        """Return when ``due`` has something to do, as far as known now."""
        times = [work.next_at for work in self._works.values() if not work.closed]
        times += [self._patience(job) for job in self._undrawn()]
        return min(times, default=None)

    def drawn(self, slot: int, entropy: bytes, now: int) -> list[Order]:
        """Note the entropy of ``slot``; open what it draws."""
        self._draws[slot] = (entropy, now)
        return self._draw(now)

    def receipt(self, receipt: Receipt, now: int) -> list[Order]:
        """Note which slot's intake root holds one of our commitments."""
        for work in self._works.values():
            if work.received(receipt.message, receipt.slot):
                self._prove_hashes(work)
                return self._draw(now)
        return []

    def stored(self, wires: Iterable[bytes]) -> None:
        """Note acknowledged messages by the hashes of their bytes as sent."""
        known = set(wires)
        for work in self._works.values():
            for sent in work.sent:
                if sent.wire in known:
                    work.stored(sent.wire)

    def wants(self, job: Job) -> bool:
        """Tell whether work on ``job`` can still be committed."""
        work = self._works.get(job)
        return work is not None and not work.closed

    def untouched(self, job: Job) -> bool:
        """Tell whether work on ``job`` is wanted, and nothing was found yet."""
        work = self._works.get(job)
        return work is not None and not work.closed and work.size is None

    def opened(self, job: Job, payload: bytes) -> list[Order]:
        """Return the message that answers the draw with the prover's ``payload``."""
        digest = self._openings.get(job)
        if digest is None:
            return []
        message = Opening(
            device=self._key.address,
            round=job.round,
            card=job.card,
            phase=int(job.phase),
            commitment=digest,
            payload=payload,
        )
        return [Send(signing.sign(message, self._domain, self._key))]

    def beacon(self, slot: int) -> list[Order]:
        """Forget what can no longer count in ``slot``."""
        orders: list[Order] = []
        for job, work in list(self._works.items()):
            last = timetable.commit_slot(self._network, job.round, job.phase)
            if not work.closed and slot > last:
                work.closed = True
                orders.append(Abandon(job))
            if slot > last + DRAW_SLOTS + LATEST_DRAW + self._network.opening_slots:
                del self._works[job]
                self._openings.pop(job, None)
        past = [f for f in sorted(self._held) if self._is_walked(f, slot)]
        orders += [self._release(fill) for fill in past]
        for fill in [f for f in self._lost if self._is_walked(f, slot)]:
            del self._lost[fill]
        kept = slot - self._network.decided_after - self._network.round_slots
        self._draws = {s: draw for s, draw in self._draws.items() if s >= kept}
        return orders

    def gone(self, reason: Reason) -> None:
        """Note that the prover has ended, with every memory that it held."""
        self._lost |= dict.fromkeys(self._held, reason)
        self._held.clear()

    def _is_walked(self, fill: Job, slot: int) -> bool:
        """Tell whether the last walk over what ``fill`` filled is over in ``slot``."""
        last = timetable.commit_slot(self._network, fill.round, Phase.SECOND_WALK)
        return slot > last

    def statement(self, statement: Statement) -> None:
        """Take over the difficulties that an epoch's close has found."""
        self._difficulties.statement(statement)

    def difficulty(self, card: int) -> tuple[int | None, int]:
        """See ``Difficulties.next``."""
        return self._difficulties.next(card)

    @property
    def work(self) -> dict[Job, int]:
        """The work of each job that counts as far as receipts tell.

        In the unit of its bucket's work; but for pow, only an opening can prove it.
        """
        found = {}
        for job, work in self._works.items():
            prefix = self._prefix(job, trust_acks=False)
            if prefix is not None and work.size is not None:
                found[job] = amount(job.phase, prefix.items, work.size)
        return found

    @property
    def memory(self) -> dict[str, Any]:
        """What a restart must know, as JSON values, for ``remember``."""
        return self._difficulties.memory

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Go on from the ``memory`` of an earlier boot; an empty one knows nothing."""
        self._difficulties.remember(memory)

    @property
    def busy(self) -> bool:
        """Whether the prover will still be needed for what was begun."""
        return (
            bool(self._held)
            or bool(self._undrawn())
            or any(not work.closed for work in self._works.values())
        )

    def _prove_hashes(self, work: CardWork) -> None:
        job = work.job
        if job.phase is not Phase.POW or work.size is None:
            return
        prefix = self._prefix(job, trust_acks=False)
        items = prefix.items if prefix else 0
        self._difficulties.proven(job.card, job.round, items, work.size)

    def _prefix(self, job: Job, *, trust_acks: bool) -> Prefix | None:
        last = timetable.commit_slot(self._network, job.round, job.phase)
        return self._works[job].prefix(last, trust_acks=trust_acks)

    def _undrawn(self) -> list[Job]:
        """Return the jobs with commitments that no opening answers yet."""
        return [
            job
            for job, work in self._works.items()
            if job.phase in OPENED and work.sent and job not in self._openings
        ]

    def _patience(self, job: Job) -> int:
        """Return until when receipts are waited for; far away before the draw."""
        drawn = self._draw_of(job)
        if drawn is None:
            return 1 << 62
        return drawn[1] + self._network.slot_ms // RECEIPT_WAIT

    def _draw_of(self, job: Job) -> tuple[bytes, int] | None:
        slot = timetable.draw_slot(self._network, job.round, job.phase, self._draws)
        return None if slot is None else self._draws[slot]

    def _draw(self, now: int) -> list[Order]:
        """Open what is drawn, once its receipts are here or were waited for."""
        orders: list[Order] = []
        for job in self._undrawn():
            drawn = self._draw_of(job)
            if drawn is None:
                continue
            late = now >= self._patience(job)
            if not (self._works[job].all_received or late):
                continue
            prefix = self._prefix(job, trust_acks=late)
            if prefix is None:
                self._openings[job] = b""
                continue
            self._openings[job] = prefix.digest
            draw = challenge.draw(prefix.digest, drawn[0])
            tiles = job.phase is Phase.MATMUL
            network = self._network
            count = network.opened_tiles if tiles else network.opened_lanes
            orders.append(Open(job, draw, prefix.items, count))
        return orders
