"""Queries for the evidence about the failures of one attempt: the first run with a cause, jobs that passed on the same
commit, and failures of the default branch."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from db.definitions.attempts import FAILED_CONCLUSIONS
from db.definitions.scope import Scope
from db.enums import Conclusion
from db.jobs.decisive_failures import in_failed_attempt
from db.models import Job, JobCause, JobLog, Run, SyncState
from db.runs.run_queries import RunRow
from db.sql import is_one_of
from health.completeness.gaps import Completeness
from health.insights.causes.extraction import CAUSE_VERSION
from health.insights.finding_queries import SAME_COMMIT_WINDOW
from health.insights.fingerprints import EARLIER_LENGTH
from health.metrics.branch_status import Streak, failing_streaks

# A cause is new if it did not occur in this time before, all runs of which must be stored.
NEW_CAUSE_HISTORY = timedelta(days=7)
# Of one statement.
_MAX_NAMES = 1_000
_OF_RUN = and_(Job.repository_id == Run.repository_id, Job.run_id == Run.id)
_LOG_OF_JOB = and_(JobLog.repository_id == Job.repository_id, JobLog.job_id == Job.id)
_CAUSE_OF_JOB = and_(JobCause.repository_id == Job.repository_id, JobCause.job_id == Job.id)


@dataclass(frozen=True)
class RunReference:
    id: int
    run_number: int
    attempt: int


def has_history(session: Session, repository_id: int, created_at: datetime) -> bool:
    """Whether all runs of the repository in the week before a run are stored, and their causes can be compared."""
    if has_outdated_causes(session):
        return False
    since = session.scalar(select(SyncState.complete_since).where(SyncState.repository_id == repository_id))
    return Completeness(since, None).covers(created_at - NEW_CAUSE_HISTORY)


def has_outdated_causes(session: Session) -> bool:
    """Whether causes of an earlier version of the extraction, or fingerprints of earlier rules are stored. Until the
    collector has extracted them again, the newest logs first, a cause can have another fingerprint in older runs."""
    fetched = select(JobLog.job_id).where(JobLog.fetched_at.is_not(None))
    outdated = fetched.where(JobLog.cause_version < CAUSE_VERSION)
    earlier = fetched.where(JobLog.cause_version.is_(None), func.length(JobLog.fingerprint) == EARLIER_LENGTH)
    return bool(session.scalar(select(or_(outdated.exists(), earlier.exists()))))


def first_seen(session: Session, names: Mapping[str, str]) -> dict[str, datetime]:
    """When the first run with each cause was created, by current fingerprint. `names`: those of all_fingerprints.
    Unlike counting the runs, this reads few of them: an index has the extracted causes by time, and only logs without
    them are read in full."""
    times: dict[str, datetime] = {}
    for fingerprint, current in sorted(names.items()):
        extracted = (
            select(JobCause.created_at)
            .join(Run, and_(JobCause.repository_id == Run.repository_id, JobCause.run_id == Run.id))
            .where(JobCause.fingerprint == fingerprint, in_failed_attempt(JobCause.repository_id, JobCause.job_id))
            .order_by(JobCause.created_at)
            .limit(1)
        )
        has_causes = select(JobCause.job_id).where(
            JobCause.repository_id == JobLog.repository_id, JobCause.job_id == JobLog.job_id
        )
        others = (
            select(func.min(Run.created_at))
            .select_from(JobLog)
            .join(Run, and_(JobLog.repository_id == Run.repository_id, JobLog.run_id == Run.id))
            .where(JobLog.fingerprint == fingerprint, ~has_causes.exists(), in_failed_attempt())
        )
        first = session.scalar(extracted), session.scalar(others), times.get(current)
        if known := [time for time in first if time is not None]:
            times[current] = min(known)
    return times


def passed_on_same_commit(
    session: Session, run: RunRow, repository_id: int, attempt: int, names: Collection[str]
) -> dict[str, RunReference]:
    """By name, the last attempt in which each job passed on the commit: in another attempt of the run, or in another
    run of the workflow for the same event, as a run of a pull request tests another tree than a push. Another run
    counts if it is later, or if the job failed in an earlier one: a pass before the first failure is none of a flaky
    job, because what the job downloads may have changed."""
    passed: dict[str, RunReference] = {}
    wanted = sorted(names)
    for first in range(0, len(wanted), _MAX_NAMES):
        passed |= _passed(session, run, repository_id, attempt, wanted[first : first + _MAX_NAMES])
    return passed


def _passed(
    session: Session, run: RunRow, repository_id: int, attempt: int, names: Sequence[str]
) -> dict[str, RunReference]:
    query = (
        select(Job.name, Job.conclusion, Run.created_at, Run.id, Run.run_number, Job.attempt)
        .select_from(Run)
        .join(Job, _OF_RUN)
        .where(
            Run.repository_id == repository_id,
            Run.workflow_id == run.workflow_id,
            Run.head_sha == run.head_sha,
            Run.event == run.event,
            Run.created_at >= run.created_at - SAME_COMMIT_WINDOW,
            Run.created_at <= run.created_at + SAME_COMMIT_WINDOW,
            or_(Run.id != run.id, Job.attempt != attempt),
            Job.name.in_(names),
            Job.conclusion.in_((Conclusion.SUCCESS, *FAILED_CONCLUSIONS)),
            ~Job.copied,
            ~Job.phantom,
        )
        .order_by(Run.created_at, Run.id, Job.attempt)
    )
    failed: set[str] = set()
    passed: dict[str, RunReference] = {}
    for name, conclusion, created_at, run_id, number, tried in session.execute(query):
        if conclusion != Conclusion.SUCCESS:
            failed.add(name)
        elif run_id == run.id or (created_at, run_id) > (run.created_at, run.id) or name in failed:
            passed[name] = RunReference(run_id, number, tried)
    return passed


def failing_on_default_branch(
    session: Session, run: RunRow, repository_id: int, names: Mapping[str, str], now: datetime
) -> dict[str, RunReference]:
    """By current fingerprint, the last completed runs of default branches whose last attempt failed with it, if a run
    of the same streak that is older than this run failed with it, too: a later one may fail because of the commit of
    this run. None for a run of the default branch itself. `names`: those of all_fingerprints."""
    if not names:
        return {}
    is_default = select(Run.on_default_branch).where(Run.repository_id == repository_id, Run.id == run.id)
    if session.scalar(is_default):
        return {}
    streaks = {
        streak.workflow_id: streak
        for streak in failing_streaks(session, Scope(repos=(run.repo,)), now)
        if streak.first_failure.created_at < run.created_at
    }
    if not streaks:
        return {}
    earlier = _failed_before(session, run, repository_id, names, streaks.values())
    runs = {streak.last_failure.id: streak.last_failure for streak in streaks.values()}
    last = is_one_of((Job.run_id, Job.attempt), [(row.id, row.attempt) for row in runs.values()])
    query = (
        select(Job.run_id, JobLog.fingerprint, JobCause.fingerprint)
        .select_from(Job)
        .join(JobLog, _LOG_OF_JOB)
        .join(JobCause, _CAUSE_OF_JOB, isouter=True)
        .where(Job.repository_id == repository_id, last)
        .where(or_(JobLog.fingerprint.in_(names.keys()), JobCause.fingerprint.in_(names.keys())))
        .distinct()
    )
    failing: dict[str, RunReference] = {}
    for run_id, *stored in session.execute(query):
        row = runs[run_id]
        for current in {names[name] for name in stored if name and name in names}:
            if (row.workflow_id, current) in earlier:
                failing[current] = RunReference(row.id, row.run_number, row.attempt)
    return failing


def _failed_before(
    session: Session, run: RunRow, repository_id: int, names: Mapping[str, str], streaks: Collection[Streak]
) -> set[tuple[int, str]]:
    """Workflow and current fingerprint of the failures of the streaks that were created before the run."""
    since = {streak.workflow_id: streak.first_failure.created_at for streak in streaks}
    query = (
        select(Run.workflow_id, JobLog.fingerprint, JobCause.fingerprint, func.max(Run.created_at))
        .select_from(Run)
        .join(Job, _OF_RUN)
        .join(JobLog, _LOG_OF_JOB)
        .join(JobCause, _CAUSE_OF_JOB, isouter=True)
        .where(
            Run.repository_id == repository_id,
            Run.workflow_id.in_(since),
            Run.on_default_branch,
            Run.created_at >= min(since.values()),
            Run.created_at < run.created_at,
            or_(JobLog.fingerprint.in_(names.keys()), JobCause.fingerprint.in_(names.keys())),
            in_failed_attempt(),
        )
        .group_by(Run.workflow_id, JobLog.fingerprint, JobCause.fingerprint)
    )
    return {
        (workflow_id, names[name])
        for workflow_id, *stored, created_at in session.execute(query)
        if created_at >= since[workflow_id]
        for name in stored
        if name and name in names
    }
