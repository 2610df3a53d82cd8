"""Queries of the detectors. Every query is limited by a window, by a number of
rows, or by both, unless its docstring says otherwise."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session, aliased

from db.definitions.attempts import DECIDED
from db.definitions.scope import Scope, Window
from db.enums import Outcome, Status
from db.jobs.decisive_failures import in_failed_attempt
from db.models import Job, JobCause, JobLog, Run
from db.runs.run_filters import in_scope, in_window
from db.runs.run_queries import RunRow, select_runs

Key = tuple[int, int]
# The end of a window whose commits are compared.
SAME_COMMIT_WINDOW = timedelta(days=14)
# The job of a log. An index finds the jobs of a run, and the logs of jobs; there is none of the logs of a run.
_LOGGED_JOB = aliased(Job)
_OF_RUN = and_(_LOGGED_JOB.repository_id == Run.repository_id, _LOGGED_JOB.run_id == Run.id)
_OF_JOB = and_(JobLog.repository_id == _LOGGED_JOB.repository_id, JobLog.job_id == _LOGGED_JOB.id)

_FIRST_CAUSE = and_(
    JobCause.repository_id == JobLog.repository_id,
    JobCause.job_id == JobLog.job_id,
    JobCause.position == 0,
    JobCause.fingerprint == JobLog.fingerprint,
)


@dataclass(frozen=True)
class FlakyRun:
    """A run with a failed attempt and a later successful attempt."""

    repository_id: int
    workflow_id: int
    id: int
    attempt: int
    created_at: datetime
    wasted_seconds: float


@dataclass(frozen=True)
class FailedJob:
    """A job of a failed attempt whose log, or annotation, has a failure cause. `kind` is a CauseClass, `line_number`
    the place of the line in the log, null for an annotation. These, `tool` and `message` are null until the collector
    has extracted the causes of the log. `stored_fingerprint` is set if the fingerprint in the database is one of
    earlier rules."""

    repository_id: int
    workflow_id: int
    run_id: int
    job_id: int
    fingerprint: str
    line: str
    created_at: datetime
    outcome: str
    kind: str | None = None
    tool: str | None = None
    subject: str | None = None
    message: str | None = None
    line_number: int | None = None
    stored_fingerprint: str | None = None


def list_flaky_runs(session: Session, scope: Scope, window: Window, *, limit: int) -> list[FlakyRun]:
    """The flaky runs of the window, newest first."""
    columns = [getattr(Run, name) for name in FlakyRun.__dataclass_fields__]
    query = select(*columns).where(*in_scope(session, scope), *in_window(window), Run.flaky)
    return [
        FlakyRun(*row) for row in session.execute(query.order_by(Run.created_at.desc(), Run.id.desc()).limit(limit))
    ]


def count_same_commit_flakes(session: Session, scope: Scope, window: Window) -> dict[Key, int]:
    """The number of commits on which one run failed and another one passed, by workflow."""
    by_commit = (
        select(Run.repository_id, Run.workflow_id)
        .where(*in_scope(session, scope), *in_window(window), Run.outcome.in_(DECIDED))
        .group_by(Run.repository_id, Run.workflow_id, Run.head_sha)
        .having(func.count(Run.outcome.distinct()) > 1)
        .subquery()
    )
    query = select(by_commit.c.repository_id, by_commit.c.workflow_id, func.count())
    rows = session.execute(query.group_by(by_commit.c.repository_id, by_commit.c.workflow_id))
    return {(row[0], row[1]): row[2] for row in rows}


def list_failed_jobs(session: Session, scope: Scope, window: Window, *, limit: int) -> list[FailedJob]:
    """The failed jobs of the window that have a fingerprint, newest first."""
    columns: list[Any] = [
        Run.repository_id,
        Run.workflow_id,
        Run.id,
        JobLog.job_id,
        JobLog.fingerprint,
        JobLog.error_line,
        Run.created_at,
        Run.outcome,
        JobCause.kind,
        JobCause.tool,
        JobCause.subject,
        JobCause.message,
        JobCause.line_number,
    ]
    query = (
        select(*columns)
        .join(_LOGGED_JOB, _OF_RUN)
        .join(JobLog, _OF_JOB)
        .join(JobCause, _FIRST_CAUSE, isouter=True)
        .where(*in_scope(session, scope), *in_window(window), JobLog.fingerprint.is_not(None), in_failed_attempt())
        .order_by(Run.created_at.desc(), Run.id.desc(), JobLog.job_id)
        .limit(limit)
    )
    return [FailedJob(*row) for row in session.execute(query)]


def first_and_last_seen(
    session: Session, scope: Scope, fingerprints: Collection[str]
) -> dict[str, tuple[datetime, datetime]]:
    """When the first and the last stored run of the scope with a fingerprint were created, by fingerprint. Reads the
    entire history."""
    if not fingerprints:
        return {}
    query = (
        select(JobLog.fingerprint, func.min(Run.created_at), func.max(Run.created_at))
        .join(Run, and_(JobLog.repository_id == Run.repository_id, JobLog.run_id == Run.id))
        .where(*in_scope(session, scope, JobLog.repository_id), JobLog.fingerprint.in_(fingerprints))
        .where(in_failed_attempt())
        .group_by(JobLog.fingerprint)
    )
    return {str(row[0]): (row[1], row[2]) for row in session.execute(query)}


@dataclass(frozen=True)
class CauseSpread:
    """The number of runs and workflows with a cause, and when the first of the runs was created."""

    runs: int
    workflows: int
    first_at: datetime


def cause_spread(session: Session, scope: Scope, fingerprint: str) -> CauseSpread | None:
    """The spread of a cause over all stored runs of the scope; null where no run has it."""
    query = (
        select(Run.repository_id, Run.workflow_id, func.count(Run.id.distinct()), func.min(Run.created_at))
        .join(JobLog, and_(JobLog.repository_id == Run.repository_id, JobLog.run_id == Run.id))
        .where(*in_scope(session, scope), JobLog.fingerprint == fingerprint, in_failed_attempt())
        .group_by(Run.repository_id, Run.workflow_id)
    )
    rows = session.execute(query).all()
    return CauseSpread(sum(row[2] for row in rows), len(rows), min(row[3] for row in rows)) if rows else None


def run_times_of_cause(
    session: Session, scope: Scope, window: Window, fingerprint: str, *, limit: int
) -> list[datetime]:
    """When the runs of the window with a cause were created, of the newest `limit` ones, newest first."""
    query = (
        select(Run.id, Run.created_at)
        .join(JobLog, and_(JobLog.repository_id == Run.repository_id, JobLog.run_id == Run.id))
        .where(*in_scope(session, scope), *in_window(window), JobLog.fingerprint == fingerprint, in_failed_attempt())
        .distinct()
        .order_by(Run.created_at.desc(), Run.id.desc())
        .limit(limit)
    )
    return [row.created_at for row in session.execute(query)]


def runs_by_fingerprint(
    session: Session, scope: Scope, window: Window, fingerprints: Collection[str]
) -> list[tuple[str, int]]:
    """Distinct pairs of fingerprint and run id."""
    if not fingerprints:
        return []
    query = (
        select(JobLog.fingerprint, Run.id)
        .join(Run, and_(JobLog.repository_id == Run.repository_id, JobLog.run_id == Run.id))
        .where(*in_scope(session, scope), *in_window(window), JobLog.fingerprint.in_(fingerprints), in_failed_attempt())
        .distinct()
    )
    return [(str(row[0]), row[1]) for row in session.execute(query)]


def failures_without_cause(session: Session, scope: Scope, window: Window) -> int:
    """The number of failed runs without a failure cause."""
    logs = select(JobLog.job_id).join(_LOGGED_JOB, _OF_JOB)
    named = logs.where(_OF_RUN, JobLog.fingerprint.is_not(None), in_failed_attempt()).correlate(Run)
    query = (
        select(func.count())
        .select_from(Run)
        .where(*in_scope(session, scope), *in_window(window), Run.outcome == Outcome.FAILURE, ~named.exists())
    )
    return session.scalar(query) or 0


def job_details(session: Session, jobs: Collection[FailedJob]) -> dict[int, tuple[int, str]]:
    """The attempt and the name of each job, by job id."""
    filters = Job.repository_id.in_({job.repository_id for job in jobs}), Job.id.in_({job.job_id for job in jobs})
    return {row[0]: (row[1], row[2]) for row in session.execute(select(Job.id, Job.attempt, Job.name).where(*filters))}


def list_runs_by_id(session: Session, ids: Collection[int]) -> list[RunRow]:
    """The stored runs among these ids, newest first."""
    query = select_runs().where(Run.id.in_(ids)).order_by(Run.created_at.desc(), Run.id.desc())
    return [RunRow(*row) for row in session.execute(query)]


def list_unfinished(session: Session, scope: Scope, window: Window, *, limit: int) -> list[RunRow]:
    """Unfinished runs whose latest attempt started in the window, oldest first. Runs that wait for an approval are left
    out."""
    statuses = [Status.IN_PROGRESS, Status.QUEUED, Status.PENDING, Status.REQUESTED]
    started_at = func.coalesce(Run.started_at, Run.created_at)
    query = select_runs().where(
        *in_scope(session, scope),
        Run.status.in_(statuses),
        Run.created_at < window.until,
        started_at < window.until,
        started_at >= window.since,
    )
    return [RunRow(*row) for row in session.execute(query.order_by(Run.created_at, Run.id).limit(limit))]
