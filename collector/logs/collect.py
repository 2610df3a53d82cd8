"""Fetching and storing the logs that are wanted: those that somebody asked for, then those of failed jobs."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Engine

from collector.github.client import Client
from collector.github.errors import GitHubError, RateLimited
from collector.github.fanout import fan_out
from collector.logs.fetch import fetch_log
from collector.progress import Progress
from db.engine import session_scope, write_scope
from db.queries.repositories import list_repositories
from db.queries.wanted_logs import WantedLog, repositories_with_requested_logs, wanted_logs
from db.store.logs import note_failed_try, store_log
from db.store.records import LogRecord
from db.vocabulary import LogState

_ROUND = 200
# Logs expire after 90 days: older ones are asked for only when somebody wants to read them.
_YOUNG = timedelta(days=90)


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

    def run(self) -> int:
        """All that is wanted; returns how many logs were stored. Raises RateLimited when GitHub says wait."""
        with session_scope(self._engine) as session:
            repositories = list_repositories(session)
        return sum(self._repository(row.id, row.repo, self._collect) for row in repositories)

    def run_requested(self) -> int:
        """Only what somebody is waiting for."""
        with session_scope(self._engine) as session:
            waiting = set(repositories_with_requested_logs(session))
            repositories = [row for row in list_repositories(session) if row.id in waiting]
        return sum(self._repository(row.id, row.repo, "none") for row in repositories)

    def _repository(self, repository_id: int, repo: str, collect: str) -> int:
        tried: set[int] = set()
        stored = 0
        while not self._stop.is_set():
            wanted = [each for each in self._wanted(repository_id, collect, len(tried)) if each.job_id not in tried]
            if not wanted:
                break
            if collect != "none":
                self._progress.begin(f"Reading logs of {repo}", len(wanted))
            tried.update(each.job_id for each in wanted)
            stored += self._fetch(repository_id, repo, wanted)
        if stored:
            self._progress.changed()
        return stored

    def _wanted(self, repository_id: int, collect: str, tried: int) -> list[WantedLog]:
        now = self._clock()
        with session_scope(self._engine) as session:
            listed = wanted_logs(
                session, repository_id, collect=collect, created_after=now - _YOUNG, now=now, limit=_ROUND + tried
            )
        return [each for each in listed if each.job_completed]

    def _fetch(self, repository_id: int, repo: str, wanted: list[WantedLog]) -> int:
        stored = 0
        for item, result in fan_out(lambda each: fetch_log(self._client, repo, each), wanted, stop=self._stop):
            if isinstance(result, RateLimited):
                raise result
            if isinstance(result, GitHubError):
                self._progress.say(f"log of job {item.job_id} in {repo}: {result}")
            stored += self._store(repository_id, item, result)
            self._progress.advance()
        return stored

    def _store(self, repository_id: int, wanted: WantedLog, result: LogRecord | GitHubError | None) -> bool:
        now = self._clock()
        with write_scope(self._engine) as session:
            if isinstance(result, LogRecord):
                store_log(session, repository_id, result, now)
                return result.state == LogState.STORED
            note_failed_try(session, repository_id, wanted.job_id, wanted.run_id, now)
            return False
