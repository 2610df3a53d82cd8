"""Logs whose causes were extracted by an earlier version, or not at all, and storage of the causes that are extracted
again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, or_, select, update
from sqlalchemy.orm import Session

from db.definitions.records import CauseRecord
from db.enums import CauseSource, LogState
from db.jobs.decisive_failures import has_causes
from db.logs.cause_writes import JobCauses, replace_causes, store_aliases
from db.logs.pending_logs import FailedStep, failed_step
from db.models import Attempt, Job, JobCause, JobLog, Repository, Run
from db.sql import execute, is_one_of, key_table

Key = tuple[int, int]


@dataclass(frozen=True)
class EarlierCause:
    """A cause as it is stored. `source` is null for a cause of a version that did not store it; `line_number` is null
    for an annotation, also for one that an own rule replaced."""

    line: str
    fingerprint: str | None
    source: str | None = None
    subject: str | None = None
    line_number: int | None = None
    message: str = ""

    @property
    def replaces_annotation(self) -> bool:
        """Whether it is the cause of an own rule instead of that of an annotation."""
        return self.source == CauseSource.RULE and self.line_number is None


@dataclass(frozen=True)
class OutdatedLog:
    """A log of a job. `failed`: the job has causes, because it failed or because they were known. `stored` are its
    causes, the first one first. `created_at` is that of the run."""

    repository_id: int
    job_id: int
    run_id: int
    repo: str
    job_name: str
    failed: bool
    has_text: bool
    step: FailedStep | None
    excerpt: list[str]
    excerpt_first_line: int | None
    stored: tuple[EarlierCause, ...]
    version: int | None
    fetched_at: datetime
    created_at: datetime
    workflow_id: int = 0

    @property
    def key(self) -> Key:
        return self.repository_id, self.job_id

    def line_number(self, line: str) -> int | None:
        """The number in the log of a line of the excerpt; null if the excerpt does not have it."""
        return _line_number(self.excerpt, self.excerpt_first_line, line)


@dataclass(frozen=True)
class ExtractedLog:
    """The causes of an outdated log, and its excerpt; null if the excerpt does not change. `compared`: the causes were
    compared with sketches of successful logs."""

    log: OutdatedLog
    causes: tuple[CauseRecord, ...]
    excerpt: tuple[int, tuple[str, ...]] | None = None
    compared: bool = False


def has_unextracted_logs(session: Session, since: datetime) -> bool:
    """Whether causes were never extracted from a log with an error that was fetched from `since` on, as after an
    upgrade from a version that stored no causes. A log is fetched after its run was created."""
    # A log whose causes are compared again has no version either, but it has causes.
    of_log = JobCause.repository_id == JobLog.repository_id, JobCause.job_id == JobLog.job_id
    unextracted = JobLog.cause_version.is_(None), JobLog.fetched_at >= since, JobLog.error_line.is_not(None)
    query = select(JobLog.job_id).where(*unextracted, ~select(JobCause.job_id).where(*of_log).exists()).limit(1)
    return execute(session, query).first() is not None


def outdated_logs(session: Session, version: int, *, limit: int) -> list[OutdatedLog]:
    """The newest logs without a version of the extraction; where there is none, those of the latest earlier version."""
    keys = _newest(session, JobLog.cause_version.is_(None), limit)
    if not keys:
        earlier = session.scalar(select(func.max(JobLog.cause_version)).where(JobLog.cause_version < version))
        keys = _newest(session, JobLog.cause_version == earlier, limit) if earlier is not None else []
    if not keys:
        return []
    logs = [_outdated_log(row, causes) for row, causes in _details(session, keys)]
    return sorted(logs, key=lambda log: log.fetched_at, reverse=True)


def _newest(session: Session, condition: ColumnElement[bool], limit: int) -> list[Key]:
    query = select(JobLog.repository_id, JobLog.job_id).where(condition, JobLog.fetched_at.is_not(None))
    # With the version in the order PostgreSQL reads the newest rows from the index; it sorts all of them otherwise.
    query = query.order_by(JobLog.cause_version.desc(), JobLog.fetched_at.desc())
    return [(row.repository_id, row.job_id) for row in session.execute(query.limit(limit))]


def _details(session: Session, keys: Sequence[Key]) -> list[tuple[Row[Any], list[Row[Any]]]]:
    """The rows of the logs with their jobs, runs and repositories, which can be missing, and their stored causes."""
    wanted = key_table(keys)
    columns = (
        JobLog.repository_id,
        JobLog.job_id,
        JobLog.run_id,
        JobLog.state,
        JobLog.excerpt,
        JobLog.excerpt_first_line,
        JobLog.error_line,
        JobLog.fingerprint,
        JobLog.cause_version,
        JobLog.fetched_at,
        Repository.full_name,
        Job.name,
        Job.steps,
        has_causes().label("failed"),
        Run.created_at,
        Run.workflow_id,
    )
    of_attempt = and_(
        Attempt.repository_id == Job.repository_id, Attempt.run_id == Job.run_id, Attempt.attempt == Job.attempt
    )
    query = (
        select(*columns)
        .select_from(JobLog)
        .join(wanted, (JobLog.repository_id == wanted.c.repository_id) & (JobLog.job_id == wanted.c.id))
        .join(Repository, Repository.id == JobLog.repository_id)
        .join(Job, (Job.repository_id == JobLog.repository_id) & (Job.id == JobLog.job_id), isouter=True)
        .join(Run, (Run.repository_id == JobLog.repository_id) & (Run.id == JobLog.run_id), isouter=True)
        .join(Attempt, of_attempt, isouter=True)
    )
    rows = execute(session, query).all()
    fields = (JobCause.line, JobCause.fingerprint, JobCause.source, JobCause.subject)
    further = JobCause.line_number, JobCause.message
    causes = (
        select(JobCause.repository_id, JobCause.job_id, *fields, *further)
        .join(wanted, (JobCause.repository_id == wanted.c.repository_id) & (JobCause.job_id == wanted.c.id))
        .order_by(JobCause.position)
    )
    by_key: dict[Key, list[Row[Any]]] = {}
    for cause in execute(session, causes):
        by_key.setdefault((cause[0], cause[1]), []).append(cause)
    return [(row, by_key.get((row[0], row[1]), [])) for row in rows]


def _outdated_log(row: Row[Any], causes: Sequence[Row[Any]]) -> OutdatedLog:
    stored = tuple(
        EarlierCause(cause.line, cause.fingerprint, cause.source, cause.subject, cause.line_number, cause.message)
        for cause in causes
    )
    excerpt, first_line = list(row.excerpt or []), row.excerpt_first_line
    if not stored and row.error_line is not None:
        number = _line_number(excerpt, first_line, row.error_line)
        stored = (EarlierCause(row.error_line, row.fingerprint, line_number=number),)
    return OutdatedLog(
        repository_id=row.repository_id,
        job_id=row.job_id,
        run_id=row.run_id,
        repo=row.full_name,
        job_name=row.name or "",
        failed=bool(row.failed) or bool(stored),
        has_text=row.state == LogState.STORED,
        step=failed_step(row.steps),
        excerpt=excerpt,
        excerpt_first_line=first_line,
        stored=stored,
        version=row.cause_version,
        fetched_at=row.fetched_at,
        created_at=row.created_at or row.fetched_at,
        workflow_id=row.workflow_id or 0,
    )


def _line_number(excerpt: Sequence[str], first_line: int | None, line: str) -> int | None:
    numbered = enumerate(excerpt, first_line or 1)
    return next((number for number, shown in numbered if line in shown), None)


def log_content(session: Session, log: OutdatedLog) -> bytes | None:
    """The compressed text; null if it was deleted in the meantime."""
    of_log = JobLog.repository_id == log.repository_id, JobLog.job_id == log.job_id
    return session.scalar(select(JobLog.content).where(*of_log))


def store_extracted(session: Session, version: int, extracted: Sequence[ExtractedLog]) -> int:
    """Stores causes that were extracted by `version`, and aliases of the fingerprints that changed; returns the number
    of logs. A log that was stored or extracted by another program in the meantime does not change."""
    unfailed = [item.log.key for item in extracted if not item.log.failed]
    if unfailed:
        session.execute(
            update(JobLog)
            .where(is_one_of((JobLog.repository_id, JobLog.job_id), unfailed), JobLog.error_line.is_(None))
            .where(or_(JobLog.cause_version.is_(None), JobLog.cause_version < version))
            .values(cause_version=version)
        )
    changed = [item for item in extracted if item.log.failed and _update_log(session, version, item)]
    if changed:
        replace_causes(session, [_job_causes(item) for item in changed])
        aliases: dict[str, str] = {}
        for item in changed:
            for earlier, current in _changed_fingerprints(item):
                aliases.setdefault(earlier, current)
        store_aliases(session, aliases)
    return len(changed)


def _update_log(session: Session, version: int, item: ExtractedLog) -> bool:
    log, first = item.log, item.causes[0] if item.causes else None
    values: dict[str, Any] = {
        "cause_version": version,
        "compared": item.compared,
        "error_line": first.line if first else None,
        "fingerprint": first.fingerprint if first else None,
    }
    if item.excerpt is not None:
        values["excerpt_first_line"], values["excerpt"] = item.excerpt[0], list(item.excerpt[1])
    unchanged = JobLog.cause_version.is_(None) if log.version is None else JobLog.cause_version == log.version
    statement = update(JobLog).where(
        JobLog.repository_id == log.repository_id, JobLog.job_id == log.job_id, JobLog.fetched_at == log.fetched_at
    )
    return execute(session, statement.where(unchanged).values(values)).rowcount == 1


def _job_causes(item: ExtractedLog) -> JobCauses:
    log = item.log
    return JobCauses(log.repository_id, log.job_id, log.run_id, log.created_at, item.causes)


def _changed_fingerprints(item: ExtractedLog) -> list[tuple[str, str]]:
    """Pairs of earlier and current fingerprint of one cause: of the same line, or, for the first cause, of the same
    place in the log, because another version may show its line in another form. Another cause that replaces it is none
    of its names: a mark of it would apply to that one. Fingerprints of own rules never change."""
    causes = [cause for cause in item.causes if cause.source != CauseSource.RULE]
    earlier = [cause for cause in item.log.stored if cause.source != CauseSource.RULE]
    by_place = {(cause.line, cause.line_number): cause.fingerprint for cause in causes}
    by_line: dict[str, set[str | None]] = {}
    for cause in causes:
        by_line.setdefault(cause.line, set()).add(cause.fingerprint)
    pairs = []
    for position, before in enumerate(earlier):
        now = by_place.get((before.line, before.line_number))
        if now is None and len(same_line := by_line.get(before.line, set())) == 1:
            (now,) = same_line
        if now is None and position == 0 and causes and before.line_number is not None:
            now = causes[0].fingerprint if causes[0].line_number == before.line_number else None
        pairs.append((before.fingerprint, now))
    return [(name, now) for name, now in pairs if name and now and name != now]
