"""How complete what is stored is, by repository and in totals, and what came by webhook.

What each collector counted, as its heartbeat tells.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from prometheus_client.core import Metric
from sqlalchemy.orm import Session

from api.exporter.metrics import Samples, counter, gauge, gauges, stamp, summary
from core.counters import Count, Last, Tally, Took, from_dict, moment
from db.repositories.repository_queries import HeartbeatRow, unread_targets
from health.completeness.collection_status import RowCounts, Service, is_silent, list_ledger, service
from health.completeness.gaps import RepositoryLedger
from health.completeness.status import Totals, totals


def collection(session: Session, counts: RowCounts, now: datetime) -> list[Metric]:
    ledgers, told = list_ledger(session, counts), service(session, now)
    unread = unread_targets(session, [each.repo for each in ledgers])
    return [
        *_by_repository(ledgers),
        _sync_lag(ledgers, now),
        *_totals(totals(ledgers, len(unread), now)),
        *_service(told, now),
    ]


def _by_repository(ledgers: Sequence[RepositoryLedger]) -> list[Metric]:
    """One series a monitored repository, as with its runs."""
    kept = [(each.repo, each.synced_at, each.complete_since) for each in ledgers]
    return [
        gauge("synced_timestamp_seconds", "Last complete look", {repo: stamp(at) for repo, at, _ in kept}, "repo"),
        gauge("repository_error", "1 where the last look failed", {each.repo: bool(each.error) for each in ledgers},
              "repo"),
        gauge("repository_complete", "1 where nothing is known to be missing",
              {each.repo: each.complete for each in ledgers}, "repo"),
        gauge("complete_since_timestamp_seconds", "Every run created since then is stored, but for the gaps",
              {repo: stamp(since) for repo, _, since in kept}, "repo"),
    ]  # fmt: skip


def _sync_lag(ledgers: Sequence[RepositoryLedger], now: datetime) -> Metric:
    oldest = min((each.synced_at for each in ledgers if each.synced_at), default=None)
    lag = max((now - oldest).total_seconds(), 0.0) if oldest else None
    return gauge("sync_lag_seconds", "Since the last complete look at the repository that waits longest", lag)


def _totals(found: Totals) -> list[Metric]:
    logs = {"pending": found.logs.pending, "expired": found.logs.expired, "missing": found.logs.missing}
    share, left = (found.reading.share, found.reading.seconds_left) if found.reading else (1.0, 0.0)
    return [
        gauge("repositories", "Monitored repositories by how complete they are", found.states, "state"),
        gauge("repositories_unreadable", "Names of GITHUB_REPOS that led to no repository", found.unread),
        gauge("gaps", "What is known to be missing, by the reason", found.gaps, "kind"),
        gauge("runs_stored", "Runs of the monitored repositories", found.runs),
        gauge("runs_without_jobs", "Ended runs whose jobs are still to be fetched", found.jobs_missing),
        gauge("run_numbers", "Run numbers that were never seen: GitHub is asked for them, or does not have them",
              {"open": found.numbers_missing, "absent": found.numbers_absent}, "state"),
        gauge("logs", "Logs that were asked for and are not stored", logs, "state"),
        gauge("history_read_ratio", "How much of the history that is being read was read; 1 when all was", share),
        gauge("history_left_seconds", "About as long as the rest takes; absent while that is not known", left),
    ]  # fmt: skip


def _service(told: Service, now: datetime) -> list[Metric]:
    inbox, alive = told.inbox, sum(each.alive for each in told.collectors)
    oldest = inbox.oldest_pending_at
    lag = max((now - oldest).total_seconds(), 0.0) if oldest else 0.0
    return [
        gauge("collector_seen_timestamp_seconds", "Last sign of life of the collector",
              stamp(told.beat.seen_at if told.beat else None)),
        gauge("collector_stopped_timestamp_seconds", "When the last collector ended in order; absent while one runs",
              stamp(told.beat.stopped_at if told.beat else None)),
        gauge("collectors", "Collectors at work", alive),
        gauge("inbox_waiting", "Deliveries of webhooks that are not applied yet", inbox.pending),
        gauge("inbox_failed", "Deliveries of the last 7 days that could not be applied", inbox.failed),
        gauge("inbox_lag_seconds", "Since the oldest waiting delivery came; 0 when none waits", lag),
        gauge("inbox_oldest_timestamp_seconds", "When the oldest waiting delivery came; absent when none waits",
              stamp(oldest)),
        gauge("webhook_timestamp_seconds", "When the latest delivery came", stamp(told.webhook_at)),
    ]  # fmt: skip


_COUNTS = {
    Count.SYNCS: ("syncs", "Looks at all repositories of a collector", "result"),
    Count.REQUESTS: ("github_requests", "Requests to GitHub by the class of the answer", "status"),
    Count.DELIVERIES: ("webhook_deliveries", "Deliveries of webhooks by what became of them", "outcome"),
}
_TIMES = {
    Took.SYNC: ("sync_duration_seconds", "Time of a look at all repositories of a collector"),
    Took.REQUEST: ("github_request_duration_seconds", "Time until GitHub answered"),
    Took.DELIVERY: ("webhook_apply_duration_seconds", "From the moment a delivery came until it was applied"),
}


def collectors(beats: Mapping[str, HeartbeatRow], now: datetime) -> list[Metric]:
    tallies = {name: from_dict(beat.detail.get("tally")) for name, beat in beats.items()}
    # One that ended keeps its heartbeat for a day or two, and no upgrade waits for it.
    running = {name: str(beat.detail.get("version") or "") for name, beat in beats.items() if not is_silent(beat, now)}
    return [
        gauges("collector_info", "The version of each collector at work", ["collector", "version"],
               dict.fromkeys(running.items(), 1.0)),
        *(counter(name, what, ["collector", label], _counts(tallies, count))
          for count, (name, what, label) in _COUNTS.items()),
        *(summary(name, what, ["collector"],
                  {(each,): tally.took[took] for each, tally in tallies.items() if took in tally.took})
          for took, (name, what) in _TIMES.items()),
        gauge("sync_success_timestamp_seconds", "The last look that left nothing out",
              {name: stamp(tally.last.get(Last.SYNC)) for name, tally in tallies.items()}, "collector"),
        counter("notifications", "Messages by channel and what became of them", ["collector", "channel", "result"],
                _notifications(tallies)),
        counter("retention_runs_deleted", "Runs that were older than RETENTION_DAYS", ["collector"],
                {(name,): sum(tally.counts[Count.RUNS_DELETED].values()) for name, tally in tallies.items()}),
        gauge("retention_timestamp_seconds", "When retention was last applied to its end", _latest(tallies)),
        *_rate_limits({name: beat.detail.get("rate_limit") for name, beat in beats.items()}, now),
    ]  # fmt: skip


def _counts(tallies: Mapping[str, Tally], count: Count) -> Samples:
    return {(name, label): number for name, tally in tallies.items() for label, number in tally.counts[count].items()}


def _notifications(tallies: Mapping[str, Tally]) -> Samples:
    return {
        (name, *label.partition("/")[::2]): number
        for name, tally in tallies.items()
        for label, number in tally.counts[Count.NOTIFICATIONS].items()
    }


def _latest(tallies: Mapping[str, Tally]) -> float | None:
    known = [tally.last[Last.RETENTION] for tally in tallies.values() if Last.RETENTION in tally.last]
    return stamp(max(known, default=None))


def _rate_limits(told: Mapping[str, Any], now: datetime) -> list[Metric]:
    """Collectors ask for one resource, core, each for itself: where they share a token, all say about the same."""
    limits = {name: each for name, each in told.items() if isinstance(each, dict)}

    def of(part: str) -> dict[str, float | None]:
        return {name: _number(each.get(part)) for name, each in limits.items()}

    resets = {name: moment(each.get("reset_at")) for name, each in limits.items()}
    over = {name for name, reset in resets.items() if reset and reset <= now}
    full = of("limit")
    remaining = {name: full[name] if name in over else left for name, left in of("remaining").items()}
    return [
        gauge("github_rate_limit", "Requests that GitHub allows in an hour", full, "collector"),
        gauge("github_rate_limit_remaining", "Of these left; all, once the hour is over", remaining, "collector"),
        gauge("github_rate_limit_reserve", "Of these left to others by RATE_LIMIT_RESERVE", of("reserve"), "collector"),
        gauge("github_rate_limit_reset_timestamp_seconds", "When the hour is over",
              {name: stamp(reset) for name, reset in resets.items()}, "collector"),
    ]  # fmt: skip


def _number(told: object) -> float | None:
    return float(told) if isinstance(told, int | float) else None
