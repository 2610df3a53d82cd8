"""Why a run failed, fetched before its alert is told, so that the message can say it."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Engine

from collector.alerts.evaluate import Unexplained
from collector.github.client import Client
from collector.github.errors import GitHubError
from collector.guard import guarded
from collector.logs.collect import LogCollector
from collector.sync.details import fetch_details
from db.engine import session_scope, write_scope
from db.queries.repositories import RepositoryRow, list_repositories
from db.queries.sync import wanted_details
from db.store.jobs import store_details
from db.store.repositories import get_repository

log = logging.getLogger(__name__)
# People wait for a message no longer than this for the sake of its cause.
PATIENCE_SECONDS = 1.0
# Of more alerts at once, the others are told without.
_MOST = 8


class Causes:
    """The usual way, by fill and logs, takes seconds and serves older runs as well."""

    def __init__(
        self,
        engine: Engine,
        client: Client,
        logs: LogCollector,
        clock: Callable[[], datetime],
        *,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._engine, self._client, self._logs, self._clock = engine, client, logs, clock
        self._patience = patience_seconds

    def fetch(self, runs: Sequence[Unexplained]) -> None:
        """Returns when the first failed job of each has its log stored, or has none, and at the latest when the
        patience is over; what comes later is stored all the same."""
        with session_scope(self._engine) as session:
            rows = {row.id: row for row in list_repositories(session)}
        ends = time.monotonic() + self._patience
        known = [(rows[run.repository_id], run) for run in runs if run.repository_id in rows][:_MOST]
        threads = [threading.Thread(target=self._guarded(row, run), daemon=True) for row, run in known]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(ends - time.monotonic(), 0))

    def _guarded(self, row: RepositoryRow, run: Unexplained) -> Callable[[], None]:
        def work() -> None:
            try:
                self._explain(row, run)
            except GitHubError as error:
                fields = {"repository": row.repo, "run_id": run.run_id}
                log.info("the cause of run %d in %s is not known yet: %s", run.run_id, row.repo, error, extra=fields)

        return guarded(work, self._engine, "causes")

    def _explain(self, row: RepositoryRow, run: Unexplained) -> None:
        """Where an event told of the failed job, its log is asked for without the list of jobs."""
        if not self._logs.collects(row) or self._logs.fetch_cause(row, run.run_id, run.attempt):
            return
        with session_scope(self._engine) as session:
            wanted = wanted_details(session, [row.id], self._clock(), 1, live=False, run_id=run.run_id)
        for each in wanted:
            details = fetch_details(self._client, row.repo, each, self._clock)
            with write_scope(self._engine) as session:
                store_details(session, get_repository(session, row.id), [details])
            self._logs.fetch_cause(row, run.run_id, run.attempt)
