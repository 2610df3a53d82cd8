"""The collector's work in portions: each can be run again at any time, and together they are a whole pass."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from collector.alert_worker import AlertWorker
from collector.claims import ClaimManager
from collector.github.client import GitHubClient
from collector.github.errors import RateLimited
from collector.logs.collect import LogCollector
from collector.logs.fetch import names_cause
from collector.maintenance import PriceRecalculator
from collector.progress import Progress
from collector.sync.engine import SyncEngine, SyncResult
from collector.sync.inbox import InboxProcessor
from core.formatting import pluralize
from core.work import TaskTracker
from db.collection.counters import CounterName, SummaryName, TimestampName
from db.collection.heartbeat_detail import RateLimitDetail
from db.engine import session_scope
from db.enums import CompletenessState
from db.repositories.repository_queries import resolved_repositories
from health.completeness.service import NO_COUNTS, list_completeness
from health.insights.finding_queries import refresh_fingerprints
from health.metrics.rollups.refresh import refresh_rollups

log = logging.getLogger(__name__)
_STEP_SECONDS = 1.0
_REPRICE_SECONDS = 1.0
# The jobs of runs that are merely running are looked at this often; those with news at once.
_LIVE_EVERY = timedelta(seconds=30)


@dataclass(frozen=True)
class BackfillRequest:
    """What a backfill is asked for: runs created since then (until null: up to what is complete) of these entries in
    the form of GITHUB_REPOS."""

    since: datetime
    until: datetime | None
    repos: tuple[str, ...]


class CollectorJobs:
    """Put together by the composition root. `run` is for a command that ends; a service calls the others."""

    def __init__(  # noqa: PLR0913 - what the work consists of
        self,
        *,
        engine: Engine,
        client: GitHubClient,
        sync: SyncEngine,
        logs: LogCollector,
        inbox: InboxProcessor,
        claims: ClaimManager,
        prices: PriceRecalculator,
        alert_worker: AlertWorker,
        progress: Progress,
        clock: Callable[[], datetime],
        stop: threading.Event,
        poll_every: timedelta,
        tracker: TaskTracker,
    ) -> None:
        self.tracker = tracker
        self._engine, self._client, self._sync, self._logs = engine, client, sync, logs
        self._inbox, self.claims, self._prices = inbox, claims, prices
        self.alert_worker, self._progress = alert_worker, progress
        self._clock, self.stop, self._poll_every = clock, stop, poll_every
        self._looked = threading.Event()
        self._live_at: datetime | None = None
        self.waiting_until: datetime | None = None
        self._roll_up_from = 0.0
        # Fingerprints of earlier versions, a batch at a time; after them there is nothing to do until the next start.
        self._renewal = refresh_fingerprints(engine, names_cause)

    def run(self) -> SyncResult:
        """Lists, history, jobs, logs, rules, messages. What failed stands in the outcome and in the heartbeat."""
        begun = self._start()
        self._prices.apply_price_list()
        self._inbox.apply()
        outcome = self._sync.run()
        try:
            if not outcome.rate_limited and not outcome.stopped:
                self._logs.run(outcome.repositories)
        except RateLimited as error:
            outcome.rate_limited = error
        self._progress.end()
        self._prices.recompute()
        while self._renew_fingerprints() and not self.stop.is_set():
            pass
        self.refresh_rollups()
        self.alert_worker.run_once()
        self._finish(outcome, begun)
        return outcome

    def backfill_history(self, request: BackfillRequest) -> SyncResult:
        """History, jobs and logs of it. Waits for the rate limit as long as it takes."""
        begun = self._start()
        self._prices.apply_price_list()
        outcome = self._retry_after_rate_limit(
            lambda: self._sync.backfill_history(request.repos, request.since, request.until)
        )
        try:
            if outcome.is_complete:
                self._logs.run(outcome.repositories)
        except RateLimited as error:
            outcome.rate_limited = error
        self.refresh_rollups()
        self._finish(outcome, begun)
        return outcome

    def run_until_complete(self) -> SyncResult:
        """A pass that waits for the rate limit rather than giving up a history that is half read."""
        return self._retry_after_rate_limit(self.run)

    def _retry_after_rate_limit(self, work: Callable[[], SyncResult]) -> SyncResult:
        outcome = work()
        while outcome.rate_limited and not self.stop.is_set():
            self._record_rate_limit(outcome)
            while self._is_rate_limited() and not self.stop.wait(_STEP_SECONDS):
                self.beat()
            if self.stop.is_set():
                outcome.stopped = True
                break
            outcome = work()
        return outcome

    def sync_runs(self) -> None:
        """The lists of runs of the repositories that this collector holds."""
        if self._is_rate_limited():
            return
        begun, outcome = self._start(), SyncResult()
        try:
            targets = self._sync.resolve_targets(outcome) if self.claims.assignment.is_leader else None
            names = self.claims.renew().names
            self.claims.set_busy(names)
            self._sync.sync_runs(sorted(names), outcome)
            if targets:
                self._sync.prune_targets(targets, outcome)
        except RateLimited as error:
            outcome.rate_limited = error
        finally:
            self.claims.set_busy(frozenset())
        outcome.stopped = outcome.stopped or self.stop.is_set()
        self._looked.set()
        self.alert_worker.request_evaluation()
        self._finish(outcome, begun)

    def fetch_jobs(self) -> None:
        """Jobs, history, holes and logs, as far as there is something to do. A look may go on at the same time."""
        if self._is_rate_limited():
            return
        repositories = self._claimed_repositories()
        looked = self._looked.is_set()
        self._looked.clear()
        outcome = SyncResult()
        try:
            now = self._clock()
            live = self._live_at is None or now - self._live_at >= _LIVE_EVERY
            self._live_at = now if live else self._live_at
            if looked:
                self._sync.backfill(repositories, outcome)
            filled = self._sync.job_fetcher.run(repositories, include_running=live, use_backoff=True)
            if filled.rate_limited:
                raise filled.rate_limited
            if looked or filled.changed:
                self._logs.run(repositories, until=now + self._poll_every)
        except RateLimited as error:
            outcome.rate_limited = error
            self._record_rate_limit(outcome)
            return
        for repo, reason in (filled.failures | outcome.failures).items():
            log.warning("%s: %s", repo, reason, extra={"repository": repo})
        if looked or filled.changed:
            self.alert_worker.request_evaluation()
            self._progress.restore_state()

    def refresh_rollups(self) -> None:
        """Sums of what changed."""
        if sum(refresh_rollups(self._engine, self._clock())):
            self._progress.mark_data_changed()

    def _renew_fingerprints(self) -> int:
        """How many of the next batch; 0 when all are of this version."""
        renewed = next(self._renewal, 0)
        if renewed:
            self._progress.mark_data_changed()
        return renewed

    def run_rollups(self) -> None:
        """One collector does it, in no more than a third of its time: a first sync changes the same days again and
        again."""
        begun = time.monotonic()
        if self.claims.assignment.is_leader and begun >= self._roll_up_from:
            self._renew_fingerprints()
            self.refresh_rollups()
            self._roll_up_from = time.monotonic() + 2 * (time.monotonic() - begun)

    def reprice(self) -> None:
        """One collector does it, a second at a time: others write, too."""
        self._prices.apply_price_list()
        if self.claims.assignment.is_leader:
            self._prices.recompute(seconds=_REPRICE_SECONDS)

    def apply_inbox(self) -> None:
        """What came by webhook. Jobs of runs that ended are fetched by the next fill."""
        applied = self._inbox.apply()
        if applied.changed:
            self.alert_worker.request_evaluation()

    def fetch_requested_logs(self) -> None:
        """Every few seconds: somebody is waiting in front of a page."""
        if self._is_rate_limited():
            return
        try:
            self._logs.run_requested(self._claimed_repositories(), is_leader=self.claims.assignment.is_leader)
        except RateLimited as error:
            self.waiting_until = error.until

    def renew_claims(self) -> bool:
        """True when there is something new to look after."""
        share = self.claims.renew()
        self._client.rate.set_collector_count(share.collectors)
        self._progress.is_leader = share.is_leader
        return bool(share.gained)

    def set_heartbeat_fields(self, **more: Any) -> None:
        self._progress.set_heartbeat_fields(**more)

    def beat(self, *, force: bool = False) -> datetime | None:
        """When the database last took a sign of life, or, where that is earlier, the oldest piece of work made
        progress."""
        self._progress.set_heartbeat_fields(rate_limit=self._limit())
        self._progress.beat(force=force)
        seen_at, work_since = self._progress.heartbeat_at, self._progress.work_since
        return min(seen_at, work_since) if seen_at and work_since else seen_at

    def drop_unconfigured(self) -> None:
        """Before anything is claimed: what GITHUB_REPOS does not name any more."""
        self._sync.drop_unconfigured()

    def report_backlog(self) -> None:
        """How many repositories have history or jobs that are still to be read, told with the next sign of life."""
        if not self.claims.assignment.is_leader:
            return
        with session_scope(self._engine) as session:
            ledgers = list_completeness(session, NO_COUNTS)
        self._progress.set_heartbeat_fields(
            catching_up=sum(each.state == CompletenessState.CATCHING_UP for each in ledgers)
        )

    def mark_stopping(self) -> None:
        """The program was asked to end."""
        self._progress.mark_stopping()

    def now(self) -> datetime:
        """By the collector's clock."""
        return self._clock()

    @property
    def clock_ahead(self) -> timedelta | None:
        """By how much this machine's clock is ahead of GitHub's; null before GitHub's first answer."""
        return self._client.clock_ahead

    def record_prune(self, runs: int, *, complete: bool) -> None:
        """`whole`: it came to its end."""
        self._client.tally.increment(CounterName.RUNS_DELETED, "pruned", runs)
        if complete:
            self._client.tally.set_timestamp(TimestampName.RETENTION, self._clock())

    def _claimed_repositories(self) -> dict[int, str]:
        with session_scope(self._engine) as session:
            return resolved_repositories(session, self.claims.assignment.names)

    def _is_rate_limited(self) -> bool:
        return self.waiting_until is not None and self._clock() < self.waiting_until

    def _start(self) -> tuple[float, int]:
        return time.monotonic(), self._client.requests_sent

    def _finish(self, outcome: SyncResult, begun: tuple[float, int]) -> None:
        seconds, requests = time.monotonic() - begun[0], self._client.requests_sent - begun[1]
        self._count(outcome, seconds)
        for name, reason in outcome.failures.items():
            log.warning("%s: %s", name, reason, extra={"repository": name})
        if outcome.rate_limited:
            self._record_rate_limit(outcome)
        elif outcome.failures:
            name, reason = next(iter(outcome.failures.items()))
            more = f" (and {len(outcome.failures) - 1} more)" if len(outcome.failures) > 1 else ""
            self._progress.finish("error", f"{name}: {reason}{more}", rate_limit=self._limit())
        else:
            self._progress.finish("idle", None, rate_limit=self._limit())
        read = pluralize(len(outcome.repository_results), "repository", "repositories")
        log.info("%s read, %s changed, %s", read, pluralize(outcome.changed, "row"), pluralize(requests, "request"),
                 extra={"seconds": round(seconds, 3)})  # fmt: skip

    def _count(self, outcome: SyncResult, seconds: float) -> None:
        tally = self._client.tally
        result = "waiting" if outcome.rate_limited else "stopped" if outcome.stopped else "error"
        tally.increment(CounterName.SYNCS, "ok" if outcome.is_complete else result)
        tally.observe(SummaryName.SYNC, seconds)
        if outcome.is_complete:
            tally.set_timestamp(TimestampName.SYNC, self._clock())

    def _record_rate_limit(self, outcome: SyncResult) -> None:
        if outcome.rate_limited is None:
            return
        self.waiting_until = outcome.rate_limited.until
        message = f"{outcome.rate_limited}; going on at {outcome.rate_limited.until:%H:%M:%S} UTC"
        log.warning("%s", message)
        self._progress.finish("waiting", message, rate_limit=self._limit())

    def _limit(self) -> RateLimitDetail:
        state = self._client.rate.state
        return RateLimitDetail(state.limit, state.remaining, state.reset_at, self._client.rate.reserved)
