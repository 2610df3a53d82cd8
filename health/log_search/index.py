"""Building the search index: trigrams of new logs, segments of indexed logs, removal of outdated segments.

Only the leader builds it, but nothing depends on that: of two collectors that do the same work, one has no effect."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Engine, Select, bindparam, case, delete, func, insert, select, update
from sqlalchemy.orm import Session

from db.engine import session_scope, write_scope
from db.enums import LogState
from db.logs.log_queries import CorruptLog, decompress_log
from db.models import JobLog, LogSearchEntry, LogSearchPosting, LogSearchSegment, Repository, Run
from db.sql import execute, insert_ignore, key_table
from health.log_search.postings import SEGMENT_LOGS, Documents, encode_segment
from health.log_search.trigrams import fold, pack, searchable_text, trigrams_of, unpack

# Logs that are read at once; the size of a batch of keys.
_READ_BATCH, _KEY_BATCH = 32, 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# A segment is removed, and its remaining logs are indexed again, when fewer than this share of its logs is stored.
_MIN_STORED_SHARE = 0.5

# Instead of the trigrams of a log whose text is damaged.
UNREADABLE = b""

_SET_TRIGRAMS = (
    update(LogSearchEntry)
    .where(
        LogSearchEntry.repository_id == bindparam("repository"),
        LogSearchEntry.job_id == bindparam("job"),
        LogSearchEntry.fetched_at == bindparam("fetched"),
    )
    .values(trigrams=bindparam("packed"))
)
_DELETE_ENTRY = delete(LogSearchEntry).where(
    LogSearchEntry.repository_id == bindparam("repository"),
    LogSearchEntry.job_id == bindparam("job"),
    LogSearchEntry.fetched_at == bindparam("fetched"),
)


@dataclass(frozen=True)
class IndexState:
    """Numbers of logs: in segments, waiting for a segment, not indexed yet, and with damaged texts."""

    in_segments: int
    indexed: int
    unindexed: int
    unreadable: int = 0


class _Changed(Exception):
    """Another collector, or a newer text of a log, was faster."""


def microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    return _EPOCH + value * _MICROSECOND


def index_state(session: Session) -> IndexState:
    segments = session.scalar(select(func.coalesce(func.sum(LogSearchSegment.logs), 0)))
    unreadable = func.coalesce(func.sum(case((LogSearchEntry.trigrams == UNREADABLE, 1), else_=0)), 0)
    numbers = select(func.count(), func.count(LogSearchEntry.trigrams), unreadable)
    total, indexed, damaged = session.execute(numbers).one()
    return IndexState(int(segments or 0), indexed - int(damaged), total - indexed, int(damaged))


def unreadable_logs(session: Session, *, limit: int) -> list[tuple[str, int, int]]:
    """Logs whose damaged texts could not be indexed, newest first: repository, id of the run, id of the job."""
    query = (
        select(Repository.full_name, JobLog.run_id, JobLog.job_id)
        .join(LogSearchEntry, of_entry())
        .join(Repository, Repository.id == JobLog.repository_id)
        .where(LogSearchEntry.trigrams == UNREADABLE, JobLog.state == LogState.STORED)
        .order_by(LogSearchEntry.created_at.desc(), JobLog.job_id)
    )
    return [(row[0], row[1], row[2]) for row in execute(session, query.limit(limit))]


def of_entry() -> ColumnElement[bool]:
    return (LogSearchEntry.repository_id == JobLog.repository_id) & (LogSearchEntry.job_id == JobLog.job_id)


def index_logs(engine: Engine, *, seconds: float) -> int:
    """Indexes new logs, newest first, and creates the segments that are due, for about `seconds`; returns the number of
    logs. Raises SQLAlchemyError."""
    deadline, total, next_segment = time.monotonic() + seconds, 0, SEGMENT_LOGS
    while indexed := _index_batch(engine):
        total += indexed
        if total >= next_segment:
            # A search reads every entry that is not in a segment, so an index that is built for many logs creates the
            # segments meanwhile.
            next_segment += SEGMENT_LOGS
            create_segment(engine)
        if time.monotonic() >= deadline:
            break
    while create_segment(engine) and time.monotonic() < deadline:
        pass
    return total


def _index_batch(engine: Engine) -> int:
    """The texts are read and written in separate transactions, so that computing holds no lock. A log that was stored
    again in between keeps its entry without trigrams."""
    entry = (LogSearchEntry.repository_id, LogSearchEntry.job_id, LogSearchEntry.fetched_at)
    newest = (
        select(*entry)
        .where(LogSearchEntry.trigrams.is_(None))
        .order_by(LogSearchEntry.created_at.desc())
        .limit(_READ_BATCH)
    )
    with session_scope(engine) as session:
        entries = execute(session, newest).all()
        if not entries:
            return 0
        query = _select_stored([(row[0], row[1]) for row in entries], JobLog.content)
        contents = {(row[0], row[1]): row[2] for row in execute(session, query)}
    indexed, gone = [], []
    for repository_id, job_id, fetched_at in entries:
        key = {"repository": repository_id, "job": job_id, "fetched": fetched_at}
        content = contents.get((repository_id, job_id))
        if content is None:
            gone.append(key)
        else:
            indexed.append({**key, "packed": log_trigrams(content)})
    with write_scope(engine) as session:
        for statement, rows in ((_SET_TRIGRAMS, indexed), (_DELETE_ENTRY, gone)):
            if rows:
                session.connection().execute(statement, rows)
    return len(entries)


def log_trigrams(content: bytes) -> bytes:
    """`content` is that of job_logs. Returns UNREADABLE if it is damaged."""
    try:
        return pack(trigrams_of(fold(searchable_text(decompress_log(content)))))
    except CorruptLog:
        return UNREADABLE


def create_segment(engine: Engine, *, logs: int = SEGMENT_LOGS) -> bool:
    """Moves the oldest indexed entries to a new segment where there are enough; returns whether it did."""
    is_indexed = (LogSearchEntry.trigrams.is_not(None)) & (LogSearchEntry.trigrams != UNREADABLE)
    with session_scope(engine) as session:
        if (session.scalar(select(func.count()).select_from(LogSearchEntry).where(is_indexed)) or 0) < logs:
            return False
        columns = (
            LogSearchEntry.repository_id,
            LogSearchEntry.job_id,
            LogSearchEntry.created_at,
            LogSearchEntry.fetched_at,
            LogSearchEntry.trigrams,
        )
        query = select(*columns).where(is_indexed).order_by(LogSearchEntry.created_at, LogSearchEntry.job_id)
        rows = execute(session, query.limit(logs)).all()
    unpacked = [unpack(row.trigrams) for row in rows]
    trigrams = [content for content in unpacked if content is not None]
    if len(trigrams) < len(rows):
        _index_again(engine, [row for row, content in zip(rows, unpacked, strict=True) if content is None])
        return False
    documents = Documents(
        np.array([microseconds(row.created_at) for row in rows], np.int64),
        np.array([row.repository_id for row in rows], np.int64),
        np.array([row.job_id for row in rows], np.int64),
    )
    postings = list(encode_segment(trigrams))
    taken = [{"repository": row.repository_id, "job": row.job_id, "fetched": row.fetched_at} for row in rows]
    try:
        with write_scope(engine) as session:
            _delete_exactly(session, taken)
            segment_id = (session.scalar(select(func.max(LogSearchSegment.id))) or 0) + 1
            segment = {
                "id": segment_id,
                "logs": len(rows),
                "oldest_at": rows[0].created_at,
                "newest_at": rows[-1].created_at,
                "documents": documents.pack(),
            }
            session.execute(insert(LogSearchSegment).values(segment))
            for start in range(0, len(postings), _KEY_BATCH):
                batch = postings[start : start + _KEY_BATCH]
                values = [{"bucket": bucket, "segment_id": segment_id, "content": content} for bucket, content in batch]
                session.execute(insert(LogSearchPosting).values(values))
    except _Changed:
        return False
    return True


def _index_again(engine: Engine, rows: Sequence[Any]) -> None:
    """Removes trigrams of another version."""
    keys = [
        {"repository": row.repository_id, "job": row.job_id, "fetched": row.fetched_at, "packed": None} for row in rows
    ]
    with write_scope(engine) as session:
        session.connection().execute(_SET_TRIGRAMS, keys)


def _delete_exactly(session: Session, entries: Sequence[dict[str, object]]) -> None:
    """Raises _Changed unless all of them exist with the same text."""
    for entry in entries:
        if session.connection().execute(_DELETE_ENTRY, entry).rowcount != 1:
            raise _Changed


def remove_outdated_segments(engine: Engine) -> Iterator[int]:
    """Deletes segments of which most logs are deleted, and queues the other logs again; yields the number of logs of
    each segment that it deletes."""
    with session_scope(engine) as session:
        ids = list(session.scalars(select(LogSearchSegment.id).order_by(LogSearchSegment.newest_at.desc())))
    for segment_id in ids:
        with session_scope(engine) as session:
            content = session.scalar(select(LogSearchSegment.documents).where(LogSearchSegment.id == segment_id))
            if content is None:
                continue
            documents = Documents.unpack(content)
            stored = _stored_keys(session, documents)
        total = len(documents.job_ids)
        if len(stored) >= _MIN_STORED_SHARE * total:
            continue
        _remove_segment(engine, segment_id, stored)
        yield total


def remove_old_versions(engine: Engine) -> Iterator[int]:
    """Deletes segments of another version of the index, newest first, and queues their logs again; yields the number of
    queued logs of each."""
    with session_scope(engine) as session:
        ids = list(session.scalars(select(LogSearchSegment.id).order_by(LogSearchSegment.newest_at.desc())))
    for segment_id in ids:
        with session_scope(engine) as session:
            content = session.scalar(select(LogSearchSegment.documents).where(LogSearchSegment.id == segment_id))
            documents = Documents.unpack(content) if content is not None else None
            if documents is None or documents.is_current:
                continue
            stored = _stored_keys(session, documents)
        _remove_segment(engine, segment_id, stored)
        yield len(stored)


def _remove_segment(engine: Engine, segment_id: int, stored: Sequence[tuple[int, int]]) -> None:
    with write_scope(engine) as session:
        session.execute(delete(LogSearchPosting).where(LogSearchPosting.segment_id == segment_id))
        session.execute(delete(LogSearchSegment).where(LogSearchSegment.id == segment_id))
        _queue(session, stored)


def _stored_keys(session: Session, documents: Documents) -> list[tuple[int, int]]:
    keys = list(zip(documents.repository_ids.tolist(), documents.job_ids.tolist(), strict=True))
    stored: list[tuple[int, int]] = []
    for start in range(0, len(keys), _KEY_BATCH):
        query = _select_stored(keys[start : start + _KEY_BATCH])
        stored += [(row[0], row[1]) for row in execute(session, query)]
    return stored


def _select_stored(keys: Sequence[tuple[int, int]], *more: Any) -> Select[Any]:
    """The keys of stored logs among the keys, and more columns."""
    wanted = key_table(keys)
    return (
        select(JobLog.repository_id, JobLog.job_id, *more)
        .join(wanted, (JobLog.repository_id == wanted.c.repository_id) & (JobLog.job_id == wanted.c.id))
        .where(JobLog.state == LogState.STORED)
    )


def _queue(session: Session, keys: Sequence[tuple[int, int]]) -> None:
    for start in range(0, len(keys), _KEY_BATCH):
        query = _select_stored(keys[start : start + _KEY_BATCH], Run.created_at, JobLog.fetched_at).join(
            Run, (Run.repository_id == JobLog.repository_id) & (Run.id == JobLog.run_id)
        )
        names = ("repository_id", "job_id", "created_at", "fetched_at")
        rows = [dict(zip(names, row, strict=True)) for row in execute(session, query)]
        insert_ignore(session, LogSearchEntry, rows)
