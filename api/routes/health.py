"""Health, for people, load balancers and containers. No secrets, no key."""

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from api import schemas
from api.config import Settings
from api.deps import NowDep
from api.health import Check, check_collection, check_database, overall, schema_revision
from db.version import VERSION

router = APIRouter(prefix="/health", tags=["Health"])


@router.get(
    "",
    operation_id="get_health",
    response_model=schemas.Health,
    summary="State of the database, the collectors and the inbox of webhooks",
    responses={503: {"model": schemas.Health, "description": "The database cannot be used"}},
)
def health(request: Request, now: NowDep) -> JSONResponse:
    """`degraded` answers 200: figures are there, but may be out of date; the checks say why."""
    settings: Settings = request.app.state.settings
    reader, writer = request.app.state.engine, request.app.state.writer
    checks = {"database": check_database(writer)}
    if reader is not writer:
        checks["replica"] = check_database(reader)
    if overall(list(checks.values())) == "ok":
        poll = timedelta(minutes=settings.poll_interval_minutes)
        checks |= check_collection(reader, now, poll)
    else:
        unknown = Check("degraded", "Not known while the database cannot be used.")
        checks |= {"collector": unknown, "inbox": unknown}
    status = overall(list(checks.values()))
    body = {
        "status": status,
        "version": VERSION,
        "schema_revision": schema_revision(writer) if checks["database"].status == "ok" else None,
        "checks": {name: each.as_dict() for name, each in checks.items()},
    }
    return _answer(body, status)


@router.get("/live", operation_id="get_liveness", response_model=schemas.Alive, summary="The process answers")
def live() -> JSONResponse:
    return _answer({"status": "ok"}, "ok")


@router.get(
    "/ready",
    operation_id="get_readiness",
    response_model=schemas.Check,
    summary="The database can be used",
    responses={503: {"model": schemas.Check, "description": "It cannot"}},
)
def ready(request: Request) -> JSONResponse:
    check = check_database(request.app.state.engine)
    return _answer(check.as_dict(), check.status)


def _answer(body: dict[str, Any], status: str) -> JSONResponse:
    return JSONResponse(body, 503 if status == "error" else 200, {"Cache-Control": "no-store"})
