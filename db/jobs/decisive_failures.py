"""Queries for the failures that decided runs.

GitHub reports neither which jobs may fail (`continue-on-error`) nor which job made a run fail."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from db.definitions.attempts import FAILED_CONCLUSIONS
from db.enums import Conclusion, Outcome
from db.models import Attempt, Job, JobLog, Run

# Limits of the successful runs of a workflow that are searched for failed jobs: their number and their age.
_MAX_RUNS = 100
_MAX_AGE = timedelta(days=90)


def in_failed_attempt(repository_id: Any = JobLog.repository_id, job_id: Any = JobLog.job_id) -> ColumnElement[bool]:
    """Returns a condition on a log, or on columns that identify a job, joined with its run: the job ran in an attempt
    that failed. A job that failed in a successful attempt was allowed to fail. The attempt is read for runs with
    several attempts only."""
    failed_attempt = (
        select(Job.id)
        .join(
            Attempt,
            and_(
                Attempt.repository_id == Job.repository_id,
                Attempt.run_id == Job.run_id,
                Attempt.attempt == Job.attempt,
            ),
        )
        .where(Job.repository_id == repository_id, Job.id == job_id)
        .where(Attempt.conclusion.in_(FAILED_CONCLUSIONS))
    )
    return or_(and_(Run.attempt == 1, Run.outcome == Outcome.FAILURE), and_(Run.attempt > 1, failed_attempt.exists()))


def caused_by_cancellation() -> ColumnElement[bool]:
    """Returns a condition on a job joined with its run and, where it is known, its attempt: the job was cancelled and
    made the attempt fail, because no other job of it failed. GitHub cancels jobs that exceed their time limit, and jobs
    that no runner accepted."""
    other = aliased(Job)
    failed = exists().where(
        other.repository_id == Job.repository_id,
        other.run_id == Job.run_id,
        other.attempt == Job.attempt,
        other.conclusion.in_(FAILED_CONCLUSIONS),
        ~other.phantom,
    )
    attempt_failed = func.coalesce(Attempt.conclusion, Run.conclusion).in_(FAILED_CONCLUSIONS)
    return and_(Job.conclusion == Conclusion.CANCELLED, attempt_failed, ~failed)


def has_causes() -> ColumnElement[bool]:
    """Returns a condition on a job joined as for `caused_by_cancellation`: the job failed, or was cancelled and made
    the attempt fail, so that its log is collected and its failure causes are extracted."""
    return or_(Job.conclusion.in_(FAILED_CONCLUSIONS), caused_by_cancellation())


def jobs_allowed_to_fail(session: Session, run_id: int) -> set[str]:
    """Returns the names of jobs of the run's workflow that failed in one of its latest successful runs."""
    run = session.execute(
        select(Run.repository_id, Run.workflow_id, Run.created_at).where(Run.id == run_id).limit(1)
    ).first()
    if run is None:
        return set()
    green = (
        select(Run.id)
        .where(Run.repository_id == run[0], Run.workflow_id == run[1], Run.outcome == Outcome.SUCCESS)
        .where(Run.attempt == 1, Run.created_at >= run[2] - _MAX_AGE)
        .order_by(Run.created_at.desc())
        .limit(_MAX_RUNS)
        .scalar_subquery()
    )
    query = select(Job.name).where(
        Job.repository_id == run[0], Job.run_id.in_(green), Job.conclusion.in_(FAILED_CONCLUSIONS), ~Job.phantom
    )
    return set(session.scalars(query.distinct()))


def decisiveness(name: str, conclusion: str | None, *, attempt_failed: bool, allowed: Collection[str] = ()) -> int:
    """Returns the rank of a job among those of its attempt by its effect on the result, 0 first: failed, timed out,
    failed but allowed to, cancelled in a failed attempt, others, passed or unfinished (5)."""
    if conclusion in FAILED_CONCLUSIONS:
        return 2 if name in allowed else 1 if conclusion == Conclusion.TIMED_OUT else 0
    if conclusion in (Conclusion.SUCCESS, None):
        return 5
    return 3 if conclusion == Conclusion.CANCELLED and attempt_failed else 4
