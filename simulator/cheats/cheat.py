"""What a cheat is: a name, a trick at one of three seams, and what it must earn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from edgeproof.kernels.card import Card
from edgeproof.proofs.parameters import BUCKET_PHASES, Bucket, Phase
from edgeproof.proofs.reasons import Reason
from edgeproof.simulator.cheats.devices import Trickster
from edgeproof.simulator.cheats.scheme import Scheme


@dataclass(frozen=True, slots=True)
class Letter:
    """A message to be sent ``delay_ms`` later than an honest device would."""

    raw: bytes
    delay_ms: int = 0


Letters = Callable[[Scheme, str, bytes, int], Sequence[Letter]]
"""What is sent instead of a message, from its kind, its bytes and the time.

The time is Unix milliseconds.
"""


def honest_card(card: Card, _active: Callable[[], bool]) -> Card:
    """Return the card as it is."""
    return card


def honest_letters(
    _scheme: Scheme, _kind: str, raw: bytes, _now: int
) -> Sequence[Letter]:
    """Return the message as it is."""
    return [Letter(raw)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cheat:
    """A prover that cheats.

    ``unpaid``: the reasons of which each bucket's zero must have one.  What the device
    does not cheat in it leaves out, so that it earns by its trick alone.  ``refused``:
    why the coordinator refuses its messages at the edge, if it does.  ``heard``: its
    heartbeats still count.  ``told``: the refusals reach it; a broker gives no reason.
    """

    kind: str
    description: str
    unpaid: Mapping[Bucket, frozenset[Reason]]
    refused: Reason = Reason.NONE
    heard: bool = True
    told: bool = True
    card: Callable[[Card, Callable[[], bool]], Card] = field(default=honest_card)
    device: type[Trickster] = Trickster
    letters: Letters = field(default=honest_letters)

    @property
    def phases(self) -> frozenset[Phase]:
        """The phases that it takes part in."""
        phases = {phase for bucket in self.unpaid for phase in BUCKET_PHASES[bucket]}
        if Bucket.MEMORY in self.unpaid:
            phases.add(Phase.FILL)
        return frozenset(phases)

    def reasons(self, bucket: Bucket) -> frozenset[Reason]:
        """Return the reasons of which the bucket's zero must have one."""
        return self.unpaid.get(bucket, frozenset({Reason.NO_COMMITMENT}))
