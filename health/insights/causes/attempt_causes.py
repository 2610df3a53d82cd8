"""The failure causes of the jobs of one attempt, and the evidence about each of them: other runs with the cause, the
same job on the same commit, and the default branch."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from core.terminal import rendered_line
from db.definitions.scope import Scope
from db.enums import CauseSource, Conclusion
from db.logs.log_queries import JobLogRow
from db.models import Job, JobCause, JobLog, Run
from db.runs.run_queries import RunRow
from db.time_limit import TimeLimitExceeded, time_limit
from health.insights.causes.identity import fingerprint as make_fingerprint
from health.insights.causes.identity import is_current
from health.insights.causes.job_causes import cause_of_text
from health.insights.causes.model import stored_class
from health.insights.finding_queries import SAME_COMMIT_WINDOW, CauseSpread, cause_spreads
from health.metrics.branch_status import failing_streaks

# Seconds for the number of runs with the causes, which may be in all runs.
_TIME_LIMIT = 1.5


class Verdict(StrEnum):
    """FLAKY: the job passed on the same commit. DEFAULT_BRANCH: the last completed run of a workflow of the repository
    on the default branch failed with the cause, too. NEW: no earlier run failed with it. SEEN: an earlier run did."""

    FLAKY = "flaky"
    DEFAULT_BRANCH = "default_branch"
    NEW = "new"
    SEEN = "seen"


@dataclass(frozen=True)
class StoredCause:
    """A row of `job_causes` for display. `kind` is a CauseClass; `line_number` is null for an annotation."""

    kind: str
    tool: str
    subject: str | None
    line: str
    line_number: int | None
    source: str
    fingerprint: str | None


@dataclass(frozen=True)
class RunReference:
    id: int
    run_number: int
    attempt: int


@dataclass(frozen=True)
class JobEvidence:
    """What is known about the failure of a job. `causes`: the first one is that of `fingerprint`; until they are
    extracted, only that of the stored line. `first_at`: when the first stored run with the first cause was created;
    null without a cause. `spread`: the stored runs with it; null also if counting them takes too long. `passed`: the
    last attempt or run in which the job passed on the same commit. `failing`: the run that fails with the cause on the
    default branch, if it is another branch. `is_new`: no earlier run has the cause."""

    fingerprint: str | None
    causes: tuple[StoredCause, ...]
    first_at: datetime | None = None
    spread: CauseSpread | None = None
    passed: RunReference | None = None
    failing: RunReference | None = None
    is_new: bool = False

    @property
    def verdict(self) -> Verdict | None:
        """Null if no evidence is stored."""
        if self.passed:
            return Verdict.FLAKY
        if self.failing:
            return Verdict.DEFAULT_BRANCH
        if self.first_at is None:
            return None
        return Verdict.NEW if self.is_new else Verdict.SEEN


def attempt_causes(
    session: Session, run: RunRow, repository_id: int, attempt: int, jobs: Mapping[int, str], now: datetime
) -> dict[int, JobEvidence]:
    """The evidence about failed jobs of one attempt, by job id. `jobs`: their names by id. The number of statements
    does not depend on that of the jobs."""
    if not jobs:
        return {}
    fingerprints, causes = _stored_causes(session, repository_id, jobs)
    known = {fingerprint for fingerprint in fingerprints.values() if fingerprint}
    try:
        with time_limit(session, _TIME_LIMIT):
            spreads = cause_spreads(session, Scope(), known)
        first = {fingerprint: spread.first_at for fingerprint, spread in spreads.items()}
    except TimeLimitExceeded:
        spreads, first = {}, _first_seen(session, known)
    passed = _passed_on_same_commit(session, run, repository_id, attempt, set(jobs.values()))
    failing = _failing_on_default_branch(session, run, repository_id, known, now)
    evidence = {}
    for job_id, name in jobs.items():
        fingerprint = fingerprints.get(job_id)
        first_at = first.get(fingerprint or "")
        evidence[job_id] = JobEvidence(
            fingerprint,
            tuple(causes.get(job_id, ())),
            first_at,
            spreads.get(fingerprint or ""),
            passed.get(name),
            failing.get(fingerprint or ""),
            is_new=first_at is not None and first_at >= run.created_at,
        )
    return evidence


def first_causes(session: Session, logs: Sequence[JobLogRow]) -> dict[int, StoredCause]:
    """The first cause of each job of one repository that has one, by job id. Until the causes of a log are extracted,
    it is that of the stored line."""
    named = [log.job_id for log in logs if log.error_line is not None]
    if not named:
        return {}
    _, causes = _stored_causes(session, logs[0].repository_id, named)
    return {job_id: of_job[0] for job_id, of_job in causes.items()}


def _cause_of_line(line: str, stored: str | None) -> StoredCause:
    cause = cause_of_text(line)
    current = stored if stored is None or is_current(stored) else make_fingerprint(line)
    return StoredCause(cause.kind, cause.tool, cause.subject, line, None, CauseSource.LOG, current)


def _stored_causes(
    session: Session, repository_id: int, job_ids: Collection[int]
) -> tuple[dict[int, str | None], dict[int, list[StoredCause]]]:
    """The fingerprint of each log, and the causes of each job; until they are extracted, that of the stored line."""
    columns = [getattr(JobCause, name) for name in StoredCause.__dataclass_fields__]
    of_job = and_(JobCause.repository_id == JobLog.repository_id, JobCause.job_id == JobLog.job_id)
    query = (
        select(JobLog.job_id, JobLog.fingerprint, JobLog.error_line, *columns)
        .join(JobCause, of_job, isouter=True)
        .where(JobLog.repository_id == repository_id, JobLog.job_id.in_(job_ids))
        .order_by(JobLog.job_id, JobCause.position)
    )
    fingerprints: dict[int, str | None] = {}
    causes: dict[int, list[StoredCause]] = defaultdict(list)
    for job_id, fingerprint, error, kind, tool, subject, line, number, source, own in session.execute(query):
        fingerprints.setdefault(job_id, fingerprint)
        if kind is not None:
            shown = rendered_line(line)
            causes[job_id].append(StoredCause(stored_class(kind), tool, subject, shown, number, source, own))
        elif error is not None:
            causes[job_id].append(_cause_of_line(rendered_line(error), fingerprint))
    return fingerprints, causes


def _first_seen(session: Session, fingerprints: Collection[str]) -> dict[str, datetime]:
    """When the first run with each cause was created, from an index: whatever became of the run later."""
    names = sorted(fingerprints)
    causes = select(JobCause.created_at).where(JobCause.position == 0).order_by(JobCause.created_at).limit(1)
    times = session.execute(select(*(causes.where(JobCause.fingerprint == name).scalar_subquery() for name in names)))
    return {name: first_at for name, first_at in zip(names, times.one(), strict=True) if first_at is not None}


def _passed_on_same_commit(
    session: Session, run: RunRow, repository_id: int, attempt: int, names: Collection[str]
) -> dict[str, RunReference]:
    """By name, the jobs that passed in another attempt, or in another run of the workflow on the commit."""
    of_run = and_(Job.repository_id == Run.repository_id, Job.run_id == Run.id)
    query = (
        select(Job.name, Run.id, Run.run_number, Job.attempt)
        .select_from(Run)
        .join(Job, of_run)
        .where(
            Run.repository_id == repository_id,
            Run.workflow_id == run.workflow_id,
            Run.head_sha == run.head_sha,
            Run.created_at >= run.created_at - SAME_COMMIT_WINDOW,
            Run.created_at <= run.created_at + SAME_COMMIT_WINDOW,
            or_(Run.id != run.id, Job.attempt != attempt),
            Job.name.in_(names),
            Job.conclusion == Conclusion.SUCCESS,
            ~Job.copied,
            ~Job.phantom,
        )
        .order_by(Run.created_at, Run.id, Job.attempt)
    )
    return {name: RunReference(run_id, number, tried) for name, run_id, number, tried in session.execute(query)}


def _failing_on_default_branch(
    session: Session, run: RunRow, repository_id: int, fingerprints: Collection[str], now: datetime
) -> dict[str, RunReference]:
    """By fingerprint, the last completed runs of default branches that failed with it; none for a run of the default
    branch itself."""
    if not fingerprints:
        return {}
    is_default = select(Run.on_default_branch).where(Run.repository_id == repository_id, Run.id == run.id)
    if session.scalar(is_default):
        return {}
    streaks = failing_streaks(session, Scope(repos=(run.repo,)), now)
    runs = {streak.last_failure.id: streak.last_failure for streak in streaks}
    if not runs:
        return {}
    of_job = and_(JobLog.repository_id == Job.repository_id, JobLog.job_id == Job.id)
    query = (
        select(JobLog.fingerprint, Job.run_id)
        .select_from(Job)
        .join(JobLog, of_job)
        .where(Job.repository_id == repository_id, Job.run_id.in_(runs), JobLog.fingerprint.in_(fingerprints))
        .distinct()
    )
    matches = ((fingerprint, runs[run_id]) for fingerprint, run_id in session.execute(query) if fingerprint)
    return {fingerprint: RunReference(last.id, last.run_number, last.attempt) for fingerprint, last in matches}
