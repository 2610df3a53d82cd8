"""Prometheus text: few series, by repository and workflow, and the collection in totals."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.deps import NowDep, open_session
from db import analytics
from db.engine import DatabaseUnavailable
from db.metrics.ledger import RepositoryLedger
from db.metrics.ledger_totals import Totals, totals
from db.metrics.scope import Scope
from db.metrics.window import Window
from db.migrate import NotMigrated
from db.queries.ledger import Service, list_ledger, service
from db.queries.repositories import unread_targets
from db.vocabulary import GroupBy

router = APIRouter(tags=["Prometheus"])
_SPAN = timedelta(hours=24)
_CONCLUSIONS = ("success", "failure", "cancelled", "skipped", "other", "in_progress")
_EXAMPLE = 'pipeline_health_runs_24h{conclusion="failure",repo="acme/web-app",workflow="CI"} 3.0'


@router.get(
    "/metrics",
    operation_id="get_prometheus_metrics",
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
            families += [*_runs(session, Window(now - _SPAN, now)), *_collection(session, now)]
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


def _collection(session: Session, now: datetime) -> list[GaugeMetricFamily]:
    ledgers, told = list_ledger(session), service(session, now)
    unread = unread_targets(session, [each.repo for each in ledgers])
    return [*_by_repository(ledgers), *_totals(totals(ledgers, len(unread), now)), *_service(told)]


def _by_repository(ledgers: list[RepositoryLedger]) -> list[GaugeMetricFamily]:
    """One series a monitored repository, as with its runs above."""
    kept = [(each.repo, each.synced_at, each.complete_since) for each in ledgers]
    return [
        _gauge("synced_timestamp_seconds", "Last complete look", {repo: _stamp(at) for repo, at, _ in kept}, "repo"),
        _gauge("repository_error", "1 where the last look failed", {each.repo: bool(each.error) for each in ledgers},
               "repo"),
        _gauge("repository_complete", "1 where nothing is known to be missing",
               {each.repo: each.complete for each in ledgers}, "repo"),
        _gauge("complete_since_timestamp_seconds", "Every run created since then is stored, but for the gaps",
               {repo: _stamp(since) for repo, _, since in kept}, "repo"),
    ]  # fmt: skip


def _totals(found: Totals) -> list[GaugeMetricFamily]:
    logs = {"pending": found.logs.pending, "expired": found.logs.expired, "missing": found.logs.missing}
    share, left = (found.reading.share, found.reading.seconds_left) if found.reading else (1.0, 0.0)
    return [
        _gauge("repositories", "Monitored repositories by how complete they are", found.states, "state"),
        _gauge("repositories_unreadable", "Names of GITHUB_REPOS that led to no repository", found.unread),
        _gauge("gaps", "What is known to be missing, by the reason", found.gaps, "kind"),
        _gauge("runs_stored", "Runs of the monitored repositories", found.runs),
        _gauge("runs_without_jobs", "Ended runs whose jobs are still to be fetched", found.jobs_missing),
        _gauge("run_numbers", "Run numbers that were never seen: GitHub is asked for them, or does not have them",
               {"open": found.numbers_missing, "absent": found.numbers_absent}, "state"),
        _gauge("logs", "Logs that were asked for and are not stored", logs, "state"),
        _gauge("history_read_ratio", "How much of the history that is being read was read; 1 when all was", share),
        _gauge("history_left_seconds", "About as long as the rest takes; absent while that is not known", left),
    ]  # fmt: skip


def _service(told: Service) -> list[GaugeMetricFamily]:
    inbox, alive = told.inbox, sum(each.alive for each in told.collectors)
    return [
        _gauge("collector_seen_timestamp_seconds", "Last sign of life of the collector",
               _stamp(told.beat.seen_at if told.beat else None)),
        _gauge("collectors", "Collectors at work", alive),
        _gauge("inbox_waiting", "Deliveries of webhooks that are not applied yet", inbox.pending),
        _gauge("inbox_failed", "Deliveries of the last 7 days that could not be applied", inbox.failed),
        _gauge("inbox_oldest_timestamp_seconds", "When the oldest waiting delivery came; absent when none waits",
               _stamp(inbox.oldest_pending_at)),
        _gauge("webhook_timestamp_seconds", "When the latest delivery came", _stamp(told.webhook_at)),
    ]  # fmt: skip


def _gauge(
    name: str, what: str, values: Mapping[Any, float | None] | float | None, label: str | None = None
) -> GaugeMetricFamily:
    """`values` by the label's value; null ones are left out."""
    family = GaugeMetricFamily(f"pipeline_health_{name}", what, labels=[label] if label else None)
    for key, value in values.items() if isinstance(values, Mapping) else [(None, values)]:
        if value is not None:
            family.add_metric([str(key)] if label else [], value)
    return family


def _stamp(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None
