"""Prometheus text: few series, by repository and workflow."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.deps import NowDep, open_session
from db import analytics
from db.engine import DatabaseUnavailable
from db.metrics.scope import Scope
from db.metrics.window import Window
from db.migrate import NotMigrated
from db.queries.repositories import heartbeat, list_repositories
from db.vocabulary import GroupBy

router = APIRouter(tags=["Prometheus"])
_SPAN = timedelta(hours=24)
_CONCLUSIONS = ("success", "failure", "cancelled", "skipped", "other", "in_progress")
_EXAMPLE = 'pipeline_health_runs_24h{conclusion="failure",repo="acme/web-app",workflow="CI"} 3.0'


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"example": _EXAMPLE}}}},
)
def metrics(request: Request, now: NowDep) -> Response:
    """The last 24 hours by repository and workflow, the state of collection, and this process. Answers without
    the database too: pipeline_health_database_up is 0 then."""
    up = GaugeMetricFamily("pipeline_health_database_up", "1 where the database can be used")
    families = [up]
    try:
        with open_session(request) as session:
            families += [*_runs(session, Window(now - _SPAN, now)), *_collection(session)]
        up.add_metric([], 1)
    except (DatabaseUnavailable, NotMigrated, SQLAlchemyError):
        request.app.state.gate.shut()
        up.add_metric([], 0)
    own = generate_latest(request.app.state.registry)
    return Response(generate_latest(_Fixed(families)) + own, media_type=CONTENT_TYPE_LATEST)


class _Fixed:
    """Families that are already there, in the shape that generate_latest reads."""

    def __init__(self, families: list[GaugeMetricFamily]) -> None:
        self._families = families

    def collect(self) -> Iterator[GaugeMetricFamily]:
        return iter(self._families)


def _runs(session: Session, window: Window) -> list[GaugeMetricFamily]:
    labels = ["repo", "workflow"]
    runs = GaugeMetricFamily(
        "pipeline_health_runs_24h", "Runs created in the last 24 hours", labels=[*labels, "conclusion"]
    )
    rate = GaugeMetricFamily("pipeline_health_success_ratio_24h", "Success / decided, last 24 hours", labels=labels)
    p50 = GaugeMetricFamily("pipeline_health_duration_seconds_p50_24h", "Median duration", labels=labels)
    p95 = GaugeMetricFamily("pipeline_health_duration_seconds_p95_24h", "95th percentile of duration", labels=labels)
    groups = analytics.groups(session, Scope(), window, GroupBy.WORKFLOW)
    names = Counter((group.repo, group.key) for group in groups)
    for group in groups:
        # Two workflows of one name would be the same series twice, which Prometheus refuses.
        twice = names[group.repo, group.key] > 1
        key = [group.repo or "", f"{group.key} ({group.workflow_id})" if twice else group.key or ""]
        for conclusion in _CONCLUSIONS:
            runs.add_metric([*key, conclusion], getattr(group.metrics.runs, conclusion))
        times = group.metrics.duration_seconds
        for family, value in ((rate, group.metrics.success_rate), (p50, times.p50), (p95, times.p95)):
            if value is not None:
                family.add_metric(key, value)
    return [runs, rate, p50, p95]


def _collection(session: Session) -> list[GaugeMetricFamily]:
    synced = GaugeMetricFamily("pipeline_health_synced_timestamp_seconds", "Last complete look", labels=["repo"])
    failing = GaugeMetricFamily("pipeline_health_repository_error", "1 where the last look failed", labels=["repo"])
    for row in list_repositories(session):
        failing.add_metric([row.repo], 1 if row.error else 0)
        if row.synced_at:
            synced.add_metric([row.repo], row.synced_at.timestamp())
    seen = GaugeMetricFamily("pipeline_health_collector_seen_timestamp_seconds", "Last sign of life of the collector")
    beat = heartbeat(session)
    if beat:
        seen.add_metric([], beat.seen_at.timestamp())
    return [synced, failing, seen]
