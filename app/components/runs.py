"""Runs as a table: each a link to its page, some of them chosen to be compared.

Tables with the columns set.
"""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from app.components.workflows import workflow_link
from app.status_style import STATES, colour_group, ledger_colours, outcome_label
from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.table import Column, Row, table
from app.widgets.text import html
from core import formatting
from db.runs.run_queries import RunRow

_SELECT_COLUMN = Column("", width="28px", show="wide_only")
_COLUMNS = (
    Column("Status", width="104px"),
    Column("Run", fluid=True),
    Column("Workflow", show="wide_only"),
    Column("Branch", show="wide_only"),
    Column("Started by", show="desk_only"),
    Column("Duration", "right", show="wide_only"),
    Column("Queue", "right", "Until the first job started", "desk_only"),
    Column("Created", "right"),
)
_EXPORTED = ("id", "repo", "workflow", "run_number", "attempt", "title", "event", "branch", "head_sha", "actor",
             "triggering_actor", "commit_author", "commit_message",
             "status", "conclusion", "created_at", "duration_seconds", "queue_seconds", "html_url")  # fmt: skip


def run_table(name: str, runs: Sequence[RunRow], now: datetime, zone: ZoneInfo, *, selectable: bool = False) -> None:
    rows = run_rows(runs, now, zone)
    if not selectable:
        table(name, _COLUMNS, rows, caption="Runs, newest first")
        return
    picked = [(_checkbox(run), *row) for run, row in zip(runs, rows, strict=True)]
    table(name, (_SELECT_COLUMN, *_COLUMNS), picked, caption="Runs, newest first")


def compare_bar() -> None:
    """Appears where two or more runs are chosen; the browser keeps the choice while one pages."""
    st.html('<div class="ph-picked"><a href="compare" target="_self">Compare</a><button type="button">Clear the choice'
            "</button></div>")  # fmt: skip


def export_rows(runs: Sequence[RunRow]) -> tuple[Sequence[Column], list[Row]]:
    """Every field, as the API names it."""
    rows: list[Row] = [tuple(Cell("", _export_value(getattr(run, name))) for name in _EXPORTED) for run in runs]
    return [Column(name) for name in _EXPORTED], rows


def _export_value(value: object) -> cells.Value:
    return value if isinstance(value, str | float | int | None) else str(value)


def run_rows(runs: Sequence[RunRow], now: datetime, zone: ZoneInfo) -> list[Row]:
    return [_row(run, now, zone) for run in runs]


def _row(run: RunRow, now: datetime, zone: ZoneInfo) -> Row:
    flaky = ' <span class="ph-orange" title="Failed, then passed">↻</span>' if run.flaky else ""
    again = f" · attempt {run.attempt}" if run.attempt > 1 else ""
    title = cells.anchor(run.headline or "(no title)", "run", [("run_id", run.id)], hover=run.headline)
    where = f'<small class="ph-narrow-only">{html(run.repo)} / {html(run.workflow)}</small>'
    small = f"<small>#{run.run_number} · {html(run.event)}{again}{flaky}</small>{where}"
    name = f'<span class="ph-two"><span class="ph-clip">{title}</span>{small}</span>'
    return (
        cells.state(run.conclusion or run.status),
        Cell(name, run.headline),
        workflow_link(run.repo, run.workflow, run.workflow_id, ()),
        _branch(run),
        _started_by(run),
        _duration(run, now),
        cells.duration(run.queue_seconds),
        cells.timestamp(run.created_at, zone),
    )


def _checkbox(run: RunRow) -> Cell:
    label = html(f"Choose #{run.run_number} to compare")
    return Cell(f'<input type="checkbox" class="ph-pick" value="{run.id}" aria-label="{label}">', None)


def _branch(run: RunRow) -> Cell:
    shown = html(run.branch or formatting.NO_DATA)
    return Cell(
        f'<span class="ph-two"><span class="ph-clip ph-short" title="{shown}">{shown}</span>'
        f"<small><code>{html(run.head_sha[:7])}</code></small></span>",
        run.branch,
    )


def _clipped(name: str | None) -> Cell:
    shown = name or formatting.NO_DATA
    return Cell(f'<span class="ph-clip ph-short" title="{html(shown)}">{html(shown)}</span>', name)


def _started_by(run: RunRow) -> Cell:
    """Who started the run, and below it who re-ran it."""
    if not run.rerun_by or run.rerun_by == run.actor:
        return _clipped(run.actor)
    hover = html(f"Started by {run.actor or 'unknown'}, attempt {run.attempt} by {run.rerun_by}")
    return Cell(
        f'<span class="ph-two" title="{hover}"><span class="ph-clip ph-short">{html(run.actor or formatting.NO_DATA)}</span>'
        f'<small class="ph-clip ph-short">re-run by {html(run.rerun_by)}</small></span>',
        run.actor,
    )


def _duration(run: RunRow, now: datetime) -> Cell:
    if run.completed_at or not run.started_at:
        return cells.duration(run.duration_seconds)
    seconds = max((now - run.started_at).total_seconds(), 0.0)
    return Cell(f'<span class="ph-blue" title="so far">{formatting.duration(seconds)} …</span>', seconds)


_ROW = 34
_MAX_ROWS = 22


def workflows(frame: pd.DataFrame) -> None:
    column = st.column_config
    st.dataframe(
        frame,
        hide_index=True,
        row_height=_ROW,
        height=min(len(frame), _MAX_ROWS) * _ROW + 40,
        key="workflows",
        column_order=["repo", "workflow", "state", "success_rate", "recent", "trend", "runs", "failed", "p50", "p95",
                      "queue", "last"],
        column_config={
            "repo": column.TextColumn("Repository", width=130),
            "workflow": column.LinkColumn("Workflow", display_text="#(.*)$", help="Opens its runs", width=105),
            "state": column.TextColumn("Default branch", help="Broken: the last decided run there failed", width=100),
            "success_rate": column.ProgressColumn(
                "Success rate", format="%.1f%%", min_value=0, max_value=100, color="green", width=140
            ),
            "recent": column.ImageColumn("Last 20 runs", width=145, help="Oldest left; full bars failed"),
            "trend": column.LineChartColumn("Success trend", y_min=0, y_max=1, width=95),
            "runs": column.NumberColumn("Runs", format="localized", width=55),
            "failed": column.NumberColumn("Failed", format="localized", width=60),
            "p50": column.TextColumn("Median", width=75),
            "p95": column.TextColumn("p95", width=75),
            "queue": column.TextColumn("p95 queue", width=75),
            "last": column.TextColumn("Last run", width=80),
        },
    )  # fmt: skip


def runs(frame: pd.DataFrame) -> None:
    column = st.column_config
    st.dataframe(
        frame,
        hide_index=True,
        row_height=_ROW,
        height=len(frame) * _ROW + 40,
        key="runs",
        column_order=[
            "link",
            "state",
            "title",
            "repo",
            "workflow",
            "branch",
            "actor",
            "duration",
            "queue",
            "created",
            "event",
            "attempt",
            "commit",
        ],
        column_config={
            "link": column.LinkColumn("Run", display_text=r"(#\d+)$", width=65),
            "state": _state_column("Status", 118),
            "title": column.TextColumn("Title", width=250),
            "repo": column.TextColumn("Repository", width=125),
            "workflow": column.TextColumn("Workflow", width=95),
            "branch": column.TextColumn("Branch", width=120),
            "commit": column.TextColumn("Commit", width=80),
            "actor": column.TextColumn("Actor", width=95),
            "event": column.TextColumn("Event", width=100),
            "attempt": column.NumberColumn("Attempt", width=70),
            "duration": column.TextColumn("Duration", width=92),
            "queue": column.TextColumn("Queue", width=60),
            "created": column.DatetimeColumn("Created", format="DD MMM, HH:mm", width=115),
        },
    )


def ledger(frame: pd.DataFrame) -> None:
    column = st.column_config
    colours = ledger_colours()
    st.dataframe(
        frame,
        hide_index=True,
        row_height=_ROW,
        height=(min(len(frame), _MAX_ROWS) + 1) * _ROW + 3,
        key="ledger",
        column_config={
            "state": column.MultiselectColumn("State", width=150, options=list(colours), color=list(colours.values())),
            "repo": column.TextColumn("Repository", width=200),
            "since": column.DatetimeColumn("Complete since", format="DD MMM YYYY", width=120),
            "looked": column.TextColumn("Last look", width=95, help="At its newest runs"),
            "deep": column.TextColumn("Last full look", width=105, help="Through all runs of 31 days, for re-runs"),
            "runs": column.NumberColumn("Runs", format="localized", width=75),
            "gaps": column.NumberColumn("Gaps", width=60, help="Things known to be missing; below, line by line"),
            "jobs": column.NumberColumn("Without jobs", format="localized", width=100, help="Runs still without jobs"),
            "expired": column.NumberColumn(
                "Lost logs", format="localized", width=85, help="GitHub had deleted them, or has none"
            ),
            "error": column.TextColumn("Error", width="large"),
        },
    )


def _state_column(label: str, width: int):  # type: ignore[no-untyped-def]
    return st.column_config.MultiselectColumn(
        label,
        width=width,
        options=[outcome_label(state) for state in STATES],
        color=[colour_group(state) for state in STATES],
    )
