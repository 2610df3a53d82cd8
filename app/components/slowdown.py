"""The jobs and steps whose duration changed most when a workflow became slower."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import streamlit as st

from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.table import Column, Row, table
from app.widgets.text import html
from core import formatting
from core.formatting import pluralize
from health.insights.regressions import Regression
from health.metrics.workflows import DurationDelta, Slowdown

_COLUMNS = (
    Column("What", fluid=True),
    Column("Before", "right", "Median of successful ones before the change"),
    Column("After", "right", "Median of successful ones since the change"),
    Column("Difference", "right", "Of the medians; none with fewer than 5 on a side"),
    Column("Change", "right", show="wide_only"),
    Column("Runs", "right", "Before and after", "wide_only"),
    Column("Trend", help="Median over the period", show="wide_only"),
)
_MAX_ROWS = 12
_LIMITS = (
    "Jobs run side by side: their differences do not add up to that of the run. The figures say where the time went, "
    "not why: a slower runner and more work look alike. The commit named is the first slow one that had a run."
)


def slowdown_text(slowdown: Slowdown, regression: Regression, zone: ZoneInfo) -> str:
    moment = regression.since.astimezone(zone)
    return (
        f"since {moment:%d %b, %H:%M} on {regression.branch}, against the time before in this period · "
        f"{pluralize(slowdown.runs_before, 'run')} before, {formatting.count(slowdown.runs_after)} after"
    )


def slowdown_table(slowdown: Slowdown) -> None:
    rows = slowdown_rows(_top_changes(slowdown))
    if rows:
        table("slowdown", _COLUMNS, rows, caption="Jobs and steps by how much slower they are")
    else:
        st.caption("No successful job of this period is known on both sides of the change.")
    st.caption(_LIMITS)


def export_rows(slowdown: Slowdown) -> tuple[Sequence[Column], list[Row]]:
    return _COLUMNS, slowdown_rows([*slowdown.jobs, *slowdown.steps])


def slowdown_rows(changes: Sequence[DurationDelta]) -> list[Row]:
    return [
        (
            _name(delta),
            cells.duration(delta.before),
            cells.duration(delta.after),
            _difference(delta.delta),
            cells.change(delta.change),
            Cell(f"{formatting.count(delta.runs_before)} · {formatting.count(delta.runs_after)}", delta.runs_after),
            cells.trend(delta.trend, f"Median of {delta.step or delta.job} over the period"),
        )
        for delta in changes
    ]


def _top_changes(slowdown: Slowdown) -> list[DurationDelta]:
    """The jobs that changed most, each followed by those of its steps that did."""
    shown: list[DurationDelta] = []
    for job in slowdown.jobs[:_MAX_ROWS]:
        shown.append(job)
        shown += [step for step in slowdown.steps if step.job == job.job and step.delta and step.delta >= 1][:3]
    return shown


def _name(change: DurationDelta) -> Cell:
    shown = html(change.step or change.job)
    small = f"<small>step of {html(change.job)}</small>" if change.step else "<small>job</small>"
    label = f'<span class="ph-two"><span class="ph-clip" title="{shown}"><b>{shown}</b></span>{small}</span>'
    return Cell(label, f"{change.job} / {change.step}" if change.step else change.job)


def _difference(seconds: float | None) -> Cell:
    if seconds is None:
        return Cell(f'<span title="Fewer than 5 runs on a side">{formatting.NO_DATA}</span>', None)
    sign = "+" if seconds > 0 else "−" if seconds < 0 else ""
    return Cell(f"{sign}{formatting.duration(abs(seconds))}", seconds)
