"""``/api/v1``: what the network knows, for programs."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as InPath

from edgeproof.audit.attestation import ATTESTATION
from edgeproof.coordinator import reading
from edgeproof.coordinator.reading import PAGE, Reader
from edgeproof.coordinator.web.problems import Problem
from edgeproof.proofs import timetable
from edgeproof.proofs.parameters import Phase
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.hexes import to_hex

FOREVER = 1 << 62
"""Behind every epoch that there can be."""

FOR_EVER = "public, max-age=31536000, immutable"
"""Caching of what a published epoch consists of."""

Address = Annotated[
    str,
    InPath(
        pattern="^0x[0-9a-fA-F]{40}$",
        description="0x and 40 hexadecimal digits.",
        examples=["0x1a642f0e3c3af545e7acbd38b07251b3990914f1"],
    ),
]
Number = Annotated[int, InPath(ge=0, lt=FOREVER, description="Number of an epoch.")]
Limit = Annotated[int, Query(ge=1, le=PAGE, description="Most rows.")]
Cursor = Annotated[
    str,
    Query(max_length=64, pattern="^[0-9a-fx]*$", description="As `next` gave it."),
]


@dataclass(frozen=True, slots=True)
class NetworkNow:
    """The network: who it is, and where it stands.  ``time`` is ISO 8601, UTC."""

    network_id: str
    chain_id: int
    coordinator: str
    distributor: str
    token: str
    time: str
    slot: int
    epoch: int
    slot_ms: int
    slots_per_epoch: int
    activity: str
    enrolled: int
    heard_last_slot: int
    last_epoch: int
    cumulative_total: str


@dataclass(frozen=True, slots=True)
class DevicePage:
    """Devices by address; ``next`` is the cursor of the next page, empty at the end."""

    items: list[reading.Device]
    next: str


@dataclass(frozen=True, slots=True)
class DeviceDetail:
    """One device: now, its last epochs, and what it claims of itself."""

    device: reading.Device
    epochs: list[reading.EpochDevice]
    claimed: reading.ClaimedTelemetry | None


@dataclass(frozen=True, slots=True)
class Uptime:
    """Slots heard in the running epoch; accepted ones of closed epochs."""

    address: str
    epoch: int
    heard: int
    countable: int
    closed: list[reading.EpochDevice]


@dataclass(frozen=True, slots=True)
class EpochPage:
    """Closed epochs, latest first; ``next`` is the cursor of the next page."""

    items: list[reading.Epoch]
    next: str


@dataclass(frozen=True, slots=True)
class EpochDetail:
    """One closed epoch and a page of its devices."""

    epoch: reading.Epoch
    devices: list[reading.EpochDevice]
    next: str


@dataclass(frozen=True, slots=True)
class BundleFile:
    """A file of a published epoch."""

    name: str
    bytes: int
    url: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """Everything that an epoch is recomputed from: ``edgeproof audit`` reads it."""

    epoch: int
    files: list[BundleFile]


@dataclass(frozen=True, slots=True)
class Source:
    """Where answers come from.  ``now`` is Unix milliseconds."""

    reader: Reader
    description: Description
    bundles: Path
    now: Callable[[], int]

    def slot(self) -> int:
        """Return the current slot; negative before genesis."""
        return timetable.slot_at(self.description.parameters, self.now())

    def epoch(self) -> int:
        """Return the current epoch; negative before genesis."""
        return timetable.epoch_of(self.description.parameters, self.slot())

    def network(self) -> NetworkNow:
        """Return the network as it is now."""
        about, totals = self.description, self.reader.totals()
        return NetworkNow(
            network_id=to_hex(about.network_id),
            chain_id=about.chain_id,
            coordinator=to_hex(about.coordinator),
            distributor=to_hex(about.distributor),
            token=to_hex(about.token),
            time=iso(self.now()),
            slot=self.slot(),
            epoch=self.epoch(),
            slot_ms=about.parameters.slot_ms,
            slots_per_epoch=about.parameters.slots_per_epoch,
            activity=self._activity(totals),
            enrolled=totals.enrolled,
            heard_last_slot=totals.heard_last_slot,
            last_epoch=totals.last_epoch,
            cumulative_total=totals.cumulative_total,
        )

    def _activity(self, totals: reading.Totals) -> str:
        if totals.last_round < 0:
            return ""
        phase = Phase(totals.last_phase)
        network = self.description.parameters
        _, end = timetable.phase_bounds(network, totals.last_round, phase)
        return phase.name.lower() if self.now() < end else ""


def iso(moment: int) -> str:
    """Return Unix milliseconds as ISO 8601 in UTC."""
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds")


def router(source: Source) -> APIRouter:  # noqa: C901 - one function a route
    """Return the routes of version 1."""
    api = APIRouter(prefix="/api/v1", tags=["v1"])
    reader = source.reader

    @api.get("/network")
    def network() -> NetworkNow:
        """Return the network: who it is, and where it stands."""
        return source.network()

    @api.get("/devices")
    def devices(cursor: Cursor = "", limit: Limit = PAGE) -> DevicePage:
        """Return enrolled devices by address."""
        items = reader.devices(source.epoch(), _address_cursor(cursor), limit)
        return DevicePage(items, items[-1].address if len(items) == limit else "")

    @api.get("/devices/{address}")
    def device(address: Address) -> DeviceDetail:
        """Return one device with its last epochs."""
        found = _device(address)
        history = reader.history(found.address, FOREVER, PAGE)
        return DeviceDetail(found, history, reader.telemetry(found.address))

    @api.get("/devices/{address}/uptime")
    def device_uptime(address: Address) -> Uptime:
        """Return a device's slots, epoch by epoch."""
        found = _device(address)
        history = reader.history(found.address, FOREVER, PAGE)
        return Uptime(
            found.address, source.epoch(), found.heard, found.countable, history
        )

    @api.get("/epochs")
    def epochs(cursor: Cursor = "", limit: Limit = PAGE) -> EpochPage:
        """Return closed epochs, latest first."""
        before = int(cursor) if cursor.isdecimal() else FOREVER
        items = reader.epochs(min(before, FOREVER), limit)
        return EpochPage(items, str(items[-1].epoch) if len(items) == limit else "")

    @api.get("/epochs/{number}")
    def epoch(number: Number, cursor: Cursor = "", limit: Limit = PAGE) -> EpochDetail:
        """Return one closed epoch and its devices' rewards, with every reason."""
        found = reader.epoch(number)
        if found is None:
            raise _no_epoch(number)
        rows = reader.epoch_devices(number, _address_cursor(cursor), limit)
        return EpochDetail(found, rows, rows[-1].device if len(rows) == limit else "")

    @api.get("/epochs/{number}/bundle")
    def bundle(number: Number) -> Bundle:
        """Return the files of an epoch's bundle."""
        folder = source.bundles / str(number)
        return Bundle(
            number,
            [
                BundleFile(
                    path.name,
                    path.stat().st_size,
                    f"/api/v1/epochs/{number}/bundle/{path.name}",
                )
                for path in _bundle_files(folder, number)
            ],
        )

    @api.get("/epochs/{number}/bundle/{name}", response_class=Response)
    def bundle_file(number: Number, name: str, request: Request) -> Response:
        """Return one file of a bundle, unchanged for ever."""
        for path in _bundle_files(source.bundles / str(number), number):
            if path.name == name:
                return _download(path, request)
        detail = f"the bundle of epoch {number} has no such file"
        raise Problem(HTTPStatus.NOT_FOUND, detail, "list them without a name")

    @api.get("/owners/{address}/claim")
    def owner_claim(address: Address) -> reading.Owed:
        """Return what an owner can claim, with the Merkle proof for the distributor."""
        owed = reader.owed(address.lower())
        if owed is None:
            detail = f"{address.lower()} never earned anything in a closed epoch"
            raise Problem(HTTPStatus.NOT_FOUND, detail, "check the owner's address")
        return owed

    def _device(address: str) -> reading.Device:
        found = reader.device(source.epoch(), address.lower())
        if found is None:
            detail = f"no device {address.lower()} is enrolled"
            raise Problem(HTTPStatus.NOT_FOUND, detail, "check the device's address")
        return found

    return api


def _address_cursor(cursor: str) -> str:
    if cursor and (len(cursor) != 42 or not cursor.startswith("0x")):
        detail = "cursor: not one that this list gave out"
        hint = "begin without a cursor"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, hint)
    try:
        bytes.fromhex(cursor[2:])
    except ValueError:
        detail = "cursor: not hexadecimal"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail) from None
    return cursor


def _bundle_files(folder: Path, number: int) -> list[Path]:
    if not folder.is_dir():
        raise _no_epoch(number)
    return sorted(path for path in folder.iterdir() if path.is_file())


def _no_epoch(number: int) -> Problem:
    return Problem(
        HTTPStatus.NOT_FOUND,
        f"epoch {number} is not closed yet, or never was",
        "see /api/v1/epochs",
    )


def _download(path: Path, request: Request) -> Response:
    content = path.read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()}"'
    # Attestors may still sign; everything else never changes.
    settled = path.name != ATTESTATION
    headers = {"ETag": tag, "Cache-Control": FOR_EVER if settled else "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    kind = "application/json" if path.suffix == ".json" else "application/octet-stream"
    return Response(content, media_type=kind, headers=headers)
