"""Reading all runs of a filter, however many they are."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields

from sqlalchemy import tuple_
from sqlalchemy.orm import Session

from db.metrics.scope import Scope
from db.metrics.window import Window
from db.models import Run
from db.queries.filters import in_scope, in_window
from db.queries.runs import RunRow, matching, select_runs


@dataclass(frozen=True)
class ExportRow(RunRow):
    """With what the run's attempts were and used: seconds of jobs, US dollars, minutes. As in db.models.Run."""

    compute_seconds: float
    wasted_seconds: float
    cost_usd: float
    first_outcome: str | None
    reruns: int
    failed_then_rerun: bool
    wasted_flaky_seconds: float
    wasted_cancelled_seconds: float
    wasted_superseded_seconds: float
    defect_seconds: float
    unpriced_minutes: int
    never_started: int


_SUMS = [getattr(Run, each.name) for each in fields(ExportRow)[len(fields(RunRow)) :]]


def export_runs(
    open_session: Callable[[], AbstractContextManager[Session]],
    scope: Scope,
    window: Window,
    *,
    text: str = "",
    size: int = 5_000,
) -> Iterator[list[ExportRow]]:
    """Portions, newest first. Each has a transaction of its own, so that one who reads slowly keeps no connection and
    holds back no vacuum; a run that arrives meanwhile is in it if its place is still to come."""
    after = None
    while True:
        with open_session() as session:
            where = [*in_scope(session, scope), *in_window(window), *matching(text)]
            if after:
                where.append(tuple_(Run.created_at, Run.id) < tuple_(*after))
            query = select_runs(*_SUMS).where(*where).order_by(Run.created_at.desc(), Run.id.desc()).limit(size)
            rows = [ExportRow(*row) for row in session.execute(query)]
        if rows:
            yield rows
        if len(rows) < size:
            return
        after = (rows[-1].created_at, rows[-1].id)
