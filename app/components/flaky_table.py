"""What fails and then passes, ranked by how sure that is."""

from collections.abc import Sequence
from datetime import datetime

from app.components import cells
from app.components.cells import Cell
from app.components.table import Column, Row, long_table
from app.components.text import html
from app.components.workflow_table import Query, workflow_link
from db.findings.flaky import FlakyWorkflow
from db.metrics import units
from db.queries.runs import FLAKY

_COLUMNS = (
    Column("Workflow", fluid=True),
    Column("Verdict", help="Flaky: surely at least 1 % of the runs of 28 days flake, by two runs or more"),
    Column("Flaky runs", "right", "Failed, and passed when run again"),
    Column("Change", "right", "Against the period before; new: there was none then", "wide_only"),
    Column("Rate", width="118px", help="Of decided runs"),
    Column("Of re-runs", "right", "Failures that somebody re-ran and that passed then, of all that were re-run"),
    Column(
        "Estimate", "right", "Share of runs that flake, re-run or not; 28 days; ranked by its lower bound", "wide_only"
    ),
    Column("Trend", help="Flaky runs a day", show="wide_only"),
    Column("Jobs that failed first", show="wide_only"),
    Column("Same commit", "right", "Commits of the last 14 days where one run failed and another passed", "desk_only"),
    Column("Wasted", "right", "Job time of the attempts that failed", "desk_only"),
    Column("Last", "right"),
)
_NAMED = 1


def flaky_table(found: Sequence[FlakyWorkflow], now: datetime, time: Query) -> None:
    long_table("flaky", _COLUMNS, found, lambda items: flaky_rows(items, now, time),
               caption="Flaky workflows, the surest first", what="workflows", of=time)  # fmt: skip


def flaky_file(found: Sequence[FlakyWorkflow], now: datetime) -> tuple[Sequence[Column], list[Row]]:
    return _COLUMNS, flaky_rows(found, now, ())


def flaky_rows(found: Sequence[FlakyWorkflow], now: datetime, time: Query) -> list[Row]:
    return [
        (
            workflow_link(each.repo, each.workflow, each.workflow_id, time),
            _verdict(each),
            _runs(each, time),
            cells.occurrences(each.flaky_runs, each.before),
            cells.rate(each.rate, tone="red"),
            _per_rerun(each),
            _estimate(each),
            cells.by_day(each.by_day, f"Flaky runs a day of {each.workflow}"),
            _jobs(each),
            cells.count(each.same_commit),
            cells.minutes(each.wasted_seconds),
            _last(each, now),
        )
        for each in found
    ]


def _runs(each: FlakyWorkflow, time: Query) -> Cell:
    """How many; leads to all of them."""
    query = [("q", FLAKY), ("repo", each.repo), ("workflow", each.workflow), *time]
    hover = f"The flaky runs of {each.workflow}"
    return Cell(cells.anchor(units.count(each.flaky_runs), "runs", query, hover=hover), each.flaky_runs)


def _per_rerun(each: FlakyWorkflow) -> Cell:
    shown = f"{units.percent(each.rate_per_rerun)} <small>of {units.count(each.rerun_failures)}</small>"
    return Cell(shown, each.rate_per_rerun)


def _estimate(each: FlakyWorkflow) -> Cell:
    """Muted where it is not certain that the workflow is flaky: then it may come from a single re-run."""
    tone = "" if each.called else ' class="ph-dim"'
    hover = f"surely at least {units.percent(each.estimate_low)}"
    return Cell(f'<span{tone} title="{hover}">{units.percent(each.estimate)}</span>', each.estimate)


def _verdict(each: FlakyWorkflow) -> Cell:
    if each.called:
        return Cell('<span class="ph-state ph-orange">↻ Flaky</span>', "flaky")
    return Cell('<span class="ph-dim">· Rare</span>', "rare")


def _jobs(each: FlakyWorkflow) -> Cell:
    shown = ", ".join(f"{job.name} {units.count(job.runs)}×" for job in each.jobs[:_NAMED])
    every = ", ".join(f"{job.name} {units.count(job.runs)}×" for job in each.jobs)
    return Cell(f'<span class="ph-clip" title="{html(every)}">{html(shown)}</span>', every)


def _last(each: FlakyWorkflow, now: datetime) -> Cell:
    written = units.relative((now - each.last_at).total_seconds())
    link = cells.anchor(written, "run", [("run_id", each.last_run_id)], hover=units.timestamp(each.last_at))
    return Cell(link, each.last_at.isoformat())
