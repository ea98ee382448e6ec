"""Read the demo's network as any outsider would: through the explorer's API."""

from dataclasses import dataclass
from typing import Any

import httpx

from edgeproof.proofs.parameters import Bucket
from edgeproof.simulator.snapshot import (
    DeviceNow,
    EpochNow,
    Rate,
    Reward,
    Snapshot,
)

TIMEOUT = 10.0
"""Seconds for one answer."""

UNMEASURED = "BUCKET_NOT_MEASURED"


@dataclass(frozen=True, slots=True)
class Claim:
    """What an owner can claim, with its proof."""

    amount: int
    proof: list[bytes]


class Observer:
    """One explorer.  Raises ``httpx.HTTPError`` where it does not answer."""

    def __init__(self, api: str) -> None:
        self._client = httpx.Client(base_url=api, timeout=TIMEOUT)
        self._epochs: dict[int, EpochNow] = {}

    def alive(self) -> bool:
        """Return whether the explorer answers."""
        return self._client.get("/livez").is_success

    def look(self) -> Snapshot:
        """Return the network as it is now."""
        network = self._get("/api/v1/network")
        devices = self._get("/api/v1/devices")["items"]
        for row in self._get("/api/v1/epochs")["items"]:
            known = self._epochs.get(row["epoch"])
            if known is None or known.state != row["state"]:
                self._epochs[row["epoch"]] = self._epoch(row["epoch"])
        return Snapshot(
            slot=network["slot"],
            epoch=network["epoch"],
            activity=network["activity"].replace("_", " "),
            devices=tuple(_device(row) for row in devices),
            epochs=tuple(self._epochs[number] for number in sorted(self._epochs)),
        )

    def claim(self, owner: str) -> Claim | None:
        """Return what ``owner`` can claim, None if that is nothing."""
        answer = self._client.get(f"/api/v1/owners/{owner}/claim")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        row = answer.raise_for_status().json()
        amount = int(row["amount"])
        proof = [bytes.fromhex(sibling[2:]) for sibling in row["proof"]]
        return Claim(amount, proof) if amount else None

    def _epoch(self, number: int) -> EpochNow:
        detail = self._get(f"/api/v1/epochs/{number}")
        epoch = detail["epoch"]
        return EpochNow(
            epoch=number,
            state=epoch["state"],
            root=epoch["root"],
            cumulative_total=int(epoch["cumulative_total"]),
            unallocated=int(epoch["unallocated"]),
            rewards=tuple(_reward(row) for row in detail["devices"]),
        )

    def _get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        return self._client.get(path).raise_for_status().json()


def _device(row: dict[str, Any]) -> DeviceNow:
    return DeviceNow(
        address=row["address"],
        owner=row["owner"],
        beats=row["beats"],
        heard=row["heard"],
        countable=row["countable"],
        rates={
            rate["bucket"]: Rate(
                rate["round"],
                int(rate["figure"]),
                rate["why"]["name"] if rate["why"] else "",
            )
            for rate in row["rates"]
        },
    )


def _reward(row: dict[str, Any]) -> Reward:
    """Return a device's line; figures are weights spread over the accepted slots."""
    buckets = {payout["bucket"]: payout for payout in row["buckets"]}
    accepted = row["accepted"]

    def mean(bucket: Bucket) -> int:
        weight = int(buckets[bucket.name.lower()]["weight"])
        return weight // accepted if accepted else 0

    reasons = {
        f"{payout['bucket']}: {payout['why']['text']}"
        for payout in row["buckets"]
        if payout["why"] and payout["why"]["name"] != UNMEASURED
    }
    return Reward(
        device=row["device"],
        owner=row["owner"],
        accepted=accepted,
        countable=row["countable"],
        compute=mean(Bucket.COMPUTE),
        memory=mean(Bucket.MEMORY),
        hashes=mean(Bucket.HASH),
        reward=int(row["reward"]),
        reason="; ".join(sorted(reasons)),
    )
