"""Which logs are fetched together, as the archive of a run's attempt, and which one by one. Pure.

One round of one repository's logs: fetched together where that is cheaper, stored one by one.

Fetching and storing the logs that are wanted: those that somebody asked for, then those of failed jobs.
"""

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from collector.github.client import GitHubClient
from collector.github.errors import Forbidden, GitHubError, Gone, NotFound, RateLimited, Unauthorized
from collector.github.pagination import fan_out
from collector.logs.archive import ArchiveMatches, InvalidArchive, LogArchive
from collector.logs.fetch import (
    DownloadStopped,
    FetchedLog,
    fetch_archive,
    fetch_log,
    log_from_buffer,
    log_without_text,
)
from collector.progress import Progress
from core.logging import log_context
from db.engine import session_scope, write_scope
from db.enums import LogState
from db.jobs.decisive_failures import jobs_allowed_to_fail
from db.logs.log_writes import MAX_TEMPORARY_FAILURES, record_failed_fetch, store_log
from db.logs.pending_logs import PendingLog, finished_jobs, pending_logs, repositories_with_requested_logs
from db.repositories.repository_queries import RepositoryRow, claimed_repository_ids, list_repositories

# An archive costs one request instead of one a log, but holds the logs of all jobs.
MIN_ARCHIVE_LOGS = 3
_MAX_OVERHEAD = 10

AttemptKey = tuple[int, int]


def archive_candidates(logs: Sequence[PendingLog]) -> list[AttemptKey]:
    """Attempts (run, number), in the order given, of which enough logs are wanted for the first time. A log that was
    tried before was not in the archive, or there is none."""
    counted: dict[AttemptKey, int] = defaultdict(int)
    for each in logs:
        if each.attempt_completed and each.tries == 0:
            counted[each.run_id, each.attempt] += 1
    return [attempt for attempt, count in counted.items() if count >= MIN_ARCHIVE_LOGS]


def prefer_archive(missing_logs: int, finished: int) -> bool:
    """Not for three logs out of a hundred: the others would be downloaded for nothing."""
    return missing_logs >= MIN_ARCHIVE_LOGS and missing_logs * _MAX_OVERHEAD >= finished


# Archives on disk at a time, and logs read from one of them at a time.
_ARCHIVES, _READERS = 2, 4
# More logs than any run has.
_NO_LIMIT = 100_000


@dataclass
class ArchiveBatch:
    """The wanted logs of one attempt, and all its jobs, by which files are told apart."""

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
    """`refused`: the token may not read these logs. `ended`: or any."""

    def __init__(
        self,
        engine: Engine,
        client: GitHubClient,
        repository: RepositoryRow,
        *,
        clock: Callable[[], datetime],
        stop: threading.Event,
        progress: Progress,
    ) -> None:
        self._engine, self._client = engine, client
        self._id, self._repo = repository.id, repository.repo
        self._clock, self._stop, self._progress = clock, stop, progress
        self._said: dict[str, int] = {}
        self.stored = 0
        self.forbidden: Forbidden | None = None
        self.unauthorized: Unauthorized | None = None

    def fetch(self, logs: Sequence[PendingLog], collect: str) -> list[int]:
        """Job ids that were tried. Raises RateLimited; what was fetched before that is stored."""
        batches = self._batches(logs, collect)
        together = {each.job_id for batch in batches for each in batch.logs}
        tried = [*together, *(each.job_id for each in logs)]
        try:
            self._fetch_each(each for each in logs if each.job_id not in together)
            if batches and not self._is_stopped():
                self._fetch_each(list(self._fetch_archives(batches)))
        finally:
            for batch in batches:
                batch.close()
            with log_context(repository=self._repo):
                for line, count in self._said.items():
                    self._progress.log_line(line if count == 1 else f"{line} (and {count - 1} more)")
        return tried

    def _batches(self, wanted: Sequence[PendingLog], collect: str) -> list[ArchiveBatch]:
        """Of an attempt that gets an archive, all wanted logs are taken out, not only those of this round."""
        found = []
        for run_id, attempt in archive_candidates(wanted):
            with session_scope(self._engine) as session:
                jobs = finished_jobs(session, self._id, run_id, attempt)
                more = pending_logs(
                    session, self._id, collect=collect, now=self._clock(), limit=_NO_LIMIT, run_id=run_id
                )
            ours = {each.job_id: each for each in (*wanted, *more) if (each.run_id, each.attempt) == (run_id, attempt)}
            if prefer_archive(len(ours), sum(not job.copied for job in jobs)):
                found.append(ArchiveBatch(run_id, attempt, list(ours.values()), [(job.id, job.name) for job in jobs]))
        return found

    def _fetch_archives(self, batches: Sequence[ArchiveBatch]) -> Iterator[PendingLog]:
        """What has to be fetched one by one after all."""
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
                        f"log archive of run {batch.run_id} in {self._repo}: {result}; its logs one by one"
                    )
                yield from batch.logs
            batch.close()
            if self._is_stopped():
                return

    def _unpack(self, batch: ArchiveBatch, archive: LogArchive) -> Iterator[PendingLog]:
        matching = archive.matching(batch.jobs)

        def read(wanted: PendingLog) -> FetchedLog | InvalidArchive | None:
            return self._read(archive, matching, wanted)

        for wanted, result in fan_out(read, batch.logs, stop=self._stop, workers=_READERS):
            if isinstance(result, InvalidArchive):
                self._count_line(f"log archive of run {batch.run_id} in {self._repo}: {result}; that log on its own")
            if result is None or isinstance(result, InvalidArchive):
                yield wanted
            else:
                self._store(wanted, result)

    def _read(
        self, archive: LogArchive, matching: ArchiveMatches, wanted: PendingLog
    ) -> FetchedLog | InvalidArchive | None:
        try:
            buffer = archive.log_for_job(matching, wanted.job_id, wanted.name)
        except InvalidArchive as error:
            return error
        return log_from_buffer(self._client, self._repo, wanted, buffer) if buffer else None

    def _download(self, batch: ArchiveBatch) -> LogArchive | InvalidArchive:
        try:
            batch.archive = fetch_archive(self._client, self._repo, batch.run_id, batch.attempt, self._stop)
        except InvalidArchive as error:
            return error
        return batch.archive

    def _fetch_one(self, wanted: PendingLog) -> FetchedLog:
        return fetch_log(self._client, self._repo, wanted, self._stop)

    def _fetch_each(self, wanted: Iterable[PendingLog]) -> None:
        if not self._is_stopped():
            self._store_all(fan_out(self._fetch_one, wanted, stop=self._stop))

    def _expired_log(self, wanted: PendingLog) -> FetchedLog:
        return log_without_text(self._client, self._repo, wanted, LogState.EXPIRED)

    def _store_all(self, results: Iterator[tuple[PendingLog, FetchedLog | GitHubError]]) -> None:
        for wanted, result in results:
            self._store(wanted, result)
            if self._is_stopped():
                return

    def _store(self, wanted: PendingLog, result: FetchedLog | GitHubError) -> None:
        now = self._clock()
        if isinstance(result, RateLimited):
            raise result
        if isinstance(result, DownloadStopped) or (isinstance(result, GitHubError) and self._note_denied(result)):
            return
        with write_scope(self._engine) as session:
            if isinstance(result, GitHubError):
                self._count_line(f"log in {self._repo}: {result}")
                record_failed_fetch(
                    session, self._id, wanted.job_id, wanted.run_id, now, max_attempts=MAX_TEMPORARY_FAILURES
                )
            elif (record := result.record).state == LogState.MISSING:
                record_failed_fetch(
                    session, self._id, wanted.job_id, wanted.run_id, now,
                    error_line=record.error_line, fingerprint=record.fingerprint,
                )  # fmt: skip
            else:
                store_log(session, self._id, record, now, content=result.content)
                self.stored += record.state == LogState.STORED
        self._progress.advance()

    def _note_denied(self, result: object) -> bool:
        """Nothing here is worth another request, and no log's fault."""
        if isinstance(result, Forbidden):
            self.forbidden = result
        elif isinstance(result, Unauthorized):
            self.unauthorized = result
        return self._is_stopped()

    def _is_stopped(self) -> bool:
        return self.forbidden is not None or self.unauthorized is not None or self._stop.is_set()

    def _count_line(self, line: str) -> None:
        self._said[line] = self._said.get(line, 0) + 1


# Logs between two looks at what is most urgent, and at the other repositories.
BATCH_SIZE = 100
# A repository whose logs the token may not read is asked again after this long.
_FORBIDDEN_RETRY = timedelta(hours=1)
# Background work leaves this part of GitHub's limit to runs and jobs, and to logs that somebody waits for.
_RESERVED_SHARE = 0.1


class LogCollector:
    def __init__(
        self,
        engine: Engine,
        client: GitHubClient,
        *,
        collect: str,
        clock: Callable[[], datetime],
        stop: threading.Event,
        progress: Progress,
    ) -> None:
        self._engine, self._client, self._collect = engine, client, collect
        self._clock, self._stop, self._progress = clock, stop, progress
        # Repositories whose logs the token may not read: not asked again before this time, and spoken of once.
        self._refused: dict[int, datetime] = {}

    def run(self, repository_ids: Collection[int] | None = None, *, until: datetime | None = None) -> int:
        """All that is wanted of these repositories, without `among` of all; returns how many logs were stored. Raises
        RateLimited when GitHub says wait. With `until` it is background work: nothing new is begun after that moment,
        or when little is left of GitHub's limit."""
        with session_scope(self._engine) as session:
            repositories = [
                row for row in list_repositories(session) if repository_ids is None or row.id in repository_ids
            ]
        return self._run_batches(repositories, self._collect, until)

    def run_requested(self, repository_ids: Collection[int] | None = None, *, is_leader: bool = True) -> int:
        """Only what somebody is waiting for. Who leads takes what no collector looks after as well: nobody waits for
        nothing."""
        with session_scope(self._engine) as session:
            waiting = set(repositories_with_requested_logs(session))
            if repository_ids is not None:
                waiting &= set(repository_ids) | (
                    waiting - claimed_repository_ids(session) if is_leader and waiting else set()
                )
            repositories = [row for row in list_repositories(session) if row.id in waiting] if waiting else []
        return self._run_batches(repositories, "none", None)

    def is_enabled_for(self, row: RepositoryRow) -> bool:
        """Does it fetch logs of this repository's failed jobs without being asked?"""
        refused_until = self._refused.get(row.id)
        return self._collect != "none" and (refused_until is None or self._clock() >= refused_until)

    def fetch_failure_log(self, row: RepositoryRow, run_id: int, attempt: int) -> bool:
        """The log of the job that decided this attempt, at once; false where no failed job with a log to fetch is
        known. Raises RateLimited."""
        with session_scope(self._engine) as session:
            listed = pending_logs(session, row.id, collect="failed", now=self._clock(), limit=BATCH_SIZE, run_id=run_id)
            allowed = jobs_allowed_to_fail(session, run_id)
        wanted = [each for each in listed if each.attempt == attempt and each.failed]
        wanted.sort(key=lambda each: each.name in allowed)
        if not wanted:
            return False
        done = LogBatch(self._engine, self._client, row, clock=self._clock, stop=self._stop, progress=self._progress)
        try:
            done.fetch(wanted[:1], "none")
        finally:
            self._record_result(row, done)
        return True

    def _run_batches(self, repositories: Iterable[RepositoryRow], collect: str, until: datetime | None) -> int:
        """A round of each repository in turn, so that a long backlog of one does not keep the others waiting."""
        tried: dict[int, set[int]] = defaultdict(set)
        now = self._clock()
        waiting = deque(row for row in repositories if now >= self._refused.get(row.id, now))
        stored = 0
        while waiting and not self._stop.is_set():
            if until is not None and (self._clock() >= until or self._quota_low()):
                break
            row = waiting.popleft()
            wanted = [each for each in self._pending_logs(row.id, collect) if each.job_id not in tried[row.id]]
            if not wanted:
                continue
            if collect != "none":
                self._progress.begin(f"Reading logs of {row.repo}", len(wanted))
            done = LogBatch(
                self._engine, self._client, row, clock=self._clock, stop=self._stop, progress=self._progress
            )
            try:
                tried[row.id].update(done.fetch(wanted, collect))
            finally:
                stored += self._record_result(row, done)
            if done.unauthorized is not None:
                self._progress.log_line(f"logs: {done.unauthorized}")
                break
            if done.forbidden is None:
                waiting.append(row)
        return stored

    def _record_result(self, row: RepositoryRow, done: LogBatch) -> int:
        if done.stored:
            self._progress.mark_data_changed()
        if done.forbidden is None:
            if done.stored:
                self._refused.pop(row.id, None)
            return done.stored
        if row.id not in self._refused:
            self._progress.log_line(
                f"logs of {row.repo}: {done.forbidden}; the token needs the right to read Actions. What is missing is "
                "asked for again every hour."
            )
        self._refused[row.id] = self._clock() + _FORBIDDEN_RETRY
        return done.stored

    def _pending_logs(self, repository_id: int, collect: str) -> list[PendingLog]:
        with session_scope(self._engine) as session:
            return pending_logs(session, repository_id, collect=collect, now=self._clock(), limit=BATCH_SIZE)

    def _quota_low(self) -> bool:
        state = self._client.rate.state
        if not state.limit or state.remaining is None or (state.reset_at and state.reset_at <= self._clock()):
            return False
        return state.remaining < state.limit * _RESERVED_SHARE
