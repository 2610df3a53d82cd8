"""How complete what is stored is, by repository and in totals, and what came by webhook.

What each collector counted, as its heartbeat tells.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from prometheus_client.core import Metric
from sqlalchemy.orm import Session

from api.exporter.metrics import Samples, counter, gauge, gauges, summary, timestamp
from core.counters import CounterName, CounterRegistry, SummaryName, TimestampName, from_dict, parse_timestamp
from db.repositories.repository_queries import HeartbeatRow, unresolved_targets
from health.completeness.collection_status import CollectionReport, collection_report, is_heartbeat_stale
from health.completeness.service import RowCounts, list_completeness
from health.completeness.status import CompletenessTotals, RepositoryCompleteness, completeness_totals


def collection(session: Session, counts: RowCounts, now: datetime) -> list[Metric]:
    ledgers, told = list_completeness(session, counts), collection_report(session, now)
    unread = unresolved_targets(session, [each.repo for each in ledgers])
    return [
        *_by_repository(ledgers),
        _sync_lag(ledgers, now),
        *_totals(completeness_totals(ledgers, len(unread), now)),
        *_service(told, now),
    ]


def _by_repository(ledgers: Sequence[RepositoryCompleteness]) -> list[Metric]:
    """One series a monitored repository, as with its runs."""
    kept = [(each.repo, each.synced_at, each.complete_since) for each in ledgers]
    return [
        gauge("synced_timestamp_seconds", "Last complete look", {repo: timestamp(at) for repo, at, _ in kept}, "repo"),
        gauge("repository_error", "1 where the last look failed", {each.repo: bool(each.error) for each in ledgers},
              "repo"),
        gauge("repository_complete", "1 where nothing is known to be missing",
              {each.repo: each.is_complete for each in ledgers}, "repo"),
        gauge("complete_since_timestamp_seconds", "Every run created since then is stored, but for the gaps",
              {repo: timestamp(since) for repo, _, since in kept}, "repo"),
    ]  # fmt: skip


def _sync_lag(ledgers: Sequence[RepositoryCompleteness], now: datetime) -> Metric:
    oldest = min((each.synced_at for each in ledgers if each.synced_at), default=None)
    lag = max((now - oldest).total_seconds(), 0.0) if oldest else None
    return gauge("sync_lag_seconds", "Since the last complete look at the repository that waits longest", lag)


def _totals(totals: CompletenessTotals) -> list[Metric]:
    logs = {"pending": totals.logs.pending, "expired": totals.logs.expired, "missing": totals.logs.missing}
    share, left = (totals.backfill.share, totals.backfill.seconds_left) if totals.backfill else (1.0, 0.0)
    return [
        gauge("repositories", "Monitored repositories by how complete they are", totals.states, "state"),
        gauge("repositories_unreadable", "Names of GITHUB_REPOS that led to no repository", totals.unresolved),
        gauge("gaps", "What is known to be missing, by the reason", totals.gaps, "kind"),
        gauge("runs_stored", "Runs of the monitored repositories", totals.runs),
        gauge("runs_without_jobs", "Ended runs whose jobs are still to be fetched", totals.runs_without_jobs),
        gauge("run_numbers", "Run numbers that were never seen: GitHub is asked for them, or does not have them",
              {"open": totals.run_numbers_missing, "absent": totals.run_numbers_absent}, "state"),
        gauge("logs", "Logs that were asked for and are not stored", logs, "state"),
        gauge("history_read_ratio", "How much of the history that is being read was read; 1 when all was", share),
        gauge("history_left_seconds", "About as long as the rest takes; absent while that is not known", left),
    ]  # fmt: skip


def _service(status: CollectionReport, now: datetime) -> list[Metric]:
    inbox, alive = status.inbox, sum(each.alive for each in status.collectors)
    oldest = inbox.oldest_pending_at
    lag = max((now - oldest).total_seconds(), 0.0) if oldest else 0.0
    return [
        gauge("collector_seen_timestamp_seconds", "Last sign of life of the collector",
              timestamp(status.heartbeat.seen_at if status.heartbeat else None)),
        gauge("collector_stopped_timestamp_seconds", "When the last collector ended in order; absent while one runs",
              timestamp(status.heartbeat.stopped_at if status.heartbeat else None)),
        gauge("collectors", "Collectors at work", alive),
        gauge("inbox_waiting", "Deliveries of webhooks that are not applied yet", inbox.pending),
        gauge("inbox_failed", "Deliveries of the last 7 days that could not be applied", inbox.failed),
        gauge("inbox_lag_seconds", "Since the oldest waiting delivery came; 0 when none waits", lag),
        gauge("inbox_oldest_timestamp_seconds", "When the oldest waiting delivery came; absent when none waits",
              timestamp(oldest)),
        gauge("webhook_timestamp_seconds", "When the latest delivery came", timestamp(status.webhook_at)),
    ]  # fmt: skip


_COUNTERS = {
    CounterName.SYNCS: ("syncs", "Looks at all repositories of a collector", "result"),
    CounterName.REQUESTS: ("github_requests", "Requests to GitHub by the class of the answer", "status"),
    CounterName.DELIVERIES: ("webhook_deliveries", "Deliveries of webhooks by what became of them", "outcome"),
}
_SUMMARIES = {
    SummaryName.SYNC: ("sync_duration_seconds", "Time of a look at all repositories of a collector"),
    SummaryName.REQUEST: ("github_request_duration_seconds", "Time until GitHub answered"),
    SummaryName.DELIVERY: ("webhook_apply_duration_seconds", "From the moment a delivery came until it was applied"),
}


def collectors(heartbeats: Mapping[str, HeartbeatRow], now: datetime) -> list[Metric]:
    tallies = {name: from_dict(beat.detail.get("tally")) for name, beat in heartbeats.items()}
    # One that ended keeps its heartbeat for a day or two, and no upgrade waits for it.
    running = {
        name: str(beat.detail.get("version") or "")
        for name, beat in heartbeats.items()
        if not is_heartbeat_stale(beat, now)
    }
    return [
        gauges("collector_info", "The version of each collector at work", ["collector", "version"],
               dict.fromkeys(running.items(), 1.0)),
        *(counter(name, what, ["collector", label], _counts(tallies, count))
          for count, (name, what, label) in _COUNTERS.items()),
        *(summary(name, what, ["collector"],
                  {(each,): tally.summaries[took] for each, tally in tallies.items() if took in tally.summaries})
          for took, (name, what) in _SUMMARIES.items()),
        gauge("sync_success_timestamp_seconds", "The last look that left nothing out",
              {name: timestamp(tally.timestamps.get(TimestampName.SYNC)) for name, tally in tallies.items()}, "collector"),
        counter("notifications", "Messages by channel and what became of them", ["collector", "channel", "result"],
                _notifications(tallies)),
        counter("retention_runs_deleted", "Runs that were older than RETENTION_DAYS", ["collector"],
                {(name,): sum(tally.counts[CounterName.RUNS_DELETED].values()) for name, tally in tallies.items()}),
        gauge("retention_timestamp_seconds", "When retention was last applied to its end", _last_retention(tallies)),
        *_rate_limits({name: beat.detail.get("rate_limit") for name, beat in heartbeats.items()}, now),
    ]  # fmt: skip


def _counts(tallies: Mapping[str, CounterRegistry], count: CounterName) -> Samples:
    return {(name, label): number for name, tally in tallies.items() for label, number in tally.counts[count].items()}


def _notifications(tallies: Mapping[str, CounterRegistry]) -> Samples:
    return {
        (name, *label.partition("/")[::2]): number
        for name, tally in tallies.items()
        for label, number in tally.counts[CounterName.NOTIFICATIONS].items()
    }


def _last_retention(tallies: Mapping[str, CounterRegistry]) -> float | None:
    known = [
        tally.timestamps[TimestampName.RETENTION]
        for tally in tallies.values()
        if TimestampName.RETENTION in tally.timestamps
    ]
    return timestamp(max(known, default=None))


def _rate_limits(rate_limits: Mapping[str, Any], now: datetime) -> list[Metric]:
    """Collectors ask for one resource, core, each for itself: where they share a token, all say about the same."""
    limits = {name: each for name, each in rate_limits.items() if isinstance(each, dict)}

    def of(part: str) -> dict[str, float | None]:
        return {name: _number(each.get(part)) for name, each in limits.items()}

    resets = {name: parse_timestamp(each.get("reset_at")) for name, each in limits.items()}
    over = {name for name, reset in resets.items() if reset and reset <= now}
    full = of("limit")
    remaining = {name: full[name] if name in over else left for name, left in of("remaining").items()}
    return [
        gauge("github_rate_limit", "Requests that GitHub allows in an hour", full, "collector"),
        gauge("github_rate_limit_remaining", "Of these left; all, once the hour is over", remaining, "collector"),
        gauge("github_rate_limit_reserve", "Of these left to others by RATE_LIMIT_RESERVE", of("reserve"), "collector"),
        gauge("github_rate_limit_reset_timestamp_seconds", "When the hour is over",
              {name: timestamp(reset) for name, reset in resets.items()}, "collector"),
    ]  # fmt: skip


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
