"""What people see: an overview without JavaScript, and where owners sign."""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, PackageLoader, select_autoescape

from edgeproof.coordinator import reading
from edgeproof.coordinator.reading import LATEST
from edgeproof.coordinator.web.api import Source
from edgeproof.coordinator.web.headers import CLAIM
from edgeproof.units import quantity

COIN = 10**18
"""Smallest units of one token."""

ROWS = 100
"""Devices on the page; the API has all."""

EPOCHS = 10
"""Closed epochs on the page."""


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One line of the table of devices."""

    device: reading.Device
    last: reading.EpochDevice | None

    def rate(self, bucket: str) -> reading.Rate | None:
        """Return the device's figure in a bucket."""
        return next((r for r in self.device.rates if r.bucket == bucket), None)

    @property
    def why(self) -> str:
        """Why the last epoch paid nothing for what is measured, if so."""
        if self.last is None:
            return "no epoch is closed yet"
        texts = {
            payout.why.text
            for payout in self.last.buckets
            if payout.why and payout.why.name != "BUCKET_NOT_MEASURED"
        }
        return "; ".join(sorted(texts))


def shown(rate: reading.Rate) -> str:
    """Return a figure with its unit, for people."""
    return quantity(int(rate.figure), rate.unit)


def tokens(amount: str) -> str:
    """Return an amount of the smallest unit in tokens, cut to four decimals."""
    value = int(amount)
    return f"{value // COIN:,}.{value % COIN * 10**4 // COIN:04d}"


def percent(part: int, whole: int) -> str:
    """Return a share in percent, a dash where there is nothing to share."""
    return f"{100 * part / whole:.1f} %" if whole else "\N{EN DASH}"


def short(text: str) -> str:
    """Return the two ends of an address or a hash."""
    return f"{text[:8]}…{text[-6:]}"


def router(source: Source) -> APIRouter:
    """Return the pages."""
    environment = Environment(
        loader=PackageLoader("edgeproof.coordinator.web"),
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(shown=shown, tokens=tokens, percent=percent, short=short)
    templates = Jinja2Templates(env=environment)
    web = APIRouter(include_in_schema=False)

    @web.get("/", response_class=HTMLResponse)
    def overview(request: Request) -> HTMLResponse:
        reader = source.reader
        rows = []
        for device in reader.devices(max(0, source.epoch()), "", ROWS):
            history = reader.history(device.address, LATEST, 1)
            rows.append(DeviceRow(device, history[0] if history else None))
        return templates.TemplateResponse(
            request,
            "overview.html",
            {
                "network": source.network(),
                "rows": rows,
                "epochs": reader.epochs(LATEST, EPOCHS),
            },
        )

    @web.get(CLAIM, response_class=HTMLResponse)
    def claim(request: Request) -> HTMLResponse:
        context = {"network": source.network()}
        return templates.TemplateResponse(request, "claim.html", context)

    return web
