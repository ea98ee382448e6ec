"""What is posted: enrolments, retirements, rotations, requests for certificates."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse

from edgeproof.audit import register
from edgeproof.coordinator import certification, reading
from edgeproof.coordinator.certification import NoCertificates
from edgeproof.coordinator.web.api import Address, Source
from edgeproof.coordinator.web.problems import Problem
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.hexes import from_hex, to_hex

LARGEST_BODY = max(register.LARGEST, certification.LARGEST)
"""Bytes of the largest message that is posted."""

CBOR = {"requestBody": {"content": {"application/cbor": {}}, "required": True}}


async def body(request: Request) -> bytes:
    """Return a request's body of at most ``LARGEST_BODY`` bytes, read no further."""
    raw = b""
    async for part in request.stream():
        raw += part
        if len(raw) > LARGEST_BODY:
            detail = f"more than {LARGEST_BODY} bytes"
            raise _refused(MessageRefused(Reason.TOO_LARGE, detail))
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

    @api.post(
        "/devices/{address}/certificate",
        openapi_extra=CBOR,
        response_class=PlainTextResponse,
    )
    def certificate(address: Address, raw: Body) -> PlainTextResponse:
        """Answer a signed CertificateRequest (CBOR) with the chain in PEM."""
        try:
            chain = source.certify(from_hex(address.lower(), 20), raw)
        except MessageRefused as refusal:
            raise _refused(refusal) from None
        except NoCertificates as error:
            raise Problem(HTTPStatus.NOT_FOUND, str(error), error.hint) from None
        return PlainTextResponse(chain, media_type="application/pem-certificate-chain")

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
