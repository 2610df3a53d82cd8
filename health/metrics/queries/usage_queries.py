"""What jobs of a scope and a window used of runners, from roll-ups where they have it and from rows where only they
do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Text, case, cast, func, literal, select
from sqlalchemy.orm import Session

from db.definitions.prices import Pricing
from db.definitions.scope import Scope, Window
from db.enums import GroupBy, Interval
from db.jobs.price_list import price_list
from db.models import Base, Job, Run, UsageRollup
from db.runs.run_filters import in_scope, in_windows, workflow_ids
from db.sql import epoch_seconds
from health.metrics.definitions.usage import SUMS, UsageKey, UsageTable, concat, from_jobs, from_rows
from health.metrics.queries.plan import QueryPlan, RollupScan, RunScan, losses_of_plan, plan
from health.metrics.rollups.usage_rollups import RUN_COLUMNS, own_job_conditions, select_used_jobs, waste_reasons_of

# Jobs of so many runs are read one by one.
MAX_RUNS = 10_000
# A job of GitHub's runners ends after six hours.
_MAX_JOB_LENGTH = timedelta(hours=6)
_ALL_REPOSITORIES = 0
# In a session's memory, which ends with it.
_JOBS_SESSION_KEY, _WAITS_SESSION_KEY = "jobs read", "waits asked for"
_ROLLUPS = Base.metadata.tables[UsageRollup.__tablename__].c
_GROUPS = tuple(_ROLLUPS[name] for name in UsageKey._fields[1:])


@dataclass(frozen=True)
class UsageResult:
    """`since`: only jobs of runs created since then are counted, because more than 10,000 runs had to be read, or
    because the earlier ones of the window are deleted; else null."""

    usage: UsageTable
    since: datetime | None


class JobInterval(NamedTuple):
    """A job by labels (JSON), in seconds since 1970; null while it has not begun or ended."""

    labels: str
    queued: float | None
    started: float | None
    ended: float | None


def usage_by_group(
    session: Session, scope: Scope, window: Window, by: GroupBy | None, interval: Interval | None = None
) -> UsageResult:
    """By repository, workflow or neither, and by label, in no tile. Without waits."""
    return _read_usage(session, scope, window, by, None, waits=False)


def waits_by_bucket(session: Session, scope: Scope, window: Window) -> UsageResult:
    """By label and by tiles of at most a day."""
    asked: dict[tuple[Scope, Window], UsageResult] = session.info.setdefault(_WAITS_SESSION_KEY, {})
    key = scope, window
    if key not in asked:
        asked[key] = _read_usage(session, scope, window, None, Interval.DAY, waits=True)
    return asked[key]


def usage_by_bucket(session: Session, scope: Scope, window: Window, interval: Interval) -> UsageResult:
    """By label and by tiles of at most the interval's length; with or without waits."""
    if interval is Interval.HOUR:
        return _read_usage(session, scope, window, None, interval, waits=False)
    return waits_by_bucket(session, scope, window)


def jobs_in_hours(session: Session, scope: Scope, hours: Sequence[datetime]) -> list[JobInterval]:
    """Own jobs that were queued or ran in one of these hours, of runs created at most six hours before."""
    if not hours:
        return []
    queued = func.coalesce(Job.created_at, Job.started_at)
    of_hours = [Window(hour, hour + timedelta(hours=1)) for hour in hours]
    created = [Window(hour.since - _MAX_JOB_LENGTH, hour.until) for hour in of_hours]
    runs = _newest_runs(session, scope, created)
    started = case((Job.has_started, Job.started_at))
    # What GitHub never closed ended at the latest with its run.
    ended = func.coalesce(Job.completed_at, runs.c.completed_at)
    query = (
        select(cast(Job.labels, Text), *(epoch_seconds(each) for each in (queued, started, ended)))
        .select_from(runs)
        .join(Job, (Job.repository_id == runs.c.repository_id) & (Job.run_id == runs.c.id))
        .where(*own_job_conditions(runs), func.coalesce(ended, hours[0]) >= min(hours))
    )
    return [JobInterval._make(row) for row in session.execute(query)]


def _read_usage(
    session: Session, scope: Scope, window: Window, by: GroupBy | None, interval: Interval | None, *, waits: bool
) -> UsageResult:
    found = _plan(session, scope, window, by, interval)
    parts = [
        _read_rollups(session, scope, piece, waits=waits, by_tile=interval is not None) for piece in found.rollup_scans
    ]
    since = [each.window.until for each in losses_of_plan(session, found).pruned if each.window.until < window.until]
    for rows in found.run_scans:
        usage, cut = _read_jobs(session, rows)
        parts.append(usage)
        since += [cut] if cut else []
    return UsageResult(concat(parts), max(since, default=None))


def _plan(session: Session, scope: Scope, window: Window, by: GroupBy | None, interval: Interval | None) -> QueryPlan:
    if scope.branches or scope.events or scope.own_branches:
        return QueryPlan(run_scans=(RunScan(scope, (window,), only_default_branches=False),))
    return plan(session, scope, window, by, interval, max_raw_window=timedelta(0))


def _read_rollups(session: Session, scope: Scope, piece: RollupScan, *, waits: bool, by_tile: bool) -> UsageTable:
    where: list[Any] = [_ROLLUPS.level == piece.level, _ROLLUPS.bucket.in_(piece.buckets)]
    where.append(_ROLLUPS.repository_id.in_((_ALL_REPOSITORIES,) if piece.repositories is None else piece.repositories))
    if scope.workflows:
        where.append(_ROLLUPS.workflow_id.in_(session.scalars(workflow_ids(scope.workflows)).all()))
    columns = [_ROLLUPS[name] for name in SUMS]
    if waits:
        query = select(_ROLLUPS.bucket, *_GROUPS, *columns, _ROLLUPS.waits).where(*where)
        rows = session.connection().execute(query).all()
    else:
        added = [func.sum(column) for column in columns]
        tile, groups = (_ROLLUPS.bucket, (_ROLLUPS.bucket, *_GROUPS)) if by_tile else (literal(0), _GROUPS)
        summed = select(tile, *_GROUPS, *added, literal(None)).where(*where).group_by(*groups)
        rows = session.connection().execute(summed).all()
    width = len(UsageKey._fields)
    keys = [UsageKey(*row[:width]) for row in rows]
    return from_rows(keys, [row[width:-1] for row in rows], [row[-1] for row in rows])


def _read_jobs(session: Session, rows: RunScan) -> tuple[UsageTable, datetime | None]:
    """Of the newest runs; since when, where those are not all. Several questions of one session are about the same
    rows, and differ only in how they are added up."""
    kept: dict[RunScan, tuple[UsageTable, datetime | None]] = session.info.setdefault(_JOBS_SESSION_KEY, {})
    if rows not in kept:
        kept[rows] = _read_uncached(session, rows)
    return kept[rows]


def _read_uncached(session: Session, rows: RunScan) -> tuple[UsageTable, datetime | None]:
    runs = _newest_runs(session, rows.scope, rows.windows)
    connection = session.connection()
    jobs = connection.execute(select_used_jobs(runs)).all()
    found = from_jobs(jobs, waste_reasons_of(connection, jobs), Pricing(price_list(session)))
    return found, _cutoff(session, rows)


def _newest_runs(session: Session, scope: Scope, windows: Sequence[Window]) -> Any:
    columns = [getattr(Run, name).label(name) for name in RUN_COLUMNS]
    where = *in_scope(session, scope), in_windows(Run.created_at, windows)
    return select(*columns).where(*where).order_by(Run.created_at.desc(), Run.id.desc()).limit(MAX_RUNS).subquery()


def _cutoff(session: Session, rows: RunScan) -> datetime | None:
    where = *in_scope(session, rows.scope), in_windows(Run.created_at, rows.windows)
    newest = select(Run.created_at).where(*where).order_by(Run.created_at.desc(), Run.id.desc())
    last = session.scalars(newest.offset(MAX_RUNS - 1).limit(2)).all()
    return last[0] if len(last) > 1 else None
