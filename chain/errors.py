"""What can go wrong between us and a node, in words for people."""

from edgeproof.errors import EdgeproofError


class ChainUnreachable(EdgeproofError):  # noqa: N818 - a state of the network
    """The node did not answer, or not in time; trying again later may help."""


class RpcRefused(EdgeproofError):  # noqa: N818 - what the other side did
    """The node answered with an error."""


class Reverted(EdgeproofError):  # noqa: N818 - what the other side did
    """A contract refused the call; ``name`` is its error's name, or empty."""

    def __init__(self, message: str, *, name: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.name = name
