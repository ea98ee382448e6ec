"""The explorer as one ASGI application."""

from collections.abc import Callable
from importlib.metadata import version
from importlib.resources import files

from fastapi import FastAPI, Response
from fastapi.responses import PlainTextResponse
from fastapi.staticfiles import StaticFiles

from edgeproof.coordinator.web import api, enrolments, headers, pages, problems
from edgeproof.coordinator.web.api import Source


def create_app(source: Source, description_text: Callable[[], str]) -> FastAPI:
    """Return the explorer of one network.

    ``description_text`` returns the signed description as it is served.
    """
    app = FastAPI(
        title="edgeproof explorer",
        version=version("edgeproof"),
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    problems.install(app)
    headers.install(app)
    app.include_router(api.router(source))
    app.include_router(enrolments.router(source))
    app.include_router(pages.router(source))
    static = files("edgeproof.coordinator.web").joinpath("static")
    app.mount("/static", StaticFiles(directory=str(static)), name="static")

    @app.get("/.well-known/edgeproof.json", tags=["network"])
    def description() -> Response:
        """Return the network's signed description of itself."""
        return Response(description_text(), media_type="application/json")

    @app.get("/livez", tags=["network"])
    def alive() -> PlainTextResponse:
        """Answer while the process serves."""
        return PlainTextResponse("ok\n")

    return app
