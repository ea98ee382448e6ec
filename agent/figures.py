"""What a round's work comes to, for its owner to see.  Pure."""

from collections.abc import Mapping
from typing import Any

from edgeproof.agent.work import Job
from edgeproof.proofs import scores
from edgeproof.proofs.parameters import PHASE_BUCKET, Bucket, Parameters


def figures(network: Parameters, work: Mapping[Job, int]) -> list[dict[str, Any]]:
    """Return the figures that ``work`` proves, as JSON values: of walks, the lower."""
    least: dict[tuple[int, int, Bucket], int] = {}
    for job, done in work.items():
        name = (job.round, job.card, PHASE_BUCKET[job.phase])
        least[name] = min(done, least.get(name, done))
    return [
        {
            "round": opened,
            "card": card,
            "bucket": bucket.name.lower(),
            "unit": bucket.unit,
            "committed": str(scores.figure(network, bucket, done)),
        }
        for (opened, card, bucket), done in least.items()
    ]
