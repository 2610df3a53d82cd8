"""Reading all runs of a filter, however many they are."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Select, tuple_
from sqlalchemy.orm import Session

from db.metrics.scope import Scope
from db.metrics.window import Window
from db.models import Run
from db.queries.filters import in_scope, in_window
from db.queries.reading import read
from db.queries.runs import RunRow, matching, select_runs

# So large is a portion of runs, about: what a reader who takes nothing has the server keep.
PORTION_BYTES = 192 * 1024
# Of a run beside its texts: numbers, times, and the names of its fields where a line has them.
_ROW_BYTES = 400
# Rows that the driver fetches at once.
_AT_ONCE = 50


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
    size: int = 1_000,
    most_bytes: int = PORTION_BYTES,
) -> Iterator[list[ExportRow]]:
    """Portions of at most `size` runs, newest first, that end with the run that makes them `most_bytes` large or more:
    a commit message can be as large as a thousand ordinary runs. Each has a transaction of its own, so that one who
    reads slowly keeps no connection and holds back no vacuum; a run that arrives meanwhile is in it if its place is
    still to come."""
    after = None
    while True:
        with open_session() as session:
            where = [*in_scope(session, scope), *in_window(window), *matching(text)]
            if after:
                where.append(tuple_(Run.created_at, Run.id) < tuple_(*after))
            query = select_runs(*_SUMS).where(*where).order_by(Run.created_at.desc(), Run.id.desc()).limit(size)
            rows, ended = _portion(session, query, most_bytes)
        over = ended and len(rows) < size
        if rows:
            after = (rows[-1].created_at, rows[-1].id)
            # This frame waits as long as a slow reader does, and keeps nothing of what was given away meanwhile.
            given = [rows]
            del rows
            yield given.pop()
        if over:
            return


def _portion(session: Session, query: Select[Any], most_bytes: int) -> tuple[list[ExportRow], bool]:
    """Rows up to that size, and whether those are all that the query has."""
    rows, taken = [], 0
    with read(session, query.execution_options(yield_per=_AT_ONCE)) as result:
        for row in result:
            rows.append(ExportRow(*row))
            taken += _ROW_BYTES + sum(_bytes_of(each) for each in row if isinstance(each, str))
            if taken >= most_bytes:
                return rows, False
    return rows, True


def _bytes_of(text: str) -> int:
    """In UTF-8, at most."""
    return len(text) if text.isascii() else 4 * len(text)
