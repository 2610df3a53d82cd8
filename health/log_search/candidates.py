"""Logs that can match a query, by the index: newest first, before the filters of runs are applied."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from db.definitions.scope import Window
from db.models import LogSearchEntry, LogSearchPosting, LogSearchSegment
from db.sql import execute
from health.log_search.index import microseconds
from health.log_search.postings import Documents, Flags, Integers, Row, bucket_of
from health.log_search.trigrams import Trigrams, contains_all, unpack

# Trigrams of a query that are read at once. More are read only while more than _FEW logs contain those before.
_TRIGRAMS_AT_ONCE, _MAX_TRIGRAMS, _FEW = 4, 24, 64
# Position of a log in the results: creation of its run in microseconds, id of its job.
Position = tuple[int, int]


@dataclass(frozen=True)
class Candidates:
    """`documents`: newest first, each log once. `excluded`: logs of the window and repositories that the index
    excludes. `unindexed`: logs among the documents that are not indexed yet."""

    documents: Documents
    excluded: int
    unindexed: int


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


def find_candidates(session: Session, alternatives: Sequence[Trigrams], limits: Limits) -> Candidates:
    """`alternatives` are those of a LogQuery."""
    entries, unindexed, others = _entry_candidates(session, alternatives, limits)
    segments, excluded = _segment_candidates(session, alternatives, limits)
    parts = [entries, *segments]
    created, repositories, jobs = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("created", "repository_ids", "job_ids")
    )
    order = np.lexsort((jobs, created))[::-1]
    created, repositories, jobs = created[order], repositories[order], jobs[order]
    # A replaced log is an entry, and still in its old segment: both are adjacent.
    is_first = np.ones(len(jobs), np.bool_)
    is_first[1:] = (jobs[1:] != jobs[:-1]) | (repositories[1:] != repositories[:-1])
    documents = Documents(created[is_first], repositories[is_first], jobs[is_first])
    return Candidates(documents, excluded + others, unindexed)


def _entry_candidates(session: Session, alternatives: Sequence[Trigrams], limits: Limits) -> tuple[Documents, int, int]:
    """Documents, the number of those that are not indexed, and the number of other entries."""
    where: list[ColumnElement[bool]] = [
        LogSearchEntry.created_at >= limits.window.since,
        LogSearchEntry.created_at < limits.window.until,
    ]
    keys = select(LogSearchEntry.created_at, LogSearchEntry.repository_id, LogSearchEntry.job_id).where(*where)
    rows = execute(session, keys.where(LogSearchEntry.trigrams.is_(None))).all()
    unindexed = _as_documents(rows)
    unindexed = _take(unindexed, limits.select(unindexed))
    is_indexed = LogSearchEntry.trigrams.is_not(None)
    if not alternatives:
        indexed = _as_documents(execute(session, keys.where(is_indexed)).all())
        indexed = _take(indexed, limits.select(indexed))
        return _join(unindexed, indexed), len(unindexed.job_ids), 0
    listed = execute(session, keys.add_columns(LogSearchEntry.trigrams).where(is_indexed)).all()
    documents = _as_documents(listed)
    selected = limits.select(documents)
    matching = np.zeros(len(listed), np.bool_)
    for number in np.flatnonzero(selected).tolist():
        trigrams = unpack(listed[number][3])
        matching[number] = any(contains_all(trigrams, wanted) for wanted in alternatives)
    return (
        _join(unindexed, _take(documents, matching)),
        len(unindexed.job_ids),
        int(selected.sum()) - int(matching.sum()),
    )


def _segment_candidates(
    session: Session, alternatives: Sequence[Trigrams], limits: Limits
) -> tuple[list[Documents], int]:
    """Documents by segment, and the number of the other documents."""
    query = select(LogSearchSegment.id, LogSearchSegment.documents).where(
        LogSearchSegment.newest_at >= limits.window.since, LogSearchSegment.oldest_at < limits.window.until
    )
    segments: dict[int, Documents] = {}
    selected: dict[int, Flags] = {}
    for segment_id, content in execute(session, query):
        documents = Documents.unpack(content)
        flags = limits.select(documents)
        if flags.any():
            segments[segment_id], selected[segment_id] = documents, flags
    matching = selected if not alternatives else _matching(session, alternatives, segments, selected)
    excluded = sum(int(flags.sum()) for flags in selected.values()) - sum(
        int(flags.sum()) for flags in matching.values()
    )
    return [_take(segments[segment_id], flags) for segment_id, flags in matching.items()], excluded


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
    return Documents(*columns)
