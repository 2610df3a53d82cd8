"""Runs as points of a picture.

The last runs of each workflow of a table.

Reading all runs of a filter, however many they are.
"""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Text, func, select, true, tuple_, type_coerce
from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from db.models import Run, Workflow
from db.runs.run_filters import in_scope, in_window
from db.runs.run_queries import RunRow, run_title, select_runs, text_conditions
from db.sql import BigId, execute, parse_stored_time


@dataclass(frozen=True)
class RunPoint:
    """A run as a point in a picture."""

    run_id: int
    created_at: datetime
    duration_seconds: float | None
    queue_seconds: float | None
    outcome: str
    branch: str | None
    title: str
    sha: str
    attempt: int
    run_number: int
    actor: str | None
    flaky: bool
    workflow_name: str
    commit_message: str | None

    @property
    def headline(self) -> str:
        """As RunRow.headline."""
        return run_title(self.title, self.workflow_name, self.commit_message)


_COLUMNS: list[Any] = [
    getattr(Run, {"run_id": "id", "sha": "head_sha"}.get(name, name)) for name in RunPoint.__dataclass_fields__
]


def newest_run_points(session: Session, scope: Scope, window: Window, limit: int) -> list[RunPoint]:
    """Newest first."""
    query = select(*_COLUMNS).where(*in_scope(session, scope), *in_window(window))
    rows = session.connection().execute(query.order_by(Run.created_at.desc(), Run.id.desc()).limit(limit))
    return [RunPoint(*row) for row in rows]


@dataclass(frozen=True)
class RecentRuns:
    """The last runs of a workflow, oldest first: ids and outcomes."""

    runs: list[tuple[int, str]]
    last_at: datetime


def recent_outcomes(
    session: Session, scope: Scope, window: Window, keys: Collection[tuple[int, int]], *, limit: int = 20
) -> dict[tuple[int, int], RecentRuns]:
    """Of the workflows (repository id, workflow id) that have runs. An index leads to the last runs of each, so that
    the window may hold any number of them."""
    where = [*in_scope(session, scope), *in_window(window)]
    if session.get_bind().dialect.name == "postgresql":
        return _recent_by_lateral(session, where, keys, limit)
    return _recent_by_json(session, where, keys, limit)


def _recent_by_lateral(
    session: Session, where: Sequence[Any], keys: Collection[tuple[int, int]], limit: int
) -> dict[tuple[int, int], RecentRuns]:
    newest: dict[tuple[int, int], list[Any]] = {}
    latest = _select_latest(where, Workflow.repository_id, Workflow.id, limit).lateral()
    query = select(Workflow.repository_id, Workflow.id, latest).select_from(Workflow).join(latest, true())
    for row in execute(session, query.where(Workflow.repository_id.in_({key[0] for key in keys}))):
        newest.setdefault((row[0], row[1]), []).append(row)
    return {
        key: RecentRuns([(row[3], row[4]) for row in reversed(listed)], listed[0][2]) for key, listed in newest.items()
    }


def _recent_by_json(
    session: Session, where: Sequence[Any], keys: Collection[tuple[int, int]], limit: int
) -> dict[tuple[int, int], RecentRuns]:
    """One statement that gives a JSON array a workflow: SQLite has no lateral join, and one statement a workflow takes
    most of the time of the whole table."""
    asked = func.json_each(json.dumps(list(keys))).table_valued("value")
    repository_id, workflow_id = (func.json_extract(asked.c.value, f"$[{place}]", type_=BigId) for place in (0, 1))
    latest = _select_latest(where, repository_id, workflow_id, limit).correlate(asked).subquery().c
    # Times as they are stored, which has them in the order of time.
    packed = func.json_array(type_coerce(latest.created_at, Text), latest.id, latest.outcome)
    runs = select(func.json_group_array(packed)).correlate(asked).scalar_subquery()
    found = {}
    for repository, workflow, text in execute(session, select(repository_id, workflow_id, runs)):
        # SQLite does not promise that a group keeps the order of its rows.
        listed = sorted(json.loads(text))
        if listed:
            found[repository, workflow] = RecentRuns(
                [(each[1], each[2]) for each in listed], parse_stored_time(listed[-1][0])
            )
    return found


def _select_latest(where: Sequence[Any], repository_id: Any, workflow_id: Any, limit: int) -> Select[Any]:
    """When they were created, their ids and outcomes."""
    columns: list[Any] = [Run.created_at, Run.id, Run.outcome]
    return (
        select(*columns)
        .where(Run.repository_id == repository_id, Run.workflow_id == workflow_id, *where)
        .order_by(Run.created_at.desc(), Run.id.desc())
        .limit(limit)
    )


# So large is a portion of runs, about: what a reader who takes nothing has the server keep.
BATCH_BYTES = 192 * 1024
# Of a run beside its texts: numbers, times, and the names of its fields where a line has them.
_ROW_BYTES = 400
# Rows that the driver fetches at once.
_FETCH_ROWS = 50


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
    max_bytes: int = BATCH_BYTES,
) -> Iterator[list[ExportRow]]:
    """Portions of at most `size` runs, newest first, that end with the run that makes them `most_bytes` large or more:
    a commit message can be as large as a thousand ordinary runs. Each has a transaction of its own, so that one who
    reads slowly keeps no connection and holds back no vacuum; a run that arrives meanwhile is in it if its place is
    still to come."""
    after = None
    while True:
        with open_session() as session:
            where = [*in_scope(session, scope), *in_window(window), *text_conditions(text)]
            if after:
                where.append(tuple_(Run.created_at, Run.id) < tuple_(*after))
            query = select_runs(*_SUMS).where(*where).order_by(Run.created_at.desc(), Run.id.desc()).limit(size)
            rows, ended = _batch(session, query, max_bytes)
        over = ended and len(rows) < size
        if rows:
            after = (rows[-1].created_at, rows[-1].id)
            # This frame waits as long as a slow reader does, and keeps nothing of what was given away meanwhile.
            given = [rows]
            del rows
            yield given.pop()
        if over:
            return


def _batch(session: Session, query: Select[Any], max_bytes: int) -> tuple[list[ExportRow], bool]:
    """Rows up to that size, and whether those are all that the query has."""
    rows, taken = [], 0
    with execute(session, query.execution_options(yield_per=_FETCH_ROWS)) as result:
        for row in result:
            rows.append(ExportRow(*row))
            taken += _ROW_BYTES + sum(_utf8_length(each) for each in row if isinstance(each, str))
            if taken >= max_bytes:
                return rows, False
    return rows, True


def _utf8_length(text: str) -> int:
    """In UTF-8, at most."""
    return len(text) if text.isascii() else 4 * len(text)
