"""What the jobs and steps of a workflow take, and how often they fail.

Which jobs and steps changed most at the moment from which a workflow is slower.
"""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import streamlit as st

from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.table import Column, Row, long_table, table
from app.widgets.text import html, truncate
from core import formatting
from core.formatting import pluralize
from health.insights.regressions import Regression
from health.metrics.workflows import DurationDelta, JobFigures, Slowdown, StepFigures

_JOBS = (
    Column("Job", fluid=True),
    Column("Runs", "right", show="wide_only"),
    Column("Failed", "right", show="wide_only"),
    Column("Failure rate", width="118px"),
    Column("Median", "right"),
    Column("Change", "right", "Median against the period before", "wide_only"),
    Column("p95", "right", show="wide_only"),
    Column("p95 queue", "right", "Waiting for a runner", "desk_only"),
    Column("On critical path", width="118px", help="Share of the runs whose length it decided", show="wide_only"),
    Column("Cost", "right", show="desk_only"),
    Column("Alone", "right", "Median time there in which no other job ran: at most what a run would win", "desk_only"),
)
_STEPS = (
    Column("Step", fluid=True),
    Column("Runs", "right", show="wide_only"),
    Column("Failed", "right"),
    Column("Median", "right"),
    Column("Change", "right", "Median against the period before", "wide_only"),
    Column("p95", "right", show="wide_only"),
)
_PAGE_SIZE = 50


def job_table(figures: Sequence[JobFigures]) -> None:
    long_table("jobs", _JOBS, figures, job_rows, caption="Jobs, most time first", noun="jobs", size=_PAGE_SIZE)


def step_table(figures: Sequence[StepFigures]) -> None:
    long_table("steps", _STEPS, figures, step_rows, caption="Steps, most time first", noun="steps", size=_PAGE_SIZE)


def jobs_csv(figures: Sequence[JobFigures]) -> tuple[Sequence[Column], Sequence[Row]]:
    return _JOBS, job_rows(figures)


def steps_csv(figures: Sequence[StepFigures]) -> tuple[Sequence[Column], Sequence[Row]]:
    return _STEPS, step_rows(figures)


def job_rows(figures: Sequence[JobFigures]) -> list[Row]:
    return [
        (
            _clipped(each.name),
            cells.count(each.runs),
            cells.count(each.failed),
            cells.rate(each.failure_rate, tone="red"),
            cells.duration(each.p50),
            cells.change(each.change),
            cells.duration(each.p95),
            cells.duration(each.queue_p95),
            cells.rate(each.critical_share, tone="blue"),
            cells.money(each.cost_usd),
            cells.duration(each.exclusive_seconds),
        )
        for each in figures
    ]


def step_rows(figures: Sequence[StepFigures]) -> list[Row]:
    return [
        (
            _job_cell(each.name, each.job),
            cells.count(each.runs),
            cells.count(each.failed),
            cells.duration(each.p50),
            cells.change(each.change),
            cells.duration(each.p95),
        )
        for each in figures
    ]


def _clipped(name: str) -> Cell:
    return Cell(f'<span class="ph-clip" title="{html(name)}"><b>{html(truncate(name))}</b></span>', name)


def _job_cell(name: str, job: str) -> Cell:
    shown = f'<span class="ph-two"><span class="ph-clip" title="{html(name)}"><b>{html(truncate(name))}</b></span>'
    return Cell(f"{shown}<small>{html(truncate(job))}</small></span>", f"{job} / {name}")


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
            _name(each),
            cells.duration(each.before),
            cells.duration(each.after),
            _difference(each.delta),
            cells.change(each.change),
            Cell(f"{formatting.count(each.runs_before)} · {formatting.count(each.runs_after)}", each.runs_after),
            cells.trend(each.trend, f"Median of {each.step or each.job} over the period"),
        )
        for each in changes
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
