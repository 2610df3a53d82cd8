"""What the jobs and steps of a workflow take, and how often they fail.

Which jobs and steps changed most at the moment from which a workflow is slower.
"""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import streamlit as st

from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.table import Column, Row, long_table, table
from app.widgets.text import html, short
from core import formatting
from core.formatting import counted
from health.insights.regressions import Regression
from health.metrics.workflows import Changed, JobFigures, Slowdown, StepFigures

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
_PAGE = 50


def job_table(figures: Sequence[JobFigures]) -> None:
    long_table("jobs", _JOBS, figures, job_rows, caption="Jobs, most time first", what="jobs", size=_PAGE)


def step_table(figures: Sequence[StepFigures]) -> None:
    long_table("steps", _STEPS, figures, step_rows, caption="Steps, most time first", what="steps", size=_PAGE)


def jobs_file(figures: Sequence[JobFigures]) -> tuple[Sequence[Column], Sequence[Row]]:
    return _JOBS, job_rows(figures)


def steps_file(figures: Sequence[StepFigures]) -> tuple[Sequence[Column], Sequence[Row]]:
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
            _within(each.name, each.job),
            cells.count(each.runs),
            cells.count(each.failed),
            cells.duration(each.p50),
            cells.change(each.change),
            cells.duration(each.p95),
        )
        for each in figures
    ]


def _clipped(name: str) -> Cell:
    return Cell(f'<span class="ph-clip" title="{html(name)}"><b>{html(short(name))}</b></span>', name)


def _within(name: str, job: str) -> Cell:
    shown = f'<span class="ph-two"><span class="ph-clip" title="{html(name)}"><b>{html(short(name))}</b></span>'
    return Cell(f"{shown}<small>{html(short(job))}</small></span>", f"{job} / {name}")


_COLUMNS = (
    Column("What", fluid=True),
    Column("Before", "right", "Median of successful ones before the change"),
    Column("After", "right", "Median of successful ones since the change"),
    Column("Difference", "right", "Of the medians; none with fewer than 5 on a side"),
    Column("Change", "right", show="wide_only"),
    Column("Runs", "right", "Before and after", "wide_only"),
    Column("Trend", help="Median over the period", show="wide_only"),
)
_MOST = 12
_LIMITS = (
    "Jobs run side by side: their differences do not add up to that of the run. The figures say where the time went, "
    "not why: a slower runner and more work look alike. The commit named is the first slow one that had a run."
)


def words(found: Slowdown, slower: Regression, zone: ZoneInfo) -> str:
    moment = slower.since.astimezone(zone)
    return (
        f"since {moment:%d %b, %H:%M} on {slower.branch}, against the time before in this period · "
        f"{counted(found.runs_before, 'run')} before, {formatting.count(found.runs_after)} after"
    )


def slowdown_table(found: Slowdown) -> None:
    rows = slowdown_rows(_foremost(found))
    if rows:
        table("slowdown", _COLUMNS, rows, caption="Jobs and steps by how much slower they are")
    else:
        st.caption("No successful job of this period is known on both sides of the change.")
    st.caption(_LIMITS)


def exported(found: Slowdown) -> tuple[Sequence[Column], list[Row]]:
    return _COLUMNS, slowdown_rows([*found.jobs, *found.steps])


def slowdown_rows(listed: Sequence[Changed]) -> list[Row]:
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
        for each in listed
    ]


def _foremost(found: Slowdown) -> list[Changed]:
    """The jobs that changed most, each followed by those of its steps that did."""
    shown: list[Changed] = []
    for job in found.jobs[:_MOST]:
        shown.append(job)
        shown += [step for step in found.steps if step.job == job.job and step.delta and step.delta >= 1][:3]
    return shown


def _name(each: Changed) -> Cell:
    shown = html(each.step or each.job)
    small = f"<small>step of {html(each.job)}</small>" if each.step else "<small>job</small>"
    label = f'<span class="ph-two"><span class="ph-clip" title="{shown}"><b>{shown}</b></span>{small}</span>'
    return Cell(label, f"{each.job} / {each.step}" if each.step else each.job)


def _difference(seconds: float | None) -> Cell:
    if seconds is None:
        return Cell(f'<span title="Fewer than 5 runs on a side">{formatting.NO_DATA}</span>', None)
    sign = "+" if seconds > 0 else "−" if seconds < 0 else ""
    return Cell(f"{sign}{formatting.duration(abs(seconds))}", seconds)
