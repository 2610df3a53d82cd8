"""The jobs and steps whose duration changed most when a workflow became slower."""

from collections.abc import Sequence

import streamlit as st

from app.components import run_links
from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.table import Column, Row, table
from app.widgets.text import html
from core import formatting
from db.definitions.scope import Window
from db.runs.run_queries import RunRow
from health.insights.regressions import Regression
from health.metrics.workflows import DurationDelta, Slowdown

_COLUMNS = (
    Column("Job or step", fluid=True),
    Column("Before", "right", "Median duration of successful jobs before the change", unit="s"),
    Column("After", "right", "Median duration of successful jobs since the change", unit="s"),
    Column("Difference", "right", "Difference of the medians; empty with fewer than 5 runs on either side", unit="s"),
    Column("Change", "right", show="wide_only", unit="share"),
    Column(
        "Samples", "right", "Successful jobs before · after; a re-run adds one", "wide_only", file_label="Samples after"
    ),
    Column("Trend", help="Median over the period; the vertical line is the change", show="wide_only", in_files=False),
)
_MAX_ROWS = 12
_LIMITS = (
    "Jobs run in parallel, so their differences do not add up to that of the run. The figures show where the time "
    "went, not why: a slower runner and more work look alike. The commit shown is the first slow one that had a run."
)


def compare_link(regression: Regression, last_success: RunRow | None) -> None:
    """The first slow run with its commit, and its comparison with the last successful run before it."""
    run = regression.first_run
    first = f"first slow run {run_links.commit_text(run, run_links.github_repositories().get(run.repo))}"
    query = [("runs", f"{last_success.id},{run.id}")] if last_success else []
    both = cells.anchor("Compare with the run before", "compare", query) if last_success else ""
    st.html(f'<div class="ph-meta"><span>{first}</span><span class="ph-strong">{both}</span></div>')


def slowdown_table(slowdown: Slowdown, window: Window) -> None:
    rows = slowdown_rows(_top_changes(slowdown), (slowdown.since - window.since) / window.span)
    if rows:
        table("slowdown", _COLUMNS, rows, caption="Jobs and steps, largest slowdown first")
    else:
        st.caption("No job succeeded both before and after the change in this period.")
    st.caption(_LIMITS)


def slowdown_export(slowdown: Slowdown) -> tuple[Sequence[Column], list[Row]]:
    return _COLUMNS, slowdown_rows([*slowdown.jobs, *slowdown.steps])


def slowdown_rows(changes: Sequence[DurationDelta], change_at: float | None = None) -> list[Row]:
    """`change_at`: the position of the change point in the trends, from 0 to 1."""
    return [
        (
            _name(delta),
            cells.duration(delta.before),
            cells.duration(delta.after),
            _difference(delta.delta),
            cells.change(delta.change),
            Cell(f"{formatting.count(delta.runs_before)} · {formatting.count(delta.runs_after)}", delta.runs_after),
            cells.trend(delta.trend, f"Median of {delta.step or delta.job} over the period", mark=change_at),
        )
        for delta in changes
    ]


def _top_changes(slowdown: Slowdown) -> list[DurationDelta]:
    """The jobs that changed most, each followed by up to three of its slower steps."""
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
        return Cell(f'<span title="Fewer than 5 runs on either side">{formatting.NO_DATA}</span>', None)
    sign = "+" if seconds > 0 else "−" if seconds < 0 else ""
    return Cell(f"{sign}{formatting.duration(abs(seconds))}", seconds)
