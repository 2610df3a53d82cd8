"""GET /metrics: Prometheus metrics by repository and workflow, and totals."""

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import SQLAlchemyError

from api.auth import require_metrics_key
from api.deps import NowDep
from api.exporter.cached import CachedExporter
from api.exporter.metrics import gauge, render
from api.schema_guard import SchemaGuard
from api.schemas import ProblemDocument
from db.engine import DatabaseUnavailable
from db.migrate import NotMigrated
from db.replica import is_replica_failure

router = APIRouter(tags=["Prometheus"])
_EXAMPLE = 'pipeline_health_runs_24h{conclusion="failure",repo="acme/web-app",workflow="CI"} 3.0'


@router.get(
    "/metrics",
    operation_id="get_prometheus_metrics",
    summary="Get Prometheus metrics",
    response_class=Response,
    dependencies=[Depends(require_metrics_key)],
    responses={
        200: {"content": {"text/plain": {"example": _EXAMPLE}}},
        401: {"model": ProblemDocument, "description": "METRICS_KEY is set, and the request has no valid key"},
    },
)
def metrics(request: Request, now: NowDep) -> Response:
    """Metrics over 24 hours by repository and workflow, and of collection, collectors, queues, the database and
    this process. Without the database the response has the metrics of the process and pipeline_health_database_up 0."""
    exporter: CachedExporter = request.app.state.exporter
    schema_guard: SchemaGuard = request.app.state.schema_guard
    try:
        stored, up = exporter.render(now), 1
    except (DatabaseUnavailable, NotMigrated, SQLAlchemyError) as error:
        if is_replica_failure(error):
            raise
        schema_guard.invalidate()
        stored, up = b"", 0
    up_metric = render([gauge("database_up", "1 if the database is available, else 0", up)])
    process_metrics = generate_latest(request.app.state.registry)
    return Response(up_metric + stored + process_metrics, media_type=CONTENT_TYPE_LATEST)
