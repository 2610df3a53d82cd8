"""Durations, failures and cost of the jobs and steps of a workflow."""

from collections import defaultdict
from collections.abc import Sequence

import streamlit as st

from app.data.runs import JobBreakdown
from app.filters import view_state
from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.panel import section_html
from app.widgets.table import Column, Row, long_table, sorted_html
from app.widgets.text import html, truncate
from core.formatting import pluralize
from health.metrics.definitions.step_comparison import is_housekeeping
from health.metrics.workflows import DurationTrends, JobFigures, StepFigures

_CHANGE = Column("Change", "right", "Median vs. the previous period", "wide_only", unit="share")
_CHANGE_AT_POINT = Column("Change", "right", "Median since the slowdown vs. before", "wide_only", unit="share")
_JOBS = (
    Column("Job", fluid=True),
    Column("Runs", "right", show="wide_only"),
    Column("Failed", "right", show="wide_only"),
    Column("Failure rate", width="118px", help="Not ranked if there are fewer than ten runs", unit="share"),
    Column("Median", "right", unit="s"),
    _CHANGE,
    Column("p95", "right", show="wide_only", unit="s"),
    Column("Trend", help="Median over the period", show="wide_only", in_files=False),
    Column("p95 queue", "right", "95th percentile of the queue time", "desk_only", unit="s"),
    Column(
        "On critical path",
        width="118px",
        help="Share of runs where this job was on the critical path",
        show="wide_only",
        unit="share",
    ),
    Column("Cost", "right", show="desk_only", unit="USD"),
    Column(
        "Exclusive time",
        "right",
        "Median time during which only this job was running: upper bound of what you could save",
        "desk_only",
        unit="s",
    ),
)
_STEPS = (
    Column("Step", fluid=True),
    Column("Runs", "right", show="wide_only"),
    Column("Failed", "right"),
    Column("Median", "right", unit="s"),
    _CHANGE,
    Column("p95", "right", show="wide_only", unit="s"),
    Column("Trend", help="Median over the period", show="wide_only", in_files=False),
)
_PAGE_SIZE, _MAX_ADDED_STEPS = 50, 100


def job_table(breakdown: JobBreakdown) -> None:
    long_table(
        "jobs",
        _columns(_JOBS, breakdown),
        breakdown.jobs.items,
        lambda items: job_rows(items, breakdown.jobs.trends),
        caption="Jobs, longest first",
        noun="jobs",
        size=_PAGE_SIZE,
    )
    _omitted_note(breakdown.jobs.omitted, "job")


def step_table(breakdown: JobBreakdown) -> None:
    """The steps of the workflow; those that the runner adds are folded."""
    columns, trends = _columns(_STEPS, breakdown), breakdown.steps.trends
    own, added = split_steps(breakdown.steps.items)
    long_table(
        "steps",
        columns,
        own,
        lambda items: step_rows(items, trends),
        caption="Steps, longest first",
        noun="steps",
        size=_PAGE_SIZE,
    )
    _omitted_note(breakdown.steps.omitted, "step")
    if added:
        listed = added[:_MAX_ADDED_STEPS]
        more = f", the longest {len(listed)}" if len(listed) < len(added) else ""
        rows = sorted_html(
            "runner-steps", columns, step_rows(listed, trends), "Housekeeping steps, longest first", "steps"
        )
        summary = f"{pluralize(len(added), 'housekeeping step')} of the runner and of actions{more}"
        name = "housekeeping-steps"
        section = section_html(name, summary, rows, is_open=view_state.is_open(name))
        st.html(f'<div class="ph-sections">{section}</div>')


def _omitted_note(number: int, noun: str) -> None:
    if number:
        st.caption(f"{pluralize(number, f'more {noun}')} with less time not listed.")


def split_steps(figures: Sequence[StepFigures]) -> tuple[list[StepFigures], list[StepFigures]]:
    """(the steps of the workflow, the steps that the runner adds)"""
    names: dict[str, set[str]] = defaultdict(set)
    for step in figures:
        names[step.job].add(step.name)
    own: list[StepFigures] = []
    added: list[StepFigures] = []
    for step in figures:
        (added if is_housekeeping(step.name, names[step.job]) else own).append(step)
    return own, added


def jobs_export(breakdown: JobBreakdown) -> tuple[Sequence[Column], Sequence[Row]]:
    return _columns(_JOBS, breakdown), job_rows(breakdown.jobs.items, breakdown.jobs.trends)


def steps_export(breakdown: JobBreakdown) -> tuple[Sequence[Column], Sequence[Row]]:
    return _columns(_STEPS, breakdown), step_rows(breakdown.steps.items, breakdown.steps.trends)


def _columns(columns: Sequence[Column], breakdown: JobBreakdown) -> Sequence[Column]:
    if breakdown.slowdown is None:
        return columns
    return [_CHANGE_AT_POINT if column is _CHANGE else column for column in columns]


def job_rows(figures: Sequence[JobFigures], trends: DurationTrends) -> list[Row]:
    return [
        (
            _name(job),
            cells.count(job.runs),
            cells.count(job.failed),
            cells.rate(job.failure_rate, tone="red", of=job.runs),
            cells.percentile(job.p50, job.durations),
            cells.change(job.change, of=job.runs),
            cells.percentile(job.p95, job.durations),
            cells.trend(trends.get((job.name, ""), ()), f"Median of {job.name} over the period"),
            cells.percentile(job.queue_p95, job.queue_times),
            cells.rate(job.critical_share, tone="blue"),
            cells.money(job.cost_usd),
            cells.duration(job.exclusive_seconds),
        )
        for job in figures
    ]


def step_rows(figures: Sequence[StepFigures], trends: DurationTrends) -> list[Row]:
    return [
        (
            _job_cell(step.name, step.job),
            cells.count(step.runs),
            cells.count(step.failed),
            cells.percentile(step.p50, step.durations),
            cells.change(step.change, of=step.runs),
            cells.percentile(step.p95, step.durations),
            cells.trend(trends.get((step.job, step.name), ()), f"Median of {step.name} over the period"),
        )
        for step in figures
    ]


def _name(job: JobFigures) -> Cell:
    """The name, with the number of jobs of a matrix that have one row."""
    name = f'<span class="ph-clip" title="{html(job.name)}"><b>{html(truncate(job.name))}</b></span>'
    if job.jobs == 1:
        return Cell(name, job.name)
    return Cell(f'<span class="ph-two">{name}<small>{pluralize(job.jobs, "job")}</small></span>', job.name)


def _job_cell(name: str, job: str) -> Cell:
    shown = f'<span class="ph-two"><span class="ph-clip" title="{html(name)}"><b>{html(truncate(name))}</b></span>'
    return Cell(f"{shown}<small>{html(truncate(job))}</small></span>", f"{job} / {name}")
