"""Workflows whose runs fail and then pass on the same code, highest confidence first."""

from collections.abc import Sequence
from datetime import datetime

from app.components.workflows import Query, workflow_link
from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.table import Column, Row, long_table
from app.widgets.text import html
from core import formatting
from db.runs.run_queries import FLAKY_FILTER
from health.insights.flaky import FlakyWorkflow

_COLUMNS = (
    Column("Workflow", fluid=True),
    Column(
        "Verdict", help="Flaky: two or more flaky runs, and a lower bound of the flaky rate over 28 days of at least 1%"
    ),
    Column("Flaky runs", "right", "Runs that failed, then passed on a re-run"),
    Column("Change", "right", "Change vs. the previous period; new: none then", "wide_only"),
    Column("Flaky rate", width="118px", help="Share of completed runs that were flaky", show="wide_only"),
    Column("Re-runs passed", "right", "Share of the re-run failures that passed", "wide_only"),
    Column(
        "Estimate",
        "right",
        "Estimated share of flaky runs, re-run or not, over 28 days; ranked by its lower bound",
        "wide_only",
    ),
    Column("Trend", help="Flaky runs per day", show="wide_only"),
    Column("Flaky jobs", show="wide_only"),
    Column(
        "Same commit", "right", "Commits from the last 14 days with both a failed and a successful run", "desk_only"
    ),
    Column("Waste", "right", "Compute of the failed attempts", "desk_only"),
    Column("Last", "right"),
)
_MAX_JOBS = 1


def flaky_table(workflows: Sequence[FlakyWorkflow], now: datetime, time: Query) -> None:
    long_table(
        "flaky",
        _COLUMNS,
        workflows,
        lambda items: flaky_rows(items, now, time),
        caption="Flaky workflows, highest confidence first",
        noun="workflows",
        reset_key=time,
    )


def flaky_csv(workflows: Sequence[FlakyWorkflow], now: datetime) -> tuple[Sequence[Column], list[Row]]:
    return _COLUMNS, flaky_rows(workflows, now, ())


def flaky_rows(workflows: Sequence[FlakyWorkflow], now: datetime, time: Query) -> list[Row]:
    return [
        (
            workflow_link(workflow.repo, workflow.workflow, workflow.workflow_id, time),
            _verdict(workflow),
            _runs(workflow, time),
            cells.occurrences(workflow.flaky_runs, workflow.before),
            cells.rate(workflow.rate, tone="red"),
            _per_rerun(workflow),
            _estimate(workflow),
            cells.by_day(workflow.by_day, f"Flaky runs per day of {workflow.workflow}"),
            _jobs(workflow),
            cells.count(workflow.same_commit),
            cells.minutes(workflow.wasted_seconds),
            _last_seen(workflow, now),
        )
        for workflow in workflows
    ]


def _runs(workflow: FlakyWorkflow, time: Query) -> Cell:
    """The number of flaky runs, with a link to them."""
    query = [("q", FLAKY_FILTER), ("repo", workflow.repo), ("workflow", workflow.workflow), *time]
    hover = f"View the flaky runs of {workflow.workflow}"
    return Cell(cells.anchor(formatting.count(workflow.flaky_runs), "runs", query, hover=hover), workflow.flaky_runs)


def _per_rerun(workflow: FlakyWorkflow) -> Cell:
    shown = (
        f"{formatting.percent(workflow.rate_per_rerun)} <small>of {formatting.count(workflow.rerun_failures)}</small>"
    )
    return Cell(shown, workflow.rate_per_rerun)


def _estimate(workflow: FlakyWorkflow) -> Cell:
    """The estimated flaky rate; muted if the workflow is not classified as flaky, as the estimate may rest on
    one re-run."""
    tone = "" if workflow.called else ' class="ph-dim"'
    hover = f"lower bound: {formatting.percent(workflow.estimate_low)}"
    return Cell(f'<span{tone} title="{hover}">{formatting.percent(workflow.estimate)}</span>', workflow.estimate)


def _verdict(workflow: FlakyWorkflow) -> Cell:
    if workflow.called:
        return Cell('<span class="ph-state ph-orange">↻ Flaky</span>', "flaky")
    return Cell('<span class="ph-state ph-dim">Occasional</span>', "occasional")


def _jobs(workflow: FlakyWorkflow) -> Cell:
    shown = ", ".join(f"{job.name} {formatting.count(job.runs)}×" for job in workflow.jobs[:_MAX_JOBS])
    all_jobs = ", ".join(f"{job.name} {formatting.count(job.runs)}×" for job in workflow.jobs)
    return Cell(f'<span class="ph-clip" title="{html(all_jobs)}">{html(shown)}</span>', all_jobs)


def _last_seen(workflow: FlakyWorkflow, now: datetime) -> Cell:
    written = formatting.relative((now - workflow.last_at).total_seconds())
    link = cells.anchor(
        written, "run", [("run_id", workflow.last_run_id)], hover=formatting.timestamp(workflow.last_at)
    )
    return Cell(link, workflow.last_at.isoformat())
