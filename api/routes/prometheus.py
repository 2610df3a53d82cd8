"""Prometheus text: few series, by repository and workflow."""

from collections.abc import Iterator
from datetime import timedelta

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.orm import Session

from api.deps import NowDep, SessionDep
from db import analytics
from db.metrics.scope import Scope
from db.metrics.window import Window
from db.queries.repositories import heartbeat, list_repositories
from db.vocabulary import GroupBy

router = APIRouter(tags=["Prometheus"])
_SPAN = timedelta(hours=24)


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
def metrics(request: Request, session: SessionDep, now: NowDep) -> Response:
    """The last 24 hours by repository and workflow, and the state of collection."""
    families = [*_runs(session, Window(now - _SPAN, now)), *_collection(session)]
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
        "pipeline_health_runs_24h", "Runs created in the last 24 hours", labels=[*labels, "outcome"]
    )
    rate = GaugeMetricFamily("pipeline_health_success_ratio_24h", "Success / decided, last 24 hours", labels=labels)
    p50 = GaugeMetricFamily("pipeline_health_duration_seconds_p50_24h", "Median duration", labels=labels)
    p95 = GaugeMetricFamily("pipeline_health_duration_seconds_p95_24h", "95th percentile of duration", labels=labels)
    for group in analytics.groups(session, Scope(), window, GroupBy.WORKFLOW):
        key, counts = [group.repo or "", group.key or ""], group.metrics.runs
        for outcome in ("success", "failure", "cancelled", "skipped", "other", "in_progress"):
            runs.add_metric([*key, outcome], getattr(counts, outcome))
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
