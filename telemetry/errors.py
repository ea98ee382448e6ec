"""What can go wrong between a device and us."""

from edgeproof.errors import EdgeproofError
from edgeproof.proofs.reasons import Reason


class MessageRefused(EdgeproofError):  # noqa: N818 - a verdict on a message, not a fault of ours
    """A message that does not count.  Never retried; ``reason`` says why."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.text} ({detail})" if detail else reason.text)
        self.reason = reason
