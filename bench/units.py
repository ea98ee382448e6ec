"""What one Keccak, or one multiplication, costs in instructions of a kernel."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from bench.sass import Counted, Loop, Program, multiplications

ROUND_SHIFTS = 58
"""Funnel shifts of a round of Keccak: two for each of 29 rotations of 64 bits."""

ROTATE = "SHF.L.W"

N = 4096
"""The size of which products are looked at."""


class NotUnderstoodError(Exception):
    """The code is not built as its unit says; the message says what is odd."""


@dataclass(frozen=True)
class Keccak:
    """A kernel that hashes: so many rounds of a permutation are in a loop."""

    rounds: int

    def count(self, program: Program) -> Counted:
        """Return a warp's instructions for a Keccak a thread.

        Those are the loop of rounds, and what the next larger loop, or else the
        kernel, has around it.
        """
        loops = {
            loop: starting(program.count(loop), ROTATE) for loop in program.innermost()
        }
        loop = max(loops, key=lambda found: loops[found], default=None)
        if not loop or not loops[loop]:
            msg = "there is no loop of rounds"
            raise NotUnderstoodError(msg)
        rounds = whole(loops[loop], ROUND_SHIFTS, "rotations of a round")
        trips = whole(self.rounds, rounds, "rounds")
        around = program.count(program.around(loop), without=[loop])
        return times(program.count(loop), trips) + around


@dataclass(frozen=True)
class Product:
    """A kernel that multiplies and digests: a thread's entries, a stage's columns."""

    entries: int
    depth: int

    def count(self, program: Program) -> Counted:
        """Return a warp's instructions for its whole part of a product of size N.

        Stages are in one loop, or in a loop of loops; digests come after it, in loops
        that read each entry from shared memory, or without any.
        """
        top = [loop for loop in program.loops if not program.around(loop)]
        main = max(
            top, key=lambda loop: multiplications(program.count(loop)), default=None
        )
        stage = self.entries * self.depth * 32
        if not main or not multiplications(program.count(main)):
            msg = "there is no loop of multiplications"
            raise NotUnderstoodError(msg)
        body, stages = self._stages(program, main, stage)
        trips = whole(N // self.depth, stages, "stages")
        total = program.count(None, without=top) + times(body, trips)
        digests = [
            loop
            for loop in top
            if loop.first > main.last and starting(program.count(loop), "LDS")
        ]
        reads = sum(starting(program.count(loop), "LDS") for loop in digests)
        for loop in digests:
            trips = whole(self.entries, reads, "reads of entries")
            total += times(program.count(loop), trips)
        return total

    def _stages(self, program: Program, main: Loop, stage: int) -> tuple[Counted, int]:
        """Return what one trip of the main loop takes, and how many stages it does."""
        inner = [
            loop
            for loop in program.innermost()
            if main.contains(loop) and multiplications(program.count(loop))
        ]
        found = program.count(main, without=inner)
        if not inner:
            done = multiplications(found)
            return found, whole(done, stage, "multiplications of a stage")
        for loop in inner:
            body = program.count(loop)
            trips = whole(stage, multiplications(body), "multiplications of a stage")
            found += times(body, trips)
        return found, 1


def starting(counted: Counted, start: str) -> int:
    """Return how many of the instructions' names start so."""
    return sum(each for name, each in counted.items() if name.startswith(start))


def times(counted: Counted, factor: int) -> Counted:
    """Return so many times the instructions."""
    return Counter({name: factor * each for name, each in counted.items()})


def whole(value: int, unit: int, what: str) -> int:
    """Return the quotient, which must be a whole number and not 0."""
    quotient, rest = divmod(value, unit)
    if rest or not quotient:
        msg = f"{value} {what} are no multiple of {unit}"
        raise NotUnderstoodError(msg)
    return quotient


UNITS: Mapping[str, Keccak | Product] = {
    "keccak.search": Keccak(23),  # the last round stands behind the loop
    "keccak.hash_leaves": Keccak(24),
    "keccak.reduce_nodes": Keccak(24),
    "memory.fill": Keccak(24),
    "dot_products.product_plain": Product(16, 32),
    "dot_products.product_dp4a": Product(16, 32),
    "tensor_products.product_ampere": Product(128, 64),
    "tensor_products.product_turing": Product(128, 64),
}
"""What is counted in which kernel; of others only the resources are shown."""
