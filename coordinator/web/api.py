"""``/api/v1``: what the network knows, for programs."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi import Path as InPath

from edgeproof.audit.model import Enrolment
from edgeproof.coordinator import reading
from edgeproof.coordinator.reading import LATEST, PAGE, Reader, iso
from edgeproof.coordinator.web.answers import (
    Bundle,
    DeviceDetail,
    DevicePage,
    EpochDetail,
    EpochPage,
    NetworkNow,
    Uptime,
)
from edgeproof.coordinator.web.downloads import PublishedEpoch
from edgeproof.coordinator.web.paging import (
    Cursor,
    Limit,
    after_address,
    before_epoch,
    page,
)
from edgeproof.coordinator.web.problems import Problem
from edgeproof.proofs import timetable
from edgeproof.proofs.parameters import Phase
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.hexes import to_hex

Address = Annotated[
    str,
    InPath(
        pattern="^0x[0-9a-fA-F]{40}$",
        description="0x and 40 hexadecimal digits.",
        examples=["0x1a642f0e3c3af545e7acbd38b07251b3990914f1"],
    ),
]
Number = Annotated[int, InPath(ge=0, lt=LATEST, description="Number of an epoch.")]


@dataclass(frozen=True, slots=True)
class Source:
    """Where answers come from.

    ``bundles`` holds one folder for each published epoch; ``now`` is Unix milliseconds,
    and ``load`` the verifier's queue.
    """

    reader: Reader
    description: Description
    bundles: Path
    now: Callable[[], int]
    load: Callable[[], reading.Load]
    enrol: Callable[[bytes], Awaitable[Enrolment]]
    """Admits a change of the register; raises ``MessageRefused``."""
    certify: Callable[[bytes, bytes], str]
    """Answers a device's request for a certificate with a chain in PEM; raises
    ``MessageRefused`` or ``NoCertificates``."""

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
            broker=about.broker,
            api=about.api,
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
            postings=totals.postings,
            verification=self.load(),
        )

    def _activity(self, totals: reading.Totals) -> str:
        if totals.last_round < 0:
            return ""
        phase = Phase(totals.last_phase)
        network = self.description.parameters
        _, end = timetable.phase_bounds(network, totals.last_round, phase)
        return phase.name.lower() if self.now() < end else ""


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
        after = after_address(cursor)
        rows = reader.devices(source.epoch(), after, limit + 1)
        return DevicePage(*page(rows, limit, lambda row: row.address))

    @api.get("/devices/{address}")
    def device(address: Address) -> DeviceDetail:
        """Return one device with its last epochs."""
        found = _device(address)
        history = reader.history(found.address, LATEST, PAGE)
        return DeviceDetail(found, history, reader.telemetry(found.address))

    @api.get("/devices/{address}/uptime")
    def device_uptime(
        address: Address, cursor: Cursor = "", limit: Limit = PAGE
    ) -> Uptime:
        """Return a device's slots, epoch by epoch."""
        before = before_epoch(cursor)
        found = _device(address)
        rows = reader.history(found.address, before, limit + 1)
        closed, following = page(rows, limit, lambda row: row.epoch)
        return Uptime(
            address=found.address,
            epoch=source.epoch(),
            heard=found.heard,
            countable=found.countable,
            slots=found.slots,
            windows=reader.uptime(found.address),
            closed=closed,
            next=following,
        )

    @api.get("/epochs")
    def epochs(cursor: Cursor = "", limit: Limit = PAGE) -> EpochPage:
        """Return closed epochs, latest first."""
        rows = reader.epochs(before_epoch(cursor), limit + 1)
        return EpochPage(*page(rows, limit, lambda row: row.epoch))

    @api.get("/epochs/{number}")
    def epoch(number: Number, cursor: Cursor = "", limit: Limit = PAGE) -> EpochDetail:
        """Return one closed epoch and its devices' rewards, with every reason."""
        after = after_address(cursor)
        found = reader.epoch(number)
        if found is None:
            raise _no_epoch(number)
        rows = reader.epoch_devices(number, after, limit + 1)
        return EpochDetail(found, *page(rows, limit, lambda row: row.device))

    @api.get("/epochs/{number}/bundle")
    def bundle(number: Number) -> Bundle:
        """Return the files of an epoch's bundle."""
        return PublishedEpoch(source.bundles, number).listing()

    @api.get("/epochs/{number}/bundle/{name}", response_class=Response)
    def bundle_file(number: Number, name: str, request: Request) -> Response:
        """Return one file of a bundle, unchanged for ever."""
        return PublishedEpoch(source.bundles, number).download(name, request)

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


def _no_epoch(number: int) -> Problem:
    detail = f"epoch {number} is not closed yet, or never was"
    return Problem(HTTPStatus.NOT_FOUND, detail, "see /api/v1/epochs")
