"""One round of one repository's logs: fetched together where that is cheaper, stored one by one."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from collector.github.client import Client
from collector.github.errors import Forbidden, GitHubError, Gone, NotFound, RateLimited, Unauthorized
from collector.github.fanout import fan_out
from collector.logs.fetch import Fetched, Stopped, fetch_archive, fetch_log, with_log, without_log
from collector.logs.names import Matching
from collector.logs.plan import candidates, worth_an_archive
from collector.logs.unpack import Archive, BadArchive
from collector.progress import Progress
from db.engine import session_scope, write_scope
from db.queries.repositories import RepositoryRow
from db.queries.wanted_logs import WantedLog, finished_jobs, wanted_logs
from db.store.logs import PATIENCE, note_failed_try, store_log
from db.telemetry.context import bound
from db.vocabulary import LogState

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
