"""What the prover is given, in its own protocol, and what it has not answered yet."""

import time

from edgeproof.agent.load import Load
from edgeproof.agent.orders import Fill, Multiply, Open, Search, Walk, Work
from edgeproof.agent.work import Job


def number_of(job: Job) -> int:
    """Return the one number of a job in the prover's protocol."""
    return (job.round << 40) | (job.card << 8) | int(job.phase)


def command(order: Work | Open, share: float) -> dict[str, object]:
    """Return an order as the prover reads it, but for how much time is left.

    ``share`` is how much of the card's free memory a fill may take.
    """
    job = {"job": number_of(order.job), "card": order.job.card}
    match order:
        case Fill():
            size = {"permutations": order.permutations, "walk_ms": order.walk_ms}
            what: dict[str, object] = {"do": "fill", **size, "share": share}
        case Walk():
            what = {"do": "walk", "fill": number_of(order.fill)}
        case Multiply():
            what = {"do": "multiply", "size": order.size}
        case Search():
            aim = {"difficulty": order.difficulty, "hashes": order.hashes}
            what = {"do": "search", **aim}
        case Open():
            drawn = {"draw": order.draw.hex(), "items": order.items}
            return job | {"do": "open", **drawn, "count": order.count}
    return job | what | {"seed": order.seed.hex()}


class Assignments:
    """Orders that the prover has, by the number of their job.  ``load`` counts them."""

    def __init__(self) -> None:
        self._orders: dict[int, Work | Open] = {}
        self._due: dict[int, float] = {}
        self.load = Load()
        """How long each card has worked."""

    def give(self, order: Work | Open, patience: float) -> None:
        """Note an order that is to be answered within ``patience`` seconds."""
        number = number_of(order.job)
        self._orders[number] = order
        self._due[number] = time.monotonic() + patience
        self.load.begins(order.job.card, number, time.time())

    def hurry(self, job: Job, patience: float) -> None:
        """Expect an answer to what was given within so many seconds from now."""
        self._due[number_of(job)] = time.monotonic() + patience

    def end(self, job: Job) -> None:
        """Note that an order was answered, or will never be."""
        number = number_of(job)
        self._due.pop(number, None)
        self.load.ends(job.card, number, time.time())

    def job(self, number: int) -> Job | None:
        """Return the job of a number that was given once."""
        order = self._orders.get(number)
        return None if order is None else order.job

    def __contains__(self, job: Job) -> bool:
        """Tell whether something of a job is to be answered yet."""
        return number_of(job) in self._due

    def __len__(self) -> int:
        """Return how many orders are to be answered yet."""
        return len(self._due)

    @property
    def jobs(self) -> list[Job]:
        """The jobs of orders that are to be answered yet."""
        return [self._orders[number].job for number in self._due]

    @property
    def overdue(self) -> bool:
        """Whether an answer should be here by now."""
        now = time.monotonic()
        return any(due < now for due in self._due.values())

    def repeatable(self) -> list[Work]:
        """Return what another prover can begin, which is not overdue."""
        now = time.monotonic()
        given = [
            self._orders[number] for number, due in self._due.items() if due >= now
        ]
        return [o for o in given if isinstance(o, Fill | Multiply | Search)]
