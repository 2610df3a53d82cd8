"""Health, for people, load balancers and containers. No secrets, and no key but for names where METRICS_KEY is set."""

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from api import schemas
from api.auth import is_allowed
from api.deps import NowDep
from api.health import HealthCheck, check_collection, check_database, check_replica, overall, schema_revision
from api.settings import ApiSettings
from core import VERSION
from db.replica import ReplicaRouter

router = APIRouter(prefix="/health", tags=["Health"])


@router.get(
    "",
    operation_id="get_health",
    response_model=schemas.Health,
    summary="State of the database, the collectors and the inbox of webhooks",
    responses={503: {"model": schemas.Health, "description": "The database cannot be used"}},
)
def health(request: Request, now: NowDep) -> JSONResponse:
    """`degraded` answers 200: figures are there, but may be out of date; the checks say why. Where METRICS_KEY is set,
    names of hosts and repositories are given only with `Authorization: Bearer METRICS_KEY`."""
    settings: ApiSettings = request.app.state.settings
    details = is_allowed(request.headers, settings.metrics_keys)
    reader: ReplicaRouter = request.app.state.reader
    checks = {"database": check_database(reader.primary, request.app.state.gate)}
    if reader.replica is not None:
        checks["replica"] = check_replica(reader)
    if checks["database"].status != "error" or reader.status().from_replica:
        poll = timedelta(minutes=settings.poll_interval_minutes)
        checks |= check_collection(reader, request.app.state.gate, now, poll, details=details)
    else:
        unknown = HealthCheck("degraded", "Not known while the database cannot be used.")
        checks |= {"collector": unknown, "inbox": unknown}
    status = overall(list(checks.values()))
    body = {
        "status": status,
        "version": VERSION,
        "schema_revision": schema_revision(reader.primary) if checks["database"].status == "ok" else None,
        "checks": {name: each.as_dict() for name, each in checks.items()},
    }
    return _answer(body, status)


@router.get(
    "/live", operation_id="get_liveness", response_model=schemas.LivenessResponse, summary="The process answers"
)
async def live() -> JSONResponse:
    """Answers while all threads wait for something else."""
    return _answer({"status": "ok"}, "ok")


@router.get(
    "/ready",
    operation_id="get_readiness",
    response_model=schemas.Check,
    summary="The database can be used",
    responses={503: {"model": schemas.Check, "description": "It cannot"}},
)
def ready(request: Request) -> JSONResponse:
    reader: ReplicaRouter = request.app.state.reader
    if reader.engine is reader.replica:
        check = check_replica(reader)
    else:
        check = check_database(reader.primary, request.app.state.gate, probe_rows=True)
    return _answer(check.as_dict(), check.status)


def _answer(body: dict[str, Any], status: str) -> JSONResponse:
    return JSONResponse(body, 503 if status == "error" else 200, {"Cache-Control": "no-store"})
