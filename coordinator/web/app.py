"""The explorer as one ASGI application."""

from collections.abc import Callable
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI, Response
from fastapi.responses import PlainTextResponse
from fastapi.staticfiles import StaticFiles

from edgeproof.coordinator.reading import Load, Reader
from edgeproof.coordinator.web import api, headers, pages, problems
from edgeproof.telemetry.description import read


def create_app(
    reader: Reader,
    description_text: Callable[[], str],
    bundles: Path,
    now: Callable[[], int],
    load: Callable[[], Load],
) -> FastAPI:
    """Return the explorer of one network.

    ``description_text`` returns the signed description as it is served; ``bundles``
    holds one folder for each published epoch; ``now`` is Unix milliseconds, and
    ``load`` the verifier's queue.
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
    source = api.Source(reader, read(description_text()), bundles, now, load)
    app.include_router(api.router(source))
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
