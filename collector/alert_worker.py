"""Why a run failed, fetched before its alert is told, so that the message can say it.

When rules are looked at and messages go out: at once when something changed, each on a thread of its own, so that
neither waits for a slow channel, and what comes in waits for neither. Each channel has a thread of its own: a mail
server that does not answer keeps nothing from Slack.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Engine

from collector.claims import ClaimManager
from collector.github.client import GitHubClient
from collector.github.errors import GitHubError
from collector.logs.collect import LogCollector
from collector.supervision import log_and_continue
from collector.sync.job_fetcher import fetch_run_jobs
from core.work import TaskTracker
from db.engine import session_scope, write_scope
from db.jobs.job_writes import store_run_details
from db.jobs.pending_jobs import pending_jobs
from db.repositories.repository_queries import RepositoryRow, data_version, list_repositories
from db.repositories.repository_writes import get_repository
from health.alerts.evaluation import Evaluator, PendingRootCause
from health.alerts.notifications.delivery import Dispatcher

log = logging.getLogger(__name__)
# People wait for a message no longer than this for the sake of its cause.
TIMEOUT_SECONDS = 1.0
# Of more alerts at once, the others are told without.
_MAX_RUNS = 8


class FailureLogPrefetcher:
    """The usual way, by fill and logs, takes seconds and serves older runs as well."""

    def __init__(
        self,
        engine: Engine,
        client: GitHubClient,
        logs: LogCollector,
        clock: Callable[[], datetime],
        *,
        patience_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._engine, self._client, self._logs, self._clock = engine, client, logs, clock
        self._patience = patience_seconds

    def prefetch(self, runs: Sequence[PendingRootCause]) -> None:
        """Returns when the first failed job of each has its log stored, or has none, and at the latest when the
        patience is over; what comes later is stored all the same."""
        with session_scope(self._engine) as session:
            rows = {row.id: row for row in list_repositories(session)}
        ends = time.monotonic() + self._patience
        known = [(rows[run.repository_id], run) for run in runs if run.repository_id in rows][:_MAX_RUNS]
        threads = [threading.Thread(target=self._logging_errors(row, run), daemon=True) for row, run in known]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(ends - time.monotonic(), 0))

    def _logging_errors(self, row: RepositoryRow, run: PendingRootCause) -> Callable[[], None]:
        def work() -> None:
            try:
                self._fetch_failure_log(row, run)
            except GitHubError as error:
                fields = {"repository": row.repo, "run_id": run.run_id}
                log.info("the cause of run %d in %s is not known yet: %s", run.run_id, row.repo, error, extra=fields)

        return log_and_continue(work, self._engine, "causes")

    def _fetch_failure_log(self, row: RepositoryRow, run: PendingRootCause) -> None:
        """Where an event told of the failed job, its log is asked for without the list of jobs."""
        if not self._logs.is_enabled_for(row) or self._logs.fetch_failure_log(row, run.run_id, run.attempt):
            return
        with session_scope(self._engine) as session:
            wanted = pending_jobs(session, [row.id], self._clock(), 1, include_unfinished=False, run_id=run.run_id)
        for each in wanted:
            details = fetch_run_jobs(self._client, row.repo, each, self._clock)
            with write_scope(self._engine) as session:
                store_run_details(session, get_repository(session, row.id), [details])
            self._logs.fetch_failure_log(row, run.run_id, run.attempt)


# How often who leads asks whether another collector changed something.
_POLL_SECONDS = 0.25
# How often the outbox is looked at without a reason: what failed is tried again, and others write into it, too.
_OUTBOX_SECONDS = 10.0
_MAX_PAUSE_SECONDS = 1.0
# How often what waits for a channel that is gone is looked for.
_EXPIRE_CHECK_SECONDS = 600.0


class AlertWorker:
    """`at_once` is for a command that ends; a service runs `keep_judging` and `keep_delivering`, each in a thread."""

    def __init__(
        self,
        engine: Engine,
        *,
        evaluator: Evaluator,
        dispatcher: Dispatcher,
        prefetcher: FailureLogPrefetcher,
        claims: ClaimManager,
        stop: threading.Event,
        tracker: TaskTracker | None = None,
    ) -> None:
        self._work = tracker
        self._engine, self._evaluator, self._deliverer = engine, evaluator, dispatcher
        self._causes, self._claims, self._stop = prefetcher, claims, stop
        self._changed = threading.Event()
        # By channel: something may wait for it.
        self._written = {name: threading.Event() for name in dispatcher.channel_names}
        self._seen: int | None = None

    def run_once(self) -> None:
        """What is not explained by now is told as it is."""
        self._evaluate(wait_for_root_cause=False)
        self._deliverer.run()

    def request_evaluation(self) -> None:
        """Rules are looked at as soon as may be."""
        self._changed.set()

    def wake(self) -> None:
        """Nobody waits on, once `stop` is set."""
        self._changed.set()
        self._wake_dispatchers()

    def run_evaluator(self) -> None:
        """One collector does it, in no more than half of its time: a storm of events changes the same runs again and
        again."""
        look = log_and_continue(self._evaluate_if_changed, self._engine, "rules", self._work)
        while not self._stop.is_set():
            self._changed.wait(_POLL_SECONDS)
            begun = time.monotonic()
            look()
            self._stop.wait(min(time.monotonic() - begun, _MAX_PAUSE_SECONDS))

    def run_dispatchers(self) -> None:
        """What a process that died has left goes out first, and what is written before the end goes out, too."""
        threads = [
            threading.Thread(target=self._run_dispatcher, args=each, daemon=True) for each in self._written.items()
        ]
        for thread in threads:
            thread.start()
        give_up = log_and_continue(self._deliverer.expire_unconfigured, self._engine, "delivery", self._work)
        while not self._stop.is_set():
            give_up()
            self._stop.wait(_EXPIRE_CHECK_SECONDS)
        for thread in threads:
            thread.join()

    def _run_dispatcher(self, name: str, written: threading.Event) -> None:
        send = log_and_continue(lambda: self._deliverer.send_due([name]), self._engine, "delivery", self._work)
        while True:
            ends = self._stop.is_set()
            written.clear()
            send()
            if ends:
                return
            written.wait(_OUTBOX_SECONDS)

    def _wake_dispatchers(self) -> None:
        for event in self._written.values():
            event.set()

    def _evaluate_if_changed(self) -> None:
        share = self._claims.assignment
        reason = self._changed.is_set()
        self._changed.clear()
        if not share.is_leader or self._stop.is_set():
            return
        if share.collectors > 1:
            # Another one may have applied the event that matters.
            with session_scope(self._engine) as session:
                version = data_version(session)
            reason, self._seen = reason or version != self._seen, version
        if reason:
            self._evaluate(wait_for_root_cause=True)

    def _evaluate(self, *, wait_for_root_cause: bool) -> None:
        evaluated = self._evaluator.run(wait_for_root_cause=wait_for_root_cause)
        if evaluated.pending_root_causes:
            self._causes.prefetch(evaluated.pending_root_causes)
            evaluated = self._evaluator.run()
        if evaluated.notified:
            self._wake_dispatchers()
