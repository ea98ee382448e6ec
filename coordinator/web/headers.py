"""What every answer says to browsers."""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

CLAIM = "/claim"
"""The one page with a script: wallets cannot be reached otherwise."""

CLAIM_POLICY = f"{CONTENT_SECURITY_POLICY}; script-src 'self'; connect-src 'self'"

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Sent with every answer: nothing is loaded from elsewhere, nothing runs inline."""

PUBLIC = ("/api/", "/.well-known/")
"""What pages of other sites may read: it is public and knows no cookies."""


def add(path: str, response: Response) -> Response:
    """Return ``response`` to ``path`` with the headers."""
    response.headers.update(HEADERS)
    if path == CLAIM:
        response.headers["Content-Security-Policy"] = CLAIM_POLICY
    if path.startswith(PUBLIC):
        response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def install(app: FastAPI) -> None:
    """Add the headers to every answer but those to bugs: ``problems`` does it there."""

    @app.middleware("http")
    async def with_headers(
        request: Request, answer: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        return add(request.url.path, await answer(request))
