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

from collector.github.client import Client
from collector.github.errors import Forbidden, GitHubError, Gone, NotFound, RateLimited, Unauthorized
from collector.github.pagination import fan_out
from collector.logs.archive import Archive, BadArchive, Matching
from collector.logs.fetch import Fetched, Stopped, fetch_archive, fetch_log, with_log, without_log
from collector.progress import Progress
from core.logging import bound
from db.engine import session_scope, write_scope
from db.enums import LogState
from db.jobs.decisive_failures import allowed_to_fail
from db.logs.log_writes import PATIENCE, note_failed_try, store_log
from db.logs.pending_logs import WantedLog, finished_jobs, repositories_with_requested_logs, wanted_logs
from db.repositories.repository_queries import RepositoryRow, claimed_by_anyone, list_repositories

# An archive costs one request instead of one a log, but holds the logs of all jobs.
ARCHIVE_FROM = 3
_WORTH = 10

Attempt = tuple[int, int]


def candidates(wanted: Sequence[WantedLog]) -> list[Attempt]:
    """Attempts (run, number), in the order given, of which enough logs are wanted for the first time. A log that was
    tried before was not in the archive, or there is none."""
    counted: dict[Attempt, int] = defaultdict(int)
    for each in wanted:
        if each.attempt_over and each.tries == 0:
            counted[each.run_id, each.attempt] += 1
    return [attempt for attempt, count in counted.items() if count >= ARCHIVE_FROM]


def worth_an_archive(wanted: int, finished: int) -> bool:
    """Not for three logs out of a hundred: the others would be downloaded for nothing."""
    return wanted >= ARCHIVE_FROM and wanted * _WORTH >= finished


# Archives on disk at a time, and logs read from one of them at a time.
_ARCHIVES, _READERS = 2, 4
# More logs than any run has.
_ALL = 100_000


@dataclass
class Batch:
    """The wanted logs of one attempt, and all its jobs, by which files are told apart."""

    run_id: int
    attempt: int
    wanted: list[WantedLog]
    jobs: list[tuple[int, str]]
    archive: Archive | None = None

    def close(self) -> None:
        if self.archive is not None:
            self.archive.close()
            self.archive = None


class Round:
    """`refused`: the token may not read these logs. `ended`: or any."""

    def __init__(
        self,
        engine: Engine,
        client: Client,
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
        self.refused: Forbidden | None = None
        self.ended: Unauthorized | None = None

    def fetch(self, wanted: Sequence[WantedLog], collect: str) -> list[int]:
        """Job ids that were tried. Raises RateLimited; what was fetched before that is stored."""
        batches = self._batches(wanted, collect)
        together = {each.job_id for batch in batches for each in batch.wanted}
        tried = [*together, *(each.job_id for each in wanted)]
        try:
            self._singly(each for each in wanted if each.job_id not in together)
            if batches and not self._over():
                self._singly(list(self._together(batches)))
        finally:
            for batch in batches:
                batch.close()
            with bound(repository=self._repo):
                for line, count in self._said.items():
                    self._progress.say(line if count == 1 else f"{line} (and {count - 1} more)")
        return tried

    def _batches(self, wanted: Sequence[WantedLog], collect: str) -> list[Batch]:
        """Of an attempt that gets an archive, all wanted logs are taken out, not only those of this round."""
        found = []
        for run_id, attempt in candidates(wanted):
            with session_scope(self._engine) as session:
                jobs = finished_jobs(session, self._id, run_id, attempt)
                more = wanted_logs(session, self._id, collect=collect, now=self._clock(), limit=_ALL, run_id=run_id)
            ours = {each.job_id: each for each in (*wanted, *more) if (each.run_id, each.attempt) == (run_id, attempt)}
            if worth_an_archive(len(ours), sum(not job.copied for job in jobs)):
                found.append(Batch(run_id, attempt, list(ours.values()), [(job.id, job.name) for job in jobs]))
        return found

    def _together(self, batches: Sequence[Batch]) -> Iterator[WantedLog]:
        """What has to be fetched one by one after all."""
        for batch, result in fan_out(self._download, batches, stop=self._stop, workers=_ARCHIVES):
            if isinstance(result, Gone):
                self._store_all(fan_out(self._expired, batch.wanted, stop=self._stop))
            elif isinstance(result, Archive):
                yield from self._unpack(batch, result)
            elif isinstance(result, RateLimited):
                raise result
            elif not self._is_final(result):
                if result is not None and not isinstance(result, NotFound | Stopped):
                    self._say(f"log archive of run {batch.run_id} in {self._repo}: {result}; its logs one by one")
                yield from batch.wanted
            batch.close()
            if self._over():
                return

    def _unpack(self, batch: Batch, archive: Archive) -> Iterator[WantedLog]:
        matching = archive.matching(batch.jobs)

        def read(wanted: WantedLog) -> Fetched | BadArchive | None:
            return self._read(archive, matching, wanted)

        for wanted, result in fan_out(read, batch.wanted, stop=self._stop, workers=_READERS):
            if isinstance(result, BadArchive):
                self._say(f"log archive of run {batch.run_id} in {self._repo}: {result}; that log on its own")
            if result is None or isinstance(result, BadArchive):
                yield wanted
            else:
                self._store(wanted, result)

    def _read(self, archive: Archive, matching: Matching, wanted: WantedLog) -> Fetched | BadArchive | None:
        try:
            buffer = archive.log_of(matching, wanted.job_id, wanted.name)
        except BadArchive as error:
            return error
        return with_log(self._client, self._repo, wanted, buffer) if buffer else None

    def _download(self, batch: Batch) -> Archive | BadArchive:
        try:
            batch.archive = fetch_archive(self._client, self._repo, batch.run_id, batch.attempt, self._stop)
        except BadArchive as error:
            return error
        return batch.archive

    def _single(self, wanted: WantedLog) -> Fetched:
        return fetch_log(self._client, self._repo, wanted, self._stop)

    def _singly(self, wanted: Iterable[WantedLog]) -> None:
        if not self._over():
            self._store_all(fan_out(self._single, wanted, stop=self._stop))

    def _expired(self, wanted: WantedLog) -> Fetched:
        return without_log(self._client, self._repo, wanted, LogState.EXPIRED)

    def _store_all(self, results: Iterator[tuple[WantedLog, Fetched | GitHubError]]) -> None:
        for wanted, result in results:
            self._store(wanted, result)
            if self._over():
                return

    def _store(self, wanted: WantedLog, result: Fetched | GitHubError) -> None:
        now = self._clock()
        if isinstance(result, RateLimited):
            raise result
        if isinstance(result, Stopped) or (isinstance(result, GitHubError) and self._is_final(result)):
            return
        with write_scope(self._engine) as session:
            if isinstance(result, GitHubError):
                self._say(f"log in {self._repo}: {result}")
                note_failed_try(session, self._id, wanted.job_id, wanted.run_id, now, patience=PATIENCE)
            elif (record := result.record).state == LogState.MISSING:
                note_failed_try(
                    session, self._id, wanted.job_id, wanted.run_id, now,
                    error_line=record.error_line, fingerprint=record.fingerprint,
                )  # fmt: skip
            else:
                store_log(session, self._id, record, now, content=result.content)
                self.stored += record.state == LogState.STORED
        self._progress.advance()

    def _is_final(self, result: object) -> bool:
        """Nothing here is worth another request, and no log's fault."""
        if isinstance(result, Forbidden):
            self.refused = result
        elif isinstance(result, Unauthorized):
            self.ended = result
        return self._over()

    def _over(self) -> bool:
        return self.refused is not None or self.ended is not None or self._stop.is_set()

    def _say(self, line: str) -> None:
        self._said[line] = self._said.get(line, 0) + 1


# Logs between two looks at what is most urgent, and at the other repositories.
ROUND = 100
# A repository whose logs the token may not read is asked again after this long.
_REFUSED_FOR = timedelta(hours=1)
# Background work leaves this part of GitHub's limit to runs and jobs, and to logs that somebody waits for.
_RESERVED = 0.1


class LogCollector:
    def __init__(
        self,
        engine: Engine,
        client: Client,
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

    def run(self, among: Collection[int] | None = None, *, until: datetime | None = None) -> int:
        """All that is wanted of these repositories, without `among` of all; returns how many logs were stored. Raises
        RateLimited when GitHub says wait. With `until` it is background work: nothing new is begun after that moment,
        or when little is left of GitHub's limit."""
        with session_scope(self._engine) as session:
            repositories = [row for row in list_repositories(session) if among is None or row.id in among]
        return self._rounds(repositories, self._collect, until)

    def run_requested(self, among: Collection[int] | None = None, *, leads: bool = True) -> int:
        """Only what somebody is waiting for. Who leads takes what no collector looks after as well: nobody waits for
        nothing."""
        with session_scope(self._engine) as session:
            waiting = set(repositories_with_requested_logs(session))
            if among is not None:
                waiting &= set(among) | (waiting - claimed_by_anyone(session) if leads and waiting else set())
            repositories = [row for row in list_repositories(session) if row.id in waiting] if waiting else []
        return self._rounds(repositories, "none", None)

    def collects(self, row: RepositoryRow) -> bool:
        """Does it fetch logs of this repository's failed jobs without being asked?"""
        refused_until = self._refused.get(row.id)
        return self._collect != "none" and (refused_until is None or self._clock() >= refused_until)

    def fetch_cause(self, row: RepositoryRow, run_id: int, attempt: int) -> bool:
        """The log of the job that decided this attempt, at once; false where no failed job with a log to fetch is
        known. Raises RateLimited."""
        with session_scope(self._engine) as session:
            listed = wanted_logs(session, row.id, collect="failed", now=self._clock(), limit=ROUND, run_id=run_id)
            allowed = allowed_to_fail(session, run_id)
        wanted = [each for each in listed if each.attempt == attempt and each.failed]
        wanted.sort(key=lambda each: each.name in allowed)
        if not wanted:
            return False
        done = Round(self._engine, self._client, row, clock=self._clock, stop=self._stop, progress=self._progress)
        try:
            done.fetch(wanted[:1], "none")
        finally:
            self._settle(row, done)
        return True

    def _rounds(self, repositories: Iterable[RepositoryRow], collect: str, until: datetime | None) -> int:
        """A round of each repository in turn, so that a long backlog of one does not keep the others waiting."""
        tried: dict[int, set[int]] = defaultdict(set)
        now = self._clock()
        waiting = deque(row for row in repositories if now >= self._refused.get(row.id, now))
        stored = 0
        while waiting and not self._stop.is_set():
            if until is not None and (self._clock() >= until or self._little_left()):
                break
            row = waiting.popleft()
            wanted = [each for each in self._wanted(row.id, collect) if each.job_id not in tried[row.id]]
            if not wanted:
                continue
            if collect != "none":
                self._progress.begin(f"Reading logs of {row.repo}", len(wanted))
            done = Round(self._engine, self._client, row, clock=self._clock, stop=self._stop, progress=self._progress)
            try:
                tried[row.id].update(done.fetch(wanted, collect))
            finally:
                stored += self._settle(row, done)
            if done.ended is not None:
                self._progress.say(f"logs: {done.ended}")
                break
            if done.refused is None:
                waiting.append(row)
        return stored

    def _settle(self, row: RepositoryRow, done: Round) -> int:
        if done.stored:
            self._progress.changed()
        if done.refused is None:
            if done.stored:
                self._refused.pop(row.id, None)
            return done.stored
        if row.id not in self._refused:
            self._progress.say(
                f"logs of {row.repo}: {done.refused}; the token needs the right to read Actions. What is missing is "
                "asked for again every hour."
            )
        self._refused[row.id] = self._clock() + _REFUSED_FOR
        return done.stored

    def _wanted(self, repository_id: int, collect: str) -> list[WantedLog]:
        with session_scope(self._engine) as session:
            return wanted_logs(session, repository_id, collect=collect, now=self._clock(), limit=ROUND)

    def _little_left(self) -> bool:
        state = self._client.rate.state
        if not state.limit or state.remaining is None or (state.reset_at and state.reset_at <= self._clock()):
            return False
        return state.remaining < state.limit * _RESERVED
