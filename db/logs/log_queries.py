"""Queries of job logs."""

import zlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, case, func, literal_column, null, select
from sqlalchemy.orm import Session

from core.terminal import rendered_line
from db.definitions.attempts import FAILED_CONCLUSIONS
from db.enums import Conclusion, LogState, Status
from db.jobs.decisive_failures import decisiveness, jobs_allowed_to_fail
from db.logs.pending_logs import LOG_RETENTION
from db.models import Attempt, Job, JobLog, Run
from db.runs.job_queries import end_unknown

# Limit of the texts in one response, in bytes of the logs, because a run can have hundreds of logs. A stored log has at
# most _MAX_LOG_BYTES; a log of unknown size counts as _ASSUMED_LOG_BYTES.
MAX_TEXT_BYTES, _MAX_LOG_BYTES, _ASSUMED_LOG_BYTES = 16_000_000, 8_100_000, 1_000_000


@dataclass(frozen=True)
class JobLogRow:
    """`state` is null if the log was not requested yet and can be requested, and UNREADABLE if the text was requested
    and is damaged; the log of a job whose end is unknown
    (`end_unknown`) is permanently missing. `excerpt_first_line` counts from 1; `text` is null unless requested and
    stored. `size_bytes` is the size of the log before truncation; null if unknown."""

    repository_id: int
    job_id: int
    name: str
    conclusion: str | None
    completed: bool
    state: str | None
    excerpt_first_line: int | None
    excerpt: list[str]
    error_line: str | None
    truncated: bool
    text: str | None
    end_unknown: bool = False
    size_bytes: int | None = None
    fingerprint: str | None = None

    @property
    def display_state(self) -> str:
        """The conclusion; without one, end_unknown or in_progress."""
        return self.conclusion or ("end_unknown" if self.end_unknown else "in_progress")


def list_logs(
    session: Session,
    run_id: int,
    attempt: int,
    *,
    job_id: int | None = None,
    with_text: bool = True,
    failing: bool = False,
) -> list[JobLogRow]:
    """Logs of the jobs of one attempt, without copies, phantoms and skipped jobs; the log of the job that decided the
    attempt is first. The first logs have texts, up to MAX_TEXT_BYTES in total and at least one. `with_text` false:
    neither texts nor excerpts are read. `failing`: only completed jobs that did not succeed."""
    where: list[ColumnElement[bool]] = [Job.attempt == attempt]
    if failing:
        where.append(Job.conclusion != Conclusion.SUCCESS)
    if job_id is not None:
        where.append(Job.id == job_id)
    rows = _rows(session, run_id, where, excerpt=with_text, text=False)
    failed, allowed = _attempt_failed(session, run_id, attempt), jobs_allowed_to_fail(session, run_id)
    rows.sort(key=lambda row: decisiveness(row.name, row.conclusion, attempt_failed=failed, allowed=allowed))
    return _with_texts(session, rows) if with_text else rows


def _with_texts(session: Session, rows: list[JobLogRow]) -> list[JobLogRow]:
    remaining, texts, unreadable = MAX_TEXT_BYTES, dict[int, str | None](), set[int]()
    for row in rows:
        size = min(_ASSUMED_LOG_BYTES if row.size_bytes is None else row.size_bytes, _MAX_LOG_BYTES)
        if row.state == LogState.STORED and (size <= remaining or not texts):
            remaining -= size
            texts[row.job_id] = None
    if texts:
        of_jobs = JobLog.repository_id == rows[0].repository_id, JobLog.job_id.in_(list(texts))
        for job_id, content in session.execute(select(JobLog.job_id, JobLog.content).where(*of_jobs)):
            texts[job_id] = readable_text(content)
            if content is not None and texts[job_id] is None:
                unreadable.add(job_id)
    return [
        replace(row, text=texts[row.job_id], state=LogState.UNREADABLE if row.job_id in unreadable else row.state)
        if row.job_id in texts
        else row
        for row in rows
    ]


def find_log(session: Session, run_id: int, job_id: int, *, with_text: bool = False) -> JobLogRow | None:
    """The log of one job of any attempt; null if the job has no log of its own."""
    return next(iter(_rows(session, run_id, [Job.id == job_id], excerpt=True, text=with_text)), None)


def _rows(
    session: Session, run_id: int, where: list[ColumnElement[bool]], *, excerpt: bool, text: bool
) -> list[JobLogRow]:
    repository = select(Run.repository_id).where(Run.id == run_id).limit(1).scalar_subquery()
    query = (
        select(
            Job.repository_id,
            Job.id,
            Job.name,
            Job.conclusion,
            Job.status,
            end_unknown().label("orphaned"),
            JobLog.state,
            JobLog.excerpt_first_line,
            JobLog.excerpt if excerpt else null().label("excerpt"),
            JobLog.error_line,
            JobLog.fingerprint,
            JobLog.truncated,
            JobLog.size_bytes,
            JobLog.content if text else null().label("content"),
        )
        .join(Run, (Run.repository_id == Job.repository_id) & (Run.id == Job.run_id))
        .join(JobLog, (JobLog.repository_id == Job.repository_id) & (JobLog.job_id == Job.id), isouter=True)
        .where(Job.run_id == run_id, Job.repository_id == repository, ~Job.copied, ~Job.phantom, *where)
        .order_by(Job.id)
    )
    return [_row(row) for row in session.execute(query) if row.conclusion != Conclusion.SKIPPED]


def _row(row: Row[Any]) -> JobLogRow:
    """`row` is a job and its log; the columns of the log are null if there is no log."""
    unknown = row.orphaned and row.state in (None, LogState.PENDING)
    text = readable_text(row.content) if row.state == LogState.STORED else None
    is_unreadable = row.content is not None and row.state == LogState.STORED and text is None
    state = LogState.UNREADABLE if is_unreadable else row.state
    return JobLogRow(
        repository_id=row.repository_id,
        job_id=row.id,
        name=row.name,
        conclusion=row.conclusion,
        completed=row.status == Status.COMPLETED,
        state=LogState.MISSING if unknown else state,
        excerpt_first_line=row.excerpt_first_line,
        excerpt=[rendered_line(line) for line in row.excerpt or []],
        error_line=rendered_line(row.error_line) if row.error_line else None,
        truncated=bool(row.truncated),
        text=text,
        end_unknown=bool(row.orphaned),
        size_bytes=row.size_bytes,
        fingerprint=row.fingerprint,
    )


class CorruptLog(ValueError):
    """The stored text of a log is damaged."""


def decompress_log(content: bytes) -> str:
    """The text of `job_logs.content`. Raises CorruptLog."""
    try:
        return zlib.decompress(content).decode("utf-8", "replace")
    except zlib.error as error:
        raise CorruptLog(str(error)) from None


def readable_text(content: bytes | None) -> str | None:
    """The text of `job_logs.content`; null if there is none, or a damaged one."""
    try:
        return decompress_log(content) if content is not None else None
    except CorruptLog:
        return None


@dataclass(frozen=True)
class LogStateCounts:
    """Number of logs of failed jobs by state."""

    stored: int = 0
    expired: int = 0
    missing: int = 0
    pending: int = 0


def log_gaps(session: Session, repository_id: int, *, now: datetime | None = None) -> LogStateCounts:
    """Counts the failed jobs of one repository, without copies and phantoms, by the state of their log. A log that was
    never requested is pending; with `now`, it is expired if the job is older than GitHub's default retention of 90
    days."""
    state = func.coalesce(JobLog.state, _unrequested_state(now))
    query = (
        select(state, func.count())
        .select_from(Job)
        .join(JobLog, and_(JobLog.repository_id == Job.repository_id, JobLog.job_id == Job.id), isouter=True)
        .where(Job.repository_id == repository_id, Job.conclusion.in_(FAILED_CONCLUSIONS), ~Job.copied, ~Job.phantom)
        .group_by(state)
    )
    counts = {str(name): count for name, count in session.execute(query)}
    return LogStateCounts(*(counts.get(name, 0) for name in ("stored", "expired", "missing", "pending")))


def _unrequested_state(now: datetime | None) -> ColumnElement[str]:
    pending: ColumnElement[str] = literal_column(f"'{LogState.PENDING}'")
    if now is None:
        return pending
    return case((Job.completed_at < now - LOG_RETENTION, literal_column(f"'{LogState.EXPIRED}'")), else_=pending)


def failure_cause(session: Session, run_id: int, attempt: int) -> tuple[str | None, str | None]:
    """Error line of the job that decided the attempt, and its fingerprint, which is equal for equal causes. Both are
    null if no log is stored or the attempt did not fail."""
    owner = select(Run.repository_id).where(Run.id == run_id).limit(1).scalar_subquery()
    query = (
        select(Job.name, Job.conclusion, JobLog.error_line, JobLog.fingerprint)
        .join(Job, (Job.repository_id == JobLog.repository_id) & (Job.id == JobLog.job_id))
        .where(Job.repository_id == owner, Job.run_id == run_id, Job.attempt == attempt, ~Job.copied, ~Job.phantom)
        .where(Job.conclusion.in_((*FAILED_CONCLUSIONS, Conclusion.CANCELLED)), JobLog.error_line.is_not(None))
        .order_by(Job.id)
    )
    rows = session.execute(query).all()
    if not rows or not _attempt_failed(session, run_id, attempt):
        return None, None
    allowed = jobs_allowed_to_fail(session, run_id) if len(rows) > 1 else set()
    first = min(rows, key=lambda row: decisiveness(row[0], row[1], attempt_failed=True, allowed=allowed))
    return rendered_line(first[2] or ""), first[3]


def _attempt_failed(session: Session, run_id: int, attempt: int) -> bool:
    """Uses the conclusion of the attempt; without a stored conclusion, that of the run if the attempt is its latest."""
    of_run = (Attempt.repository_id == Run.repository_id) & (Attempt.run_id == Run.id)
    query = select(Attempt.conclusion, Run.conclusion, Run.attempt)
    query = query.join(Attempt, of_run & (Attempt.attempt == attempt), isouter=True)
    row = session.execute(query.where(Run.id == run_id).limit(1)).first()
    if row is None:
        return False
    return (row[0] or (row[1] if row[2] == attempt else None)) in FAILED_CONCLUSIONS
