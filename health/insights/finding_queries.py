"""Queries of the detectors. Every query is limited by a window, by a number of rows, or by both, unless its docstring
states otherwise."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Subquery, and_, case, func, select, union_all
from sqlalchemy.orm import Session, aliased

from db.definitions.attempts import DECIDED
from db.definitions.scope import Scope, Window
from db.enums import Status
from db.jobs.decisive_failures import in_failed_attempt
from db.logs.cause_writes import all_fingerprints
from db.models import Job, JobCause, JobLog, Run
from db.runs.run_filters import in_scope, in_window
from db.runs.run_queries import RunRow, select_runs

Key = tuple[int, int]
# The end of a window whose commits are compared.
SAME_COMMIT_WINDOW = timedelta(days=14)
# Of one statement, which has each twice.
_MAX_FINGERPRINTS = 5_000
# The job of a log. An index finds the jobs of a run, and the logs of jobs; there is none of the logs of a run.
_LOGGED_JOB = aliased(Job)
_OF_RUN = and_(_LOGGED_JOB.repository_id == Run.repository_id, _LOGGED_JOB.run_id == Run.id)
_OF_JOB = and_(JobLog.repository_id == _LOGGED_JOB.repository_id, JobLog.job_id == _LOGGED_JOB.id)


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
class CauseOccurrence:
    """A job of a failed attempt and one of its failure causes. `kind` is a CauseClass, `line_number` the place of the
    line in the log, null for an annotation. These, `tool` and `message` are null until the collector has extracted the
    causes of the log. `stored_fingerprint` is set if the fingerprint in the database is one of earlier rules."""

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


def list_failed_jobs(
    session: Session, scope: Scope, window: Window, *, limit: int, max_causes: int
) -> list[CauseOccurrence]:
    """The newest `limit` failed jobs of the window that have a fingerprint, newest first, each once for each of its
    causes, the first cause first. Ends after `max_causes` causes, so that some of the last job may be left out."""
    columns = [
        Run.repository_id,
        Run.workflow_id,
        Run.id.label("run_id"),
        JobLog.job_id,
        JobLog.fingerprint,
        JobLog.error_line,
        Run.created_at,
        Run.outcome,
    ]
    newest = (
        select(*columns)
        .join(_LOGGED_JOB, _OF_RUN)
        .join(JobLog, _OF_JOB)
        .where(*in_scope(session, scope), *in_window(window), JobLog.fingerprint.is_not(None), in_failed_attempt())
        .order_by(Run.created_at.desc(), Run.id.desc(), JobLog.job_id)
        .limit(limit)
        .subquery("failed_jobs")
    )
    jobs = newest.c
    of_job = and_(
        JobCause.repository_id == jobs.repository_id,
        JobCause.job_id == jobs.job_id,
        JobCause.fingerprint.is_not(None),
    )
    query = (
        select(
            jobs.repository_id,
            jobs.workflow_id,
            jobs.run_id,
            jobs.job_id,
            func.coalesce(JobCause.fingerprint, jobs.fingerprint),
            func.coalesce(JobCause.line, jobs.error_line),
            jobs.created_at,
            jobs.outcome,
            JobCause.kind,
            JobCause.tool,
            JobCause.subject,
            JobCause.message,
            JobCause.line_number,
        )
        .select_from(newest)
        .join(JobCause, of_job, isouter=True)
        .order_by(jobs.created_at.desc(), jobs.run_id.desc(), jobs.job_id, JobCause.position)
        .limit(max_causes)
    )
    return [CauseOccurrence(*row) for row in session.execute(query)]


def list_unshared_causes(session: Session, scope: Scope, window: Window, *, limit: int) -> list[tuple[str, int, int]]:
    """The newest `limit` failed jobs of the window whose first cause two failures cannot share, such as a cancellation:
    its class, the job and the run."""
    query = (
        select(JobCause.kind, JobCause.job_id, JobCause.run_id)
        .join(Run, and_(JobCause.repository_id == Run.repository_id, JobCause.run_id == Run.id))
        .where(*in_scope(session, scope), *in_window(window))
        .where(JobCause.fingerprint.is_(None), JobCause.position == 0)
        .where(JobCause.created_at >= window.since, JobCause.created_at < window.until)
        .where(in_failed_attempt(JobCause.repository_id, JobCause.job_id))
        .order_by(Run.created_at.desc(), Run.id.desc(), JobCause.job_id)
        .limit(limit)
    )
    return [(row[0], row[1], row[2]) for row in session.execute(query)]


def batches_with_causes(fingerprints: Collection[str]) -> Iterator[Subquery]:
    """As jobs_with_causes, for any number of fingerprints: a statement has a limited number of parameters."""
    names = sorted(fingerprints)
    for first in range(0, len(names), _MAX_FINGERPRINTS):
        yield jobs_with_causes(names[first : first + _MAX_FINGERPRINTS])


def jobs_with_causes(fingerprints: Collection[str]) -> Subquery:
    """The jobs that have one of the fingerprints, each once for each fingerprint. The first cause of a job is that of
    its log, where the others are not extracted yet."""
    logs = select(JobLog.repository_id, JobLog.job_id, JobLog.run_id, JobLog.fingerprint)
    others = select(JobCause.repository_id, JobCause.job_id, JobCause.run_id, JobCause.fingerprint)
    return union_all(
        logs.where(JobLog.fingerprint.in_(fingerprints)),
        others.where(JobCause.fingerprint.in_(fingerprints), JobCause.position > 0),
    ).subquery("with_cause")


def of_failed_run(jobs: Subquery) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Two conditions on jobs_with_causes: the join with their runs, and that they are of failed attempts."""
    of_run = and_(jobs.c.repository_id == Run.repository_id, jobs.c.run_id == Run.id)
    return of_run, in_failed_attempt(jobs.c.repository_id, jobs.c.job_id)


def first_and_last_seen(
    session: Session, scope: Scope, fingerprints: Collection[str]
) -> dict[str, tuple[datetime, datetime]]:
    """When the first and the last stored run of the scope with a fingerprint, or an earlier one of its cause, were
    created, by fingerprint. Reads the entire history."""
    names = all_fingerprints(session, fingerprints) if fingerprints else {}
    times: dict[str, tuple[datetime, datetime]] = {}
    for jobs in batches_with_causes(names.keys()):
        of_run, failed = of_failed_run(jobs)
        query = (
            select(jobs.c.fingerprint, func.min(Run.created_at), func.max(Run.created_at))
            .join(Run, of_run)
            .where(*in_scope(session, scope), failed)
            .group_by(jobs.c.fingerprint)
        )
        for name, first, last in session.execute(query):
            known = times.get(names[name], (first, last))
            times[names[name]] = min(first, known[0]), max(last, known[1])
    return {name: times[names[name]] for name in fingerprints if names[name] in times}


@dataclass(frozen=True)
class CauseSpread:
    """The number of runs and workflows with a cause, and when the first of the runs was created."""

    runs: int
    workflows: int
    first_at: datetime


def cause_spreads(session: Session, scope: Scope, fingerprints: Collection[str]) -> dict[str, CauseSpread]:
    """The spread of each of these few causes over all stored runs of the scope, also of those with an earlier
    fingerprint of it; without causes that no run has."""
    if not fingerprints:
        return {}
    names = all_fingerprints(session, fingerprints)
    jobs = jobs_with_causes(names.keys())
    of_run, failed = of_failed_run(jobs)
    earlier = {name: current for name, current in names.items() if name != current}
    name = case(earlier, value=jobs.c.fingerprint, else_=jobs.c.fingerprint) if earlier else jobs.c.fingerprint
    of_runs = (
        select(name.label("fingerprint"), Run.id, Run.repository_id, Run.workflow_id, Run.created_at)
        .join(Run, of_run)
        .where(*in_scope(session, scope), failed)
        .subquery()
    )
    query = select(of_runs.c.fingerprint, func.count(of_runs.c.id.distinct()), func.min(of_runs.c.created_at)).group_by(
        of_runs.c.fingerprint, of_runs.c.repository_id, of_runs.c.workflow_id
    )
    rows: dict[str, list[Any]] = defaultdict(list)
    for row in session.execute(query):
        rows[str(row[0])].append(row)
    spreads = {
        fingerprint: CauseSpread(sum(row[1] for row in of_cause), len(of_cause), min(row[2] for row in of_cause))
        for fingerprint, of_cause in rows.items()
    }
    return {name: spreads[names[name]] for name in fingerprints if names[name] in spreads}


def run_times_of_cause(
    session: Session, scope: Scope, window: Window, fingerprint: str, *, limit: int
) -> list[datetime]:
    """When the runs of the window with a cause were created, of the newest `limit` ones, newest first."""
    jobs = jobs_with_causes(all_fingerprints(session, [fingerprint]).keys())
    of_run, failed = of_failed_run(jobs)
    query = (
        select(Run.id, Run.created_at)
        .join(jobs, of_run)
        .where(*in_scope(session, scope), *in_window(window), failed)
        .distinct()
        .order_by(Run.created_at.desc(), Run.id.desc())
        .limit(limit)
    )
    return [row.created_at for row in session.execute(query)]


def runs_by_fingerprint(
    session: Session, scope: Scope, window: Window, fingerprints: Collection[str]
) -> list[tuple[str, int]]:
    """Distinct pairs of fingerprint and id of a run with it, or with an earlier one of its cause."""
    names = all_fingerprints(session, fingerprints) if fingerprints else {}
    runs: set[tuple[str, int]] = set()
    for jobs in batches_with_causes(names.keys()):
        of_run, failed = of_failed_run(jobs)
        query = (
            select(jobs.c.fingerprint, Run.id)
            .join(Run, of_run)
            .where(*in_scope(session, scope), *in_window(window), failed)
            .distinct()
        )
        runs |= {(names[name], run_id) for name, run_id in session.execute(query)}
    given: dict[str, list[str]] = defaultdict(list)
    for name in fingerprints:
        given[names[name]].append(name)
    return [(name, run_id) for current, run_id in runs for name in given[current]]


def job_details(session: Session, jobs: Collection[CauseOccurrence]) -> dict[int, tuple[int, str]]:
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
