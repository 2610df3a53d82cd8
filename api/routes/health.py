"""Health, for people, load balancers and containers. No secrets, no key."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from api.deps import NowDep
from api.health import Check, check_collector, check_database, overall
from db.version import VERSION

router = APIRouter(prefix="/health", tags=["Health"])


@router.get(
    "", summary="State of the database and the collector", responses={503: {"description": "The database fails"}}
)
def health(request: Request, now: NowDep) -> JSONResponse:
    """`degraded` answers 200: figures are there, but may be out of date; the checks say why."""
    checks = {"database": check_database(request.app.state.engine)}
    if checks["database"].status == "ok":
        checks["collector"] = check_collector(request.app.state.engine, now)
    else:
        checks["collector"] = Check("degraded", "not known while the database fails")
    status = overall(list(checks.values()))
    body: dict[str, Any] = {
        "status": status,
        "version": VERSION,
        "checks": {name: check.as_dict() for name, check in checks.items()},
    }
    return JSONResponse(body, 503 if status == "error" else 200, {"Cache-Control": "no-store"})


@router.get("/live", summary="The process answers")
def live() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/ready", summary="The database can be used", responses={503: {"description": "It cannot"}})
def ready(request: Request) -> JSONResponse:
    check = check_database(request.app.state.engine)
    return JSONResponse(check.as_dict(), 200 if check.status == "ok" else 503)
