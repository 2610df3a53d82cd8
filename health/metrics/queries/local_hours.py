"""Completed and failed runs by the hour of the week in a time zone."""

from zoneinfo import ZoneInfo

from sqlalchemy import Integer, case, cast, func, select
from sqlalchemy.orm import Session

from db.definitions.attempts import DECIDED
from db.definitions.scope import Scope, Window
from db.definitions.time_buckets import HOURS_PER_WEEK, SECONDS_PER_HOUR
from db.enums import Outcome
from db.models import Run
from db.runs.run_filters import in_scope, in_window
from db.sql import epoch_seconds
from health.metrics.definitions.offset_periods import OffsetPeriod, offset_periods
from health.metrics.queries.executor import hours_of_week
from health.metrics.queries.grouping import hour_of_week
from health.metrics.queries.plan import rollup_state

# At most so many runs are counted one by one for a zone whose offset is not a whole number of hours.
MAX_ROWS = 200_000
# 168 pairs of completed and failed runs, Monday 0 h first.
WeekCounts = list[tuple[int, int]]


def local_hours(session: Session, scope: Scope, window: Window, zone: ZoneInfo) -> WeekCounts | None:
    """Counts each run in the hour of the week of its own local creation time. Returns null where the offset of the zone
    is not a whole number of hours and runs of the window are deleted, or more than MAX_ROWS: roll-ups count by hours of
    UTC."""
    decided, failed = [0] * HOURS_PER_WEEK, [0] * HOURS_PER_WEEK
    for part in offset_periods(window, zone):
        counts = (
            _shift_rollup_hours(session, scope, part)
            if part.offset_hours is not None
            else _count_local_hours(session, scope, part)
        )
        if counts is None:
            return None
        for hour, (decided_runs, failed_runs) in enumerate(counts):
            decided[hour] += decided_runs
            failed[hour] += failed_runs
    return list(zip(decided, failed, strict=True))


def _shift_rollup_hours(session: Session, scope: Scope, part: OffsetPeriod) -> WeekCounts:
    """Rotates the hours of UTC, which roll-ups have, by the offset."""
    counts = hours_of_week(session, scope, part.window)
    shift = (part.offset_hours or 0) % HOURS_PER_WEEK
    return [counts[(hour - shift) % HOURS_PER_WEEK] for hour in range(HOURS_PER_WEEK)]


def _count_local_hours(session: Session, scope: Scope, part: OffsetPeriod) -> WeekCounts | None:
    state = rollup_state(session)
    if state and state.pruned_before and part.window.since < state.pruned_before:
        return None
    where = [*in_scope(session, scope), *in_window(part.window), Run.outcome.in_(DECIDED)]
    if session.scalar(select(Run.id).where(*where).offset(MAX_ROWS).limit(1)) is not None:
        return None
    local = cast(func.floor((epoch_seconds(Run.created_at) + part.offset_seconds) / SECONDS_PER_HOUR), Integer)
    hour = hour_of_week(local)
    failed = func.sum(case((Run.outcome == Outcome.FAILURE, 1), else_=0))
    counts = [(0, 0)] * HOURS_PER_WEEK
    for row in session.execute(select(hour, func.count(), failed).where(*where).group_by(hour)):
        counts[int(row[0])] = int(row[1]), int(row[2])
    return counts
