"""What ``rounds`` orders and ``proving`` carries out.

Times are milliseconds of the caller's clock.
"""

from dataclasses import dataclass

from edgeproof.agent.work import Job
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry.message import Signed
from edgeproof.telemetry.messages import Commitment, Opening, Skip


@dataclass(frozen=True, slots=True)
class Fill:
    """Fill memory from ``seed`` until that time, and hold it until ``Release``.

    With no more than a walk of ``walk_ms`` can cover.
    """

    job: Job
    seed: bytes
    permutations: int
    walk_ms: int
    until: int


@dataclass(frozen=True, slots=True)
class Walk:
    """Walk from ``seed`` over what ``fill`` filled, until that time."""

    job: Job
    fill: Job
    seed: bytes
    until: int


@dataclass(frozen=True, slots=True)
class Release:
    """Give the memory back that ``fill`` filled."""

    fill: Job


@dataclass(frozen=True, slots=True)
class Multiply:
    """Work in a matmul phase from ``seed``, at ``size``, until that time."""

    job: Job
    seed: bytes
    size: int
    until: int


@dataclass(frozen=True, slots=True)
class Search:
    """Work in a pow phase from ``seed``, until that time.

    The difficulty is ``difficulty``, or where that is None the one that follows from
    ``hashes``, the work of the last pow.
    """

    job: Job
    seed: bytes
    difficulty: int | None
    hashes: int
    until: int


@dataclass(frozen=True, slots=True)
class Open:
    """Open ``count`` places of the first ``items`` items of ``job``, as drawn."""

    job: Job
    draw: bytes
    items: int
    count: int


@dataclass(frozen=True, slots=True)
class Send:
    """Send a signed message."""

    signed: Signed[Commitment] | Signed[Opening] | Signed[Skip]


@dataclass(frozen=True, slots=True)
class Abandon:
    """Stop working: the phase has passed, or somebody told us about it too late."""

    job: Job


@dataclass(frozen=True, slots=True)
class Cease:
    """Stop working at once, for the owner's sake; what else is held stays."""

    job: Job


@dataclass(frozen=True, slots=True)
class Ended:
    """Remember that a job came to nothing, or to less, and why."""

    job: Job
    reason: Reason


Work = Fill | Walk | Multiply | Search
"""The orders that a phase begins with."""

Order = (
    Fill | Walk | Multiply | Search | Open | Send | Abandon | Release | Cease | Ended
)
