"""Durations, failures and cost of the jobs and steps of a workflow."""

from collections.abc import Sequence

from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.table import Column, Row, long_table
from app.widgets.text import html, truncate
from health.metrics.workflows import JobFigures, StepFigures

_JOBS = (
    Column("Job", fluid=True),
    Column("Runs", "right", show="wide_only"),
    Column("Failed", "right", show="wide_only"),
    Column("Failure rate", width="118px"),
    Column("Median", "right"),
    Column("Change", "right", "Median vs. the previous period", "wide_only"),
    Column("p95", "right", show="wide_only"),
    Column("p95 queue", "right", "95th percentile of the queue time", "desk_only"),
    Column(
        "On critical path",
        width="118px",
        help="Share of runs where this job was on the critical path",
        show="wide_only",
    ),
    Column("Cost", "right", show="desk_only"),
    Column(
        "Exclusive time",
        "right",
        "Median time during which only this job was running: upper bound of what you could save",
        "desk_only",
    ),
)
_STEPS = (
    Column("Step", fluid=True),
    Column("Runs", "right", show="wide_only"),
    Column("Failed", "right"),
    Column("Median", "right"),
    Column("Change", "right", "Median vs. the previous period", "wide_only"),
    Column("p95", "right", show="wide_only"),
)
_PAGE_SIZE = 50


def job_table(figures: Sequence[JobFigures]) -> None:
    long_table("jobs", _JOBS, figures, job_rows, caption="Jobs, longest first", noun="jobs", size=_PAGE_SIZE)


def step_table(figures: Sequence[StepFigures]) -> None:
    long_table("steps", _STEPS, figures, step_rows, caption="Steps, longest first", noun="steps", size=_PAGE_SIZE)


def jobs_csv(figures: Sequence[JobFigures]) -> tuple[Sequence[Column], Sequence[Row]]:
    return _JOBS, job_rows(figures)


def steps_csv(figures: Sequence[StepFigures]) -> tuple[Sequence[Column], Sequence[Row]]:
    return _STEPS, step_rows(figures)


def job_rows(figures: Sequence[JobFigures]) -> list[Row]:
    return [
        (
            _clipped(job.name),
            cells.count(job.runs),
            cells.count(job.failed),
            cells.rate(job.failure_rate, tone="red"),
            cells.duration(job.p50),
            cells.change(job.change),
            cells.duration(job.p95),
            cells.duration(job.queue_p95),
            cells.rate(job.critical_share, tone="blue"),
            cells.money(job.cost_usd),
            cells.duration(job.exclusive_seconds),
        )
        for job in figures
    ]


def step_rows(figures: Sequence[StepFigures]) -> list[Row]:
    return [
        (
            _job_cell(step.name, step.job),
            cells.count(step.runs),
            cells.count(step.failed),
            cells.duration(step.p50),
            cells.change(step.change),
            cells.duration(step.p95),
        )
        for step in figures
    ]


def _clipped(name: str) -> Cell:
    return Cell(f'<span class="ph-clip" title="{html(name)}"><b>{html(truncate(name))}</b></span>', name)


def _job_cell(name: str, job: str) -> Cell:
    shown = f'<span class="ph-two"><span class="ph-clip" title="{html(name)}"><b>{html(truncate(name))}</b></span>'
    return Cell(f"{shown}<small>{html(truncate(job))}</small></span>", f"{job} / {name}")
