"""The evidence of flaky runs: the jobs that failed in an attempt, with their error lines, and the attempt that passed.

All attempts of a run have the same commit, so that a failure that a later attempt does not repeat is no fault of it."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from core import terminal
from db.definitions.attempts import DECIDED, FAILED_CONCLUSIONS
from db.definitions.scope import Scope, Window
from db.enums import Conclusion, Outcome
from db.models import Attempt, Job, JobLog, Run
from db.runs.run_filters import in_scope, in_window
from db.runs.run_queries import RunRow, select_runs
from health.insights.finding_queries import SAME_COMMIT_WINDOW

# Failed jobs of one attempt that are listed: a matrix may have hundreds.
_MAX_JOBS = 5
# Failed jobs that one statement reads.
_MAX_ROWS = 20_000
# Repository and run.
_Key = tuple[int, int]


@dataclass(frozen=True)
class FailedAttemptJob:
    """A job that failed in an attempt. `line` is its error line; null without a log."""

    job_id: int
    name: str
    line: str | None


@dataclass(frozen=True)
class AttemptEvidence:
    """An attempt with the jobs that failed in it, without those that also failed in a successful attempt: they are
    allowed to fail. `more_jobs` are not listed."""

    attempt: int
    conclusion: str | None
    jobs: list[FailedAttemptJob]
    more_jobs: int = 0

    @property
    def failed(self) -> bool:
        return self.conclusion in FAILED_CONCLUSIONS


@dataclass(frozen=True)
class FlakyCase:
    """A flaky run with its attempts, oldest first."""

    run: RunRow
    attempts: list[AttemptEvidence]


@dataclass(frozen=True)
class FlakyCases:
    """The newest flaky runs of `total` in the window."""

    items: list[FlakyCase]
    total: int


def flaky_cases(session: Session, scope: Scope, window: Window, *, limit: int = 300) -> FlakyCases:
    """The newest `limit` flaky runs of the window with their attempts."""
    where = [*in_scope(session, scope), *in_window(window), Run.flaky]
    query = select_runs(Run.repository_id).where(*where).order_by(Run.created_at.desc(), Run.id.desc()).limit(limit)
    runs = {(row[-1], row[0]): RunRow(*row[:-1]) for row in session.execute(query)}
    total = len(runs)
    if total == limit:
        total = session.scalar(select(func.count()).select_from(Run).where(*where)) or 0
    attempts = _attempts(session, runs.keys())
    return FlakyCases([FlakyCase(run, attempts.get(key, [])) for key, run in runs.items()], total)


@dataclass(frozen=True)
class SameCommitCase:
    """Two runs of a workflow on the same commit: one that failed, and the next one that passed, or else the last one
    that passed before. `attempt`: the last failed attempt of the failed run; null if its attempts are not stored."""

    failed: RunRow
    passed: RunRow
    attempt: AttemptEvidence | None


@dataclass(frozen=True)
class SameCommitCases:
    """The cases of the newest of `total` commits."""

    items: list[SameCommitCase]
    total: int


def same_commit_cases(session: Session, scope: Scope, window: Window, *, limit: int = 100) -> SameCommitCases:
    """The commits of the end of the window on which a run of a workflow failed and another one passed, as `flaky`
    counts them, those with the newest runs first."""
    recent = Window(max(window.since, window.until - SAME_COMMIT_WINDOW), window.until)
    where = [*in_scope(session, scope), *in_window(recent), Run.outcome.in_(DECIDED)]
    key = Run.repository_id, Run.workflow_id, Run.head_sha
    commits = select(*key).where(*where).group_by(*key).having(func.count(Run.outcome.distinct()) > 1)
    newest = commits.order_by(func.max(Run.created_at).desc(), func.max(Run.id).desc()).limit(limit)
    listed: list[tuple[int, int, str]] = [(row[0], row[1], row[2]) for row in session.execute(newest)]
    total = len(listed)
    if total == limit:
        total = session.scalar(select(func.count()).select_from(commits.subquery())) or 0
    runs: dict[tuple[int, int, str], list[RunRow]] = defaultdict(list)
    if listed:
        query = select_runs(Run.repository_id).where(*where, Run.head_sha.in_({sha for _, _, sha in listed}))
        for row in session.execute(query.order_by(Run.created_at, Run.id)):
            run = RunRow(*row[:-1])
            runs[row[-1], run.workflow_id, run.head_sha].append(run)
    pairs = {commit: _last_pair(runs[commit]) for commit in listed}
    attempts = _attempts(session, [(commit[0], failed.id) for commit, (failed, _) in pairs.items()])
    items = []
    for commit, (failed, passed) in pairs.items():
        tries = attempts.get((commit[0], failed.id), [])
        last = next((attempt for attempt in reversed(tries) if attempt.failed), None)
        items.append(SameCommitCase(failed, passed, last))
    return SameCommitCases(items, total)


def _last_pair(runs: Sequence[RunRow]) -> tuple[RunRow, RunRow]:
    """The last failed run of a commit, and the next one that passed, or else the last one that passed before. `runs`:
    in the order of their creation."""
    at = max(index for index, run in enumerate(runs) if run.outcome == Outcome.FAILURE)
    later = next((run for run in runs[at:] if run.outcome == Outcome.SUCCESS), None)
    return runs[at], later or next(run for run in reversed(runs[:at]) if run.outcome == Outcome.SUCCESS)


def attempt_evidence(session: Session, run_id: int) -> list[AttemptEvidence]:
    """The attempts of one run, oldest first, with the jobs that failed in each of them."""
    repository_id = session.scalar(select(Run.repository_id).where(Run.id == run_id).limit(1))
    if repository_id is None:
        return []
    return _attempts(session, [(repository_id, run_id)]).get((repository_id, run_id), [])


def _attempts(session: Session, keys: Collection[_Key]) -> dict[_Key, list[AttemptEvidence]]:
    if not keys:
        return {}
    repositories, run_ids = {key[0] for key in keys}, {key[1] for key in keys}
    query = select(Attempt.repository_id, Attempt.run_id, Attempt.attempt, Attempt.conclusion).where(
        Attempt.repository_id.in_(repositories), Attempt.run_id.in_(run_ids)
    )
    failures = _failed_jobs(session, repositories, run_ids)
    by_run: dict[_Key, list[Any]] = defaultdict(list)
    for row in session.execute(query.order_by(Attempt.attempt)):
        by_run[row.repository_id, row.run_id].append(row)
    return {key: _evidence(rows, failures.get(key, [])) for key, rows in by_run.items()}


def _failed_jobs(session: Session, repositories: set[int], run_ids: set[int]) -> dict[_Key, list[Any]]:
    """The failed jobs by run, those with an error line first."""
    query = (
        select(Job.repository_id, Job.run_id, Job.attempt, Job.id, Job.name, JobLog.error_line)
        .join(JobLog, and_(JobLog.repository_id == Job.repository_id, JobLog.job_id == Job.id), isouter=True)
        .where(
            Job.repository_id.in_(repositories),
            Job.run_id.in_(run_ids),
            Job.conclusion.in_(FAILED_CONCLUSIONS),
            ~Job.copied,
            ~Job.phantom,
        )
        .order_by(JobLog.error_line.is_(None), Job.id)
        .limit(_MAX_ROWS)
    )
    jobs: dict[_Key, list[Any]] = defaultdict(list)
    for row in session.execute(query):
        jobs[row.repository_id, row.run_id].append(row)
    return jobs


def _evidence(attempts: Sequence[Any], failed: Sequence[Any]) -> list[AttemptEvidence]:
    passed = {row.attempt for row in attempts if row.conclusion == Conclusion.SUCCESS}
    allowed = {job.name for job in failed if job.attempt in passed}
    by_attempt: dict[int, list[FailedAttemptJob]] = defaultdict(list)
    for job in failed:
        if job.name not in allowed:
            line = terminal.rendered_line(job.error_line) if job.error_line else None
            by_attempt[job.attempt].append(FailedAttemptJob(job.id, job.name, line))
    return [
        AttemptEvidence(
            row.attempt,
            row.conclusion,
            by_attempt[row.attempt][:_MAX_JOBS],
            max(len(by_attempt[row.attempt]) - _MAX_JOBS, 0),
        )
        for row in attempts
    ]
