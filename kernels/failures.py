"""What befalls a card, as far as its owner must know one thing from another."""

from edgeproof.errors import EdgeproofError


class CardOutOfMemory(EdgeproofError):  # noqa: N818 - reads as what it is about
    """The card, or the machine, has no room for what is computed; all else goes on."""


class DriverReset(EdgeproofError):  # noqa: N818 - reads as what it is about
    """The card's driver has lost this process's work, and serves only a new one."""
