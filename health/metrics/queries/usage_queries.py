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
from health.metrics.definitions.usage import SUMS, Usage, UsageKey, of_jobs, of_stored, together
from health.metrics.queries.plan import Piece, Plan, Rows, losses, plan
from health.metrics.rollups.usage_rollups import RUN_COLUMNS, own_jobs, reasons_of, used_jobs

# Jobs of so many runs are read one by one.
MOST_RUNS = 10_000
# A job of GitHub's runners ends after six hours.
_LONGEST_JOB = timedelta(hours=6)
_ALL = 0
# In a session's memory, which ends with it.
_KEPT, _ASKED = "jobs read", "waits asked for"
_ROLLUPS = Base.metadata.tables[UsageRollup.__tablename__].c
_GROUPS = tuple(_ROLLUPS[name] for name in UsageKey._fields[1:])


@dataclass(frozen=True)
class Used:
    """`since`: only jobs of runs created since then are counted, because more than 10,000 runs had to be read, or
    because the earlier ones of the window are deleted; else null."""

    usage: Usage
    since: datetime | None


class Busy(NamedTuple):
    """A job by labels (JSON), in seconds since 1970; null while it has not begun or ended."""

    labels: str
    queued: float | None
    started: float | None
    ended: float | None


def sums(session: Session, scope: Scope, window: Window, by: GroupBy | None, interval: Interval | None = None) -> Used:
    """By repository, workflow or neither, and by label, in no tile. Without waits."""
    return _ask(session, scope, window, by, None, waits=False)


def waits(session: Session, scope: Scope, window: Window) -> Used:
    """By label and by tiles of at most a day."""
    asked: dict[tuple[Scope, Window], Used] = session.info.setdefault(_ASKED, {})
    key = scope, window
    if key not in asked:
        asked[key] = _ask(session, scope, window, None, Interval.DAY, waits=True)
    return asked[key]


def in_tiles(session: Session, scope: Scope, window: Window, interval: Interval) -> Used:
    """By label and by tiles of at most the interval's length; with or without waits."""
    if interval is Interval.HOUR:
        return _ask(session, scope, window, None, interval, waits=False)
    return waits(session, scope, window)


def busy_jobs(session: Session, scope: Scope, hours: Sequence[datetime]) -> list[Busy]:
    """Own jobs that were queued or ran in one of these hours, of runs created at most six hours before."""
    if not hours:
        return []
    queued = func.coalesce(Job.created_at, Job.started_at)
    of_hours = [Window(hour, hour + timedelta(hours=1)) for hour in hours]
    created = [Window(hour.since - _LONGEST_JOB, hour.until) for hour in of_hours]
    runs = _newest(session, scope, created)
    started = case((Job.has_started, Job.started_at))
    # What GitHub never closed ended at the latest with its run.
    ended = func.coalesce(Job.completed_at, runs.c.completed_at)
    query = (
        select(cast(Job.labels, Text), *(epoch_seconds(each) for each in (queued, started, ended)))
        .select_from(runs)
        .join(Job, (Job.repository_id == runs.c.repository_id) & (Job.run_id == runs.c.id))
        .where(*own_jobs(runs), func.coalesce(ended, hours[0]) >= min(hours))
    )
    return [Busy._make(row) for row in session.execute(query)]


def _ask(
    session: Session, scope: Scope, window: Window, by: GroupBy | None, interval: Interval | None, *, waits: bool
) -> Used:
    found = _plan(session, scope, window, by, interval)
    parts = [_read_piece(session, scope, piece, waits=waits, by_tile=interval is not None) for piece in found.pieces]
    since = [each.window.until for each in losses(session, found).pruned if each.window.until < window.until]
    for rows in found.raw:
        usage, cut = _read_jobs(session, rows)
        parts.append(usage)
        since += [cut] if cut else []
    return Used(together(parts), max(since, default=None))


def _plan(session: Session, scope: Scope, window: Window, by: GroupBy | None, interval: Interval | None) -> Plan:
    if scope.branches or scope.events or scope.own_branches:
        return Plan(raw=(Rows(scope, (window,), default_branches=False),))
    return plan(session, scope, window, by, interval, short=timedelta(0))


def _read_piece(session: Session, scope: Scope, piece: Piece, *, waits: bool, by_tile: bool) -> Usage:
    where: list[Any] = [_ROLLUPS.grain == piece.grain, _ROLLUPS.tile.in_(piece.tiles)]
    where.append(_ROLLUPS.repository_id.in_((_ALL,) if piece.repositories is None else piece.repositories))
    if scope.workflows:
        where.append(_ROLLUPS.workflow_id.in_(session.scalars(workflow_ids(scope.workflows)).all()))
    columns = [_ROLLUPS[name] for name in SUMS]
    if waits:
        query = select(_ROLLUPS.tile, *_GROUPS, *columns, _ROLLUPS.waits).where(*where)
        rows = session.connection().execute(query).all()
    else:
        added = [func.sum(column) for column in columns]
        tile, groups = (_ROLLUPS.tile, (_ROLLUPS.tile, *_GROUPS)) if by_tile else (literal(0), _GROUPS)
        summed = select(tile, *_GROUPS, *added, literal(None)).where(*where).group_by(*groups)
        rows = session.connection().execute(summed).all()
    width = len(UsageKey._fields)
    keys = [UsageKey(*row[:width]) for row in rows]
    return of_stored(keys, [row[width:-1] for row in rows], [row[-1] for row in rows])


def _read_jobs(session: Session, rows: Rows) -> tuple[Usage, datetime | None]:
    """Of the newest runs; since when, where those are not all. Several questions of one session are about the same
    rows, and differ only in how they are added up."""
    kept: dict[Rows, tuple[Usage, datetime | None]] = session.info.setdefault(_KEPT, {})
    if rows not in kept:
        kept[rows] = _read_anew(session, rows)
    return kept[rows]


def _read_anew(session: Session, rows: Rows) -> tuple[Usage, datetime | None]:
    runs = _newest(session, rows.scope, rows.windows)
    connection = session.connection()
    jobs = connection.execute(used_jobs(runs)).all()
    found = of_jobs(jobs, reasons_of(connection, jobs), Pricing(price_list(session)))
    return found, _cut(session, rows)


def _newest(session: Session, scope: Scope, windows: Sequence[Window]) -> Any:
    columns = [getattr(Run, name).label(name) for name in RUN_COLUMNS]
    where = *in_scope(session, scope), in_windows(Run.created_at, windows)
    return select(*columns).where(*where).order_by(Run.created_at.desc(), Run.id.desc()).limit(MOST_RUNS).subquery()


def _cut(session: Session, rows: Rows) -> datetime | None:
    where = *in_scope(session, rows.scope), in_windows(Run.created_at, rows.windows)
    newest = select(Run.created_at).where(*where).order_by(Run.created_at.desc(), Run.id.desc())
    last = session.scalars(newest.offset(MOST_RUNS - 1).limit(2)).all()
    return last[0] if len(last) > 1 else None
