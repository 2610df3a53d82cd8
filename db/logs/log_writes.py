"""Writing job logs, and requests for logs that are not stored yet."""

import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from db.definitions.records import LogRecord
from db.enums import LogState
from db.models import JobLog
from db.sql import insert_ignore

# A log that GitHub does not have this often does not exist; over an hour passes between the first and the last try.
MAX_ATTEMPTS = 5
# Where not the log but GitHub or its storage fails, tries go on for about a day.
MAX_TEMPORARY_FAILURES = 30
# A log that was missing once may be asked for again after this long.
RETRY_MISSING_AFTER = timedelta(hours=24)


def store_log(
    session: Session, repository_id: int, record: LogRecord, now: datetime, *, content: bytes | None = None
) -> None:
    """A stored log is never replaced by the news that GitHub deleted it, and a known cause never by none. `content` is
    the text where it is zlib-compressed UTF-8 already."""
    row = _row(session, repository_id, record.job_id, record.run_id, now)
    if row.state in (LogState.STORED, LogState.PRUNED) and record.state != LogState.STORED:
        return
    row.state, row.fetched_at = record.state, now
    row.tries = (row.tries or 0) + 1
    if record.text is not None:
        # PostgreSQL's text takes no NUL; the content is bytes, the excerpt is not.
        content = zlib.compress(record.text.encode("utf-8", "replace"))
    if content is not None:
        row.content = content
    row.size_bytes, row.truncated = record.size_bytes, record.truncated
    row.excerpt_first_line, row.excerpt = record.excerpt_first_line, list(record.excerpt)
    _set_cause(row, record.error_line, record.fingerprint)
    session.flush()


def record_failed_fetch(
    session: Session,
    repository_id: int,
    job_id: int,
    run_id: int,
    now: datetime,
    *,
    max_attempts: int = MAX_ATTEMPTS,
    error_line: str | None = None,
    fingerprint: str | None = None,
) -> None:
    """The log could not be fetched just now; after `patience` tries it counts as missing. Its cause may be known from
    elsewhere."""
    row = _row(session, repository_id, job_id, run_id, now)
    if row.state in (LogState.STORED, LogState.EXPIRED, LogState.PRUNED):
        return
    row.tries = (row.tries or 0) + 1
    row.state = LogState.MISSING if row.tries >= max_attempts else LogState.PENDING
    row.fetched_at = now
    _set_cause(row, error_line, fingerprint)
    session.flush()


def request_logs(session: Session, repository_id: int, run_id: int, job_ids: Sequence[int], now: datetime) -> list[int]:
    """Asks the collector for these logs; what is stored, asked for, expired or pruned stays as it is, and what was
    missing is asked for once more after a day. The answer is what was asked for now."""
    asked = []
    # In one order: two who ask for the same logs must not wait for each other.
    for job_id in sorted(set(job_ids)):
        if _insert_pending(session, repository_id, job_id, run_id, now):
            asked.append(job_id)
            continue
        row = session.get_one(JobLog, (repository_id, job_id), with_for_update=True)
        if row.state == LogState.MISSING and (row.fetched_at is None or row.fetched_at <= now - RETRY_MISSING_AFTER):
            # One more try: the next 404 makes it missing again.
            row.state, row.tries, row.requested_at = LogState.PENDING, MAX_ATTEMPTS - 1, now
            asked.append(job_id)
    session.flush()
    return asked


def _row(session: Session, repository_id: int, job_id: int, run_id: int, now: datetime) -> JobLog:
    """Held until the transaction ends: whoever compares its state and writes it must not cross another."""
    _insert_pending(session, repository_id, job_id, run_id, now)
    return session.get_one(JobLog, (repository_id, job_id), with_for_update=True)


def _insert_pending(session: Session, repository_id: int, job_id: int, run_id: int, now: datetime) -> bool:
    """False when it is there already."""
    row = {"repository_id": repository_id, "job_id": job_id, "run_id": run_id, "requested_at": now}
    return (
        insert_ignore(session, JobLog, [{**row, "state": str(LogState.PENDING), "tries": 0, "truncated": False}]) == 1
    )


def _set_cause(row: JobLog, error_line: str | None, fingerprint: str | None) -> None:
    if error_line is not None or row.state == LogState.STORED:
        row.error_line, row.fingerprint = error_line, fingerprint
