"""Workflows whose runs fail and then pass on the same code, highest confidence first, and the runs themselves."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from app.components import run_links
from app.components.run_failure import attempt_text, failed_jobs
from app.components.run_links import Repositories
from app.components.workflows import Query, workflow_link
from app.status_style import outcome_label
from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.metric_cards import MetricCard, summary_cards
from app.widgets.table import Column, Row, long_table
from app.widgets.text import html
from core import formatting
from core.formatting import pluralize
from db.runs.run_queries import FLAKY_FILTER, RunRow
from health.insights.finding_queries import SAME_COMMIT_WINDOW
from health.insights.flaky import FlakyWorkflow, FlakyWorkflows, summarize
from health.insights.flaky_cases import AttemptEvidence, FlakyCase, FlakyCases, SameCommitCase, SameCommitCases
from health.metrics.definitions.change import wilson

_COLUMNS = (
    Column("Workflow", fluid=True),
    Column(
        "Verdict", help="Flaky: two or more flaky runs, and a lower bound of the flaky rate over 28 days of at least 1%"
    ),
    Column("Flaky runs", "right", "Runs that failed, then passed on a re-run"),
    Column("Change", "right", "Change vs. the previous period; new: none then", "wide_only", unit="share"),
    Column(
        "Flaky rate",
        width="118px",
        help="Share of completed runs that were flaky; sorts by its lower bound",
        show="wide_only",
        unit="share",
    ),
    Column(
        "Re-runs passed",
        "right",
        "Share of the re-run failures that passed; sorts by its lower bound",
        "wide_only",
        unit="share",
    ),
    Column(
        "Estimate",
        "right",
        "Estimated share of flaky runs, re-run or not, over 28 days; sorts by its lower bound",
        "wide_only",
        unit="share",
    ),
    Column("Trend", help="Flaky runs per day", show="wide_only", in_files=False),
    Column("Flaky jobs", help="Click for every flaky run of the workflow", show="wide_only"),
    Column(
        "Same commit",
        "right",
        "Commits from the last 14 days with both a failed and a successful run; click for all of them",
        "desk_only",
    ),
    Column("Waste", "right", "Compute of the failed attempts", "desk_only", unit="min"),
    Column("Last", "right", unit="UTC"),
)
_CASES = (
    Column("Run", fluid=True),
    Column("Attempts", type="integer"),
    Column("Commit", show="wide_only"),
    Column("Failed job", show="wide_only"),
    Column("Matched log line", width="34%", show="wide_only", help="The error line of the failed job"),
    Column("Created", "right", unit="UTC"),
)
_SAME_COMMIT = (
    Column("Failed run", fluid=True),
    Column("Passed run"),
    Column("Commit", show="wide_only"),
    Column("Failed job", show="wide_only"),
    Column("Matched log line", width="34%", show="wide_only", help="The error line of the failed job"),
    Column("Created", "right", "When the failed run was created", unit="UTC"),
)
_MAX_JOBS, _MAX_ATTEMPTS = 1, 4
_PAGE_SIZE = 25


def key_figures(listing: FlakyWorkflows) -> None:
    """Cards: flaky workflows, flaky runs with their share, re-runs that passed, and waste."""
    total = summarize(listing)
    before = "" if total.before is None else f", {formatting.count(total.before)} in the previous period"
    summary_cards(
        MetricCard(
            "flaky_workflows",
            "Flaky workflows",
            formatting.count(total.called),
            f"{pluralize(total.occasional, 'more workflow')} with occasional flaky runs",
            "Workflows with two or more flaky runs whose estimated flaky rate is at least 1%",
            (),
        ),
        MetricCard(
            "flaky_runs",
            "Flaky runs",
            formatting.count(total.flaky_runs),
            f"{formatting.percent(total.rate)} of completed runs of these workflows{before}",
            "Runs that failed, then passed on a re-run",
            total.by_day,
        ),
        MetricCard(
            "rerun_passed",
            "Re-runs passed",
            formatting.percent(total.rate_per_rerun),
            f"of {pluralize(total.rerun_failures, 're-run failure')}",
            "Share of the re-run failures of these workflows that passed",
            (),
        ),
        MetricCard(
            "flaky_waste",
            "Waste",
            formatting.minutes(total.wasted_seconds),
            "compute of failed attempts",
            "Compute of the failed attempts of flaky runs",
            (),
        ),
    )


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


def flaky_export(workflows: Sequence[FlakyWorkflow], now: datetime) -> tuple[Sequence[Column], list[Row]]:
    return _COLUMNS, flaky_rows(workflows, now, ())


def flaky_rows(workflows: Sequence[FlakyWorkflow], now: datetime, time: Query) -> list[Row]:
    return [
        (
            workflow_link(workflow.repo, workflow.workflow, workflow.workflow_id, time),
            _verdict(workflow),
            _runs(workflow, time),
            cells.occurrences(workflow.flaky_runs, workflow.before),
            _rate(workflow),
            _per_rerun(workflow),
            _estimate(workflow),
            cells.by_day(workflow.by_day, f"Flaky runs per day of {workflow.workflow}"),
            _jobs(workflow, time),
            _same_commit(workflow, time),
            cells.minutes(workflow.wasted_seconds),
            _last_seen(workflow, now),
        )
        for workflow in workflows
    ]


def case_table(cases: FlakyCases, zone: ZoneInfo, time: Query) -> None:
    github = run_links.github_repositories()
    long_table(
        "flaky-cases",
        _CASES,
        cases.items,
        lambda items: case_rows(items, zone, time, github),
        caption="Flaky runs with the jobs that failed, newest first",
        noun="runs",
        reset_key=time,
        size=_PAGE_SIZE,
    )


def cases_export(cases: FlakyCases, zone: ZoneInfo) -> tuple[Sequence[Column], list[Row]]:
    return _CASES, case_rows(cases.items, zone, (), {})


def cases_text(cases: FlakyCases) -> str:
    """How many of the flaky runs are listed."""
    if len(cases.items) < cases.total:
        return f"latest {formatting.count(len(cases.items))} of {pluralize(cases.total, 'flaky run')}"
    return f"{pluralize(cases.total, 'flaky run')}, newest first"


def same_commit_table(cases: SameCommitCases, zone: ZoneInfo, time: Query) -> None:
    github = run_links.github_repositories()
    long_table(
        "same-commit",
        _SAME_COMMIT,
        cases.items,
        lambda items: same_commit_rows(items, zone, time, github),
        caption="Runs that failed although another run of the same commit passed, newest first",
        noun="commits",
        reset_key=time,
        size=_PAGE_SIZE,
    )


def same_commit_export(cases: SameCommitCases, zone: ZoneInfo) -> tuple[Sequence[Column], list[Row]]:
    return _SAME_COMMIT, same_commit_rows(cases.items, zone, (), {})


def same_commit_text(cases: SameCommitCases) -> str:
    """How many of the commits are listed."""
    days = f"a failed and a successful run on the same commit, last {SAME_COMMIT_WINDOW.days} days of the period"
    if len(cases.items) < cases.total:
        return f"{days} · latest {formatting.count(len(cases.items))} of {pluralize(cases.total, 'commit')}"
    return f"{days} · newest first"


def same_commit_rows(items: Sequence[SameCommitCase], zone: ZoneInfo, time: Query, github: Repositories) -> list[Row]:
    return [
        (
            _run_name(case.failed, _failed_lines(case.attempt, case.failed.id)),
            _passed(case),
            _commit(case.failed, github, time),
            *_failed_jobs(case.attempt, case.failed.id),
            cells.timestamp(case.failed.created_at, zone),
        )
        for case in items
    ]


def _passed(case: SameCommitCase) -> Cell:
    """The run that passed, and the comparison of both."""
    run = case.passed
    hover = formatting.timestamp(run.created_at)
    link = cells.anchor(f"#{run.run_number} {outcome_label('success')}", "run", [("run_id", run.id)], hover=hover)
    both = cells.anchor("Compare", "compare", [("runs", f"{run.id},{case.failed.id}")])
    shown = f'<span class="ph-two"><span class="ph-green">{link}</span><small>{both}</small></span>'
    return Cell(shown, f"#{run.run_number}")


def case_rows(items: Sequence[FlakyCase], zone: ZoneInfo, time: Query, github: Repositories) -> list[Row]:
    return [
        (
            _run_name(case.run, _failed_lines(next(iter(case.attempts), None), case.run.id)),
            _case_attempts(case),
            _commit(case.run, github, time),
            *_failed_jobs(next((attempt for attempt in case.attempts if attempt.jobs), None), case.run.id),
            cells.timestamp(case.run.created_at, zone),
        )
        for case in items
    ]


def _run_name(run: RunRow, failed_lines: str) -> Cell:
    title = cells.anchor(run.headline or "(no title)", "run", [("run_id", run.id)], hover=run.headline)
    lines = f'<small class="ph-narrow-only">{failed_lines}</small>'
    return Cell(
        f'<span class="ph-two"><span class="ph-clip">{title}</span>'
        f"<small>#{run.run_number} · {html(run.workflow)} · {html(run.repo)}</small>{lines}</span>",
        run.headline,
    )


def _commit(run: RunRow, github: Repositories, time: Query) -> Cell:
    return Cell(f'<span class="ph-one">{run_links.commit_link(run, github.get(run.repo), time)}</span>', run.head_sha)


def _case_attempts(case: FlakyCase) -> Cell:
    shown = case.attempts if len(case.attempts) <= _MAX_ATTEMPTS else [*case.attempts[:2], *case.attempts[-1:]]
    links = "".join(f"<div>{attempt_text(attempt, case.run.id)}</div>" for attempt in shown)
    more = len(case.attempts) - len(shown)
    note = f'<div class="ph-dim">and {pluralize(more, "more attempt")}</div>' if more else ""
    return Cell(f'<span class="ph-one">{links}{note}</span>', len(case.attempts))


def _failed_jobs(attempt: AttemptEvidence | None, run_id: int) -> tuple[Cell, Cell]:
    """The first job that failed in an attempt, and its error line. Later failures are in the row's run."""
    if attempt is None or not attempt.jobs:
        unknown = Cell(f'<span class="ph-dim">{formatting.NO_DATA}</span>', None)
        return unknown, unknown
    job, (name, line) = attempt.jobs[0], failed_jobs(attempt, run_id)[0]
    others = len(attempt.jobs) - 1 + attempt.more_jobs
    more = f"<small>and {pluralize(others, 'more job')}</small>" if others else ""
    return (
        Cell(f'<span class="ph-two ph-name">{name}{more}</span>', job.name),
        Cell(f'<span class="ph-cause-line" title="{html(job.line or "")}">{line}</span>', job.line),
    )


def _failed_lines(attempt: AttemptEvidence | None, run_id: int) -> str:
    """The failed job and its error line, for the first column on phones."""
    if attempt is None or not attempt.jobs:
        return ""
    name, line = failed_jobs(attempt, run_id)[0]
    return f"{name} {line}"


def _same_commit(workflow: FlakyWorkflow, time: Query) -> Cell:
    """The number of commits, linked to them, which the same page lists."""
    if not workflow.same_commit:
        return cells.count(0)
    query = [("repo", workflow.repo), ("workflow", workflow.workflow), *time]
    return Cell(cells.anchor(formatting.count(workflow.same_commit), "flaky", query), workflow.same_commit)


def _runs(workflow: FlakyWorkflow, time: Query) -> Cell:
    """The number of flaky runs, with a link to them."""
    query = [("q", FLAKY_FILTER), ("repo", workflow.repo), ("workflow", workflow.workflow), *time]
    hover = f"View the flaky runs of {workflow.workflow}"
    return Cell(cells.anchor(formatting.count(workflow.flaky_runs), "runs", query, hover=hover), workflow.flaky_runs)


def _rate(workflow: FlakyWorkflow) -> Cell:
    shown = cells.rate(workflow.rate, tone="red", of=workflow.decided)
    return replace(shown, sort=workflow.lower_bound)


def _per_rerun(workflow: FlakyWorkflow) -> Cell:
    shown = (
        f"{formatting.percent(workflow.rate_per_rerun)} <small>of {formatting.count(workflow.rerun_failures)}</small>"
    )
    return Cell(shown, workflow.rate_per_rerun, wilson(workflow.flaky_runs, workflow.rerun_failures)[0])


def _estimate(workflow: FlakyWorkflow) -> Cell:
    """The estimated flaky rate; muted if the workflow is not classified as flaky, as the estimate may rest on
    one re-run."""
    tone = "" if workflow.is_flaky else ' class="ph-dim"'
    hover = f"lower bound: {formatting.percent(workflow.estimate_low)}"
    return Cell(f'<span{tone} title="{hover}">{formatting.percent(workflow.estimate)}</span>',
                workflow.estimate, workflow.estimate_low)  # fmt: skip


def _verdict(workflow: FlakyWorkflow) -> Cell:
    if workflow.is_flaky:
        return Cell('<span class="ph-state ph-orange">↻ Flaky</span>', "flaky")
    return Cell('<span class="ph-state ph-dim">Occasional</span>', "occasional")


def _jobs(workflow: FlakyWorkflow, time: Query) -> Cell:
    """The job that failed most often, linked to every flaky run of the workflow, which the same page lists."""
    shown = ", ".join(f"{job.name} {formatting.count(job.runs)}×" for job in workflow.jobs[:_MAX_JOBS])
    all_jobs = ", ".join(f"{job.name} {formatting.count(job.runs)}×" for job in workflow.jobs)
    query = [("repo", workflow.repo), ("workflow", workflow.workflow), *time]
    link = cells.anchor(shown or "cases", "flaky", query, hover=all_jobs)
    return Cell(f'<span class="ph-clip">{link}</span>', all_jobs)


def _last_seen(workflow: FlakyWorkflow, now: datetime) -> Cell:
    written = formatting.relative((now - workflow.last_at).total_seconds())
    link = cells.anchor(
        written, "run", [("run_id", workflow.last_run_id)], hover=formatting.timestamp(workflow.last_at)
    )
    return Cell(link, workflow.last_at.isoformat())
