"""The table of runs, with check boxes that select runs for a comparison, and its export."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

import streamlit as st

from app.components import run_links
from app.components.run_links import Query, Repositories
from app.components.workflows import workflow_link
from app.data.runs import MAX_EXPORTED
from app.filters import view_state
from app.status_style import event_label
from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.columns import ValueType
from app.widgets.table import Column, Row, sort_order, table
from app.widgets.text import html
from core import formatting
from core.formatting import pluralize
from db.runs.run_queries import NEWEST_FIRST, RunOrder, RunRow

_SELECT_COLUMN = Column("", width="28px", show="wide_only")
_COLUMNS = (
    Column("Status", width="104px"),
    Column("Run", fluid=True),
    Column("Workflow", show="wide_only"),
    Column("Branch", show="wide_only"),
    Column("Started by", show="desk_only"),
    Column("Duration", "right", "Unfinished runs sort last", "wide_only", unit="s"),
    Column("Queue", "right", "Time to first job start", "desk_only", unit="s"),
    Column("Created", "right", unit="UTC"),
)
# The columns by which the database sorts all runs.
_ORDERS: dict[str, Literal["created", "duration", "queue"]] = {
    "created": "created", "duration": "duration", "queue": "queue",
}  # fmt: skip
# Of more runs, an order other than by time would read too many rows.
MAX_SORTED = 200_000
_EXPORTED: dict[str, ValueType] = {
    "id": "integer",
    "repo": "text",
    "workflow": "text",
    "run_number": "integer",
    "attempt": "integer",
    "title": "text",
    "event": "text",
    "branch": "text",
    "head_sha": "text",
    "actor": "text",
    "triggering_actor": "text",
    "commit_author": "text",
    "commit_message": "text",
    "status": "text",
    "conclusion": "text",
    "created_at": "time",
    "duration_seconds": "number",
    "queue_seconds": "number",
    "html_url": "text",
}


def run_table(
    name: str,
    runs: Sequence[RunRow],
    now: datetime,
    zone: ZoneInfo,
    *,
    selectable: bool = False,
    of_workflow: bool = False,
    time: Query = (),
    total: int | None = None,
) -> None:
    """`of_workflow`: all runs are of one workflow, whose column is hidden by default. `time`: the query parameters of
    the selected period, which links to other runs keep. `total`: the number of runs of the list of which `runs` are a
    page; the database sorts it by the columns of `run_order`."""
    rows = run_rows(runs, now, zone, time, run_links.github_repositories())
    is_partial = total is not None and total > len(runs)
    keys = () if not is_partial else tuple(_ORDERS) if (total or 0) <= MAX_SORTED else ("created",)
    columns: Sequence[Column] = _COLUMNS
    if of_workflow:
        columns = [replace(column, show="off") if column.key == "workflow" else column for column in _COLUMNS]
    if selectable:
        columns = _SELECT_COLUMN, *_COLUMNS
        rows = [(_checkbox(run), *row) for run, row in zip(runs, rows, strict=True)]
    table(name, columns, rows, caption="Runs", server_keys=keys, is_partial=is_partial)


def run_order(name: str, count: Callable[[], int]) -> RunOrder:
    """The order of a list of runs by the database that the URL selects. `count`: returns the number of its runs, on
    which depends whether the database sorts them by other columns than time."""
    order = sort_order(name, _COLUMNS)
    by = _ORDERS.get(order.column) if order else None
    if order is None or by is None:
        return NEWEST_FIRST
    if by != NEWEST_FIRST.by and count() > MAX_SORTED:
        limit = formatting.count(MAX_SORTED)
        view_state.report(f"sort={name}.{order} is ignored for more than {limit} runs: select a shorter period.")
        return NEWEST_FIRST
    return RunOrder(by, order.descending)


def order_text(order: RunOrder) -> str:
    """`newest first`, `longest first`, `shortest queue first`."""
    ends = {
        "created": ("newest", "oldest"),
        "duration": ("longest", "shortest"),
        "queue": ("longest queue", "shortest queue"),
    }
    return f"{ends[order.by][0 if order.descending else 1]} first"


def export_note(total: int, order: RunOrder) -> str:
    """What the files of a list of `total` runs contain."""
    if total <= MAX_EXPORTED:
        return f"All {pluralize(total, 'matching run')}, {order_text(order)}"
    return (
        f"The first {formatting.count(MAX_EXPORTED)} of {formatting.count(total)} matching runs, {order_text(order)}. "
        "`/api/export/runs` exports all."
    )


def compare_bar() -> None:
    """A hint, or the link if two or more runs are selected; both have the same height, so that the table does not move.
    The browser keeps the selection across pages."""
    st.html(
        '<div class="ph-picked"><span>Select two to five runs to compare them</span>'
        '<a href="compare" target="_self">Compare</a><button type="button">Clear selection</button></div>'
    )


def runs_export(runs: Sequence[RunRow]) -> tuple[Sequence[Column], list[Row]]:
    """All exported fields, under the names of the API."""
    rows: list[Row] = [tuple(Cell("", _export_value(getattr(run, name))) for name in _EXPORTED) for run in runs]
    return [Column(name, type=value_type) for name, value_type in _EXPORTED.items()], rows


def _export_value(value: object) -> cells.Value:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str | float | int | None) else str(value)


def run_rows(runs: Sequence[RunRow], now: datetime, zone: ZoneInfo, time: Query, github: Repositories) -> list[Row]:
    return [_row(run, now, zone, time, github) for run in runs]


def _row(run: RunRow, now: datetime, zone: ZoneInfo, time: Query, github: Repositories) -> Row:
    flaky = ' <span class="ph-orange" title="Failed, then passed on a re-run">↻</span>' if run.flaky else ""
    again = f" · attempt {run.attempt}" if run.attempt > 1 else ""
    title = cells.anchor(run.headline or "(no title)", "run", [("run_id", run.id)], hover=run.headline)
    where = f'<small class="ph-narrow-only">{html(run.repo)} / {html(run.workflow)}</small>'
    small = f"<small>#{run.run_number} · {html(event_label(run.event))}{again}{flaky}</small>{where}"
    name = f'<span class="ph-two"><span class="ph-clip">{title}</span>{small}</span>'
    return (
        cells.state(run.conclusion or run.status),
        Cell(name, run.headline),
        workflow_link(run.repo, run.workflow, run.workflow_id, ()),
        _branch(run, time, github),
        _started_by(run, time),
        _duration(run, now),
        cells.duration(run.queue_seconds),
        cells.timestamp(run.created_at, zone),
    )


def _checkbox(run: RunRow) -> Cell:
    label = html(f"Select #{run.run_number} for comparison")
    return Cell(f'<input type="checkbox" class="ph-pick" value="{run.id}" aria-label="{label}">', None)


def _branch(run: RunRow, time: Query, github: Repositories) -> Cell:
    """The branch and the commit. Only the commit has an arrow to GitHub: three arrows a row would hide the names."""
    branch = run_links.branch_link(run, None, time)
    commit = run_links.commit_link(run, github.get(run.repo), time)
    return Cell(
        f'<span class="ph-two"><span class="ph-clip ph-short">{branch}</span><small>{commit}</small></span>',
        run.branch,
    )


def _started_by(run: RunRow, time: Query) -> Cell:
    """The actor who started the run, and below it the actor who re-ran it."""
    if not run.actor:
        return Cell(formatting.NO_DATA, None)
    actor = f'<span class="ph-clip ph-short">{run_links.actor_link(run.actor, run, None, time)}</span>'
    if not run.rerun_by or run.rerun_by == run.actor:
        return Cell(actor, run.actor)
    hover = html(f"Started by {run.actor}, attempt {run.attempt} by {run.rerun_by}")
    return Cell(
        f'<span class="ph-two" title="{hover}">{actor}'
        f'<small class="ph-clip ph-short">re-run by {html(run.rerun_by)}</small></span>',
        run.actor,
    )


def _duration(run: RunRow, now: datetime) -> Cell:
    """An unfinished run has no value, as in the database, which sorts the runs of all pages."""
    if run.completed_at or not run.started_at:
        return cells.duration(run.duration_seconds)
    seconds = max((now - run.started_at).total_seconds(), 0.0)
    return Cell(f'<span class="ph-blue" title="so far">{formatting.duration(seconds)} …</span>', None)
