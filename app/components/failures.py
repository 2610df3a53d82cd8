"""Causes of failures: what is read in the log, how often, where and since when.

What fails and then passes, ranked by how sure that is.
"""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from app.components.workflows import Query, workflow_link
from app.status_style import outcome_label
from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.table import Column, Row, long_table, table
from app.widgets.text import html
from core import formatting
from core.formatting import pluralize
from db.runs.run_queries import FLAKY_FILTER
from health.insights.causes import Cause, CauseRuns, Causes
from health.insights.flaky import FlakyWorkflow

_COLUMNS = (
    Column("Cause", fluid=True),
    Column("Runs", "right"),
    Column("Change", "right", "Against the period before; new: it was not there then", "wide_only"),
    Column("Trend", help="Runs a day", show="wide_only"),
    Column("Where", show="wide_only"),
    Column("First seen", "right", show="desk_only"),
    Column("Last seen", "right"),
)
_RUNS = (
    Column("Status", width="104px"),
    Column("Run", fluid=True),
    Column("Workflow", show="wide_only"),
    Column("Line in its log", show="wide_only"),
    Column("Created", "right"),
)
_MAX_NAMES = 3


def cause_table(causes: Causes, now: datetime, time: Query) -> None:
    long_table("causes", _COLUMNS, causes.items, lambda items: cause_rows(items, now, time),
               caption="Causes of failures, most frequent first", noun="causes", reset_key=time)  # fmt: skip


def causes_csv(causes: Causes, now: datetime) -> tuple[Sequence[Column], list[Row]]:
    return _COLUMNS, cause_rows(causes.items, now, ())


def cause_rows(items: Sequence[Cause], now: datetime, time: Query) -> list[Row]:
    return [
        (
            _cause(each, time),
            cells.count(each.runs),
            cells.occurrences(each.runs, each.runs_before),
            cells.by_day(each.by_day, f"Runs a day with this cause, {each.runs} in all"),
            _workflows(each),
            cells.ago(each.first_at, now),
            cells.ago(each.last_at, now),
        )
        for each in items
    ]


def cause_head(cause_runs: CauseRuns, time: Query) -> None:
    cause = cause_runs.cause
    open_now = '<span class="ph-pill ph-red">✕ Broken now</span>' if cause.open else ""
    st.html(
        f'<div class="ph-crumb">{cells.anchor("Failures", "failures", time)} / {html(cause.fingerprint)}</div>'
        f'<pre class="ph-line">{html(cause.line)}</pre><div class="ph-meta">{open_now}'
        f"<span>{pluralize(cause.runs, 'run')}, {pluralize(cause.jobs, 'job')}</span>"
        f"<span>{html(', '.join(cause.repos[:_MAX_NAMES]))}{_more_names(cause.repos)}</span></div>"
    )


def run_list(cause_runs: CauseRuns, zone: ZoneInfo) -> None:
    table("cause-runs", _RUNS, runs_rows(cause_runs, zone), caption="Runs with this cause, newest first")
    if cause_runs.cause.runs > len(cause_runs.runs):
        st.caption(
            f"The newest {formatting.count(len(cause_runs.runs))} of {formatting.count(cause_runs.cause.runs)} runs."
        )


def runs_csv(cause_runs: CauseRuns, zone: ZoneInfo) -> tuple[Sequence[Column], list[Row]]:
    return _RUNS, runs_rows(cause_runs, zone)


def unknown_cause(period: str) -> None:
    with st.container(border=True, key="state-no-cause"):
        st.markdown("### :material/search_off: No run with this cause")
        st.markdown(f"No failed job of {period} that fits the filters has it.")
        st.page_link("views/failures.py", label="All causes", icon=":material/bug_report:")


def runs_rows(cause_runs: CauseRuns, zone: ZoneInfo) -> list[Row]:
    rows: list[Row] = []
    for run, job in cause_runs.runs:
        attempt = cause_runs.attempts.get(job.job_id, run.attempt)
        page = [("run_id", run.id), *([("attempt", attempt)] if attempt != run.attempt else [])]
        title = cells.anchor(run.headline or "(no title)", "run", page, hover=run.headline)
        log = [*page, ("job_id", job.job_id)]
        later = (
            f" · attempt {attempt}, {html(outcome_label(run.conclusion or run.status))} later" if len(page) > 1 else ""
        )
        rows.append((
            cells.state("failure" if later else run.conclusion or run.status),
            Cell(f'<span class="ph-two"><span class="ph-clip">{title}</span><small>#{run.run_number} · '
                 f"{html(run.branch or formatting.NO_DATA)}{later}</small></span>", run.headline),
            workflow_link(run.repo, run.workflow, run.workflow_id, ()),
            _line(job.line, log),
            cells.timestamp(run.created_at, zone),
        ))  # fmt: skip
    return rows


def _line(line: str, log: Query) -> Cell:
    return Cell(f'<span class="ph-clip"><code>{cells.anchor(line, "log", log, hover=line)}</code></span>', line)


def _cause(cause: Cause, time: Query) -> Cell:
    link = cells.anchor(cause.line, "failures", [("cause", cause.fingerprint), *time], hover=cause.line)
    mark = ' <span class="ph-red">✕ broken now</span>' if cause.open else ""
    names = ", ".join(dict.fromkeys(name for _, name, _ in cause.workflows[:_MAX_NAMES]))
    return Cell(f'<span class="ph-cause-line"><code>{link}</code><small>{html(names)}{mark}</small></span>', cause.line)


def _workflows(cause: Cause) -> Cell:
    first = cause.repos[0] if cause.repos else formatting.NO_DATA
    return Cell(f'<span class="ph-one">{html(first)}{_more_names(cause.repos, 1)}</span>', ", ".join(cause.repos))


def _more_names(names: Sequence[str], listed: int = _MAX_NAMES) -> str:
    rest = names[listed:]
    return f' <span class="ph-dim" title="{html(", ".join(rest))}">+ {len(rest)}</span>' if rest else ""


_COLUMNS_FLAKY_TABLE = (
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
_NAMED_FLAKY_TABLE = 1


def flaky_table(workflows: Sequence[FlakyWorkflow], now: datetime, time: Query) -> None:
    long_table("flaky", _COLUMNS_FLAKY_TABLE, workflows, lambda items: flaky_rows(items, now, time),
               caption="Flaky workflows, the surest first", noun="workflows", reset_key=time)  # fmt: skip


def flaky_csv(workflows: Sequence[FlakyWorkflow], now: datetime) -> tuple[Sequence[Column], list[Row]]:
    return _COLUMNS_FLAKY_TABLE, flaky_rows(workflows, now, ())


def flaky_rows(workflows: Sequence[FlakyWorkflow], now: datetime, time: Query) -> list[Row]:
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
            _last_seen(each, now),
        )
        for each in workflows
    ]


def _runs(workflow: FlakyWorkflow, time: Query) -> Cell:
    """How many; leads to all of them."""
    query = [("q", FLAKY_FILTER), ("repo", workflow.repo), ("workflow", workflow.workflow), *time]
    hover = f"The flaky runs of {workflow.workflow}"
    return Cell(cells.anchor(formatting.count(workflow.flaky_runs), "runs", query, hover=hover), workflow.flaky_runs)


def _per_rerun(workflow: FlakyWorkflow) -> Cell:
    shown = (
        f"{formatting.percent(workflow.rate_per_rerun)} <small>of {formatting.count(workflow.rerun_failures)}</small>"
    )
    return Cell(shown, workflow.rate_per_rerun)


def _estimate(workflow: FlakyWorkflow) -> Cell:
    """Muted where it is not certain that the workflow is flaky: then it may come from a single re-run."""
    tone = "" if workflow.called else ' class="ph-dim"'
    hover = f"surely at least {formatting.percent(workflow.estimate_low)}"
    return Cell(f'<span{tone} title="{hover}">{formatting.percent(workflow.estimate)}</span>', workflow.estimate)


def _verdict(workflow: FlakyWorkflow) -> Cell:
    if workflow.called:
        return Cell('<span class="ph-state ph-orange">↻ Flaky</span>', "flaky")
    return Cell('<span class="ph-dim">· Rare</span>', "rare")


def _jobs(workflow: FlakyWorkflow) -> Cell:
    shown = ", ".join(f"{job.name} {formatting.count(job.runs)}×" for job in workflow.jobs[:_NAMED_FLAKY_TABLE])
    every = ", ".join(f"{job.name} {formatting.count(job.runs)}×" for job in workflow.jobs)
    return Cell(f'<span class="ph-clip" title="{html(every)}">{html(shown)}</span>', every)


def _last_seen(workflow: FlakyWorkflow, now: datetime) -> Cell:
    written = formatting.relative((now - workflow.last_at).total_seconds())
    link = cells.anchor(
        written, "run", [("run_id", workflow.last_run_id)], hover=formatting.timestamp(workflow.last_at)
    )
    return Cell(link, workflow.last_at.isoformat())
