"""The dashboard's own addresses beside its pages. They show what the pages show, to whom the pages are shown."""

import logging

import streamlit as st
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from app.logs.script import script, script_path
from app.server.middleware import CACHE_IMMUTABLE

log = logging.getLogger(__name__)


async def live(_: Request) -> JSONResponse:
    """The process answers; nothing else is asked."""
    return JSONResponse({"status": "ok"}, headers={"cache-control": "no-store"})


def ready(request: Request) -> JSONResponse:
    """503 with one line where the database cannot be read. Its address stands in the log alone; where there is a login,
    so does the reason."""
    from app import data
    from app.access.login import login

    headers = {"cache-control": "no-store"}
    try:
        data.status()
        if data.current_outage():
            raise data.DatabaseDown("The database does not answer. The log of the dashboard says why.")
    except data.FailedOver:
        return ready(request)
    except data.Unavailable as error:
        if login() is None:
            return JSONResponse({"status": "error", "detail": str(error)}, 503, headers)
        log.warning("%s", error)
        return JSONResponse({"status": "error"}, 503, headers)
    return JSONResponse({"status": "ok"}, headers=headers)


def log_part(request: Request) -> Response:
    from app.server import logs

    return logs.log_response(request)


async def viewer(request: Request) -> Response:
    if request.path_params["name"] != script_path().removeprefix("log-viewer-"):
        return PlainTextResponse("The dashboard has changed meanwhile: reload the page.", 404)
    return Response(script(), media_type="text/javascript", headers={"cache-control": CACHE_IMMUTABLE})


def routes() -> list[Route]:
    """Below the path that Streamlit is served at."""
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    prefix = f"/{base}" if base else ""
    return [
        Route(f"{prefix}/health/live", live),
        Route(f"{prefix}/health/ready", ready),
        Route(f"{prefix}/log-viewer-{{name}}", viewer),
        Route(f"{prefix}/logs/{{run_id}}/{{job_id}}/{{part}}", log_part),
    ]
