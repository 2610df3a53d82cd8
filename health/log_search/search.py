"""Search over all stored logs, newest run first: limited by time, by the number of results and by filters of runs."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, select
from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from db.enums import LogState
from db.logs.log_queries import CorruptLog, decompress_log
from db.models import Job, JobLog, Repository, Run
from db.runs.cursors import MAX_ID, decode_cursor, encode_cursor
from db.runs.run_filters import in_scope, in_window, repository_ids
from db.runs.run_queries import run_title
from db.sql import execute, key_table
from health.log_search.candidates import Candidates, CandidateSearch, Limits, Position
from health.log_search.coverage import has_class
from health.log_search.index import from_microseconds, microseconds
from health.log_search.postings import Documents
from health.log_search.query import LogQuery, Matches
from health.metrics.definitions.job_groups import group_name

# The time that a search reads logs, in seconds; what is left then, a request with the cursor continues.
TIME_LIMIT = 2.5
# Logs that are read from the database at once: few at first, so that the first result comes soon.
_FIRST_BATCH, _MAX_TEXTS = 16, 64
# Logs whose runs are compared with the filters at once.
_LARGEST_BATCH = 512
_NOT_MONITORED = select(Repository.id).where(~Repository.monitored)


@dataclass(frozen=True)
class LogSearchRequest:
    """`jobs`: names of jobs, or of groups of jobs without the values of the matrix; empty for all. `limit`: number of
    logs with matches. `lines`: matching lines of each log, with `context` lines around each. `classes`: those of the
    first failure cause of a job; empty for all logs."""

    query: LogQuery
    scope: Scope
    window: Window
    jobs: tuple[str, ...] = ()
    limit: int = 20
    lines: int = 3
    context: int = 1
    cursor: str | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LogMatch:
    """A log with matches, its job, and the run of the job. `attempt` is that of the job; `conclusion` is that of the
    run."""

    repo: str
    run_id: int
    workflow: str
    workflow_id: int
    run_number: int
    attempt: int
    latest_attempt: int
    title: str
    branch: str | None
    event: str
    conclusion: str | None
    created_at: datetime
    job_id: int
    job: str
    job_conclusion: str | None
    matches: Matches


@dataclass(frozen=True)
class SkippedLog:
    """A log that a search could not read, or not to its end."""

    repo: str
    run_id: int
    job_id: int
    job: str


class LogSearch:
    """One page of a search. After `results` is exhausted: `read` logs were read; at most `unread` further logs can
    match; `next` continues with them, null if there are none; `is_partial`: the time was up. `excluded`: logs that the
    index excludes without reading them. `unindexed`: logs that the index does not cover yet, which are read.
    `unreadable`: logs whose text is damaged. `unfinished`: a log that takes longer than the time limit, without a match
    in the part that was read."""

    def __init__(self, session: Session, request: LogSearchRequest, *, seconds: float = TIME_LIMIT) -> None:
        """Raises InvalidCursor."""
        self._session, self.request = session, request
        self._deadline = time.monotonic() + seconds
        self._before: Position | None = None
        if request.cursor is not None:
            moment, job_id = decode_cursor(request.cursor, datetime, int)
            self._before = microseconds(moment), job_id
        self.read = self.unread = self.excluded = self.unindexed = 0
        self.is_partial = False
        self.unreadable: list[SkippedLog] = []
        self.unfinished: list[SkippedLog] = []
        self.next: str | None = None

    def results(self) -> Iterator[LogMatch]:
        matched, is_first = 0, True
        where = self._conditions()
        for candidates in self._candidates().batches():
            self.excluded += candidates.excluded
            self.unindexed += candidates.unindexed
            documents = candidates.documents
            total, position, batch = len(documents.job_ids), 0, _FIRST_BATCH
            while position < total:
                end = min(position + batch, total)
                keys, matching = self._matching(where, _keys(documents, position, end))
                rows = {(row.repository_id, row.job_id): row for row in self._read(where, matching)}
                for key in keys:
                    # A request reads at least one log, so that repeated requests come to an end.
                    if not is_first and time.monotonic() >= self._deadline:
                        self._stop(candidates, position, is_partial=True)
                        return
                    row = rows.get(key)
                    deadline = max(self._deadline, time.monotonic() + TIME_LIMIT) if is_first else self._deadline
                    match = None
                    if row is not None and self._has_job_name(row.job):
                        match = self._match(row, deadline, is_first=is_first)
                    position += 1
                    if match is None and row is not None and time.monotonic() >= self._deadline:
                        # The log may not have been read to its end. The first one of a request is not read again.
                        self._stop(candidates, position if is_first else position - 1, is_partial=True)
                        return
                    is_first = False
                    if match is not None:
                        yield match
                        matched += 1
                        if matched == self.request.limit:
                            self._stop(candidates, position, is_partial=False)
                            return
                # Filters of runs exclude many candidates cheaply.
                batch = min(2 * batch, _LARGEST_BATCH if len(rows) * 4 < len(keys) else _MAX_TEXTS)
            if candidates.boundary is not None and time.monotonic() >= self._deadline:
                self._stop(candidates, total, is_partial=True)
                return
            if candidates.boundary is not None:
                self._before = candidates.boundary, MAX_ID

    def _stop(self, candidates: Candidates, position: int, *, is_partial: bool) -> None:
        """The next page continues after the last log that was read, or with the next batch."""
        documents = candidates.documents
        self.unread = len(documents.job_ids) - position + candidates.remaining
        self.is_partial = is_partial
        if position == len(documents.job_ids) and candidates.boundary is not None:
            self._before = candidates.boundary, MAX_ID
        elif position:
            self._before = int(documents.created[position - 1]), int(documents.job_ids[position - 1])
        if not self.unread:
            self.next = None
        elif self._before is not None:
            self.next = encode_cursor(from_microseconds(self._before[0]), self._before[1])
        else:
            self.next = encode_cursor(self.request.window.until, 0)

    def _candidates(self) -> CandidateSearch:
        scope = self.request.scope
        named = frozenset(self._session.scalars(repository_ids(scope))) if scope.repos else None
        excluded = frozenset() if scope.repos else frozenset(self._session.scalars(_NOT_MONITORED))
        limits = Limits(self.request.window, named, excluded, self._before)
        return CandidateSearch(self._session, self.request.query.alternatives, limits)

    def _conditions(self) -> list[ColumnElement[bool]]:
        request = self.request
        stored = JobLog.state == LogState.STORED
        where = [*in_scope(self._session, request.scope), *in_window(request.window), stored, ~Job.copied, ~Job.phantom]
        return [*where, *has_class(request.classes)]

    def _matching(
        self, where: Sequence[ColumnElement[bool]], keys: list[tuple[int, int]]
    ) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """The first keys, and those of them that match the filters: at most _MAX_TEXTS, whose texts fit into memory.
        Few keys are returned as they are."""
        if len(keys) <= _MAX_TEXTS:
            return keys, keys
        selected = {(row.repository_id, row.job_id) for row in execute(self._session, _select_logs((), where, keys))}
        matching = [key for key in keys if key in selected]
        if len(matching) <= _MAX_TEXTS:
            return keys, matching
        return keys[: keys.index(matching[_MAX_TEXTS])], matching[:_MAX_TEXTS]

    def _read(self, where: Sequence[ColumnElement[bool]], keys: Sequence[tuple[int, int]]) -> Sequence[Row[Any]]:
        if not keys:
            return []
        query = _select_logs(
            (
                Repository.full_name.label("repo"),
                Run.id.label("run_id"),
                Run.workflow_name,
                Run.workflow_id,
                Run.run_number,
                Run.attempt.label("latest_attempt"),
                Run.title,
                Run.commit_message,
                Run.branch,
                Run.event,
                Run.conclusion,
                Run.created_at,
                Job.attempt,
                Job.name.label("job"),
                Job.conclusion.label("job_conclusion"),
                JobLog.content,
            ),
            where,
            keys,
        )
        return execute(self._session, query).all()

    def _has_job_name(self, name: str) -> bool:
        jobs = self.request.jobs
        return not jobs or name in jobs or group_name(name) in jobs

    def _match(self, row: Row[Any], deadline: float, *, is_first: bool) -> LogMatch | None:
        if row.content is None:
            return None
        request = self.request
        try:
            text = decompress_log(row.content)
        except CorruptLog:
            self.unreadable.append(_skipped(row))
            return None
        matches = request.query.matches(text, lines=request.lines, context=request.context, deadline=deadline)
        self.read += matches.is_complete or matches.count > 0
        if not matches.count:
            if is_first and not matches.is_complete:
                # It is not read again by the next page.
                self.unfinished.append(_skipped(row))
            return None
        return LogMatch(
            repo=row.repo,
            run_id=row.run_id,
            workflow=row.workflow_name,
            workflow_id=row.workflow_id,
            run_number=row.run_number,
            attempt=row.attempt,
            latest_attempt=row.latest_attempt,
            title=run_title(row.title, row.workflow_name, row.commit_message),
            branch=row.branch,
            event=row.event,
            conclusion=row.conclusion,
            created_at=row.created_at,
            job_id=row.job_id,
            job=row.job,
            job_conclusion=row.job_conclusion,
            matches=matches,
        )


def _select_logs(
    columns: Sequence[Any], where: Sequence[ColumnElement[bool]], keys: Sequence[tuple[int, int]]
) -> Select[Any]:
    """The keys and columns of the logs among the keys that match the conditions."""
    wanted = key_table(keys)
    return (
        select(JobLog.repository_id, JobLog.job_id, *columns)
        .select_from(JobLog)
        .join(Job, (Job.repository_id == JobLog.repository_id) & (Job.id == JobLog.job_id))
        .join(Run, (Run.repository_id == JobLog.repository_id) & (Run.id == JobLog.run_id))
        .join(Repository, Repository.id == JobLog.repository_id)
        .join(wanted, (JobLog.repository_id == wanted.c.repository_id) & (JobLog.job_id == wanted.c.id))
        .where(*where)
    )


def _keys(documents: Documents, first: int, end: int) -> list[tuple[int, int]]:
    return list(zip(documents.repository_ids[first:end].tolist(), documents.job_ids[first:end].tolist(), strict=True))


def _skipped(row: Row[Any]) -> SkippedLog:
    return SkippedLog(row.repo, row.run_id, row.job_id, row.job)
