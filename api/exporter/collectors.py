"""Metric families of completeness, collectors and webhooks. Collectors store their counters in their heartbeats."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from prometheus_client.core import Metric
from sqlalchemy.orm import Session

from api.exporter.metrics import Samples, counter, gauge, gauges, summary, timestamp
from db.collection.counters import CounterName, CounterRegistry, SummaryName, TimestampName, from_dict
from db.collection.heartbeat_detail import RateLimitDetail
from db.repositories.repository_queries import HeartbeatRow, unresolved_targets
from health.completeness.collector_status import CollectionReport, collection_report, is_heartbeat_stale
from health.completeness.repository_completeness import CompletenessTotals, RepositoryCompleteness, completeness_totals
from health.completeness.service import RowCounts, list_completeness
from health.log_search.index import IndexState, index_state


def collection(session: Session, counts: RowCounts, now: datetime) -> list[Metric]:
    """Completeness by repository and in total, and the state of collection."""
    repositories, status = list_completeness(session, counts), collection_report(session, now)
    unresolved = unresolved_targets(session, [repository.repo for repository in repositories])
    return [
        *_by_repository(repositories),
        _sync_lag(repositories, now),
        *_totals(completeness_totals(repositories, len(unresolved), now)),
        *_search_index(index_state(session)),
        *_service(status, now),
    ]


def _by_repository(repositories: Sequence[RepositoryCompleteness]) -> list[Metric]:
    return [
        gauge(
            "synced_timestamp_seconds",
            "Time of the latest complete sync of the repository",
            {repository.repo: timestamp(repository.synced_at) for repository in repositories},
            "repo",
        ),
        gauge(
            "repository_error",
            "1 if the latest sync of the repository failed, else 0",
            {repository.repo: bool(repository.error) for repository in repositories},
            "repo",
        ),
        gauge(
            "repository_complete",
            "1 if no data of the repository is known to be missing, else 0",
            {repository.repo: repository.is_complete for repository in repositories},
            "repo",
        ),
        gauge(
            "complete_since_timestamp_seconds",
            "Every run created since this time is stored, except for the gaps",
            {repository.repo: timestamp(repository.complete_since) for repository in repositories},
            "repo",
        ),
    ]


def _sync_lag(repositories: Sequence[RepositoryCompleteness], now: datetime) -> Metric:
    oldest = min((repository.synced_at for repository in repositories if repository.synced_at), default=None)
    lag = max((now - oldest).total_seconds(), 0.0) if oldest else None
    return gauge("sync_lag_seconds", "Age of the oldest of the latest syncs of the repositories", lag)


def _totals(totals: CompletenessTotals) -> list[Metric]:
    logs = {"pending": totals.logs.pending, "expired": totals.logs.expired, "missing": totals.logs.missing}
    share, seconds_left = (totals.backfill.share, totals.backfill.seconds_left) if totals.backfill else (1.0, 0.0)
    return [
        gauge("repositories", "Monitored repositories by state of completeness", totals.states, "state"),
        gauge(
            "repositories_unreadable", "Entries of GITHUB_REPOS that do not resolve to a repository", totals.unresolved
        ),
        gauge("gaps", "Known gaps in the stored data, by kind", totals.gaps, "kind"),
        gauge("runs_stored", "Stored runs of the monitored repositories", totals.runs),
        gauge("runs_without_jobs", "Completed runs whose jobs are not fetched yet", totals.runs_without_jobs),
        gauge(
            "run_numbers",
            "Run numbers without a stored run; absent: the run does not exist on GitHub",
            {"open": totals.run_numbers_missing, "absent": totals.run_numbers_absent},
            "state",
        ),
        gauge("logs", "Requested logs that are not stored, by state", logs, "state"),
        gauge("history_read_ratio", "Completed share of the running backfills; 1 if none is running", share),
        gauge(
            "history_left_seconds",
            "Estimated remaining time of the running backfills; absent while unknown",
            seconds_left,
        ),
    ]


def _search_index(state: IndexState) -> list[Metric]:
    return [
        gauge("log_search_unindexed", "Stored logs that the search index does not cover yet", state.unindexed),
        gauge("log_search_unreadable", "Stored logs whose text is damaged", state.unreadable),
    ]


def _service(status: CollectionReport, now: datetime) -> list[Metric]:
    inbox, alive = status.inbox, sum(collector.alive for collector in status.collectors)
    oldest = inbox.oldest_pending_at
    lag = max((now - oldest).total_seconds(), 0.0) if oldest else 0.0
    return [
        gauge(
            "collector_seen_timestamp_seconds",
            "Time of the latest heartbeat of a collector",
            timestamp(status.heartbeat.seen_at if status.heartbeat else None),
        ),
        gauge(
            "collector_stopped_timestamp_seconds",
            "Time of the latest orderly stop of a collector; absent while one runs",
            timestamp(status.heartbeat.stopped_at if status.heartbeat else None),
        ),
        gauge("collectors", "Running collectors", alive),
        gauge("inbox_waiting", "Webhook deliveries that are not applied yet", inbox.pending),
        gauge("inbox_failed", "Webhook deliveries from the last 7 days that could not be applied", inbox.failed),
        gauge("inbox_lag_seconds", "Age of the oldest waiting delivery; 0 if none waits", lag),
        gauge(
            "inbox_oldest_timestamp_seconds",
            "Arrival time of the oldest waiting delivery; absent if none waits",
            timestamp(oldest),
        ),
        gauge("webhook_timestamp_seconds", "Arrival time of the latest delivery", timestamp(status.webhook_at)),
    ]


_COUNTERS = {
    CounterName.SYNCS: ("syncs", "Sync passes over all repositories of a collector, by result", "result"),
    CounterName.REQUESTS: ("github_requests", "Requests to GitHub by class of status code", "status"),
    CounterName.DELIVERIES: ("webhook_deliveries", "Processed webhook deliveries by outcome", "outcome"),
}
_SUMMARIES = {
    SummaryName.SYNC: ("sync_duration_seconds", "Duration of sync passes over all repositories of a collector"),
    SummaryName.REQUEST: ("github_request_duration_seconds", "Duration of requests to GitHub"),
    SummaryName.DELIVERY: (
        "webhook_apply_duration_seconds",
        "Time from the arrival of a delivery until it was applied",
    ),
}


def collectors(heartbeats: Mapping[str, HeartbeatRow], now: datetime) -> list[Metric]:
    """Versions, counters and rate limits of each collector."""
    registries = {name: from_dict(heartbeat.detail.counters) for name, heartbeat in heartbeats.items()}
    # A stopped collector keeps its heartbeat for a day or two; its version is of no interest.
    running = {
        name: heartbeat.detail.version or ""
        for name, heartbeat in heartbeats.items()
        if not is_heartbeat_stale(heartbeat, now)
    }
    return [
        gauges(
            "collector_info",
            "Version of each running collector",
            ["collector", "version"],
            dict.fromkeys(running.items(), 1.0),
        ),
        *(
            counter(name, documentation, ["collector", label], _counts(registries, counter_name))
            for counter_name, (name, documentation, label) in _COUNTERS.items()
        ),
        *(
            summary(name, documentation, ["collector"], _summaries(registries, summary_name))
            for summary_name, (name, documentation) in _SUMMARIES.items()
        ),
        gauge(
            "sync_success_timestamp_seconds",
            "Time of the latest sync pass that completed all repositories",
            {name: timestamp(registry.timestamps.get(TimestampName.SYNC)) for name, registry in registries.items()},
            "collector",
        ),
        counter(
            "notifications",
            "Notifications by channel and result",
            ["collector", "channel", "result"],
            _notifications(registries),
        ),
        counter(
            "retention_runs_deleted",
            "Runs deleted because they were older than RETENTION_DAYS",
            ["collector"],
            {(name,): sum(registry.counts[CounterName.RUNS_DELETED].values()) for name, registry in registries.items()},
        ),
        gauge(
            "retention_timestamp_seconds",
            "Time when retention was last applied completely",
            _last_retention(registries),
        ),
        *_rate_limits({name: heartbeat.detail.rate_limit for name, heartbeat in heartbeats.items()}, now),
    ]


def _counts(registries: Mapping[str, CounterRegistry], counter_name: CounterName) -> Samples:
    return {
        (name, label): number
        for name, registry in registries.items()
        for label, number in registry.counts[counter_name].items()
    }


def _summaries(
    registries: Mapping[str, CounterRegistry], summary_name: SummaryName
) -> dict[tuple[str, ...], tuple[float, float]]:
    return {
        (name,): registry.summaries[summary_name]
        for name, registry in registries.items()
        if summary_name in registry.summaries
    }


def _notifications(registries: Mapping[str, CounterRegistry]) -> Samples:
    """The labels of this counter are "channel/result"."""
    return {
        (name, *label.partition("/")[::2]): number
        for name, registry in registries.items()
        for label, number in registry.counts[CounterName.NOTIFICATIONS].items()
    }


def _last_retention(registries: Mapping[str, CounterRegistry]) -> float | None:
    times = [registry.timestamps.get(TimestampName.RETENTION) for registry in registries.values()]
    return timestamp(max((time for time in times if time is not None), default=None))


def _rate_limits(rate_limits: Mapping[str, RateLimitDetail | None], now: datetime) -> list[Metric]:
    """Limits of the resource `core`, as each collector reports them: collectors with the same token report the same."""
    limits = {name: limit for name, limit in rate_limits.items() if limit is not None}
    resets = {name: limit.reset_at for name, limit in limits.items()}
    expired = {name for name, reset in resets.items() if reset and reset <= now}
    total = {name: limit.limit for name, limit in limits.items()}
    remaining = {name: limit.limit if name in expired else limit.remaining for name, limit in limits.items()}
    reserve = {name: limit.reserve for name, limit in limits.items()}
    return [
        gauge("github_rate_limit", "Requests per hour that GitHub allows", total, "collector"),
        gauge(
            "github_rate_limit_remaining",
            "Remaining requests of the hour; the full limit after the reset",
            remaining,
            "collector",
        ),
        gauge(
            "github_rate_limit_reserve",
            "Requests that RATE_LIMIT_RESERVE leaves to other programs",
            reserve,
            "collector",
        ),
        gauge(
            "github_rate_limit_reset_timestamp_seconds",
            "Time of the next reset of the rate limit",
            {name: timestamp(reset) for name, reset in resets.items()},
            "collector",
        ),
    ]
