"""The carried state as JSON, for the store; bundles carry it as tables."""

import json
from typing import Any

from edgeproof.audit.model import Carried, Figure
from edgeproof.proofs.parameters import Bucket
from edgeproof.proofs.timetable import NO_ROUND

GENESIS = Carried(
    last_round=NO_ROUND,
    rounds={},
    figures=(),
    hashes={},
    sums=(),
    balances={},
    records={},
    previous_bundle=bytes(32),
)
"""The state before epoch 0."""


def dump(carried: Carried) -> str:
    """Return the state as JSON; integers above 64 bits stand as text."""
    return json.dumps(
        {
            "last_round": carried.last_round,
            "rounds": {int(b): slots for b, slots in carried.rounds.items()},
            "figures": [
                [int(f.bucket), f.round, f.device.hex(), f.card, str(f.figure)]
                for f in carried.figures
            ],
            "hashes": [
                [device.hex(), card, str(work)]
                for (device, card), work in sorted(carried.hashes.items())
            ],
            "sums": [
                [epoch, slots, [str(total) for total in totals]]
                for epoch, slots, totals in carried.sums
            ],
            "balances": {
                owner.hex(): str(amount) for owner, amount in carried.balances.items()
            },
            "records": {
                device.hex(): epochs for device, epochs in carried.records.items()
            },
            "previous_bundle": carried.previous_bundle.hex(),
        },
        sort_keys=True,
    )


def load(text: str) -> Carried:
    """Return the state in ``text``, which ``dump`` wrote."""
    values: dict[str, Any] = json.loads(text)
    return Carried(
        last_round=values["last_round"],
        rounds={Bucket(int(b)): tuple(slots) for b, slots in values["rounds"].items()},
        figures=tuple(
            Figure(Bucket(bucket), opened, bytes.fromhex(device), card, int(figure))
            for bucket, opened, device, card, figure in values["figures"]
        ),
        hashes={
            (bytes.fromhex(device), card): int(work)
            for device, card, work in values["hashes"]
        },
        sums=tuple(
            (epoch, slots, tuple(int(total) for total in totals))
            for epoch, slots, totals in values["sums"]
        ),
        balances={
            bytes.fromhex(owner): int(amount)
            for owner, amount in values["balances"].items()
        },
        records={
            bytes.fromhex(device): epochs
            for device, epochs in values["records"].items()
        },
        previous_bundle=bytes.fromhex(values["previous_bundle"]),
    )
