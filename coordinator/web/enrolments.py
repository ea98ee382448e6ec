"""What owners post: enrolments, retirements, rotations."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from edgeproof.audit.register import LARGEST
from edgeproof.coordinator import reading
from edgeproof.coordinator.web.api import Address, Source
from edgeproof.coordinator.web.problems import Problem
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.hexes import to_hex

CBOR = {"requestBody": {"content": {"application/cbor": {}}, "required": True}}


async def body(request: Request) -> bytes:
    """Return a request's body of at most ``LARGEST`` bytes, read no further."""
    raw = b""
    async for part in request.stream():
        raw += part
        if len(raw) > LARGEST:
            raise _refused(
                MessageRefused(Reason.TOO_LARGE, f"more than {LARGEST} bytes")
            )
    return raw


Body = Annotated[bytes, Depends(body)]


def router(source: Source) -> APIRouter:
    """Return the routes."""
    api = APIRouter(prefix="/api/v1", tags=["v1"])

    @api.post("/enrolments", openapi_extra=CBOR)
    async def enrol(raw: Body) -> reading.Standing:
        """Take one signed Enrol, TokenEnrol, Retire or Rotate, as CBOR.

        Answered once it is on disk; the same message again is answered alike.
        """
        try:
            enrolment = await source.enrol(raw)
        except MessageRefused as refusal:
            raise _refused(refusal) from None
        return _standing(to_hex(enrolment.signed.message.device))

    @api.get("/enrolments/{address}")
    def enrolment(address: Address) -> reading.Standing:
        """Return a device's latest enrolment, retirement or rotation."""
        return _standing(address.lower())

    def _standing(address: str) -> reading.Standing:
        found = source.reader.enrolment(address)
        if found is None:
            detail = f"no device {address} is enrolled"
            raise Problem(HTTPStatus.NOT_FOUND, detail, "check the device's address")
        return found

    return api


def _refused(refusal: MessageRefused) -> Problem:
    hint = "nothing was changed; see `reason`"
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, str(refusal), hint, reason=refusal.reason
    )
