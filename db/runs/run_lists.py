"""Lists of runs: points of charts, the latest runs of each workflow, and exports."""

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
    """A run as a point of a chart."""

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
        """Returns the title of RunRow.headline."""
        return run_title(self.title, self.workflow_name, self.commit_message)


_COLUMNS: list[Any] = [
    getattr(Run, {"run_id": "id", "sha": "head_sha"}.get(name, name)) for name in RunPoint.__dataclass_fields__
]


def newest_run_points(session: Session, scope: Scope, window: Window, limit: int) -> list[RunPoint]:
    """Returns at most `limit` runs, newest first."""
    query = select(*_COLUMNS).where(*in_scope(session, scope), *in_window(window))
    rows = session.connection().execute(query.order_by(Run.created_at.desc(), Run.id.desc()).limit(limit))
    return [RunPoint(*row) for row in rows]


@dataclass(frozen=True)
class RecentRuns:
    """The latest runs of a workflow, oldest first, as pairs of id and outcome."""

    runs: list[tuple[int, str]]
    last_at: datetime


def recent_outcomes(
    session: Session, scope: Scope, window: Window, keys: Collection[tuple[int, int]], *, limit: int = 20
) -> dict[tuple[int, int], RecentRuns]:
    """Returns the latest `limit` runs by workflow (repository id, workflow id), without workflows that have none. The
    latest runs are read from an index, so that the cost does not depend on the size of the window."""
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
    """Reads a JSON array for each workflow with one statement. SQLite has no lateral join, and one statement per
    workflow takes most of the time of the table."""
    requested = func.json_each(json.dumps(list(keys))).table_valued("value")
    key = requested.c.value
    repository_id, workflow_id = (func.json_extract(key, f"$[{index}]", type_=BigId) for index in (0, 1))
    latest = _select_latest(where, repository_id, workflow_id, limit).correlate(requested).subquery().c
    # The stored text of times sorts by time.
    packed = func.json_array(type_coerce(latest.created_at, Text), latest.id, latest.outcome)
    runs = select(func.json_group_array(packed)).correlate(requested).scalar_subquery()
    recent = {}
    for repository, workflow, text in execute(session, select(repository_id, workflow_id, runs)):
        # SQLite does not guarantee the order of rows within a group.
        listed = sorted(json.loads(text))
        if listed:
            outcomes = [(run_id, outcome) for _, run_id, outcome in listed]
            recent[repository, workflow] = RecentRuns(outcomes, parse_stored_time(listed[-1][0]))
    return recent


def _select_latest(where: Sequence[Any], repository_id: Any, workflow_id: Any, limit: int) -> Select[Any]:
    """Returns a query for the time of creation, id and outcome of the latest runs of a workflow."""
    columns: list[Any] = [Run.created_at, Run.id, Run.outcome]
    return (
        select(*columns)
        .where(Run.repository_id == repository_id, Run.workflow_id == workflow_id, *where)
        .order_by(Run.created_at.desc(), Run.id.desc())
        .limit(limit)
    )


# The approximate size of a batch of runs, which is what the server holds in memory for a reader that stalls.
BATCH_BYTES = 192 * 1024
# Estimated bytes of a run in addition to its texts: numbers, times and names of fields.
_ROW_BYTES = 400
# Rows that the driver fetches at once.
_FETCH_ROWS = 50


@dataclass(frozen=True)
class ExportRow(RunRow):
    """A run with the sums over its attempts and jobs, in seconds, US dollars and minutes, as in db.models.Run."""

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


_SUMS = [getattr(Run, column.name) for column in fields(ExportRow)[len(fields(RunRow)) :]]


def export_runs(
    open_session: Callable[[], AbstractContextManager[Session]],
    scope: Scope,
    window: Window,
    *,
    text: str = "",
    size: int = 1_000,
    max_bytes: int = BATCH_BYTES,
) -> Iterator[list[ExportRow]]:
    """Yields batches of at most `size` runs, newest first. A batch also ends with the run that makes it `max_bytes` or
    larger: a commit message can be as large as a thousand ordinary runs. Each batch has its own transaction, so that a
    slow reader occupies no connection and delays no vacuum. A run that is stored meanwhile is included if its position
    has not been passed."""
    after = None
    while True:
        with open_session() as session:
            where = [*in_scope(session, scope), *in_window(window), *text_conditions(text)]
            if after:
                where.append(tuple_(Run.created_at, Run.id) < tuple_(*after))
            query = select_runs(*_SUMS).where(*where).order_by(Run.created_at.desc(), Run.id.desc()).limit(size)
            rows, ended = _batch(session, query, max_bytes)
        is_last = ended and len(rows) < size
        if rows:
            after = (rows[-1].created_at, rows[-1].id)
            # While a slow reader consumes the batch, this frame holds no reference to it.
            batch = [rows]
            del rows
            yield batch.pop()
        if is_last:
            return


def _batch(session: Session, query: Select[Any], max_bytes: int) -> tuple[list[ExportRow], bool]:
    """Returns rows up to that size, and whether the query has no further rows."""
    rows, size = [], 0
    with execute(session, query.execution_options(yield_per=_FETCH_ROWS)) as result:
        for row in result:
            rows.append(ExportRow(*row))
            size += _ROW_BYTES + sum(_utf8_length(value) for value in row if isinstance(value, str))
            if size >= max_bytes:
                return rows, False
    return rows, True


def _utf8_length(text: str) -> int:
    """Returns an upper bound of the length in bytes in UTF-8."""
    return len(text) if text.isascii() else 4 * len(text)
