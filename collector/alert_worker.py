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

from collector.claims import Claims
from collector.github.client import Client
from collector.github.errors import GitHubError
from collector.logs.collect import LogCollector
from collector.supervision import guarded
from collector.sync.job_fetcher import fetch_details
from core.work import Work
from db.engine import session_scope, write_scope
from db.jobs.job_writes import store_details
from db.jobs.pending_jobs import wanted_details
from db.repositories.repository_queries import RepositoryRow, data_version, list_repositories
from db.repositories.repository_writes import get_repository
from health.alerts.evaluation import Evaluator, Unexplained
from health.alerts.notifications.delivery import Deliverer

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


# How often who leads asks whether another collector changed something.
_ASK_SECONDS = 0.25
# How often the outbox is looked at without a reason: what failed is tried again, and others write into it, too.
_OUTBOX_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 1.0
# How often what waits for a channel that is gone is looked for.
_REMOVED_SECONDS = 600.0


class Telling:
    """`at_once` is for a command that ends; a service runs `keep_judging` and `keep_delivering`, each in a thread."""

    def __init__(
        self,
        engine: Engine,
        *,
        evaluator: Evaluator,
        deliverer: Deliverer,
        causes: Causes,
        claims: Claims,
        stop: threading.Event,
        work: Work | None = None,
    ) -> None:
        self._work = work
        self._engine, self._evaluator, self._deliverer = engine, evaluator, deliverer
        self._causes, self._claims, self._stop = causes, claims, stop
        self._changed = threading.Event()
        # By channel: something may wait for it.
        self._written = {name: threading.Event() for name in deliverer.names}
        self._seen: int | None = None

    def at_once(self) -> None:
        """What is not explained by now is told as it is."""
        self._look(patient=False)
        self._deliverer.run()

    def changed(self) -> None:
        """Rules are looked at as soon as may be."""
        self._changed.set()

    def wake(self) -> None:
        """Nobody waits on, once `stop` is set."""
        self._changed.set()
        self._note_written()

    def keep_judging(self) -> None:
        """One collector does it, in no more than half of its time: a storm of events changes the same runs again and
        again."""
        look = guarded(self._look_for_a_reason, self._engine, "rules", self._work)
        while not self._stop.is_set():
            self._changed.wait(_ASK_SECONDS)
            begun = time.monotonic()
            look()
            self._stop.wait(min(time.monotonic() - begun, _LONGEST_PAUSE_SECONDS))

    def keep_delivering(self) -> None:
        """What a process that died has left goes out first, and what is written before the end goes out, too."""
        threads = [
            threading.Thread(target=self._keep_sending, args=each, daemon=True) for each in self._written.items()
        ]
        for thread in threads:
            thread.start()
        give_up = guarded(self._deliverer.give_up_removed, self._engine, "delivery", self._work)
        while not self._stop.is_set():
            give_up()
            self._stop.wait(_REMOVED_SECONDS)
        for thread in threads:
            thread.join()

    def _keep_sending(self, name: str, written: threading.Event) -> None:
        send = guarded(lambda: self._deliverer.send_due([name]), self._engine, "delivery", self._work)
        while True:
            ends = self._stop.is_set()
            written.clear()
            send()
            if ends:
                return
            written.wait(_OUTBOX_SECONDS)

    def _note_written(self) -> None:
        for event in self._written.values():
            event.set()

    def _look_for_a_reason(self) -> None:
        share = self._claims.share
        reason = self._changed.is_set()
        self._changed.clear()
        if not share.leads or self._stop.is_set():
            return
        if share.collectors > 1:
            # Another one may have applied the event that matters.
            with session_scope(self._engine) as session:
                version = data_version(session)
            reason, self._seen = reason or version != self._seen, version
        if reason:
            self._look(patient=True)

    def _look(self, *, patient: bool) -> None:
        evaluated = self._evaluator.run(patient=patient)
        if evaluated.unexplained:
            self._causes.fetch(evaluated.unexplained)
            evaluated = self._evaluator.run()
        if evaluated.told:
            self._note_written()
