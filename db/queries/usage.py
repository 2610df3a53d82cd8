"""What jobs of a scope and a window used of runners, from roll-ups where they have it and from rows where only they
do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Text, cast, func, literal, select
from sqlalchemy.orm import Session

from db.metrics.scope import Scope
from db.metrics.usage import SUMS, Usage, UsageKey, of_jobs, of_stored, together
from db.metrics.window import Window
from db.models import Base, Job, Repository, Run, UsageRollup
from db.queries.filters import in_scope, in_windows, workflow_ids
from db.queries.plan import Piece, Plan, Rows, losses, plan
from db.types import epoch_seconds
from db.vocabulary import GroupBy, Interval

# Jobs of so many runs are read one by one.
MOST_RUNS = 10_000
# A job of GitHub's runners ends after six hours.
_LONGEST_JOB = timedelta(hours=6)
_ALL = 0
# In a session's memory, which ends with it.
_KEPT = "jobs read"
_ROLLUPS = Base.metadata.tables[UsageRollup.__tablename__].c
_GROUPS = tuple(_ROLLUPS[name] for name in UsageKey._fields[1:])
_OWN = (~Job.copied, ~Job.phantom, Job.duration_seconds.is_not(None) | Job.queue_seconds.is_not(None))
_OF_RUN = (Job.repository_id == Run.repository_id) & (Job.run_id == Run.id)


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


def sums(session: Session, scope: Scope, window: Window, by: GroupBy | None) -> Used:
    """By repository, workflow or neither, and by label; without waits, and in no tile."""
    return _ask(session, scope, window, by, None, waits=False)


def waits(session: Session, scope: Scope, window: Window) -> Used:
    """By label and by tiles of at most a day."""
    return _ask(session, scope, window, None, Interval.DAY, waits=True)


def busy_jobs(session: Session, scope: Scope, hours: Sequence[datetime]) -> list[Busy]:
    """Own jobs that were queued or ran in one of these hours, of runs created at most six hours before."""
    if not hours:
        return []
    times = [epoch_seconds(each) for each in (func.coalesce(Job.created_at, Job.started_at), Job.started_at)]
    ended = epoch_seconds(Job.completed_at)
    of_hours = [Window(hour, hour + timedelta(hours=1)) for hour in hours]
    created = [Window(hour.since - _LONGEST_JOB, hour.until) for hour in of_hours]
    runs = _newest(session, scope, created)
    query = (
        select(cast(Job.labels, Text), *times, ended)
        .select_from(runs)
        .join(Job, (Job.repository_id == runs.c.repository_id) & (Job.run_id == runs.c.id))
        .where(*_OWN, func.coalesce(Job.completed_at, hours[0]) >= min(hours))
    )
    return [Busy._make(row) for row in session.execute(query)]


def _ask(
    session: Session, scope: Scope, window: Window, by: GroupBy | None, interval: Interval | None, *, waits: bool
) -> Used:
    found = _plan(session, scope, window, by, interval)
    parts = [_read_piece(session, scope, piece, waits=waits) for piece in found.pieces]
    since = [each.window.until for each in losses(session, found).pruned if each.window.until < window.until]
    for rows in found.raw:
        usage, cut = _read_jobs(session, rows)
        parts.append(usage)
        since += [cut] if cut else []
    return Used(together(parts), max(since, default=None))


def _plan(session: Session, scope: Scope, window: Window, by: GroupBy | None, interval: Interval | None) -> Plan:
    if scope.branches or scope.events:
        return Plan(raw=(Rows(scope, (window,), default_branches=False),))
    return plan(session, scope, window, by, interval, short=timedelta(0))


def _read_piece(session: Session, scope: Scope, piece: Piece, *, waits: bool) -> Usage:
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
        rows = session.connection().execute(
            select(literal(0), *_GROUPS, *added, literal(None)).where(*where).group_by(*_GROUPS)
        ).all()  # fmt: skip
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
    queued = func.coalesce(Job.created_at, Job.started_at)
    query = (
        select(  # as UsedJob
            epoch_seconds(runs.c.created_at), runs.c.repository_id, runs.c.workflow_id, runs.c.attempt, runs.c.outcome,
            Job.attempt, Job.duration_seconds, Job.queue_seconds, cast(Job.labels, Text), epoch_seconds(queued),
            Repository.private,
        )
        .select_from(runs)
        .join(Repository, Repository.id == runs.c.repository_id)
        .join(Job, (Job.repository_id == runs.c.repository_id) & (Job.run_id == runs.c.id))
        .where(*_OWN)
    )  # fmt: skip
    found = of_jobs(session.connection().execute(query).all())
    return found, _cut(session, rows)


def _newest(session: Session, scope: Scope, windows: Sequence[Window]) -> Any:
    columns = (Run.repository_id, Run.id, Run.workflow_id, Run.attempt, Run.outcome, Run.created_at)
    where = *in_scope(session, scope), in_windows(Run.created_at, windows)
    return select(*columns).where(*where).order_by(Run.created_at.desc(), Run.id.desc()).limit(MOST_RUNS).subquery()


def _cut(session: Session, rows: Rows) -> datetime | None:
    where = *in_scope(session, rows.scope), in_windows(Run.created_at, rows.windows)
    newest = select(Run.created_at).where(*where).order_by(Run.created_at.desc(), Run.id.desc())
    last = session.scalars(newest.offset(MOST_RUNS - 1).limit(2)).all()
    return last[0] if len(last) > 1 else None
