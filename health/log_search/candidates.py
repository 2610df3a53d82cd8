"""Logs that can match a query, by the index: newest first, before the filters of runs are applied."""

import functools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from db.definitions.scope import Window
from db.models import LogSearchEntry, LogSearchPosting, LogSearchSegment
from db.sql import execute
from health.log_search.index import UNREADABLE, from_microseconds, microseconds
from health.log_search.postings import Documents, Flags, Integers, Row, bucket_of
from health.log_search.trigrams import Trigrams, contains_all, unpack

# Trigrams of a query that are read at once. More are read only while more than _FEW logs contain those before.
_TRIGRAMS_AT_ONCE, _MAX_TRIGRAMS, _FEW = 4, 24, 64
# Segments that are read before the first logs are known: a quarter of a second.
SEGMENTS_AT_ONCE = 192
# Position of a log in the results: creation of its run in microseconds, id of its job.
Position = tuple[int, int]


@dataclass(frozen=True)
class Candidates:
    """`documents`: newest first, each log once. `excluded`: logs of the window and repositories that the index
    excludes. `unindexed`: logs that are not indexed yet, in this batch or a later one. Later batches have at most
    `remaining` logs, of runs that were created at `boundary` (in microseconds) or before; null for the last batch."""

    documents: Documents
    excluded: int
    unindexed: int
    boundary: int | None
    remaining: int


@dataclass(frozen=True)
class Limits:
    """Of the candidates. `repository_ids`: null for all but those in `excluded_ids`. `before`: only logs after this
    position in the results."""

    window: Window
    repository_ids: frozenset[int] | None
    excluded_ids: frozenset[int]
    before: Position | None

    def select(self, documents: Documents) -> Flags:
        since, until = microseconds(self.window.since), microseconds(self.window.until)
        flags: Flags = (documents.created >= since) & (documents.created < until)
        if self.repository_ids is not None:
            flags &= np.isin(documents.repository_ids, list(self.repository_ids))
        elif self.excluded_ids:
            flags &= ~np.isin(documents.repository_ids, list(self.excluded_ids))
        if self.before is not None:
            created, job_id = self.before
            flags &= (documents.created < created) | ((documents.created == created) & (documents.job_ids < job_id))
        return flags


class CandidateSearch:
    """The logs that can match, in batches from new to old. Segments are read from new to old, so that the first logs
    are known soon and a search can end after any batch."""

    def __init__(self, session: Session, alternatives: Sequence[Trigrams], limits: Limits) -> None:
        """`alternatives` are those of a LogQuery."""
        self._session, self._alternatives, self._limits = session, alternatives, limits

    def batches(self) -> Iterator[Candidates]:
        """At least one batch; it can be empty. Each but the last has an older `boundary` than the one before, and the
        first an older one than `before` of the limits: a search that continues there comes to an end."""
        waiting, unindexed, excluded = self._entries()
        heads = self._segments()
        boundary = self._start()
        for first in range(0, max(len(heads), 1), SEGMENTS_AT_ONCE):
            rest = heads[first + SEGMENTS_AT_ONCE :]
            matching, others = self._segment_candidates([head[0] for head in heads[first : first + SEGMENTS_AT_ONCE]])
            waiting, excluded = _newest_first([waiting, *matching]), excluded + others
            oldest = microseconds(rest[0][1]) if rest else None
            # Segments can overlap: if the next one is as new as this one, no log is next for certain.
            if oldest is not None and oldest >= boundary:
                continue
            is_next = waiting.created > oldest if oldest is not None else np.ones(len(waiting.job_ids), np.bool_)
            remaining = int((~is_next).sum()) + sum(head[2] for head in rest)
            yield Candidates(_take(waiting, is_next), excluded, unindexed, oldest, remaining)
            waiting, unindexed, excluded = _take(waiting, ~is_next), 0, 0
            boundary = oldest or boundary

    def _start(self) -> int:
        until = microseconds(self._limits.window.until)
        return min(until, self._limits.before[0]) if self._limits.before else until

    def _entries(self) -> tuple[Documents, int, int]:
        """Documents, the number of those that are not indexed, and the number of other entries."""
        limits = self._limits
        where: list[ColumnElement[bool]] = [
            LogSearchEntry.created_at >= limits.window.since,
            LogSearchEntry.created_at < limits.window.until,
        ]
        if limits.before is not None:
            where.append(LogSearchEntry.created_at <= from_microseconds(limits.before[0]))
        keys = select(LogSearchEntry.created_at, LogSearchEntry.repository_id, LogSearchEntry.job_id).where(*where)
        unindexed = _as_documents(execute(self._session, keys.where(LogSearchEntry.trigrams.is_(None))).all())
        unindexed = _take(unindexed, limits.select(unindexed))
        is_indexed = LogSearchEntry.trigrams.is_not(None)
        listed = execute(self._session, keys.add_columns(LogSearchEntry.trigrams).where(is_indexed)).all()
        documents = _as_documents(listed)
        selected = limits.select(documents)
        matching = selected
        if self._alternatives:
            matching = np.zeros(len(listed), np.bool_)
            for number in np.flatnonzero(selected).tolist():
                matching[number] = self._can_match(listed[number][3])
        others = int(selected.sum()) - int(matching.sum())
        return _join(unindexed, _take(documents, matching)), len(unindexed.job_ids), others

    def _can_match(self, content: bytes) -> bool:
        if content == UNREADABLE:
            # It is named among the logs that cannot be read.
            return True
        trigrams = unpack(content)
        return trigrams is None or any(contains_all(trigrams, wanted) for wanted in self._alternatives)

    def _segments(self) -> list[tuple[int, datetime, int]]:
        """Id, newest run, and number of logs of the segments of the window, from new to old."""
        window, before = self._limits.window, self._limits.before
        query = select(LogSearchSegment.id, LogSearchSegment.newest_at, LogSearchSegment.logs).where(
            LogSearchSegment.newest_at >= window.since, LogSearchSegment.oldest_at < window.until
        )
        if before is not None:
            query = query.where(LogSearchSegment.oldest_at <= from_microseconds(before[0]))
        rows = execute(self._session, query.order_by(LogSearchSegment.newest_at.desc(), LogSearchSegment.id))
        return [(row[0], row[1], row[2]) for row in rows]

    def _segment_candidates(self, ids: Sequence[int]) -> tuple[list[Documents], int]:
        """Documents by segment, and the number of the other documents."""
        segments: dict[int, Documents] = {}
        selected: dict[int, Flags] = {}
        query = select(LogSearchSegment.id, LogSearchSegment.documents).where(LogSearchSegment.id.in_(ids))
        for segment_id, content in execute(self._session, query):
            documents = Documents.unpack(content)
            flags = self._limits.select(documents)
            if flags.any():
                segments[segment_id], selected[segment_id] = documents, flags
        current = {segment_id: flags for segment_id, flags in selected.items() if segments[segment_id].is_current}
        matching = selected
        if self._alternatives:
            old = {segment_id: flags for segment_id, flags in selected.items() if segment_id not in current}
            matching = {**old, **_matching(self._session, self._alternatives, segments, current)}
        excluded = sum(int(flags.sum()) for flags in selected.values()) - sum(
            int(flags.sum()) for flags in matching.values()
        )
        return [_take(segments[segment_id], flags) for segment_id, flags in matching.items()], excluded


def find_candidates(session: Session, alternatives: Sequence[Trigrams], limits: Limits) -> Documents:
    """All logs that can match, newest first; without a limit of time."""
    batches = list(CandidateSearch(session, alternatives, limits).batches())
    return functools.reduce(_join, (batch.documents for batch in batches))


def _newest_first(parts: Sequence[Documents]) -> Documents:
    """Each log once: a replaced log is an entry, and still in its old segment."""
    created, repositories, jobs = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("created", "repository_ids", "job_ids")
    )
    order = np.lexsort((jobs, created))[::-1]
    created, repositories, jobs = created[order], repositories[order], jobs[order]
    is_first = np.ones(len(jobs), np.bool_)
    is_first[1:] = (jobs[1:] != jobs[:-1]) | (repositories[1:] != repositories[:-1])
    return Documents(created[is_first], repositories[is_first], jobs[is_first])


def _matching(
    session: Session, alternatives: Sequence[Trigrams], segments: dict[int, Documents], selected: dict[int, Flags]
) -> dict[int, Flags]:
    combined: dict[int, Flags] = {}
    for wanted in alternatives:
        remaining = dict(selected)
        ordered = _spread(wanted)
        for start in range(0, min(len(ordered), _MAX_TRIGRAMS), _TRIGRAMS_AT_ONCE):
            remaining = _with_all(session, ordered[start : start + _TRIGRAMS_AT_ONCE], segments, remaining)
            if sum(int(flags.sum()) for flags in remaining.values()) <= _FEW:
                break
        for segment_id, flags in remaining.items():
            combined[segment_id] = combined[segment_id] | flags if segment_id in combined else flags
    return combined


def _with_all(
    session: Session, trigrams: Trigrams, segments: dict[int, Documents], selected: dict[int, Flags]
) -> dict[int, Flags]:
    """The segments, and their selected documents, that contain all of these trigrams."""
    if not selected:
        return {}
    buckets = bucket_of(trigrams).tolist()
    query = select(LogSearchPosting.bucket, LogSearchPosting.segment_id, LogSearchPosting.content).where(
        LogSearchPosting.bucket.in_(set(buckets)), _is_in(selected)
    )
    rows = {(bucket, segment_id): Row(content) for bucket, segment_id, content in execute(session, query)}
    remaining = {}
    for segment_id, flags in selected.items():
        left = flags
        for trigram, bucket in zip(trigrams.tolist(), buckets, strict=True):
            row = rows.get((bucket, segment_id))
            left = left & row.logs_with(trigram, len(flags)) if row else np.zeros(len(flags), np.bool_)
            if not left.any():
                break
        else:
            remaining[segment_id] = left
    return remaining


def _is_in(segments: Collection[int]) -> ColumnElement[bool]:
    """A range where the ids are close together: it needs no list of parameters."""
    first, last = min(segments), max(segments)
    if last - first < 2 * len(segments) + 8 or len(segments) > 500:
        return LogSearchPosting.segment_id.between(first, last)
    return LogSearchPosting.segment_id.in_(segments)


def _spread(trigrams: Trigrams) -> Trigrams:
    """In an order by their hash: neighbours, which share characters, are not read together."""
    return trigrams[np.argsort(bucket_of(trigrams), kind="stable")]


def _as_documents(rows: Sequence[Sequence[object]]) -> Documents:
    return Documents(
        np.array([microseconds(row[0]) for row in rows], np.int64),  # type: ignore[arg-type]
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.int64),
    )


def _take(documents: Documents, flags: Flags) -> Documents:
    return Documents(documents.created[flags], documents.repository_ids[flags], documents.job_ids[flags])


def _join(first: Documents, second: Documents) -> Documents:
    columns: list[Integers] = [
        np.concatenate([getattr(first, name), getattr(second, name)])
        for name in ("created", "repository_ids", "job_ids")
    ]
    return Documents(columns[0], columns[1], columns[2])
