"""Lists of runs, the details of a run, the jobs and steps of a workflow, and comparisons of runs."""

from dataclasses import dataclass
from datetime import datetime

from app.data.caching import cache_resource
from app.data.connection import read_session, utc_now, write_session
from app.data.outages import serve_stale
from core.roles import Role
from db.definitions.scope import Scope, Window
from db.logs import log_queries
from db.logs.log_writes import request_logs
from db.runs import job_queries, run_queries
from health.metrics import service, workflows

_PAGE_SIZE = 50
MAX_EXPORTED, _EXPORT_BATCH = 10_000, 1_000


@dataclass(frozen=True)
class RunWithJobs:
    """A run and one of its attempts. The jobs have no steps: there may be thousands."""

    run: run_queries.RunRow
    attempts: list[run_queries.AttemptRow]
    jobs: list[job_queries.JobSummary]


@serve_stale
@cache_resource(ttl=60, max_entries=256)
def run_page(
    scope: Scope,
    window: Window,
    text: str,
    cursor: str | None,
    version: int,
    order: run_queries.RunOrder = run_queries.NEWEST_FIRST,
    parts: tuple[Window, ...] | None = None,
) -> tuple[run_queries.RunPage, int]:
    """(a page of runs, the number of all runs). `parts`: the parts of the window to which the list is limited; null for
    all of it. Raises InvalidCursor."""
    if parts == ():
        return run_queries.RunPage([], None), 0
    limits = parts or ()
    with read_session() as session:
        page = run_queries.list_runs(
            session, scope, window, limit=_PAGE_SIZE, cursor=cursor, text=text, order=order, parts=limits
        )
        return page, service.count_runs(session, scope, window, text=text, parts=limits)


@serve_stale
@cache_resource(ttl=60, max_entries=256)
def previous_page(
    scope: Scope,
    window: Window,
    text: str,
    first: run_queries.RunRow,
    version: int,
    order: run_queries.RunOrder,
    parts: tuple[Window, ...] | None = None,
) -> str | None:
    """The cursor of the page before the run `first`; null where that is the first page. `parts`: as in run_page."""
    with read_session() as session:
        return run_queries.previous_cursor(
            session, scope, window, first, limit=_PAGE_SIZE, text=text, order=order, parts=parts or ()
        )


def all_runs(
    scope: Scope, window: Window, text: str, order: run_queries.RunOrder, parts: tuple[Window, ...] | None = None
) -> list[run_queries.RunRow]:
    """The runs for a file, at most MAX_EXPORTED. `parts`: as in run_page, but not empty."""
    runs: list[run_queries.RunRow] = []
    cursor: str | None = None
    with read_session() as session:
        while len(runs) < MAX_EXPORTED:
            page = run_queries.list_runs(
                session, scope, window, limit=_EXPORT_BATCH, cursor=cursor, text=text, order=order, parts=parts or ()
            )
            runs += page.items
            cursor = page.next
            if cursor is None:
                break
    return runs[:MAX_EXPORTED]


@serve_stale
@cache_resource(ttl=60, max_entries=16)
def run_detail(run_id: int, attempt: int | None, version: int) -> RunWithJobs | None:
    with read_session() as session:
        run = run_queries.get_run(session, run_id)
        if run is None:
            return None
        number = attempt or run.attempt
        return RunWithJobs(
            run=run,
            attempts=run_queries.list_attempts(session, run_id),
            jobs=job_queries.list_job_summaries(session, run_id, number),
        )


def attempt_detail(latest: RunWithJobs, attempt: int, version: int) -> RunWithJobs | None:
    """One attempt of a run whose latest attempt is loaded already."""
    return latest if attempt == latest.run.attempt else run_detail(latest.run.id, attempt, version)


@serve_stale
@cache_resource(ttl=5, max_entries=16)
def run_logs(run_id: int, attempt: int, version: int, *, failing: bool = False) -> list[log_queries.JobLogRow]:
    """The logs of an attempt's jobs, without their text. With `failing`, only those of completed jobs that did not
    succeed."""
    with read_session() as session:
        return log_queries.list_logs(session, run_id, attempt, with_text=False, failing=failing)


@serve_stale
@cache_resource(ttl=5, max_entries=64)
def job_log_row(run_id: int, job_id: int, version: int) -> log_queries.JobLogRow | None:
    """The log of one job without its text; null if the job has no log of its own."""
    with read_session() as session:
        return log_queries.find_log(session, run_id, job_id)


@serve_stale
@cache_resource(ttl=60, max_entries=64)
def job_steps(run_id: int, job_ids: tuple[int, ...], version: int) -> dict[int, job_queries.Steps]:
    """Steps by job id."""
    with read_session() as session:
        return job_queries.job_steps(session, run_id, job_ids)


def request_log(row: log_queries.JobLogRow, run_id: int) -> None:
    """Requests the log from the collector, which checks for requests every few seconds."""
    with write_session(Role.VIEWER) as session:
        request_logs(session, row.repository_id, run_id, [row.job_id], utc_now())
    run_logs.clear()
    job_log_row.clear()


@dataclass(frozen=True)
class JobBreakdown:
    """Jobs and steps of the same runs. `slowdown`: what changed at a change point of these runs; null without one."""

    jobs: workflows.Jobs
    steps: workflows.Steps
    slowdown: workflows.Slowdown | None = None


@serve_stale
@cache_resource(ttl=600, max_entries=64)
def run_scatter(scope: Scope, window: Window, version: int) -> workflows.Scatter:
    with read_session() as session:
        return workflows.scatter(session, scope, window)


@serve_stale
@cache_resource(ttl=600, max_entries=64)
def branch_series(scope: Scope, window: Window, version: int) -> list[workflows.BranchSeries]:
    with read_session() as session:
        return workflows.branches(session, scope, window, limit=5)


@serve_stale
@cache_resource(ttl=600, max_entries=64)
def job_breakdown(repo: str, workflow_id: int, branch: str | None, window: Window, version: int) -> JobBreakdown:
    with read_session() as session:
        steps = workflows.steps(session, repo, workflow_id, branch, window)
        # Jobs and steps of the same runs, so that a change shows in both.
        jobs = workflows.jobs(session, repo, workflow_id, branch, window, runs=max(steps.runs, 1))
        return JobBreakdown(jobs, steps)


@serve_stale
@cache_resource(ttl=600, max_entries=64)
def slowdown_breakdown(
    repo: str, workflow_id: int, branch: str | None, window: Window, since: datetime, version: int
) -> JobBreakdown:
    """As job_breakdown, of runs before and after a change point."""
    with read_session() as session:
        slowdown = workflows.slowdown(session, repo, workflow_id, branch, window, since)
        return JobBreakdown(slowdown.job_figures, slowdown.step_figures, slowdown)


@serve_stale
@cache_resource(ttl=60, max_entries=64)
def changes_since_success(run_id: int, version: int, *, jobs: bool = True) -> workflows.ChangesSinceGreen | None:
    """Null for an unknown run. `jobs`: compare the jobs, too."""
    with read_session() as session:
        run = run_queries.get_run(session, run_id)
        return workflows.changes_since_success(session, run, jobs=jobs) if run else None


@serve_stale
@cache_resource(ttl=300, max_entries=256)
def usual_duration(run_id: int, version: int) -> workflows.UsualDuration | None:
    """Null for an unknown run, too."""
    with read_session() as session:
        run = run_queries.get_run(session, run_id)
        return workflows.usual_duration(session, run) if run else None


@serve_stale
@cache_resource(ttl=60, max_entries=64)
def comparison(run_ids: tuple[int, ...], version: int) -> workflows.RunComparison:
    """Raises health.metrics.workflows.ComparisonError."""
    with read_session() as session:
        return workflows.compare_runs(session, run_ids)
