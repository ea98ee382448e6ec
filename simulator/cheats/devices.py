"""Tricks of a device: what it asks its cards for, commits to, opens, or leaves out.

Each is the honest ``Rounds`` but for what it overrides.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from edgeproof.agent.orders import Multiply, Open, Order, Send
from edgeproof.agent.rounds import Rounds
from edgeproof.agent.work import CardWork, Job, Random
from edgeproof.kernels.scalar import Words
from edgeproof.proofs import challenge, matmul
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.parameters import Phase
from edgeproof.proofs.reasons import Reason
from edgeproof.simulator.cheats import chains
from edgeproof.simulator.cheats.scheme import Scheme
from edgeproof.telemetry import signing
from edgeproof.telemetry.messages import ZERO, Commitment, Skip
from edgeproof.telemetry.messages import Phase as PhaseValue

Value = tuple[bytes, bytes]
"""What a seed follows from: the entropy of the round's slot, the phase's value."""


class Trickster(Rounds):
    """Honest in ``phases``, and idle in all others once the scheme is on."""

    most_items: ClassVar[int | None] = None
    """Items that it commits to in a phase, None for as many as it finds."""

    def __init__(
        self,
        scheme: Scheme,
        phases: frozenset[Phase],
        *,
        margin_ms: int,
        rng: Random,
    ) -> None:
        super().__init__(scheme.description, scheme.key, margin_ms=margin_ms, rng=rng)
        self.scheme = scheme
        self.phases = phases
        self.values: dict[Phase, list[Value]] = {phase: [] for phase in Phase}
        """What was published for each phase so far, the latest last."""
        self.roots: dict[Job, list[bytes]] = {}
        self.seeds: dict[Job, bytes] = {}
        self.draws: dict[Job, Open] = {}
        self.cheated: set[Job] = set()

    def phase(self, value: PhaseValue, entropy: bytes, now: int) -> list[Order]:
        """Begin the work of a phase, unless it is left out."""
        phase = Phase(value.phase)
        self.values[phase].append((entropy, value.value))
        if self.scheme.active() and not self.joins(phase):
            return []
        return super().phase(value, entropy, now)

    def joins(self, phase: Phase) -> bool:
        """Return whether it works in that phase, now that it cheats."""
        return phase in self.phases

    def found(self, job: Job, size: int, items: list[bytes]) -> None:
        """Take what the prover found, and make of it what the trick does."""
        known = self.roots.setdefault(job, [])
        if self.cheats(job):
            if self.most_items is not None:
                items = items[: self.most_items - len(known)]
            size, items = self.claimed(job, size, items)
        known += items
        super().found(job, size, items)

    def cheats(self, job: Job) -> bool:
        """Return whether it cheats in a job: from the first item on, or never."""
        if self.scheme.active() and (job in self.cheated or not self.roots.get(job)):
            self.cheated.add(job)
        return job in self.cheated

    def claimed(
        self, job: Job, size: int, items: list[bytes]
    ) -> tuple[int, list[bytes]]:
        """Return what is committed to instead of what was found."""
        del job
        return size, items

    def opened(self, job: Job, payload: bytes) -> list[Order]:
        """Answer the draw, with what the trick makes of the answer."""
        draw = self.draws.get(job)
        if job in self.cheated and draw is not None:
            return [
                order
                for made in self.answers(draw, payload)
                for order in super(Trickster, self).opened(job, made)
            ]
        return super().opened(job, payload)

    def answers(self, draw: Open, payload: bytes) -> Sequence[bytes]:
        """Return the openings that are sent instead of the honest one."""
        del draw
        return [payload]

    def due(self, now: int) -> list[Order]:
        """Return what is due, with what the trick makes of commitments."""
        orders: list[Order] = []
        for order in super().due(now):
            message = order.signed.message if isinstance(order, Send) else None
            if isinstance(message, Commitment) and self.cheats(_job(message)):
                orders += [self.signed(made) for made in self.commitments(message)]
            else:
                orders.append(order)
        return orders

    def commitments(self, message: Commitment) -> Sequence[Commitment]:
        """Return the commitments that are sent instead of one."""
        return [message]

    def signed(self, message: Commitment) -> Send:
        """Return the order to send a message of its own."""
        domain = self.scheme.description.domain
        return Send(signing.sign(message, domain, self.scheme.key))

    def seed(self, job: Job, seed: bytes) -> bytes:
        """Return the seed that the card is given instead of its own."""
        del job
        return seed

    def seed_of(self, value: Value, phase: Phase, device: bytes, card: int) -> bytes:
        """Return the seed of any card in any round."""
        return challenge.card_seed(challenge.DOMAINS[phase], *value, device, card)

    def products(self, seed: bytes, draw: Open) -> Sequence[Words]:
        """Return the digests of a chain of products from a seed, as drawn from."""
        return chains.digests(seed, self.sizes[draw.job.card], draw.items)

    def _begin(self, work: CardWork, seed: bytes) -> list[Order]:
        if self.scheme.active():
            seed = self.seed(work.job, seed)
        orders = super()._begin(work, seed)
        self.seeds |= {o.job: o.seed for o in orders if isinstance(o, Multiply)}
        return orders

    def _draw(self, now: int) -> list[Order]:
        orders = super()._draw(now)
        self.draws |= {order.job: order for order in orders if isinstance(order, Open)}
        return orders


# What is worked on.


class AnotherCard(Trickster):
    """Hands in the work of its other card."""

    def seed(self, job: Job, seed: bytes) -> bytes:
        """Return the seed of card + 1."""
        del seed
        device, value = self.scheme.key.address, self.values[job.phase][-1]
        return self.seed_of(value, job.phase, device, job.card + 1)


class AnotherDevice(Trickster):
    """Hands in the work of another device."""

    def seed(self, job: Job, seed: bytes) -> bytes:
        """Return the seed of the twin's card of the same number."""
        del seed
        value = self.values[job.phase][-1]
        return self.seed_of(value, job.phase, self.scheme.twin, job.card)


class WorkBeforeSeed(Trickster):
    """Works on a guess before anything is published: on the round before."""

    def seed(self, job: Job, seed: bytes) -> bytes:
        """Return the seed of the last round, which is the best guess there is."""
        known = self.values[job.phase]
        value = known[-2] if len(known) > 1 else (bytes(32), bytes(32))
        device = self.scheme.key.address
        guess = self.seed_of(value, job.phase, device, job.card)
        return guess if guess != seed else keccak(seed)


class OneRoundOfTwo(Trickster):
    """Takes part in every other round."""

    def joins(self, phase: Phase) -> bool:
        """Return whether it is this round's turn."""
        return len(self.values[phase]) % 2 == 0


# What is committed to.


class RootFirst(Trickster):
    """Commits to invented roots; multiplies only the tiles that are drawn."""

    most_items = 4

    def claimed(
        self, job: Job, size: int, items: list[bytes]
    ) -> tuple[int, list[bytes]]:
        """Return a root for each product that nobody has made."""
        return size, [keccak(job.round.to_bytes(8, "big"), item) for item in items]

    def answers(self, draw: Open, payload: bytes) -> Sequence[bytes]:
        """Return the right digests, under paths that lead to another root."""
        del payload
        size = self.sizes[draw.job.card]
        roots = self.roots[draw.job][: draw.items]
        return [chains.late_leaves(self.seeds[draw.job], roots, size, draw)]


class ChangedSize(Trickster):
    """Goes on with a larger n once it has seen how the products go."""

    previous = ZERO

    def commitments(self, message: Commitment) -> Sequence[Commitment]:
        """Return the commitment, with another size from the second one on."""
        if message.sequence:
            size = message.size * 2
            message = replace(message, size=size, previous=self.previous)
        self.previous = message.digest(self.scheme.description.domain)
        return [message]


class LargerSize(Trickster):
    """Claims its products to be eight times the work that they were."""

    def claimed(
        self, job: Job, size: int, items: list[bytes]
    ) -> tuple[int, list[bytes]]:
        """Return the items with twice the size."""
        del job
        return size * 2, items


class Replayed(Trickster):
    """Sends the commitments of an earlier round again, byte by byte."""

    def __init__(
        self,
        scheme: Scheme,
        phases: frozenset[Phase],
        *,
        margin_ms: int,
        rng: Random,
    ) -> None:
        super().__init__(scheme, phases, margin_ms=margin_ms, rng=rng)
        self._sent: dict[Phase, Commitment] = {}

    def commitments(self, message: Commitment) -> Sequence[Commitment]:
        """Return the first commitment that it ever sent in such a phase."""
        first = self._sent.setdefault(Phase(message.phase), message)
        return [message] if first.round == message.round else [first]


class ForkedChain(Trickster):
    """Commits twice under one number, to open the one that suits the draw."""

    def commitments(self, message: Commitment) -> Sequence[Commitment]:
        """Return the commitment and another one in its place."""
        other = message.payload[:-1] + bytes([message.payload[-1] ^ 1])
        return [message, replace(message, payload=other)]


class BrokenChain(Trickster):
    """Leaves open which commitment follows which."""

    def commitments(self, message: Commitment) -> Sequence[Commitment]:
        """Return the commitment, which names nothing before it."""
        previous = keccak(b"another message") if not message.sequence else ZERO
        return [replace(message, previous=previous)]


class InventedNonces(Trickster):
    """Counts where it should search."""

    def claimed(
        self, job: Job, size: int, items: list[bytes]
    ) -> tuple[int, list[bytes]]:
        """Return as many nonces that nobody has tried."""
        start = len(self.roots[job])
        count = range(start, start + len(items))
        return size, [(2**32 + number).to_bytes(8, "big") for number in count]


class RepeatedNonces(Trickster):
    """Finds each nonce twice."""

    def claimed(
        self, job: Job, size: int, items: list[bytes]
    ) -> tuple[int, list[bytes]]:
        """Return each nonce, and again."""
        del job
        return size, [item for item in items for _ in range(2)]


class NoncesOutOfRange(Trickster):
    """Wraps around: with nonces of more than 64 bits, it has more than there are."""

    def claimed(
        self, job: Job, size: int, items: list[bytes]
    ) -> tuple[int, list[bytes]]:
        """Return nonces of 65 bits."""
        del job
        return size, [b"\x01" + item for item in items[:1]]


class ChosenTarget(Trickster):
    """Names a harder target after it has seen how many nonces it found."""

    def claimed(
        self, job: Job, size: int, items: list[bytes]
    ) -> tuple[int, list[bytes]]:
        """Return the nonces as if each had cost eight times as much."""
        del job
        return size + 3, items


# What is opened.


class OtherTiles(Trickster):
    """Opens tiles of its own choice, such as those that it has made."""

    def answers(self, draw: Open, payload: bytes) -> Sequence[bytes]:
        """Return the opening of another draw."""
        del payload
        seed = self.seeds[draw.job]
        return [self.opening(seed, replace(draw, draw=keccak(draw.draw)))]

    def opening(self, seed: bytes, draw: Open) -> bytes:
        """Return the opening of a chain of products from a seed."""
        size = self.sizes[draw.job.card]
        return matmul.open_products(
            draw.draw, self.products(seed, draw), size, draw.count
        )

    most_items = 4


class OldWork(OtherTiles):
    """Signs the products of its first round anew, in each that follows."""

    def claimed(
        self, job: Job, size: int, items: list[bytes]
    ) -> tuple[int, list[bytes]]:
        """Return as many roots of the first round; in that one, those of its own."""
        start = len(self.roots[job])
        first = min(each for each in self.roots if each.phase is job.phase)
        return size, self.roots[first][start:][: len(items)] or items

    def answers(self, draw: Open, payload: bytes) -> Sequence[bytes]:
        """Return the opening of the first round's products, as they were drawn."""
        del payload
        return [self.opening(self.seeds[min(self.seeds)], draw)]


class OpeningOfAnotherCard(OtherTiles):
    """Opens what its other card has made."""

    def answers(self, draw: Open, payload: bytes) -> Sequence[bytes]:
        """Return the opening of card + 1's products, at the tiles that were drawn."""
        del payload
        job, device = draw.job, self.scheme.key.address
        value = self.values[job.phase][-1]
        return [
            self.opening(self.seed_of(value, job.phase, device, job.card + 1), draw)
        ]


class OpeningOfAnotherDevice(OtherTiles):
    """Opens what another device has made."""

    def answers(self, draw: Open, payload: bytes) -> Sequence[bytes]:
        """Return the opening of the twin's products, at the tiles that were drawn."""
        del payload
        job, value = draw.job, self.values[draw.job.phase][-1]
        seed = self.seed_of(value, job.phase, self.scheme.twin, job.card)
        return [self.opening(seed, draw)]


class OpeningOfAnotherRound(OtherTiles):
    """Opens what it has made in an earlier round."""

    def answers(self, draw: Open, payload: bytes) -> Sequence[bytes]:
        """Return the opening of the last round's products."""
        del payload
        job, device = draw.job, self.scheme.key.address
        known = self.values[job.phase]
        value = known[-2] if len(known) > 1 else (bytes(32), bytes(32))
        return [self.opening(self.seed_of(value, job.phase, device, job.card), draw)]


class EmptyOpening(Trickster):
    """Answers the draw with nothing."""

    def answers(self, draw: Open, payload: bytes) -> Sequence[bytes]:
        """Return no bytes."""
        del draw, payload
        return [b""]


class NoOpening(Trickster):
    """Does not answer the draw."""

    def answers(self, draw: Open, payload: bytes) -> Sequence[bytes]:
        """Return no opening."""
        del draw, payload
        return []


class LateSkip(Trickster):
    """Skips for its owner's sake, once it knows what it would have to open."""

    def opened(self, job: Job, payload: bytes) -> list[Order]:
        """Return a skip in the place of an opening."""
        if job not in self.cheated:
            return super().opened(job, payload)
        skip = Skip(
            device=self.scheme.key.address,
            round=job.round,
            card=job.card,
            phase=int(job.phase),
            reason=int(Reason.SKIPPED_IN_USE),
        )
        domain = self.scheme.description.domain
        return [Send(signing.sign(skip, domain, self.scheme.key))]


class TwoOpenings(Trickster):
    """Answers the draw twice, for whichever is looked at."""

    def answers(self, draw: Open, payload: bytes) -> Sequence[bytes]:
        """Return the opening and another one."""
        del draw
        return [payload, payload[:-1] + bytes([payload[-1] ^ 1])]


class RepeatedTile(Trickster):
    """Opens one good tile as often as tiles were drawn."""

    def answers(self, draw: Open, payload: bytes) -> Sequence[bytes]:
        """Return the first opened tile, over and over."""
        return [payload[: len(payload) // draw.count] * draw.count]


class ReorderedOpening(Trickster):
    """Opens the right tiles in another order."""

    def answers(self, draw: Open, payload: bytes) -> Sequence[bytes]:
        """Return the opened tiles, the last one first."""
        step = len(payload) // draw.count
        parts = [payload[at : at + step] for at in range(0, len(payload), step)]
        return [b"".join(reversed(parts))]


def _job(message: Commitment) -> Job:
    return Job(message.round, Phase(message.phase), message.card)
