"""Lists of runs, and one run with its attempts, jobs and logs.

What a workflow is made of, and runs side by side.
"""

from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from app.data.connection import utc_now, session, write_session
from app.data.outages import serve_stale
from db.definitions.scope import Scope, Window
from db.logs import log_queries
from db.logs.log_writes import request_logs
from db.runs import run_queries
from health.metrics import service, workflows
from health.metrics.workflows import ComparisonError

__all__ = [
    "JobBreakdown",
    "ComparisonError",
    "job_breakdown",
    "branches",
    "comparison",
    "scatter",
    "since_green",
    "slowdown",
]

_PAGE_SIZE = 50


@dataclass(frozen=True)
class RunWithJobs:
    """A run and one of its attempts, whose jobs are without their steps: there may be thousands."""

    run: run_queries.RunRow
    attempts: list[run_queries.AttemptRow]
    jobs: list[run_queries.JobSummary]


@serve_stale
@st.cache_resource(ttl=60, max_entries=256, show_spinner=False)
def run_page(
    scope: Scope, window: Window, text: str, cursor: str | None, version: int
) -> tuple[run_queries.RunPage, int]:
    """A page of runs, and how many there are in all."""
    with session() as found:
        page = run_queries.list_runs(found, scope, window, limit=_PAGE_SIZE, cursor=cursor, text=text)
        return page, service.count_runs(found, scope, window, text=text)


@serve_stale
@st.cache_resource(ttl=5, max_entries=16, show_spinner=False)
def run_detail(run_id: int, attempt: int | None, version: int) -> RunWithJobs | None:
    with session() as found:
        run = run_queries.get_run(found, run_id)
        if run is None:
            return None
        number = attempt or run.attempt
        return RunWithJobs(
            run=run,
            attempts=run_queries.list_attempts(found, run_id),
            jobs=run_queries.list_job_summaries(found, run_id, number),
        )


def attempt_detail(newest: RunWithJobs, attempt: int, version: int) -> RunWithJobs | None:
    """One attempt of a run of which the latest one is known."""
    return newest if attempt == newest.run.attempt else run_detail(newest.run.id, attempt, version)


@serve_stale
@st.cache_resource(ttl=5, max_entries=16, show_spinner=False)
def run_logs(run_id: int, attempt: int, version: int, *, failing: bool = False) -> list[log_queries.JobLogRow]:
    """Logs of the jobs of one attempt without their lines; with `failing`, of those that are over and did not
    succeed."""
    with session() as found:
        return log_queries.list_logs(found, run_id, attempt, with_text=False, failing=failing)


@serve_stale
@st.cache_resource(ttl=60, max_entries=64, show_spinner=False)
def job_steps(run_id: int, job_ids: tuple[int, ...], version: int) -> dict[int, run_queries.Steps]:
    """The steps of some jobs of a run, by the id of the job."""
    with session() as found:
        return run_queries.job_steps(found, run_id, job_ids)


def request_log(row: log_queries.JobLogRow, run_id: int) -> None:
    """The collector looks for such requests every few seconds."""
    with write_session() as found:
        request_logs(found, row.repository_id, run_id, [row.job_id], utc_now())
    run_logs.clear()


@dataclass(frozen=True)
class JobBreakdown:
    jobs: workflows.Jobs
    steps: workflows.Steps


@serve_stale
@st.cache_resource(ttl=600, max_entries=64, show_spinner=False)
def scatter(scope: Scope, window: Window, version: int) -> workflows.Scatter:
    with session() as found:
        return workflows.scatter(found, scope, window)


@serve_stale
@st.cache_resource(ttl=600, max_entries=64, show_spinner=False)
def branches(scope: Scope, window: Window, version: int) -> list[workflows.BranchSeries]:
    with session() as found:
        return workflows.branches(found, scope, window, limit=5)


@serve_stale
@st.cache_resource(ttl=600, max_entries=64, show_spinner=False)
def job_breakdown(repo: str, workflow_id: int, branch: str | None, window: Window, version: int) -> JobBreakdown:
    with session() as found:
        steps = workflows.steps(found, repo, workflow_id, branch, window)
        # Of the same runs: what jobs and steps show of a change can be set beside each other.
        return JobBreakdown(workflows.jobs(found, repo, workflow_id, branch, window, runs=max(steps.runs, 1)), steps)


@st.cache_resource(ttl=600, max_entries=64, show_spinner=False)
def slowdown(
    repo: str, workflow_id: int, branch: str | None, window: Window, since: datetime, version: int
) -> workflows.Slowdown:
    with session() as found:
        return workflows.slowdown(found, repo, workflow_id, branch, window, since)


@serve_stale
@st.cache_resource(ttl=60, max_entries=64, show_spinner=False)
def since_green(run_id: int, version: int, *, jobs: bool = True) -> workflows.ChangesSinceGreen | None:
    """`jobs` false: without the comparison of the jobs."""
    with session() as found:
        run = run_queries.get_run(found, run_id)
        return workflows.changes_since_success(found, run, jobs=jobs) if run else None


@serve_stale
@st.cache_resource(ttl=60, max_entries=64, show_spinner=False)
def comparison(run_ids: tuple[int, ...], version: int) -> workflows.RunComparison:
    """Raises breakdown.CannotCompare."""
    with session() as found:
        return workflows.compare_runs(found, run_ids)
