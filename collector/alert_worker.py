"""Runs the evaluation of rules and the delivery of notifications.

Both run as soon as data changes, on threads of their own, so that neither the evaluation nor the sync waits for a slow
channel. Each channel has its own thread: a mail server that does not respond does not delay Slack. Failure logs are
fetched before a notification is written, so that it can contain the error line.
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
from health.alerts.channels.definitions import CHANNEL_NAMES
from health.alerts.evaluation import Evaluator, PendingRootCause
from health.alerts.notifications.delivery import Dispatcher
from health.digest.service import send_due

log = logging.getLogger(__name__)
# A notification is delayed no longer than this for its error line.
TIMEOUT_SECONDS = 1.0
# Error lines are fetched for this many alerts of one evaluation.
_MAX_RUNS = 8


class FailureLogPrefetcher:
    """Fetches failure logs at once. The job fetcher and the log collector take seconds and process older runs, too."""

    def __init__(
        self,
        engine: Engine,
        client: GitHubClient,
        logs: LogCollector,
        clock: Callable[[], datetime],
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._engine, self._client, self._logs, self._clock = engine, client, logs, clock
        self._timeout_seconds = timeout_seconds

    def prefetch(self, runs: Sequence[PendingRootCause]) -> None:
        """Returns when the log of the first failed job of each run is stored or does not exist, at the latest after the
        timeout. Logs that arrive later are stored all the same."""
        with session_scope(self._engine) as session:
            rows = {row.id: row for row in list_repositories(session)}
        deadline = time.monotonic() + self._timeout_seconds
        targets = [(rows[run.repository_id], run) for run in runs if run.repository_id in rows][:_MAX_RUNS]
        threads = [threading.Thread(target=self._logging_errors(row, run), daemon=True) for row, run in targets]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0))

    def _logging_errors(self, row: RepositoryRow, run: PendingRootCause) -> Callable[[], None]:
        def work() -> None:
            try:
                self._fetch_failure_log(row, run)
            except GitHubError as error:
                fields = {"repository": row.repo, "run_id": run.run_id}
                log.info(
                    "the failure log of run %d in %s is not stored yet: %s", run.run_id, row.repo, error, extra=fields
                )

        return log_and_continue(work, self._engine, "causes")

    def _fetch_failure_log(self, row: RepositoryRow, run: PendingRootCause) -> None:
        """Fetches the log of the failed job; the list of jobs first, unless a webhook stored the job."""
        if not self._logs.is_enabled_for(row) or self._logs.fetch_failure_log(row, run.run_id, run.attempt):
            return
        with session_scope(self._engine) as session:
            pending = pending_jobs(session, [row.id], self._clock(), 1, include_unfinished=False, run_id=run.run_id)
        for job in pending:
            details = fetch_run_jobs(self._client, row.repo, job, self._clock)
            with write_scope(self._engine) as session:
                store_run_details(session, get_repository(session, row.id), [details])
            self._logs.fetch_failure_log(row, run.run_id, run.attempt)


# Interval at which the leader checks whether another collector changed data.
_POLL_SECONDS = 0.25
# Interval at which the outbox is read without a signal: for retries, and for notifications of other processes.
_OUTBOX_SECONDS = 10.0
_MAX_PAUSE_SECONDS = 1.0
# Interval at which the channels are read again.
_CHANNELS_SECONDS = 3.0
# Interval of the search for notifications of channels that are not configured any more.
_EXPIRE_CHECK_SECONDS = 600.0


class AlertWorker:
    """A command calls `run_once`; the service runs `run_evaluator` and `run_dispatchers`, each in a thread."""

    def __init__(
        self,
        engine: Engine,
        *,
        evaluator: Evaluator,
        dispatcher: Dispatcher,
        prefetcher: FailureLogPrefetcher,
        claims: ClaimManager,
        stop: threading.Event,
        clock: Callable[[], datetime],
        app_url: str,
        tracker: TaskTracker | None = None,
    ) -> None:
        self._tracker, self._clock, self._app_url = tracker, clock, app_url
        self._engine, self._evaluator, self._dispatcher = engine, evaluator, dispatcher
        self._prefetcher, self._claims, self._stop = prefetcher, claims, stop
        self._changed = threading.Event()
        # By channel: set when notifications may be pending.
        self._pending: dict[str, threading.Event] = {}
        self._data_version: int | None = None

    def run_once(self) -> None:
        """Evaluates once and delivers. Does not wait for failure logs."""
        self._evaluate(wait_for_root_cause=False)
        self._dispatcher.run()

    def request_evaluation(self) -> None:
        """Makes `run_evaluator` evaluate the rules soon."""
        self._changed.set()

    def send_digests(self) -> None:
        """The leader writes the weekly digests that are due to the outbox."""
        if not self._claims.assignment.is_leader:
            return
        names = [name for name in self._dispatcher.channel_names if name in CHANNEL_NAMES]
        if send_due(self._engine, self._clock(), self._app_url, configured=names):
            self._wake_dispatchers()

    def wake(self) -> None:
        """Ends the waits of all threads; to be called after `stop` is set."""
        self._changed.set()
        self._wake_dispatchers()

    def run_evaluator(self) -> None:
        """Evaluates on the leader while data changes. It pauses as long as it worked, because a burst of webhooks
        changes the same runs repeatedly."""
        evaluate = log_and_continue(self._evaluate_if_changed, self._engine, "alert_rules", self._tracker)
        while not self._stop.is_set():
            self._changed.wait(_POLL_SECONDS)
            started = time.monotonic()
            evaluate()
            self._stop.wait(min(time.monotonic() - started, _MAX_PAUSE_SECONDS))

    def run_dispatchers(self) -> None:
        """Delivers until `stop` is set: first what an earlier process left, at the end what was written until then.
        A channel that is added gets a thread, and the thread of a removed one ends."""
        threads: dict[str, threading.Thread] = {}
        reload = log_and_continue(self._dispatcher.reload, self._engine, "channels", self._tracker)
        expire = log_and_continue(self._dispatcher.expire_unconfigured, self._engine, "delivery", self._tracker)
        expired_at = -_EXPIRE_CHECK_SECONDS
        while not self._stop.is_set():
            reload()
            self._start_threads(threads)
            if self._channels_loaded and time.monotonic() - expired_at >= _EXPIRE_CHECK_SECONDS:
                expire()
                expired_at = time.monotonic()
            self._stop.wait(_CHANNELS_SECONDS)
        for thread in threads.values():
            thread.join()

    @property
    def _channels_loaded(self) -> bool:
        return self._dispatcher.is_loaded

    def _start_threads(self, threads: dict[str, threading.Thread]) -> None:
        names = self._dispatcher.channel_names if self._channels_loaded else []
        for name in set(threads) - set(names):
            # Its thread ends at the next look.
            self._pending.pop(name, threading.Event()).set()
            del threads[name]
        for name in names:
            if name not in threads:
                pending = self._pending[name] = threading.Event()
                threads[name] = threading.Thread(target=self._run_dispatcher, args=(name, pending), daemon=True)
                threads[name].start()

    def _run_dispatcher(self, name: str, pending: threading.Event) -> None:
        send = log_and_continue(lambda: self._dispatcher.send_due([name]), self._engine, "delivery", self._tracker)
        while self._pending.get(name) is pending:
            stopping = self._stop.is_set()
            pending.clear()
            send()
            if stopping:
                return
            pending.wait(_OUTBOX_SECONDS)

    def _wake_dispatchers(self) -> None:
        for event in list(self._pending.values()):
            event.set()

    def _evaluate_if_changed(self) -> None:
        assignment = self._claims.assignment
        is_due = self._changed.is_set()
        self._changed.clear()
        if not assignment.is_leader or self._stop.is_set():
            return
        if assignment.collectors > 1:
            # Another collector may have stored the change.
            with session_scope(self._engine) as session:
                version = data_version(session)
            is_due, self._data_version = is_due or version != self._data_version, version
        if is_due:
            self._evaluate(wait_for_root_cause=True)

    def _evaluate(self, *, wait_for_root_cause: bool) -> None:
        result = self._evaluator.run(wait_for_root_cause=wait_for_root_cause)
        if result.pending_root_causes:
            self._prefetcher.prefetch(result.pending_root_causes)
            result = self._evaluator.run()
        if result.notified:
            self._wake_dispatchers()
