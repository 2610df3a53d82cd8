"""A pass: everything that is to be done about the repositories, once."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from collector.alerts.evaluate import Evaluator
from collector.github.client import Client
from collector.github.errors import RateLimited
from collector.logs.collect import LogCollector
from collector.notify.deliver import Deliverer
from collector.progress import Progress
from collector.sync.engine import Outcome, Sync
from db.engine import describe_failure

log = logging.getLogger(__name__)


class Passes:
    """The collector's work, put together by the composition root. Every part can be run again at any time."""

    def __init__(
        self,
        *,
        engine: Engine,
        client: Client,
        sync: Sync,
        logs: LogCollector,
        evaluator: Evaluator,
        deliverer: Deliverer,
        progress: Progress,
        clock: Callable[[], datetime],
        stop: threading.Event,
    ) -> None:
        self._engine, self._client, self._sync, self._logs = engine, client, sync, logs
        self._evaluator, self._deliverer, self._progress = evaluator, deliverer, progress
        self._clock, self.stop = clock, stop
        self.waiting_until: datetime | None = None

    def run(self) -> Outcome:
        """Lists, jobs, logs, rules, messages. What failed stands in the outcome and in the heartbeat."""
        before = self._client.requests_sent
        outcome = self._sync.run()
        try:
            if not outcome.waiting and not outcome.stopped:
                self._logs.run()
        except RateLimited as error:
            outcome.waiting = error
        self._progress.end()
        evaluated = self._evaluator.run()
        sent = self._deliverer.run()
        if evaluated.opened or evaluated.resolved:
            log.info("alerts: %d opened, %d resolved, %d messages sent", evaluated.opened, evaluated.resolved, sent)
        self._settle(outcome, self._client.requests_sent - before)
        return outcome

    def fetch_requested_logs(self) -> None:
        """Every few seconds: somebody is waiting in front of a page."""
        if self.waiting_until and self._clock() < self.waiting_until:
            return
        try:
            self._logs.run_requested()
        except RateLimited as error:
            self.waiting_until = error.until
        except OperationalError as error:
            log.warning("%s", describe_failure(self._engine, error))

    def deliver(self) -> None:
        try:
            self._deliverer.run()
        except OperationalError as error:
            log.warning("%s", describe_failure(self._engine, error))

    def beat(self) -> None:
        self._progress.beat()

    def _settle(self, outcome: Outcome, requests: int) -> None:
        state = self._client.rate.state
        limit = {"limit": state.limit, "remaining": state.remaining, "reset_at": _iso(state.reset_at)}
        self.waiting_until = outcome.waiting.until if outcome.waiting else None
        for name, reason in outcome.failures.items():
            log.warning("%s: %s", name, reason)
        if outcome.waiting:
            message = f"{outcome.waiting}; going on at {outcome.waiting.until:%H:%M:%S} UTC"
            log.warning("%s", message)
            self._progress.settle("waiting", message, rate_limit=limit)
        elif outcome.failures:
            name, reason = next(iter(outcome.failures.items()))
            more = f" (and {len(outcome.failures) - 1} more)" if len(outcome.failures) > 1 else ""
            self._progress.settle("error", f"{name}: {reason}{more}", rate_limit=limit)
        else:
            self._progress.settle("idle", None, rate_limit=limit)
        log.info("%d repositories read, %d rows changed, %d requests", len(outcome.read), outcome.changed, requests)


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
