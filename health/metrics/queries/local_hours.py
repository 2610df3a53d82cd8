"""Stretches of time in which a time zone keeps one offset from UTC. Pure.

Decided and failed runs by the hour of the week on the clock of a time zone; for db.analytics alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Integer, case, cast, func, select
from sqlalchemy.orm import Session

from db.definitions.job_times import DECIDED
from db.definitions.scope import Scope, Window
from db.enums import Outcome
from db.models import Run
from db.runs.run_filters import in_scope, in_window
from db.sql import epoch_seconds
from health.metrics.queries.executor import hours_of_week
from health.metrics.queries.plan import rollup_state

_HOUR = 3600
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class OffsetPeriod:
    """`offset_seconds`: how far the clock of the zone is ahead of UTC."""

    window: Window
    offset_seconds: int

    @property
    def offset_hours(self) -> int | None:
        """Null where the offset is no whole number of hours."""
        hours, rest = divmod(self.offset_seconds, _HOUR)
        return None if rest else hours


def offset_periods(window: Window, zone: ZoneInfo) -> list[OffsetPeriod]:
    """Together exactly the window, oldest first; cut where the clock of the zone is set. Neighbours differ."""
    found: list[OffsetPeriod] = []
    for since, until in _days(window):
        for part in _split_at_transition(since, until, zone):
            same = bool(found) and found[-1].offset_seconds == part.offset_seconds
            begin = found.pop().window.since if same else part.window.since
            found.append(OffsetPeriod(Window(begin, part.window.until), part.offset_seconds))
    return found


def _days(window: Window) -> Iterator[tuple[datetime, datetime]]:
    """No zone sets its clock twice within so short a time."""
    since = window.since
    while since < window.until:
        until = min(since + _DAY, window.until)
        yield since, until
        since = until


def _split_at_transition(since: datetime, until: datetime, zone: ZoneInfo) -> list[OffsetPeriod]:
    """The part of a day before a change of the clock and the one after it, cut to the second."""
    first, last = _offset(since, zone), _offset(until, zone)
    if first == last:
        return [OffsetPeriod(Window(since, until), first)]
    low, high = since, until
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=1) // 2 or 1)
        low, high = (middle, high) if _offset(middle, zone) == first else (low, middle)
    # Clocks are set at whole seconds of UTC, whatever fraction the window begins with.
    cut = high.replace(microsecond=0)
    parts = [OffsetPeriod(Window(since, cut), first), OffsetPeriod(Window(cut, until), last)]
    return [part for part in parts if part.window.since < part.window.until]


def _offset(moment: datetime, zone: ZoneInfo) -> int:
    return int((moment.astimezone(zone).utcoffset() or timedelta()).total_seconds())


HOURS_PER_WEEK = 168
# Runs that are read one by one where hours of UTC are not hours of the zone.
MAX_ROWS = 200_000
Cells = list[tuple[int, int]]


def local_hours(session: Session, scope: Scope, window: Window, zone: ZoneInfo) -> Cells | None:
    """168 pairs, from Monday 0 h on the zone's clock, each run by the offset of its own moment. Null where the zone is
    no whole number of hours from UTC and runs are deleted, or more than MOST_ROWS: sums are stored by hours of UTC."""
    parts = offset_periods(window, zone)
    decided, failed = [0] * HOURS_PER_WEEK, [0] * HOURS_PER_WEEK
    for part in parts:
        found = (
            _shift_rollup_hours(session, scope, part)
            if part.offset_hours is not None
            else _count_local_hours(session, scope, part)
        )
        if found is None:
            return None
        for place, (one, other) in enumerate(found):
            decided[place] += one
            failed[place] += other
    return list(zip(decided, failed, strict=True))


def _shift_rollup_hours(session: Session, scope: Scope, part: OffsetPeriod) -> Cells:
    """By roll-ups: an hour of the week in UTC is another one of the zone."""
    found = hours_of_week(session, scope, part.window)
    shift = (part.offset_hours or 0) % HOURS_PER_WEEK
    return [found[(place - shift) % HOURS_PER_WEEK] for place in range(HOURS_PER_WEEK)]


def _count_local_hours(session: Session, scope: Scope, part: OffsetPeriod) -> Cells | None:
    state = rollup_state(session)
    if state and state.pruned_before and part.window.since < state.pruned_before:
        return None
    where = [*in_scope(session, scope), *in_window(part.window), Run.outcome.in_(DECIDED)]
    if session.scalar(select(Run.id).where(*where).offset(MAX_ROWS).limit(1)) is not None:
        return None
    # 1970 began on a Thursday: three days after a Monday.
    local = cast(func.floor((epoch_seconds(Run.created_at) + part.offset_seconds) / 3600), Integer)
    hour = (local + 72) % HOURS_PER_WEEK
    failed = func.sum(case((Run.outcome == Outcome.FAILURE, 1), else_=0))
    cells = [(0, 0)] * HOURS_PER_WEEK
    for row in session.execute(select(hour, func.count(), failed).where(*where).group_by(hour)):
        cells[int(row[0])] = int(row[1]), int(row[2])
    return cells
