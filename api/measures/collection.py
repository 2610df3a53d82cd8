"""How complete what is stored is, by repository and in totals, and what came by webhook."""

from collections.abc import Sequence
from datetime import datetime

from prometheus_client.core import Metric
from sqlalchemy.orm import Session

from api.measures.families import gauge, stamp
from db.metrics.ledger import RepositoryLedger
from db.metrics.ledger_totals import Totals, totals
from db.queries.ledger import RowCounts, Service, list_ledger, service
from db.queries.repositories import unread_targets


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
