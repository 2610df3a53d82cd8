"""Use of runners by the jobs of a scope and a window, from roll-ups and, where they do not cover the query, from
jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Text, case, cast, func, literal, select
from sqlalchemy.orm import Session

from db.definitions import time_buckets
from db.definitions.prices import Pricing
from db.definitions.scope import Scope, Window
from db.enums import GroupBy, Interval, RollupLevel
from db.jobs.price_list import price_list
from db.models import Base, Job, Run, UsageRollup
from db.runs.rollup_invalidation import ALL_REPOSITORIES
from db.runs.run_filters import in_scope, in_windows, workflow_ids
from db.sql import epoch_seconds
from health.metrics.definitions.usage import SUMS, UsageKey, UsageTable, concat, from_jobs, from_rows
from health.metrics.queries.grouping import MetricsQuery
from health.metrics.queries.plan import QueryPlan, RollupScan, RunScan, plan, rollup_state
from health.metrics.rollups.usage_rollups import RUN_COLUMNS, own_job_conditions, select_used_jobs, waste_reasons_of

# At most so many runs are read; of more, the newest.
MAX_RUNS = 10_000
# GitHub's runners end a job after six hours.
_MAX_JOB_LENGTH = timedelta(hours=6)
# Keys of Session.info: several functions of a page read the same jobs in one session.
_JOBS_SESSION_KEY, _WAITS_SESSION_KEY = "jobs of scans", "waits by bucket"
_ROLLUPS = Base.metadata.tables[UsageRollup.__tablename__].c
_GROUPS = tuple(_ROLLUPS[name] for name in UsageKey._fields[1:])


@dataclass(frozen=True)
class UsageResult:
    """`since` is set where only jobs of runs created since then are counted: there were more than MAX_RUNS runs to
    read, or earlier runs of the window are deleted."""

    usage: UsageTable
    since: datetime | None


class JobInterval(NamedTuple):
    """A job with its labels (JSON). Times are in seconds since 1970, null where they are not reached or not known."""

    labels: str
    queued: float | None
    started: float | None
    ended: float | None


def usage_by_group(
    session: Session, scope: Scope, window: Window, by: GroupBy | None, interval: Interval | None = None
) -> UsageResult:
    """Returns usage by repository, workflow or neither, and by label, in bucket 0, without waits."""
    return _read_usage(session, scope, window, by, None, waits=False)


def waits_by_bucket(session: Session, scope: Scope, window: Window) -> UsageResult:
    """Returns usage with waits by label and by buckets of at most a day."""
    cached: dict[tuple[Scope, Window], UsageResult] = session.info.setdefault(_WAITS_SESSION_KEY, {})
    key = scope, window
    if key not in cached:
        cached[key] = _read_usage(session, scope, window, None, Interval.DAY, waits=True)
    return cached[key]


def usage_by_bucket(session: Session, scope: Scope, window: Window, interval: Interval) -> UsageResult:
    """Returns usage by label and by buckets of at most the interval, with or without waits."""
    if interval is Interval.HOUR:
        return _read_usage(session, scope, window, None, interval, waits=False)
    return waits_by_bucket(session, scope, window)


def used_labels(session: Session, since: datetime, limit: int) -> list[str]:
    """Returns the labels of the roll-ups since then, those with most jobs first."""
    first = time_buckets.bucket_id(time_buckets.COARSEST, int(since.timestamp()) // time_buckets.SECONDS_PER_HOUR)
    query = (
        select(_ROLLUPS.label)
        .where(_ROLLUPS.level == RollupLevel.ALL, _ROLLUPS.bucket >= first, _ROLLUPS.label != "")
        .group_by(_ROLLUPS.label)
        .order_by(func.sum(_ROLLUPS.jobs).desc(), _ROLLUPS.label)
        .limit(limit)
    )
    return list(session.scalars(query))


def jobs_in_hours(session: Session, scope: Scope, hours: Sequence[datetime]) -> list[JobInterval]:
    """Returns the jobs that were queued or ran in one of these hours, of runs created at most six hours before, without
    copies, phantoms and skipped jobs."""
    if not hours:
        return []
    queued = func.coalesce(Job.created_at, Job.started_at)
    created = [Window(hour - _MAX_JOB_LENGTH, hour + timedelta(hours=1)) for hour in hours]
    runs = _newest_runs(session, scope, created)
    started = case((Job.has_started, Job.started_at))
    # A job that GitHub never closed ended at the latest with its run.
    ended = func.coalesce(Job.completed_at, runs.c.completed_at)
    query = (
        select(cast(Job.labels, Text), *(epoch_seconds(time) for time in (queued, started, ended)))
        .select_from(runs)
        .join(Job, (Job.repository_id == runs.c.repository_id) & (Job.run_id == runs.c.id))
        .where(*own_job_conditions(runs), func.coalesce(ended, hours[0]) >= min(hours))
    )
    return [JobInterval._make(row) for row in session.execute(query)]


def _read_usage(
    session: Session, scope: Scope, window: Window, by: GroupBy | None, interval: Interval | None, *, waits: bool
) -> UsageResult:
    planned = _plan(session, MetricsQuery(scope, window, by, interval))
    parts = [
        _read_rollups(session, scope, scan, waits=waits, by_bucket=interval is not None)
        for scan in planned.rollup_scans
    ]
    since = [lost.window.until for lost in planned.losses.pruned if lost.window.until < window.until]
    for scan in planned.run_scans:
        usage, cutoff = _read_jobs(session, scan)
        parts.append(usage)
        since += [cutoff] if cutoff else []
    return UsageResult(concat(parts), max(since, default=None))


def _plan(session: Session, query: MetricsQuery) -> QueryPlan:
    """Roll-ups of usage have neither branches nor events."""
    if query.scope.branches or query.scope.events or query.scope.own_branches:
        runs = RunScan(query.scope, (query.window,), only_default_branches=False)
        return QueryPlan(query, rollup_state(session), run_scans=(runs,))
    return plan(session, query, max_raw_window=timedelta(0))


def _read_rollups(session: Session, scope: Scope, scan: RollupScan, *, waits: bool, by_bucket: bool) -> UsageTable:
    repositories = (ALL_REPOSITORIES,) if scan.repositories is None else scan.repositories
    where: list[Any] = [_ROLLUPS.level == scan.level, _ROLLUPS.bucket.in_(scan.buckets)]
    where.append(_ROLLUPS.repository_id.in_(repositories))
    if scope.workflows:
        where.append(_ROLLUPS.workflow_id.in_(session.scalars(workflow_ids(scope.workflows)).all()))
    columns = [_ROLLUPS[name] for name in SUMS]
    if waits:
        query = select(_ROLLUPS.bucket, *_GROUPS, *columns, _ROLLUPS.waits).where(*where)
        rows = session.connection().execute(query).all()
    else:
        sums = [func.sum(column) for column in columns]
        bucket, groups = (_ROLLUPS.bucket, (_ROLLUPS.bucket, *_GROUPS)) if by_bucket else (literal(0), _GROUPS)
        summed = select(bucket, *_GROUPS, *sums, literal(None)).where(*where).group_by(*groups)
        rows = session.connection().execute(summed).all()
    width = len(UsageKey._fields)
    keys = [UsageKey(*row[:width]) for row in rows]
    return from_rows(keys, [row[width:-1] for row in rows], [row[-1] for row in rows])


def _read_jobs(session: Session, scan: RunScan) -> tuple[UsageTable, datetime | None]:
    """Returns the usage of the newest runs, and since when they were created where they are not all. Cached in the
    session: several functions read the same scan and group it differently."""
    cached: dict[RunScan, tuple[UsageTable, datetime | None]] = session.info.setdefault(_JOBS_SESSION_KEY, {})
    if scan not in cached:
        connection = session.connection()
        jobs = connection.execute(select_used_jobs(_newest_runs(session, scan.scope, scan.windows))).all()
        usage = from_jobs(jobs, waste_reasons_of(connection, jobs), Pricing(price_list(session)))
        cached[scan] = usage, _cutoff(session, scan)
    return cached[scan]


def _newest_runs(session: Session, scope: Scope, windows: Sequence[Window]) -> Any:
    columns = [getattr(Run, name).label(name) for name in RUN_COLUMNS]
    where = *in_scope(session, scope), in_windows(Run.created_at, windows)
    return select(*columns).where(*where).order_by(Run.created_at.desc(), Run.id.desc()).limit(MAX_RUNS).subquery()


def _cutoff(session: Session, scan: RunScan) -> datetime | None:
    """Returns the creation of the oldest run that is read, null where all runs are."""
    where = *in_scope(session, scan.scope), in_windows(Run.created_at, scan.windows)
    newest = select(Run.created_at).where(*where).order_by(Run.created_at.desc(), Run.id.desc())
    last = session.scalars(newest.offset(MAX_RUNS - 1).limit(2)).all()
    return last[0] if len(last) > 1 else None
