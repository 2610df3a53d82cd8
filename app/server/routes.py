"""The dashboard's own routes besides its pages: health checks, logs and the command palette. The login protects them
like the pages."""

import logging

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from app.javascript import bundle, script_path
from app.server.request_checks import base_path
from app.server.static_files import CACHE_IMMUTABLE

log = logging.getLogger(__name__)
_NO_STORE = {"cache-control": "no-store"}
# Bundles that the browser loads when they are needed.
_SCRIPTS = ("log_viewer", "palette")


async def live(_: Request) -> JSONResponse:
    """200 while the process answers, whatever the state of the database."""
    return JSONResponse({"status": "ok"}, headers=_NO_STORE)


def ready(request: Request) -> JSONResponse:
    """503 if the database cannot be read. The response contains the reason only if there is no login."""
    from app.access.login import login
    from app.data.connection import FailedOver
    from app.data.outages import DatabaseDown, Unavailable, current_outage
    from app.data.status import load_status

    try:
        load_status()
        if current_outage():
            raise DatabaseDown
    except FailedOver:
        return ready(request)
    except Unavailable as error:
        if login() is None:
            return JSONResponse({"status": "error", "detail": str(error)}, 503, _NO_STORE)
        log.warning("%s", error)
        return JSONResponse({"status": "error"}, 503, _NO_STORE)
    return JSONResponse({"status": "ok"}, headers=_NO_STORE)


def log_part(request: Request) -> Response:
    from app.server import log_routes

    return log_routes.log_response(request)


def palette_entries(request: Request) -> Response:
    from app.server import palette_routes

    return palette_routes.palette_response(request)


async def script(request: Request) -> Response:
    name = next((name for name in _SCRIPTS if script_path(name) == request.url.path.rpartition("/")[2]), None)
    if name is None:
        return PlainTextResponse("The dashboard has been updated: reload the page.", 404)
    return Response(bundle(name), media_type="text/javascript", headers={"cache-control": CACHE_IMMUTABLE})


def routes() -> list[Route]:
    base = base_path()
    return [
        Route(f"{base}/health/live", live),
        Route(f"{base}/health/ready", ready),
        Route(f"{base}/log-viewer-{{name}}", script),
        Route(f"{base}/palette-{{name}}", script),
        Route(f"{base}/palette.json", palette_entries),
        Route(f"{base}/logs/{{run_id}}/{{job_id}}/{{part}}", log_part),
    ]
