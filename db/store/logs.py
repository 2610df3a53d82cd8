"""Writing job logs, and requests for logs that are not stored yet."""

import zlib
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from db.models import JobLog
from db.store.records import LogRecord
from db.vocabulary import LogState

MAX_TRIES = 5


def store_log(session: Session, repository_id: int, record: LogRecord, now: datetime) -> None:
    """A stored log is never replaced by the news that GitHub deleted it."""
    row = session.get(JobLog, (repository_id, record.job_id))
    if row is None:
        row = JobLog(repository_id=repository_id, job_id=record.job_id, run_id=record.run_id, requested_at=now)
        session.add(row)
    elif row.state == LogState.STORED and record.state != LogState.STORED:
        return
    row.state, row.fetched_at = record.state, now
    row.tries = (row.tries or 0) + 1
    if record.text is not None:
        # PostgreSQL's text takes no NUL; the content is bytes, the excerpt is not.
        row.content = zlib.compress(record.text.encode("utf-8", "replace"))
    row.size_bytes, row.truncated = record.size_bytes, record.truncated
    row.excerpt_first_line, row.excerpt = record.excerpt_first_line, list(record.excerpt)
    row.error_line, row.fingerprint = record.error_line, record.fingerprint
    session.flush()


def note_failed_try(session: Session, repository_id: int, job_id: int, run_id: int, now: datetime) -> None:
    """The log could not be fetched just now; after MAX_TRIES it counts as missing."""
    row = session.get(JobLog, (repository_id, job_id))
    if row is None:
        row = JobLog(repository_id=repository_id, job_id=job_id, run_id=run_id, requested_at=now, tries=0)
        session.add(row)
    row.tries = (row.tries or 0) + 1
    row.state = LogState.MISSING if row.tries >= MAX_TRIES else LogState.PENDING
    row.fetched_at = now


def request_logs(session: Session, repository_id: int, run_id: int, job_ids: Sequence[int], now: datetime) -> None:
    """Asks the collector for these logs; what is stored, asked for, expired or missing stays as it is."""
    for job_id in job_ids:
        if session.get(JobLog, (repository_id, job_id)) is None:
            row = JobLog(repository_id=repository_id, job_id=job_id, run_id=run_id, requested_at=now)
            row.state, row.tries, row.truncated = LogState.PENDING, 0, False
            session.add(row)
    session.flush()
