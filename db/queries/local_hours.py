"""Decided and failed runs by the hour of the week on the clock of a time zone; for db.analytics alone."""

from zoneinfo import ZoneInfo

from sqlalchemy import Integer, case, cast, func, select
from sqlalchemy.orm import Session

from db.metrics.outcome import DECIDED
from db.metrics.scope import Scope
from db.metrics.window import Window
from db.metrics.zones import Stretch, stretches
from db.models import Run
from db.queries.facts import hours
from db.queries.filters import in_scope, in_window
from db.queries.plan import rollup_state
from db.types import epoch_seconds
from db.vocabulary import Outcome

WEEK = 168
# Runs that are read one by one where hours of UTC are not hours of the zone.
MOST_ROWS = 200_000
Cells = list[tuple[int, int]]


def local_hours(session: Session, scope: Scope, window: Window, zone: ZoneInfo) -> Cells | None:
    """168 pairs, from Monday 0 h on the zone's clock, each run by the offset of its own moment. Null where the zone is
    no whole number of hours from UTC and runs are deleted, or more than MOST_ROWS: sums are stored by hours of UTC."""
    parts = stretches(window, zone)
    decided, failed = [0] * WEEK, [0] * WEEK
    for part in parts:
        found = _shifted(session, scope, part) if part.whole_hours is not None else _counted(session, scope, part)
        if found is None:
            return None
        for place, (one, other) in enumerate(found):
            decided[place] += one
            failed[place] += other
    return list(zip(decided, failed, strict=True))


def _shifted(session: Session, scope: Scope, part: Stretch) -> Cells:
    """By roll-ups: an hour of the week in UTC is another one of the zone."""
    found = hours(session, scope, part.window)
    shift = (part.whole_hours or 0) % WEEK
    return [found[(place - shift) % WEEK] for place in range(WEEK)]


def _counted(session: Session, scope: Scope, part: Stretch) -> Cells | None:
    state = rollup_state(session)
    if state and state.pruned_before and part.window.since < state.pruned_before:
        return None
    where = [*in_scope(session, scope), *in_window(part.window), Run.outcome.in_(DECIDED)]
    if session.scalar(select(Run.id).where(*where).offset(MOST_ROWS).limit(1)) is not None:
        return None
    # 1970 began on a Thursday: three days after a Monday.
    local = cast(func.floor((epoch_seconds(Run.created_at) + part.offset_seconds) / 3600), Integer)
    hour = (local + 72) % WEEK
    failed = func.sum(case((Run.outcome == Outcome.FAILURE, 1), else_=0))
    cells = [(0, 0)] * WEEK
    for row in session.execute(select(hour, func.count(), failed).where(*where).group_by(hour)):
        cells[int(row[0])] = int(row[1]), int(row[2])
    return cells
