"""Errors as RFC 9457 problem details: what is wrong, and what to do about it.

``reason`` is one of the network's own, where a message was refused for one.
"""

from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from edgeproof.coordinator.web import headers
from edgeproof.proofs.reasons import Reason

MEDIA_TYPE = "application/problem+json"


class Problem(HTTPException):
    """Answer a request with a problem; ``hint`` says what the caller can do."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        hint: str = "",
        *,
        reason: Reason = Reason.NONE,
    ) -> None:
        super().__init__(status, detail)
        self.hint = hint
        self.reason = reason


def install(app: FastAPI) -> None:
    """Make every error of ``app`` a problem."""

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> JSONResponse:
        hint, reason = "", Reason.NONE
        if isinstance(error, Problem):
            hint, reason = error.hint, error.reason
        answer = _answer(request, error.status_code, str(error.detail), hint, reason)
        answer.headers.update(error.headers or {})  # such as Allow
        return answer

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        name = str(first["loc"][-1])
        detail = f"{name}: {first['msg']}, got {first.get('input')!r:.80}"
        hint = "see /api/openapi.json"
        return _answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, detail, hint)

    @app.exception_handler(Exception)
    def failed(request: Request, _: Exception) -> Response:
        # The bug goes on to the log; this answer passes by all middleware.
        detail, hint = "the explorer failed", "its operator finds the cause in its log"
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        return headers.add(request.url.path, _answer(request, status, detail, hint))


def _answer(
    request: Request,
    status: int,
    detail: str,
    hint: str,
    reason: Reason = Reason.NONE,
) -> JSONResponse:
    content: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": request.url.path,
    }
    if hint:
        content["hint"] = hint
    if reason:
        named = {"code": int(reason), "name": reason.name, "text": reason.text}
        content["reason"] = named
    return JSONResponse(content, status, media_type=MEDIA_TYPE)
