"""Fetching and storing the logs that are wanted: those that somebody asked for, then those of failed jobs."""

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta

from sqlalchemy import Engine

from collector.github.client import Client
from collector.logs.round import Round
from collector.progress import Progress
from db.engine import session_scope
from db.queries.deciding import allowed_to_fail
from db.queries.repositories import RepositoryRow, claimed_by_anyone, list_repositories
from db.queries.wanted_logs import WantedLog, repositories_with_requested_logs, wanted_logs

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
