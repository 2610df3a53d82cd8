"""Storage of job logs and of requests for logs."""

import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.definitions.records import LogRecord
from db.enums import LogState
from db.logs.cause_writes import JobCauses, replace_causes
from db.models import JobLog, LogSearchEntry, Run
from db.sql import insert_ignore

# A log counts as missing after this many tries; they span over an hour.
MAX_ATTEMPTS = 5
# Limit of tries while GitHub or its storage fails: about a day.
MAX_TEMPORARY_FAILURES = 30
# A missing log can be requested again after this time.
RETRY_MISSING_AFTER = timedelta(hours=24)


def store_log(
    session: Session, repository_id: int, record: LogRecord, now: datetime, *, content: bytes | None = None
) -> None:
    """Stores the result of a fetch. A stored log is not replaced by the state that GitHub deleted it, and a known cause
    is not cleared. `content` is the text if it is already zlib-compressed UTF-8."""
    row = _row(session, repository_id, record.job_id, record.run_id, now)
    if row.state in (LogState.STORED, LogState.PRUNED) and record.state != LogState.STORED:
        return
    row.state, row.fetched_at = record.state, now
    row.tries = (row.tries or 0) + 1
    if record.text is not None:
        # The content is stored as bytes, because PostgreSQL's text type does not accept NUL.
        content = zlib.compress(record.text.encode("utf-8", "replace"))
    if content is not None:
        row.content = content
    row.size_bytes, row.truncated = record.size_bytes, record.truncated
    row.excerpt_first_line, row.excerpt = record.excerpt_first_line, list(record.excerpt)
    of_run = (Run.repository_id == repository_id) & (Run.id == record.run_id)
    created_at = session.scalar(select(Run.created_at).where(of_run)) or now
    _set_causes(session, row, record, created_at)
    if record.state == LogState.STORED:
        _queue_for_search(session, repository_id, record, created_at, now)
    session.flush()


def record_failed_fetch(
    session: Session,
    repository_id: int,
    job_id: int,
    run_id: int,
    now: datetime,
    *,
    max_attempts: int = MAX_ATTEMPTS,
    record: LogRecord | None = None,
) -> None:
    """Records a try that did not fetch the log; after `max_attempts` tries the log is missing. The causes of the
    failure (`record`) can be known from another source."""
    row = _row(session, repository_id, job_id, run_id, now)
    if row.state in (LogState.STORED, LogState.EXPIRED, LogState.PRUNED):
        return
    row.tries = (row.tries or 0) + 1
    row.state = LogState.MISSING if row.tries >= max_attempts else LogState.PENDING
    row.fetched_at = now
    if record is not None:
        of_run = (Run.repository_id == repository_id) & (Run.id == run_id)
        _set_causes(session, row, record, session.scalar(select(Run.created_at).where(of_run)) or now)
    session.flush()


def request_logs(session: Session, repository_id: int, run_id: int, job_ids: Sequence[int], now: datetime) -> list[int]:
    """Requests these logs from the collector; returns the ids of the jobs whose logs are newly requested. Logs that are
    stored, requested, expired or pruned do not change; a missing log is requested again after RETRY_MISSING_AFTER."""
    requested = []
    # A fixed order of locks prevents deadlocks between two requests for the same logs.
    for job_id in sorted(set(job_ids)):
        if _insert_pending(session, repository_id, job_id, run_id, now):
            requested.append(job_id)
            continue
        row = session.get_one(JobLog, (repository_id, job_id), with_for_update=True)
        if row.state == LogState.MISSING and (row.fetched_at is None or row.fetched_at <= now - RETRY_MISSING_AFTER):
            # Allow one more try: the next 404 makes the log missing again.
            row.state, row.tries, row.requested_at = LogState.PENDING, MAX_ATTEMPTS - 1, now
            requested.append(job_id)
    session.flush()
    return requested


def _row(session: Session, repository_id: int, job_id: int, run_id: int, now: datetime) -> JobLog:
    """The row, locked until the transaction ends, so that comparing and writing its state is atomic."""
    _insert_pending(session, repository_id, job_id, run_id, now)
    return session.get_one(JobLog, (repository_id, job_id), with_for_update=True)


def _insert_pending(session: Session, repository_id: int, job_id: int, run_id: int, now: datetime) -> bool:
    """Returns whether the row was inserted; false if it exists."""
    row = {"repository_id": repository_id, "job_id": job_id, "run_id": run_id, "requested_at": now}
    return (
        insert_ignore(session, JobLog, [{**row, "state": str(LogState.PENDING), "tries": 0, "truncated": False}]) == 1
    )


def _queue_for_search(
    session: Session, repository_id: int, record: LogRecord, created_at: datetime, now: datetime
) -> None:
    """Makes the text searchable: until the collector adds it to the index, a search reads it. Of a replaced text the
    trigrams are removed."""
    row = {
        "repository_id": repository_id,
        "job_id": record.job_id,
        "created_at": created_at,
        "fetched_at": now,
    }
    if not insert_ignore(session, LogSearchEntry, [row]):
        is_entry = (LogSearchEntry.repository_id == repository_id) & (LogSearchEntry.job_id == record.job_id)
        session.execute(update(LogSearchEntry).where(is_entry).values(fetched_at=now, trigrams=None))


def _set_causes(session: Session, row: JobLog, record: LogRecord, created_at: datetime) -> None:
    """A known cause is not cleared by a record without one, unless that has the text."""
    if record.error_line is None and row.error_line is not None and row.state != LogState.STORED:
        return
    row.error_line, row.fingerprint, row.cause_version = record.error_line, record.fingerprint, record.cause_version
    row.compared = record.compared
    replace_causes(session, [JobCauses(row.repository_id, row.job_id, row.run_id, created_at, record.causes)])
