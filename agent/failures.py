"""Why a command of the prover came to nothing, in words and as a reason code."""

from collections.abc import Mapping
from typing import Any

from edgeproof.errors import EdgeproofError
from edgeproof.kernels.failures import CardOutOfMemory, DriverReset
from edgeproof.proofs.reasons import Reason

Answer = Mapping[str, object]

FAILURES = (
    EdgeproofError,
    KeyError,
    TypeError,
    ValueError,
    IndexError,
    MemoryError,
)
"""What can be raised by a command that is wrong or too late, or by a card."""


def failure(
    command: Mapping[str, Any], why: str, reason: Reason = Reason.PROVER_FAILED
) -> Answer:
    """Return the answer to a command that failed."""
    number = command.get("job")
    return {"is": "failed", "job": number, "why": why[:500], "reason": int(reason)}


def explained(command: Mapping[str, Any], error: Exception) -> Answer:
    """Return the answer to a command that raised one of ``FAILURES``."""
    why = f"{error}"
    if not isinstance(error, EdgeproofError):
        why = f"{type(error).__name__}: {error}"
    elif error.hint:
        why = f"{error} ({error.hint})"
    return failure(command, why, reason_of(error))


def reason_of(error: Exception) -> Reason:
    """Return the code of what was raised."""
    if isinstance(error, CardOutOfMemory | MemoryError):
        return Reason.CARD_OUT_OF_MEMORY
    if isinstance(error, DriverReset):
        return Reason.DRIVER_RESET
    return Reason.PROVER_FAILED
