"""The completeness ledger: of every repository what is known to be there, and who is collecting. A fixed number of
questions, whatever the number of repositories."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.formatting import format_time
from db.enums import BackfillPhase, ClaimKind, InboxState, Liveness, LogState
from db.models import Backfill, Claim, Heartbeat, InboxItem, JobLog, Repository, Run, RunGap, SyncState, Workflow
from db.repositories.repository_queries import HeartbeatRow, heartbeat_row
from db.webhook_inbox import InboxSummary, inbox_summary
from health.completeness.gaps import LogCounts, MissingData, MissingRunNumbers, RepositoryCompleteness, recorded_gaps
from health.completeness.service import find_missing

_MAIN_HEARTBEAT = "collector"
_DEFAULT_POLL = timedelta(minutes=5)
_GRACE = timedelta(seconds=60)
# A beat waits while others write; several in a row do not.
_MAX_MISSED_BEATS, _BEAT_GRACE = 4, timedelta(seconds=10)
# Collectors that ended are shown for this long.
_STOPPED_COLLECTOR_TTL = timedelta(hours=1)


@dataclass(frozen=True)
class CollectorStatus:
    """One of several on this database; `repositories` it looks after now. `alive`: it renews its claims and did not
    stop. `stopped_at`: when it ended in order."""

    name: str
    seen_at: datetime | None
    alive: bool
    repositories: int
    detail: dict[str, Any]
    stopped_at: datetime | None = None


@dataclass(frozen=True)
class CollectionReport:
    """What the collection says of itself. `beat` is null where no collector ever ran; `webhook_at` is when the latest
    delivery came that is still known."""

    heartbeat: HeartbeatRow | None
    collectors: tuple[CollectorStatus, ...]
    inbox: InboxSummary
    webhook_at: datetime | None


@dataclass(frozen=True)
class CatchUpCount:
    """`number` of `total` monitored repositories have history or jobs that are still to be read."""

    repositories: int
    total: int


@dataclass(frozen=True)
class RowCounts:
    """By repository."""

    runs: Mapping[int, int]
    logs: Mapping[int, LogCounts]


def liveness(beat: HeartbeatRow | None, now: datetime, poll: timedelta = _DEFAULT_POLL) -> Liveness:
    """A service tells how often it beats, and is STALE after four beats and some seconds without one. A command, which
    is started again and again, and an older version tell how often they poll: three polls and a minute. `poll` counts
    where neither is told. STALE is also who beats on while its work makes no progress."""
    if beat is None:
        return Liveness.NEVER
    if beat.stopped_at is not None:
        return Liveness.STOPPED
    if _is_heartbeat_overdue(beat, now, poll) or stalled_since(beat, now, poll) is not None:
        return Liveness.STALE
    return Liveness.LIVE


def _is_heartbeat_overdue(beat: HeartbeatRow, now: datetime, poll: timedelta) -> bool:
    beats, polls = _detail_seconds(beat, "beat_seconds"), _detail_seconds(beat, "poll_seconds")
    if beats and not beat.detail.get("command"):
        allowed = _MAX_MISSED_BEATS * beats + _BEAT_GRACE
    else:
        allowed = heartbeat_timeout(polls or poll)
    return now - beat.seen_at > allowed


def stalled_since(beat: HeartbeatRow, now: datetime, poll: timedelta = _DEFAULT_POLL) -> datetime | None:
    """Since when the oldest piece of work of a service has made no progress, where that is more than three polls and a
    minute; else null."""
    try:
        since = datetime.fromisoformat(str(beat.detail.get("work_since")))
    except ValueError:
        return None
    since = since if since.tzinfo else since.replace(tzinfo=UTC)
    return since if now - since > heartbeat_timeout(_detail_seconds(beat, "poll_seconds") or poll) else None


def stall_message(
    beat: HeartbeatRow, now: datetime, poll: timedelta = _DEFAULT_POLL, *, with_names: bool = True
) -> str | None:
    """A sentence on the work of a collector that is heard of and makes no progress: since when, and which where `named`
    (it may hold a repository's name). Null for one that does, that stopped, or that is not heard of at all."""
    since = stalled_since(beat, now, poll)
    if since is None or beat.stopped_at is not None or _is_heartbeat_overdue(beat, now, poll):
        return None
    which = f" ({beat.detail.get('work')})" if with_names else ""
    return f"The collector has made no progress since {format_time(since, now)}{which}."


def is_heartbeat_stale(beat: HeartbeatRow, now: datetime, poll: timedelta = _DEFAULT_POLL) -> bool:
    """Stopped, or not seen for longer than it should be: see liveness."""
    return liveness(beat, now, poll) is not Liveness.LIVE


def heartbeat_timeout(poll: timedelta) -> timedelta:
    return 3 * poll + _GRACE


def _detail_seconds(beat: HeartbeatRow, name: str) -> timedelta | None:
    told = beat.detail.get(name)
    return timedelta(seconds=told) if isinstance(told, int | float) and told > 0 else None


_STATES = select(SyncState.repository_id, SyncState.error, SyncState.synced_at, SyncState.complete_since)


def count_catching_up(session: Session, beat: HeartbeatRow | None) -> CatchUpCount:
    """By what sync states and histories say, without reading runs; the collector, which does, tells in its heartbeat
    how many there are with those whose jobs are still to be fetched."""
    monitored = set(session.scalars(select(Repository.id).where(Repository.monitored)))
    unfinished = select(Backfill.repository_id).where(Backfill.phase != BackfillPhase.DONE).distinct()
    reading = set(session.scalars(unfinished))
    settled, failing = set(), set()
    for state in session.execute(_STATES):
        if state.error is not None:
            failing.add(state.repository_id)
        elif state.synced_at is not None and state.complete_since is not None:
            settled.add(state.repository_id)
    number = len(monitored - failing - (settled - reading))
    counted = beat.detail.get("catching_up") if beat else None
    total = len(monitored)
    return CatchUpCount(min(max(number, counted if isinstance(counted, int) else 0), total), total)


NO_COUNTS = RowCounts({}, {})


def count_rows(session: Session) -> RowCounts:
    """Reads an index of all runs, which takes a tenth of a second a million."""
    return RowCounts(_run_counts(session), _log_counts(session))


def list_completeness(session: Session, counts: RowCounts | None = None) -> list[RepositoryCompleteness]:
    """Monitored repositories by name. `counts` spares the counting, where older numbers will do."""
    query = (
        select(Repository, SyncState)
        .join(SyncState, SyncState.repository_id == Repository.id, isouter=True)
        .where(Repository.monitored)
        .order_by(func.lower(Repository.full_name))
    )
    rows = [(row[0], row[1]) for row in session.execute(query)]
    missing = find_missing(session, [repository.id for repository, _ in rows], absent=True)
    known = counts or count_rows(session)
    runs, logs = known.runs, defaultdict(LogCounts, known.logs)
    return [
        _ledger(repository, state, missing[repository.id], runs.get(repository.id, 0), logs[repository.id])
        for repository, state in rows
    ]


def list_missing_numbers(session: Session, repository_id: int, *, limit: int = 50) -> list[MissingRunNumbers]:
    """Those that GitHub is still asked for first, then the newest."""
    query = (
        select(RunGap, Workflow.name)
        .join(
            Workflow,
            (Workflow.repository_id == RunGap.repository_id) & (Workflow.id == RunGap.workflow_id),
            isouter=True,
        )
        .where(RunGap.repository_id == repository_id)
        .order_by(RunGap.state.desc(), RunGap.created_before.desc(), RunGap.first_number.desc())
        .limit(limit)
    )
    return [
        MissingRunNumbers(
            name or str(gap.workflow_id), gap.first_number, gap.last_number, gap.created_after, gap.created_before,
            gap.state, gap.checks,
        )
        for gap, name in session.execute(query)
    ]  # fmt: skip


def collection_report(session: Session, now: datetime) -> CollectionReport:
    beats = {beat.name: beat for beat in _heartbeats(session, _MAIN_HEARTBEAT)}
    main = beats.pop(_MAIN_HEARTBEAT, None)
    collectors = _collectors(session, beats.values(), main, now)
    return CollectionReport(main, collectors, inbox_summary(session), _latest_delivery(session))


def heartbeats_by_collector(session: Session) -> dict[str, HeartbeatRow]:
    """Of collectors that speak for themselves; where none does, as on SQLite, the main one's, as `main`."""
    beats = {beat.name: beat for beat in _heartbeats(session, _MAIN_HEARTBEAT)}
    main = beats.pop(_MAIN_HEARTBEAT, None)
    own = {name.removeprefix(f"{_MAIN_HEARTBEAT}/"): beat for name, beat in beats.items()}
    return own or ({"main": main} if main else {})


def latest_heartbeat(session: Session, host: str) -> HeartbeatRow | None:
    """Of the collectors on this machine that speak for themselves: there may be several, and those that ended."""
    return max(_heartbeats(session, f"{_MAIN_HEARTBEAT}/{host}/"), key=lambda beat: beat.seen_at, default=None)


def _heartbeats(session: Session, beginning: str) -> list[HeartbeatRow]:
    rows = session.scalars(
        select(Heartbeat)
        .where(Heartbeat.name.startswith(beginning, autoescape=True))
        .order_by(Heartbeat.name)
        .execution_options(populate_existing=True)
    )
    return [heartbeat_row(row) for row in rows]


def _collectors(
    session: Session, beats: Iterable[HeartbeatRow], main: HeartbeatRow | None, now: datetime
) -> tuple[CollectorStatus, ...]:
    """The only one of an SQLite file has no heartbeat but the main one."""
    held: dict[str, int] = defaultdict(int)
    alive: set[str] = set()
    for kind, holder in session.execute(select(Claim.kind, Claim.holder).where(Claim.expires_at >= now)):
        if kind == ClaimKind.LIVENESS:
            alive.add(holder)
        elif kind == ClaimKind.REPOSITORY:
            held[holder] += 1
    told = {beat.name.removeprefix(f"{_MAIN_HEARTBEAT}/"): beat for beat in beats}
    if main and not told and not main.detail.get("command"):
        only = next(iter(alive)) if len(alive) == 1 else main.detail.get("name")
        told = {str(only): main} if only else {}
    names = alive | {name for name, beat in told.items() if now - beat.seen_at < _STOPPED_COLLECTOR_TTL}
    return tuple(
        CollectorStatus(
            name,
            told[name].seen_at if name in told else None,
            name in alive and not (name in told and told[name].stopped_at),
            held[name],
            told[name].detail if name in told else {},
            told[name].stopped_at if name in told else None,
        )
        for name in sorted(names)
    )


def _latest_delivery(session: Session) -> datetime | None:
    """State by state: so the end of the index answers it, however many there are."""
    latest = [
        select(func.max(InboxItem.received_at)).where(InboxItem.state == state).scalar_subquery()
        for state in InboxState
    ]
    return max((moment for moment in session.execute(select(*latest)).one() if moment), default=None)


def _run_counts(session: Session) -> dict[int, int]:
    query = select(Run.repository_id, func.count()).group_by(Run.repository_id)
    return {row[0]: row[1] for row in session.execute(query)}


def _log_counts(session: Session) -> dict[int, LogCounts]:
    """Stored ones are not counted: there may be very many, and nothing is missing of them."""
    states = [str(state) for state in (LogState.PENDING, LogState.EXPIRED, LogState.MISSING)]
    query = (
        select(JobLog.repository_id, JobLog.state, func.count())
        .where(JobLog.state.in_(states))
        .group_by(JobLog.repository_id, JobLog.state)
    )
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    for repository_id, state, number in session.execute(query):
        counts[repository_id][state] = number
    found: dict[int, LogCounts] = defaultdict(LogCounts)
    found.update({repository_id: LogCounts(**by_state) for repository_id, by_state in counts.items()})
    return found


def _ledger(
    repository: Repository, state: SyncState | None, missing: MissingData, runs: int, logs: LogCounts
) -> RepositoryCompleteness:
    return RepositoryCompleteness(
        id=repository.id,
        repo=repository.full_name,
        html_url=repository.html_url,
        default_branch=repository.default_branch,
        private=repository.private,
        archived=repository.archived,
        monitored=repository.monitored,
        complete_since=state.complete_since if state else None,
        covered_to=state.covered_to if state else None,
        synced_at=state.synced_at if state else None,
        rescanned_deep_at=state.rescanned_deep_at if state else None,
        audited_at=state.audited_at if state else None,
        error=state.error if state else None,
        error_code=state.error_code if state else None,
        error_at=state.error_at if state else None,
        recorded_gaps=recorded_gaps(repository.full_name, state.gaps) if state else (),
        missing=missing,
        runs=runs,
        logs=logs,
        actions_missing_since=state.actions_missing_since if state else None,
    )
