"""Checks of the stored data: running collectors, webhooks, notifications, and the completeness of repositories."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from collector.doctor.environment import DoctorCheck
from core import VERSION, formatting
from core.formatting import format_time, pluralize
from db.engine import session_scope
from db.enums import CompletenessState
from db.repositories.repository_queries import TargetRow, unresolved_targets
from db.webhook_inbox import InboxSummary
from health.alerts.storage.channel_queues import ChannelQueue, list_channels
from health.completeness.collector_status import CollectionReport, collection_report, is_heartbeat_stale, stall_message
from health.completeness.descriptions import Tone, completeness_entries, completeness_status, remediation
from health.completeness.repository_completeness import RepositoryCompleteness, incomplete_repositories
from health.completeness.service import list_completeness, list_missing_numbers
from health.log_search.index import IndexState, index_state, unreadable_logs

# Incomplete repositories that are listed one by one.
_MAX_LISTED = 10
# With a running collector, both take seconds.
_INBOX_LATE, _OUTBOX_LATE = timedelta(minutes=5), timedelta(minutes=15)


def check_completeness(engine: Engine, now: datetime) -> Iterator[DoctorCheck]:
    """Only what a running collector cannot read fails a check. Gaps and missing history are filled automatically or
    never, and errors of a collector that is not running may be out of date: the doctor sends requests of its own."""
    with session_scope(engine) as session:
        repositories, report = list_completeness(session), collection_report(session, now)
        unresolved = unresolved_targets(session, [repository.repo for repository in repositories])
        is_stale = report.heartbeat is None or is_heartbeat_stale(report.heartbeat, now)
        yield _collector(report, now, is_stale)
        yield from _versions(report)
        if report.webhook_at:
            yield _inbox(report.inbox, report.webhook_at, now, is_stale)
        yield from _outbox(list_channels(session, []), now, is_stale)
        yield _completeness(repositories, len(unresolved), now, is_stale)
        yield from _problems(session, repositories, unresolved, now, is_stale)
        yield from _search_index(index_state(session), unreadable_logs(session, limit=_MAX_LISTED))


def _search_index(state: IndexState, unreadable: Sequence[tuple[str, int, int]]) -> Iterator[DoctorCheck]:
    total = state.in_segments + state.indexed + state.unindexed
    if total:
        waiting = f"; {pluralize(state.unindexed, 'log')} not indexed yet" if state.unindexed else ""
        yield DoctorCheck("Log search", True, f"{pluralize(total, 'log')}{waiting}")
    if state.unreadable:
        names = "; ".join(f"{repo}, run {run_id}, job {job_id}" for repo, run_id, job_id in unreadable)
        remedy = "restore the row of job_logs from a backup, or delete it"
        yield DoctorCheck(
            "Damaged logs", None, f"{pluralize(state.unreadable, 'log')} cannot be read: {names}; {remedy}"
        )


def _collector(report: CollectionReport, now: datetime, is_stale: bool) -> DoctorCheck:
    heartbeat = report.heartbeat
    if heartbeat is None:
        return DoctorCheck("Collector", None, "has not run yet; start it with python -m collector")
    last_seen = f"last seen {formatting.relative((now - heartbeat.seen_at).total_seconds())}"
    if heartbeat.stopped_at:
        stopped = format_time(heartbeat.stopped_at, now)
        return DoctorCheck("Collector", None, f"stopped at {stopped}; start it with make run, or python -m collector")
    if stalled := stall_message(heartbeat, now):
        return DoctorCheck("Collector", False, f"{stalled} Check its log and restart it")
    if is_stale:
        return DoctorCheck("Collector", None, f"is not running, {last_seen}; start it and check its log")
    running = [
        f"{row.name} ({pluralize(row.repositories, 'repository', 'repositories')})"
        for row in report.collectors
        if row.alive
    ]
    shared = f"; {len(running)} collectors share the repositories: {', '.join(running)}" if len(running) > 1 else ""
    return DoctorCheck("Collector", True, f"running, {last_seen}{shared}")


def _versions(report: CollectionReport) -> Iterator[DoctorCheck]:
    versions = {row.name: str(row.detail.version) for row in report.collectors if row.alive}
    others = [f"{name} runs {version}" for name, version in versions.items() if version not in (VERSION, "None")]
    if others:
        yield DoctorCheck("Version", None, f"this is {VERSION}, but {', '.join(others)}: use one version for all")
    elif versions:
        yield DoctorCheck("Version", True, f"{VERSION}, the same in all running collectors")


def _inbox(inbox: InboxSummary, latest: datetime, now: datetime, is_stale: bool) -> DoctorCheck:
    status = f"last delivery {formatting.relative((now - latest).total_seconds())}, {inbox.pending:,} pending"
    waiting = now - inbox.oldest_pending_at if inbox.oldest_pending_at else timedelta()
    if waiting > _INBOX_LATE:
        oldest = f"the oldest for {formatting.duration(waiting.total_seconds())}"
        return DoctorCheck(
            "Deliveries", _result(failed=True, is_stale=is_stale), f"{status}, {oldest}: check the collector's log"
        )
    if not inbox.failed:
        return DoctorCheck("Deliveries", True, status)
    failed = f"{inbox.failed:,} from the last 7 days could not be applied"
    remedy = "polling reads their runs; the table inbox has the errors (state = 'failed')"
    return DoctorCheck("Deliveries", None, f"{status}; {failed}: {remedy}")


def _outbox(channels: Sequence[ChannelQueue], now: datetime, is_stale: bool) -> Iterator[DoctorCheck]:
    """Channels with failed or late messages."""
    for queue in channels:
        waiting = now - queue.oldest_at if queue.oldest_at else timedelta()
        status = f"{pluralize(queue.pending, 'message')} pending, the oldest for "
        status += formatting.duration(waiting.total_seconds())
        if queue.failures and queue.error:
            remedy = f"the last attempt failed: {queue.error.rstrip('.')}; test it with POST /api/alerts/test"
        elif waiting > _OUTBOX_LATE:
            remedy = f"check that {queue.channel} is still configured and the collector is running"
        else:
            continue
        ok = _result(failed=True, is_stale=is_stale)
        yield DoctorCheck(f"Messages to {queue.channel}", ok, f"{status}; {remedy}")


def _completeness(
    repositories: Sequence[RepositoryCompleteness], unresolved: int, now: datetime, is_stale: bool
) -> DoctorCheck:
    if not repositories and not unresolved:
        return DoctorCheck("Completeness", None, "nothing is stored yet; wait for the collector's first sync")
    status = completeness_status(repositories, unresolved, now, is_stale=is_stale)
    failed = bool(unresolved) or any(row.state == CompletenessState.FAILING for row in repositories)
    ok = True if status.tone == Tone.GOOD else _result(failed=failed, is_stale=is_stale)
    return DoctorCheck("Completeness", ok, f"{status.headline}. {status.detail}".strip())


def _problems(
    session: Session,
    repositories: Sequence[RepositoryCompleteness],
    unresolved: Sequence[TargetRow],
    now: datetime,
    is_stale: bool,
) -> Iterator[DoctorCheck]:
    """One check per unresolved target and incomplete repository, the most serious first."""
    incomplete = incomplete_repositories(repositories)
    for target in unresolved[:_MAX_LISTED]:
        detail = f"{(target.error or '').rstrip('.')}. {remediation(target.error_code)}"
        yield DoctorCheck(f"Data of {target.name}", _result(failed=True, is_stale=is_stale), detail)
    for repository in incomplete[: max(_MAX_LISTED - len(unresolved), 0)]:
        ok = _result(failed=repository.state == CompletenessState.FAILING, is_stale=is_stale)
        yield DoctorCheck(f"Data of {repository.repo}", ok, _worst_problem(session, repository, now))
    more = len(unresolved) + len(incomplete) - _MAX_LISTED
    if more > 0:
        yield DoctorCheck("Data", None, f"and {more:,} more; GET /api/repositories lists all of them")


def _worst_problem(session: Session, repository: RepositoryCompleteness, now: datetime) -> str:
    """The most serious problem, what to do about it, and the number of further ones."""
    entries = completeness_entries(repository, list_missing_numbers(session, repository.id), now)
    problems = [entry for tone in (Tone.BAD, Tone.BUSY) for entry in entries if entry.tone == tone]
    more = f"(And {len(problems) - 1} more.)" if len(problems) > 1 else ""
    return " ".join(filter(None, [f"{problems[0].text.rstrip('.')}.", problems[0].remedy, more]))


def _result(*, failed: bool, is_stale: bool) -> bool | None:
    """False for a failure that a running collector reported; else null, which fails no check."""
    return False if failed and not is_stale else None
