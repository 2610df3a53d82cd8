"""Prometheus text: few series, by repository and workflow, and everything else in totals."""

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import SQLAlchemyError

from api.auth import require_metrics_key
from api.deps import NowDep
from api.exporter.cached import CachedExporter
from api.exporter.metrics import gauge, render
from api.schemas import ProblemDocument
from db.engine import DatabaseUnavailable
from db.migrate import NotMigrated
from db.replica import is_replica_failure

router = APIRouter(tags=["Prometheus"])
_EXAMPLE = 'pipeline_health_runs_24h{conclusion="failure",repo="acme/web-app",workflow="CI"} 3.0'


@router.get(
    "/metrics",
    operation_id="get_prometheus_metrics",
    summary="Prometheus metrics",
    response_class=Response,
    dependencies=[Depends(require_metrics_key)],
    responses={
        200: {"content": {"text/plain": {"example": _EXAMPLE}}},
        401: {"model": ProblemDocument, "description": "METRICS_KEY is set and was not sent"},
    },
)
def metrics(request: Request, now: NowDep) -> Response:
    """The last 24 hours by repository and workflow, the state of collection, collectors, queues and database, and this
    process. Answers without the database too: pipeline_health_database_up is 0 then."""
    measures: CachedExporter = request.app.state.measures
    try:
        stored, up = measures.render(now), 1
    except (DatabaseUnavailable, NotMigrated, SQLAlchemyError) as error:
        if is_replica_failure(error):
            raise
        request.app.state.gate.shut()
        stored, up = b"", 0
    said = render([gauge("database_up", "1 where the database can be used", up)])
    own = generate_latest(request.app.state.registry)
    return Response(said + stored + own, media_type=CONTENT_TYPE_LATEST)
