"""Why a bundle does not stand."""

from dataclasses import dataclass

from edgeproof.errors import EdgeproofError


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where a bundle is not what it must be.

    ``row`` counts from 0; None where it is about the whole file.
    """

    file: str
    row: int | None
    expected: str
    got: str

    def __str__(self) -> str:
        """Return one line."""
        place = self.file if self.row is None else f"{self.file} row {self.row}"
        return f"{place}: expected {self.expected}, got {self.got}"


class BadBundle(EdgeproofError):  # noqa: N818 - a verdict on a bundle, not a fault of ours
    """A bundle that contradicts itself, the protocol, its attestors or the chain."""

    def __init__(
        self, file: str, expected: str, got: str, row: int | None = None
    ) -> None:
        self.difference = Difference(file, row, expected, got)
        super().__init__(str(self.difference))
