"""Which failures decided runs. GitHub says neither which jobs may fail (`continue-on-error`) nor of which job a run
failed."""

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from db.definitions.job_times import FAILED_CONCLUSIONS
from db.enums import Conclusion, Outcome
from db.models import Attempt, Job, JobLog, Run

# Successful runs of a workflow that are looked at for jobs that may fail, and how far back.
_MAX_RUNS = 100
_LOOK_BACK = timedelta(days=90)
_MAX_GREEN_RUNS = 5


def in_failed_attempt() -> ColumnElement[bool]:
    """Whether the job of a log, joined with its run, ran in an attempt that failed: what fails in a green one was
    allowed to. Only of runs with several attempts does that need more than the run."""
    own = (
        select(Job.id)
        .join(
            Attempt,
            and_(
                Attempt.repository_id == Job.repository_id,
                Attempt.run_id == Job.run_id,
                Attempt.attempt == Job.attempt,
            ),
        )
        .where(Job.repository_id == JobLog.repository_id, Job.id == JobLog.job_id)
        .where(Attempt.conclusion.in_(FAILED_CONCLUSIONS))
    )
    return or_(and_(Run.attempt == 1, Run.outcome == Outcome.FAILURE), and_(Run.attempt > 1, own.exists()))


def caused_by_cancellation() -> ColumnElement[bool]:
    """Whether a job, joined with its run and, where it is known, its attempt, was cancelled and is why the attempt
    failed: no other job of it failed. So GitHub ends jobs whose time is over, and jobs that no runner took."""
    other = aliased(Job)
    failed = exists().where(
        other.repository_id == Job.repository_id, other.run_id == Job.run_id, other.attempt == Job.attempt,
        other.conclusion.in_(FAILED_CONCLUSIONS), ~other.phantom,
    )  # fmt: skip
    attempt_failed = func.coalesce(Attempt.conclusion, Run.conclusion).in_(FAILED_CONCLUSIONS)
    return and_(Job.conclusion == Conclusion.CANCELLED, attempt_failed, ~failed)


def jobs_allowed_to_fail(session: Session, run_id: int) -> set[str]:
    """Names of jobs of this run's workflow that failed in one of its latest successful runs."""
    run = session.execute(
        select(Run.repository_id, Run.workflow_id, Run.created_at).where(Run.id == run_id).limit(1)
    ).first()
    if run is None:
        return set()
    green = (
        select(Run.id)
        .where(Run.repository_id == run[0], Run.workflow_id == run[1], Run.outcome == Outcome.SUCCESS)
        .where(Run.attempt == 1, Run.created_at >= run[2] - _LOOK_BACK)
        .order_by(Run.created_at.desc())
        .limit(_MAX_RUNS)
        .scalar_subquery()
    )
    query = select(Job.name).where(
        Job.repository_id == run[0], Job.run_id.in_(green), Job.conclusion.in_(FAILED_CONCLUSIONS), ~Job.phantom
    )
    return set(session.scalars(query.distinct()))


def decisiveness(name: str, conclusion: str | None, *, attempt_failed: bool, allowed: Collection[str] = ()) -> int:
    """The place of a job among those of its attempt, from the one that decided it: failed, timed out, failed but
    allowed to, cancelled in an attempt that failed, others, passed or not over."""
    if conclusion in FAILED_CONCLUSIONS:
        return 2 if name in allowed else 1 if conclusion == Conclusion.TIMED_OUT else 0
    if conclusion in (Conclusion.SUCCESS, None):
        return _MAX_GREEN_RUNS
    return 3 if conclusion == Conclusion.CANCELLED and attempt_failed else 4
