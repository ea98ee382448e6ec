"""The cards of this machine: what a device proves its work with.

NVIDIA's cards, if there are any and their kernels are installed; else the CPU as one
card.  ``EDGEPROOF_CARDS`` names others: ``cpu``, or the numbers of cards, ``0,2``.
"""

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from edgeproof.errors import EdgeproofError
from edgeproof.kernels import nvml
from edgeproof.kernels.card import Card
from edgeproof.kernels.cpu.card import CpuCard

VARIABLE = "EDGEPROOF_CARDS"


@dataclass
class Machine:
    """The cards to use, at least one, by index; and what their owner should know."""

    cards: list[Card]
    notices: list[str] = field(default_factory=list)


def look() -> Machine:
    """Return the cards to use; compiles nothing yet.

    Raises:
        EdgeproofError: ``EDGEPROOF_CARDS`` names what is not here.

    """
    chosen = os.environ.get(VARIABLE, "").strip().lower()
    if chosen == "cpu":
        return Machine([CpuCard()])
    numbers = _numbers(chosen)
    try:
        found = _cuda_cards()
    except EdgeproofError as error:
        if numbers is not None:
            raise
        return Machine([CpuCard()], _words(error))
    if numbers is not None:
        missing = [number for number in numbers if number >= len(found)]
        if missing:
            msg = f"{VARIABLE} names card {missing[0]}; NVIDIA cards here: {len(found)}"
            raise EdgeproofError(msg, hint="edgeproof kernels list shows them")
        return Machine([found[number] for number in sorted(numbers)])
    return Machine(found or [CpuCard()])


def warm(machine: Machine) -> None:
    """Compile and check every card's kernels; drop the cards that are not right.

    Raises:
        EdgeproofError: none is left.

    """
    failed = None
    for card in list(machine.cards):
        try:
            card.warm()
        except EdgeproofError as error:
            failed = error
            machine.cards.remove(card)
            machine.notices += _words(error)
        else:
            machine.notices += card.notices
    if failed is not None and not machine.cards:
        raise failed


def _numbers(chosen: str) -> Sequence[int] | None:
    if chosen in ("", "all"):
        return None
    try:
        numbers = {int(number) for number in chosen.split(",")}
    except ValueError:
        numbers = {-1}
    if min(numbers) < 0:
        msg = f"{VARIABLE} is {chosen!r}"
        raise EdgeproofError(msg, hint="set it to all, cpu, or numbers such as 0,2")
    return sorted(numbers)


def _cuda_cards() -> list[Card]:
    """Return NVIDIA's cards; none where there is neither a card nor its kernels."""
    seen = nvml.read()
    if importlib.util.find_spec("numba_cuda") is None:
        if not seen:
            return []
        names = ", ".join(reading.name for reading in seen)
        msg = f"the kernels for {names} are not installed"
        hint = "./install.sh brings them, or pip install 'edgeproof[cuda]'"
        raise EdgeproofError(msg, hint=hint)
    from edgeproof.kernels.cuda import driver  # noqa: PLC0415 - 100 MB, for cards only

    try:
        devices = driver.devices()
    except EdgeproofError:
        if not seen:  # the usual machine without a card has no driver either
            return []
        raise
    from edgeproof.kernels.cuda.card import CudaCard  # noqa: PLC0415 - likewise

    return [CudaCard(device, index) for index, device in enumerate(devices)]


def _words(error: EdgeproofError) -> list[str]:
    return [f"{error} ({error.hint})" if error.hint else str(error)]
