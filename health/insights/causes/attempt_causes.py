"""The failure causes of the jobs of one attempt, and the evidence about each of them: other runs with the cause, the
same job on the same commit, and the default branch."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from core.terminal import rendered_line
from db.definitions.scope import Scope
from db.enums import CauseSource
from db.logs.cause_writes import all_fingerprints
from db.logs.log_queries import JobLogRow
from db.models import JobCause, JobLog
from db.runs.run_queries import RunRow
from db.time_limit import TimeLimitExceeded, time_limit
from health.insights.causes.evidence_queries import (
    RunReference,
    failing_on_default_branch,
    first_seen,
    has_history,
    passed_on_same_commit,
)
from health.insights.causes.identity import fingerprint as make_fingerprint
from health.insights.causes.identity import is_current
from health.insights.causes.job_causes import cause_of_text
from health.insights.causes.model import stored_class
from health.insights.finding_queries import CauseSpread, cause_spreads

# Seconds for the number of runs with the causes, which may be in all runs, and then for the first of them alone.
_TIME_LIMIT, _FIRST_TIME_LIMIT = 1.5, 0.5


class Verdict(StrEnum):
    """FLAKY: all jobs passed on the same commit. DEFAULT_BRANCH: a workflow of the repository fails with the cause on
    the default branch since before the run. NEW: no earlier run failed with it. FIRST_STORED: no earlier stored run
    did, but not all earlier runs are stored. SEEN: an earlier run did."""

    FLAKY = "flaky"
    DEFAULT_BRANCH = "default_branch"
    NEW = "new"
    FIRST_STORED = "first_stored"
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
class JobEvidence:
    """What is known about the failure of a job, or of `jobs` jobs of an attempt with the same cause, `passed_jobs` of
    which passed on the same commit. `causes`: the first one is that of `fingerprint`; until they are extracted, only
    that of the stored line. `first_at`: when the first stored run with the first cause was created; null without a
    cause, and if finding it takes too long. `spread`: the stored runs with it; null also if counting them takes too
    long. `passed`: the last attempt or run in which one of the jobs passed there. `failing`: the last run of the
    default branch, if it is another branch, which fails with the cause since before the run.
    `is_first`: no earlier stored run has the cause. `has_history`: every run of the week before is stored."""

    fingerprint: str | None
    causes: tuple[StoredCause, ...]
    first_at: datetime | None = None
    spread: CauseSpread | None = None
    passed: RunReference | None = None
    failing: RunReference | None = None
    is_first: bool = False
    has_history: bool = False
    jobs: int = 1
    passed_jobs: int = 0

    @property
    def verdict(self) -> Verdict | None:
        """Null if no evidence is stored."""
        if self.passed and self.passed_jobs == self.jobs:
            return Verdict.FLAKY
        if self.failing:
            return Verdict.DEFAULT_BRANCH
        if self.first_at is None:
            return None
        if not self.is_first:
            return Verdict.SEEN
        return Verdict.NEW if self.has_history else Verdict.FIRST_STORED


def attempt_causes(
    session: Session, run: RunRow, repository_id: int, attempt: int, jobs: Mapping[int, Sequence[str]], now: datetime
) -> dict[int, JobEvidence]:
    """The evidence about failures of one attempt, by job id. `jobs`: by the id of the job, its name and those of other
    jobs that failed with the same cause. The number of statements
    does not depend on that of the jobs, unless counting the runs takes too long."""
    if not jobs:
        return {}
    fingerprints, causes = _stored_causes(session, repository_id, jobs)
    known = {fingerprint for fingerprint in fingerprints.values() if fingerprint}
    names = all_fingerprints(session, known)
    try:
        with time_limit(session, _TIME_LIMIT):
            spreads = cause_spreads(session, Scope(), known)
        first = {names[fingerprint]: spread.first_at for fingerprint, spread in spreads.items()}
    except TimeLimitExceeded:
        spreads, first = {}, _first_times(session, names)
    passed = passed_on_same_commit(session, run, repository_id, attempt, set().union(*jobs.values()))
    failing = failing_on_default_branch(session, run, repository_id, names, now)
    is_complete = has_history(session, repository_id, run.created_at)
    evidence = {}
    for job_id, names_of_jobs in jobs.items():
        passes = [passed[name] for name in names_of_jobs if name in passed]
        fingerprint = fingerprints.get(job_id)
        current = names.get(fingerprint or "", "")
        first_at = first.get(current)
        evidence[job_id] = JobEvidence(
            fingerprint,
            tuple(causes.get(job_id, ())),
            first_at,
            spreads.get(fingerprint or ""),
            max(passes, key=lambda run: (run.id, run.attempt), default=None),
            failing.get(current),
            is_first=first_at is not None and first_at >= run.created_at,
            has_history=is_complete,
            jobs=len(names_of_jobs),
            passed_jobs=len(passes),
        )
    return evidence


def _first_times(session: Session, names: Mapping[str, str]) -> dict[str, datetime]:
    """As first_seen; empty if finding it takes too long."""
    try:
        with time_limit(session, _FIRST_TIME_LIMIT):
            return first_seen(session, names)
    except TimeLimitExceeded:
        return {}


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
