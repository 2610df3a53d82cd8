"""Health checks for operators, load balancers and containers. They require no key and reveal no secrets."""

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from api import schemas
from api.auth import is_allowed
from api.deps import NowDep
from api.health import HealthCheck, check_collection, check_database, check_replica, overall, schema_revision
from api.schema_guard import SchemaGuard
from api.settings import ApiSettings
from core import VERSION
from db.replica import ReplicaRouter

router = APIRouter(prefix="/health", tags=["Health"])


@router.get(
    "",
    operation_id="get_health",
    response_model=schemas.Health,
    summary="Get the state of the database, the collectors and the webhook queue",
    responses={503: {"model": schemas.Health, "description": "The database is unavailable"}},
)
def health(request: Request, now: NowDep) -> JSONResponse:
    """The status code is 200 for `degraded`: figures are available but may be outdated; the checks give the reason.
    Where METRICS_KEY is set, names of hosts and repositories require `Authorization: Bearer METRICS_KEY`."""
    settings: ApiSettings = request.app.state.settings
    details = is_allowed(request.headers, settings.metrics_keys)
    reader: ReplicaRouter = request.app.state.reader
    checks = {"database": check_database(reader.primary, _schema_guard(request))}
    if reader.replica is not None:
        checks["replica"] = check_replica(reader)
    if checks["database"].status != "error" or reader.status().from_replica:
        poll = timedelta(minutes=settings.poll_interval_minutes)
        is_public = not settings.metrics_keys
        guard = _schema_guard(request)
        checks |= check_collection(reader, guard, now, poll, details=details, is_public=is_public)
    else:
        unknown = HealthCheck("degraded", "Unknown while the database is unavailable.")
        checks |= {"collector": unknown, "inbox": unknown}
    status = overall(list(checks.values()))
    body = {
        "status": status,
        "version": VERSION,
        "schema_revision": schema_revision(reader.primary) if checks["database"].status == "ok" else None,
        "checks": {name: check.as_dict() for name, check in checks.items()},
    }
    return _response(body, status)


@router.get("/live", operation_id="get_liveness", response_model=schemas.LivenessResponse, summary="Check liveness")
async def live() -> JSONResponse:
    """Returns 200 while the process accepts requests, even if all worker threads are busy."""
    return _response({"status": "ok"}, "ok")


@router.get(
    "/ready",
    operation_id="get_readiness",
    response_model=schemas.Check,
    summary="Check readiness",
    responses={503: {"model": schemas.Check, "description": "The database is unavailable"}},
)
def ready(request: Request) -> JSONResponse:
    """Returns 200 while the database can be read."""
    reader: ReplicaRouter = request.app.state.reader
    if reader.engine is reader.replica:
        check = check_replica(reader)
    else:
        check = check_database(reader.primary, _schema_guard(request), probe_rows=True)
    return _response(check.as_dict(), check.status)


def _schema_guard(request: Request) -> SchemaGuard:
    guard: SchemaGuard = request.app.state.schema_guard
    return guard


def _response(body: dict[str, Any], status: str) -> JSONResponse:
    return JSONResponse(body, 503 if status == "error" else 200, {"Cache-Control": "no-store"})
