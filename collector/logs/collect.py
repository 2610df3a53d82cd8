"""Collects pending logs: requested ones first, then those of failed jobs. Fetches archives where that is cheaper."""

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from collector.context import CollectorContext
from collector.github.errors import Forbidden, GitHubError, Gone, NotFound, RateLimited, Unauthorized
from collector.github.pagination import fan_out
from collector.logs.archive import ArchiveMatches, InvalidArchive, LogArchive
from collector.logs.fetch import (
    NO_COMPARISON,
    Comparison,
    DownloadStopped,
    FetchedLog,
    fetch_archive,
    fetch_log,
    log_from_buffer,
    log_without_text,
)
from collector.logs.own_rules import OwnRules
from core.logging import log_context
from db.engine import session_scope, write_scope
from db.enums import LogState
from db.jobs.decisive_failures import jobs_allowed_to_fail
from db.logs.log_sketches import SketchedJob, SuccessfulJob, sketched_days, sketches_of
from db.logs.log_writes import MAX_TEMPORARY_FAILURES, record_failed_fetch, store_log
from db.logs.pending_logs import PendingLog, finished_jobs, pending_logs, repositories_with_requested_logs
from db.repositories.repository_queries import RepositoryRow, claimed_repository_ids, list_repositories
from health.insights.causes.known_lines import sketched_job, store

# An archive costs one request instead of one per log, but contains the logs of all jobs.
MIN_ARCHIVE_LOGS = 3
_MAX_OVERHEAD = 10

AttemptKey = tuple[int, int]
# Archives on disk at a time, and logs read from one of them at a time.
_ARCHIVES, _READERS = 2, 4
# More logs than any run has.
_NO_LIMIT = 100_000
# Logs of one batch; after it the other repositories get their turn, and pending logs are queried again.
BATCH_SIZE = 100
# The pause before logs of a repository are requested again that the token may not read.
_FORBIDDEN_RETRY = timedelta(hours=1)
# The share of the hourly limit that background work leaves for runs, jobs and requested logs.
_RESERVED_SHARE = 0.1


def archive_candidates(logs: Sequence[PendingLog]) -> list[AttemptKey]:
    """Attempts (run id, number) with enough pending logs, in the order of the logs. Logs that were tried before do not
    count: they were not in the archive, or there is no archive."""
    counts: dict[AttemptKey, int] = defaultdict(int)
    for log in logs:
        if log.attempt_completed and log.tries == 0:
            counts[log.run_id, log.attempt] += 1
    return [attempt for attempt, count in counts.items() if count >= MIN_ARCHIVE_LOGS]


def prefer_archive(missing_logs: int, finished: int) -> bool:
    """Whether an archive is worth its size: not for three logs out of a hundred."""
    return missing_logs >= MIN_ARCHIVE_LOGS and missing_logs * _MAX_OVERHEAD >= finished


@dataclass
class ArchiveBatch:
    """The pending logs of one attempt, and ids and names of all its jobs, to match the files of the archive."""

    run_id: int
    attempt: int
    logs: list[PendingLog]
    jobs: list[tuple[int, str]]
    archive: LogArchive | None = None

    def close(self) -> None:
        if self.archive is not None:
            self.archive.close()
            self.archive = None


class LogBatch:
    """Fetches and stores one batch of logs of a repository. `forbidden`: the token may not read these logs;
    `unauthorized`: it is rejected."""

    def __init__(self, context: CollectorContext, repository: RepositoryRow) -> None:
        self._engine, self._client = context.engine, context.client
        self._id, self._repo = repository.id, repository.repo
        self._clock, self._stop, self._progress = context.clock, context.stop, context.progress
        self._line_counts: dict[str, int] = {}
        # By the id of the job.
        self._comparisons: dict[int, Comparison] = {}
        self._rules = OwnRules(context.engine)
        self.stored = 0
        self.forbidden: Forbidden | None = None
        self.unauthorized: Unauthorized | None = None

    def fetch(self, logs: Sequence[PendingLog], collect: str) -> list[int]:
        """The ids of the jobs whose logs were tried. Logs that were fetched before an error are stored. Raises
        RateLimited."""
        batches = self._batches(logs, collect)
        in_archives = {log.job_id for batch in batches for log in batch.logs}
        tried = [*in_archives, *(log.job_id for log in logs)]
        self._prepare({log.job_id: log for log in (*logs, *(log for batch in batches for log in batch.logs))}.values())
        try:
            self._fetch_individually(log for log in logs if log.job_id not in in_archives)
            if batches and not self._is_stopped():
                self._fetch_individually(list(self._fetch_archives(batches)))
        finally:
            for batch in batches:
                batch.close()
            with log_context(repository=self._repo):
                for line, count in self._line_counts.items():
                    self._progress.log_line(line if count == 1 else f"{line} (and {count - 1} more)")
        return tried

    def _batches(self, logs: Sequence[PendingLog], collect: str) -> list[ArchiveBatch]:
        """Attempts to fetch as archives, with all of their pending logs, not only those of this batch."""
        batches = []
        for run_id, attempt in archive_candidates(logs):
            with session_scope(self._engine) as session:
                jobs = finished_jobs(session, self._id, run_id, attempt)
                more = pending_logs(
                    session, self._id, collect=collect, now=self._clock(), limit=_NO_LIMIT, run_id=run_id
                )
            pending = {log.job_id: log for log in (*logs, *more) if (log.run_id, log.attempt) == (run_id, attempt)}
            if prefer_archive(len(pending), sum(not job.copied for job in jobs)):
                names = [(job.id, job.name) for job in jobs]
                batches.append(ArchiveBatch(run_id, attempt, list(pending.values()), names))
        return batches

    def _fetch_archives(self, batches: Sequence[ArchiveBatch]) -> Iterator[PendingLog]:
        """Fetches and stores archives; yields the logs that must be fetched one by one."""
        for batch, result in fan_out(self._download, batches, stop=self._stop, workers=_ARCHIVES):
            if isinstance(result, Gone):
                self._store_all(fan_out(self._expired_log, batch.logs, stop=self._stop))
            elif isinstance(result, LogArchive):
                yield from self._unpack(batch, result)
            elif isinstance(result, RateLimited):
                raise result
            elif not self._note_denied(result):
                if result is not None and not isinstance(result, NotFound | DownloadStopped):
                    self._count_line(
                        f"log archive of run {batch.run_id} in {self._repo}: {result}; fetching its logs one by one"
                    )
                yield from batch.logs
            batch.close()
            if self._is_stopped():
                return

    def _prepare(self, logs: Iterable[PendingLog]) -> None:
        """Reads the sketches with which failed logs are compared, and selects the successful logs to sketch: one of
        each job a day."""
        dated = [(log, log.created_at) for log in logs if log.created_at is not None and (log.failed or log.succeeded)]
        if not dated:
            return
        sketches: dict[SketchedJob, list[bytes]] = {}
        with session_scope(self._engine) as session:
            days = sketched_days(session, self._id)
            sketched = {job for job, _ in days}
            for log, created_at in dated:
                job, day = sketched_job(self._id, log.workflow_id, log.name), created_at.date()
                if log.failed and job in sketched:
                    if job not in sketches:
                        sketches[job] = sketches_of(session, job)
                    self._comparisons[log.job_id] = Comparison(sketches[job])
                elif log.succeeded and (job, day) not in days:
                    days.add((job, day))
                    self._comparisons[log.job_id] = Comparison(is_sketched=True)

    def _comparison(self, log: PendingLog) -> Comparison:
        return self._comparisons.get(log.job_id, NO_COMPARISON)

    def _unpack(self, batch: ArchiveBatch, archive: LogArchive) -> Iterator[PendingLog]:
        matching = archive.matching(batch.jobs)

        def read(log: PendingLog) -> FetchedLog | InvalidArchive | None:
            return self._read(archive, matching, log)

        for log, result in fan_out(read, batch.logs, stop=self._stop, workers=_READERS):
            if isinstance(result, InvalidArchive):
                self._count_line(
                    f"log archive of run {batch.run_id} in {self._repo}: {result}; fetching that log on its own"
                )
            if result is None or isinstance(result, InvalidArchive):
                yield log
            else:
                self._store(log, result)

    def _read(
        self, archive: LogArchive, matching: ArchiveMatches, log: PendingLog
    ) -> FetchedLog | InvalidArchive | None:
        try:
            buffer = archive.log_for_job(matching, log.job_id, log.name)
        except InvalidArchive as error:
            return error
        return log_from_buffer(self._client, self._repo, log, buffer, self._comparison(log)) if buffer else None

    def _download(self, batch: ArchiveBatch) -> LogArchive | InvalidArchive:
        try:
            batch.archive = fetch_archive(self._client, self._repo, batch.run_id, batch.attempt, self._stop)
        except InvalidArchive as error:
            return error
        return batch.archive

    def _fetch_one(self, log: PendingLog) -> FetchedLog:
        return fetch_log(self._client, self._repo, log, self._stop, self._comparison(log))

    def _fetch_individually(self, log: Iterable[PendingLog]) -> None:
        if not self._is_stopped():
            self._store_all(fan_out(self._fetch_one, log, stop=self._stop))

    def _expired_log(self, log: PendingLog) -> FetchedLog:
        return log_without_text(self._client, self._repo, log, LogState.EXPIRED)

    def _store_all(self, results: Iterator[tuple[PendingLog, FetchedLog | GitHubError]]) -> None:
        for log, result in results:
            self._store(log, result)
            if self._is_stopped():
                return

    def _store(self, log: PendingLog, result: FetchedLog | GitHubError) -> None:
        now = self._clock()
        if isinstance(result, RateLimited):
            raise result
        if isinstance(result, DownloadStopped) or (isinstance(result, GitHubError) and self._note_denied(result)):
            return
        if not isinstance(result, GitHubError):
            result = self._rules.apply(self._repo, log, result)
        with write_scope(self._engine) as session:
            if isinstance(result, GitHubError):
                self._count_line(f"log in {self._repo}: {result}")
                record_failed_fetch(session, self._id, log.job_id, log.run_id, now, max_attempts=MAX_TEMPORARY_FAILURES)
            elif (record := result.record).state == LogState.MISSING:
                record_failed_fetch(session, self._id, log.job_id, log.run_id, now, record=record)
            else:
                store_log(session, self._id, record, now, content=result.content)
                if result.sketch is not None and log.created_at is not None:
                    sample = SuccessfulJob(log.job_id, log.run_id, log.created_at)
                    store(session, sketched_job(self._id, log.workflow_id, log.name), sample, result.sketch)
                self.stored += record.state == LogState.STORED
        self._progress.advance()

    def _note_denied(self, result: object) -> bool:
        """Records an error of permissions; returns whether no more requests should be sent."""
        if isinstance(result, Forbidden):
            self.forbidden = result
        elif isinstance(result, Unauthorized):
            self.unauthorized = result
        return self._is_stopped()

    def _is_stopped(self) -> bool:
        return self.forbidden is not None or self.unauthorized is not None or self._stop.is_set()

    def _count_line(self, line: str) -> None:
        self._line_counts[line] = self._line_counts.get(line, 0) + 1


class LogCollector:
    """`collect`: `failed`, `all` or `none`, as COLLECT_LOGS. `has_backlog`: whether logs may be pending that `run`
    fetches."""

    def __init__(self, context: CollectorContext, *, collect: str) -> None:
        self._context, self._collect = context, collect
        self._engine, self._client, self._clock = context.engine, context.client, context.clock
        self._stop, self._progress = context.stop, context.progress
        # When to retry repositories whose logs the token may not read, by id; they are logged once.
        self._retry_forbidden_at: dict[int, datetime] = {}
        # Until the first pass is complete, any log may be pending.
        self.has_backlog = True

    def run(self, repository_ids: Collection[int] | None = None, *, until: datetime | None = None) -> int:
        """Collects all pending logs of these repositories (null: of all); returns the number of stored logs. With
        `until` it is background work, which starts nothing after that time or when little is left of the hourly limit.
        Raises RateLimited."""
        with session_scope(self._engine) as session:
            repositories = [
                row for row in list_repositories(session) if repository_ids is None or row.id in repository_ids
            ]
        self.has_backlog = True
        stored = self._run_batches(repositories, self._collect, until)
        self.has_backlog = self._stop.is_set() or (until is not None and (self._clock() >= until or self._quota_low()))
        return stored

    def run_requested(self, repository_ids: Collection[int] | None = None, *, is_leader: bool = True) -> int:
        """Collects requested logs only. The leader also collects those of repositories that no collector has
        claimed."""
        with session_scope(self._engine) as session:
            requested = set(repositories_with_requested_logs(session))
            if repository_ids is not None:
                unclaimed = requested - claimed_repository_ids(session) if is_leader and requested else set()
                requested &= set(repository_ids) | unclaimed
            repositories = [row for row in list_repositories(session) if row.id in requested] if requested else []
        return self._run_batches(repositories, "none", None)

    def is_enabled_for(self, row: RepositoryRow) -> bool:
        """Whether logs of failed jobs of this repository are collected without a request."""
        retry_at = self._retry_forbidden_at.get(row.id)
        return self._collect != "none" and (retry_at is None or self._clock() >= retry_at)

    def fetch_failure_log(self, row: RepositoryRow, run_id: int, attempt: int) -> bool:
        """Fetches the log of the job that failed this attempt; returns whether there is one to fetch. Raises
        RateLimited."""
        with session_scope(self._engine) as session:
            listed = pending_logs(session, row.id, collect="failed", now=self._clock(), limit=BATCH_SIZE, run_id=run_id)
            allowed = jobs_allowed_to_fail(session, run_id)
        logs = [log for log in listed if log.attempt == attempt and log.failed]
        logs.sort(key=lambda log: log.name in allowed)
        if not logs:
            return False
        batch = LogBatch(self._context, row)
        try:
            batch.fetch(logs[:1], "none")
        finally:
            self._record_result(row, batch)
        return True

    def _run_batches(self, repositories: Iterable[RepositoryRow], collect: str, until: datetime | None) -> int:
        """One batch of each repository in turn, so that a long backlog of one does not delay the others."""
        tried: dict[int, set[int]] = defaultdict(set)
        now = self._clock()
        queue = deque(row for row in repositories if now >= self._retry_forbidden_at.get(row.id, now))
        stored = 0
        while queue and not self._stop.is_set():
            if until is not None and (self._clock() >= until or self._quota_low()):
                break
            row = queue.popleft()
            logs = [log for log in self._pending_logs(row.id, collect) if log.job_id not in tried[row.id]]
            if not logs:
                continue
            if collect != "none":
                self._progress.begin(f"Reading logs of {row.repo}", len(logs))
            batch = LogBatch(self._context, row)
            try:
                tried[row.id].update(batch.fetch(logs, collect))
            finally:
                stored += self._record_result(row, batch)
            if batch.unauthorized is not None:
                self._progress.log_line(f"logs: {batch.unauthorized}")
                break
            if batch.forbidden is None:
                queue.append(row)
        return stored

    def _record_result(self, row: RepositoryRow, batch: LogBatch) -> int:
        if batch.stored:
            self._progress.mark_data_changed()
        if batch.forbidden is None:
            if batch.stored:
                self._retry_forbidden_at.pop(row.id, None)
            return batch.stored
        if row.id not in self._retry_forbidden_at:
            self._progress.log_line(
                f"logs of {row.repo}: {batch.forbidden}; the token needs permission to read Actions. They "
                "are requested again every hour."
            )
        self._retry_forbidden_at[row.id] = self._clock() + _FORBIDDEN_RETRY
        return batch.stored

    def _pending_logs(self, repository_id: int, collect: str) -> list[PendingLog]:
        with session_scope(self._engine) as session:
            return pending_logs(session, repository_id, collect=collect, now=self._clock(), limit=BATCH_SIZE)

    def _quota_low(self) -> bool:
        state = self._client.rate.state
        if not state.limit or state.remaining is None or (state.reset_at and state.reset_at <= self._clock()):
            return False
        return state.remaining < state.limit * _RESERVED_SHARE
