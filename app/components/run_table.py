"""Runs as a table: each a link to its page, some of them chosen to be compared."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from app.components import cells
from app.components.cells import Cell
from app.components.table import Column, Row, table
from app.components.text import html
from app.components.workflow_table import workflow_link
from db.metrics import units
from db.queries.runs import RunRow

_PICK = Column("", width="28px", show="wide_only")
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


def run_table(name: str, listed: Sequence[RunRow], now: datetime, zone: ZoneInfo, *, pick: bool = False) -> None:
    rows = run_rows(listed, now, zone)
    if not pick:
        table(name, _COLUMNS, rows, caption="Runs, newest first")
        return
    picked = [(_box(run), *row) for run, row in zip(listed, rows, strict=True)]
    table(name, (_PICK, *_COLUMNS), picked, caption="Runs, newest first")


def compare_bar() -> None:
    """Appears where two or more runs are chosen; the browser keeps the choice while one pages."""
    st.html('<div class="ph-picked"><a href="compare" target="_self">Compare</a><button type="button">Clear the choice'
            "</button></div>")  # fmt: skip


def exported(listed: Sequence[RunRow]) -> tuple[Sequence[Column], list[Row]]:
    """Every field, as the API names it."""
    rows: list[Row] = [tuple(Cell("", _exported(getattr(run, name))) for name in _EXPORTED) for run in listed]
    return [Column(name) for name in _EXPORTED], rows


def _exported(value: object) -> cells.Value:
    return value if isinstance(value, str | float | int | None) else str(value)


def run_rows(listed: Sequence[RunRow], now: datetime, zone: ZoneInfo) -> list[Row]:
    return [_row(run, now, zone) for run in listed]


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
        cells.when(run.created_at, zone),
    )


def _box(run: RunRow) -> Cell:
    label = html(f"Choose #{run.run_number} to compare")
    return Cell(f'<input type="checkbox" class="ph-pick" value="{run.id}" aria-label="{label}">', None)


def _branch(run: RunRow) -> Cell:
    shown = html(run.branch or units.NO_DATA)
    return Cell(
        f'<span class="ph-two"><span class="ph-clip ph-short" title="{shown}">{shown}</span>'
        f"<small><code>{html(run.head_sha[:7])}</code></small></span>",
        run.branch,
    )


def _clipped(name: str | None) -> Cell:
    shown = name or units.NO_DATA
    return Cell(f'<span class="ph-clip ph-short" title="{html(shown)}">{html(shown)}</span>', name)


def _started_by(run: RunRow) -> Cell:
    """Who started the run, and below it who re-ran it."""
    if not run.rerun_by or run.rerun_by == run.actor:
        return _clipped(run.actor)
    hover = html(f"Started by {run.actor or 'unknown'}, attempt {run.attempt} by {run.rerun_by}")
    return Cell(
        f'<span class="ph-two" title="{hover}"><span class="ph-clip ph-short">{html(run.actor or units.NO_DATA)}</span>'
        f'<small class="ph-clip ph-short">re-run by {html(run.rerun_by)}</small></span>',
        run.actor,
    )


def _duration(run: RunRow, now: datetime) -> Cell:
    if run.completed_at or not run.started_at:
        return cells.duration(run.duration_seconds)
    seconds = max((now - run.started_at).total_seconds(), 0.0)
    return Cell(f'<span class="ph-blue" title="so far">{units.duration(seconds)} …</span>', seconds)
