"""The collector's work in portions: each can be run again at any time, and together they are a whole pass."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from collector.alert_worker import Telling
from collector.claims import Claims
from collector.github.client import Client
from collector.github.errors import RateLimited
from collector.logs.collect import LogCollector
from collector.logs.fetch import names_cause
from collector.maintenance import Prices
from collector.progress import Progress
from collector.sync.engine import Outcome, Sync
from collector.sync.inbox import Inbox
from core.counters import Count, Last, Took
from core.formatting import counted
from core.work import Work
from db.engine import session_scope
from db.enums import LedgerState
from db.repositories.repository_queries import claimed_repositories
from health.completeness.collection_status import NOT_COUNTED, list_ledger
from health.insights.finding_queries import renew
from health.metrics.rollups.refresh import refresh

log = logging.getLogger(__name__)
_STEP_SECONDS = 1.0
_REPRICING_SECONDS = 1.0
# The jobs of runs that are merely running are looked at this often; those with news at once.
_LIVE_EVERY = timedelta(seconds=30)


@dataclass(frozen=True)
class History:
    """What a backfill is asked for: runs created since then (until null: up to what is complete) of these entries in
    the form of GITHUB_REPOS."""

    since: datetime
    until: datetime | None
    repos: tuple[str, ...]


class Passes:
    """Put together by the composition root. `run` is for a command that ends; a service calls the others."""

    def __init__(  # noqa: PLR0913 - what the work consists of
        self,
        *,
        engine: Engine,
        client: Client,
        sync: Sync,
        logs: LogCollector,
        inbox: Inbox,
        claims: Claims,
        prices: Prices,
        telling: Telling,
        progress: Progress,
        clock: Callable[[], datetime],
        stop: threading.Event,
        poll_every: timedelta,
        work: Work,
    ) -> None:
        self.work = work
        self._engine, self._client, self._sync, self._logs = engine, client, sync, logs
        self._inbox, self.claims, self._prices = inbox, claims, prices
        self.telling, self._progress = telling, progress
        self._clock, self.stop, self._poll_every = clock, stop, poll_every
        self._looked = threading.Event()
        self._live_at: datetime | None = None
        self.waiting_until: datetime | None = None
        self._roll_up_from = 0.0
        # Fingerprints of earlier versions, a batch at a time; after them there is nothing to do until the next start.
        self._renewal = renew(engine, names_cause)

    def run(self) -> Outcome:
        """Lists, history, jobs, logs, rules, messages. What failed stands in the outcome and in the heartbeat."""
        begun = self._begun()
        self._prices.adopt()
        self._inbox.apply()
        outcome = self._sync.run()
        try:
            if not outcome.waiting and not outcome.stopped:
                self._logs.run(outcome.repositories)
        except RateLimited as error:
            outcome.waiting = error
        self._progress.end()
        self._prices.recompute()
        while self._renew_fingerprints() and not self.stop.is_set():
            pass
        self.roll_up()
        self.telling.at_once()
        self._settle(outcome, begun)
        return outcome

    def read_history(self, wanted: History) -> Outcome:
        """History, jobs and logs of it. Waits for the rate limit as long as it takes."""
        begun = self._begun()
        self._prices.adopt()
        outcome = self._until_done(lambda: self._sync.read_history(wanted.repos, wanted.since, wanted.until))
        try:
            if outcome.complete:
                self._logs.run(outcome.repositories)
        except RateLimited as error:
            outcome.waiting = error
        self.roll_up()
        self._settle(outcome, begun)
        return outcome

    def run_to_the_end(self) -> Outcome:
        """A pass that waits for the rate limit rather than giving up a history that is half read."""
        return self._until_done(self.run)

    def _until_done(self, work: Callable[[], Outcome]) -> Outcome:
        outcome = work()
        while outcome.waiting and not self.stop.is_set():
            self._note_waiting(outcome)
            while self._must_wait() and not self.stop.wait(_STEP_SECONDS):
                self.beat()
            if self.stop.is_set():
                outcome.stopped = True
                break
            outcome = work()
        return outcome

    def look(self) -> None:
        """The lists of runs of the repositories that this collector holds."""
        if self._must_wait():
            return
        begun, outcome = self._begun(), Outcome()
        try:
            targets = self._sync.resolve(outcome) if self.claims.share.leads else None
            names = self.claims.renew().names
            self.claims.working_on(names)
            self._sync.look(sorted(names), outcome)
            if targets:
                self._sync.tidy(targets, outcome)
        except RateLimited as error:
            outcome.waiting = error
        finally:
            self.claims.working_on(frozenset())
        outcome.stopped = outcome.stopped or self.stop.is_set()
        self._looked.set()
        self.telling.changed()
        self._settle(outcome, begun)

    def fill(self) -> None:
        """Jobs, history, holes and logs, as far as there is something to do. A look may go on at the same time."""
        if self._must_wait():
            return
        repositories = self._held()
        looked = self._looked.is_set()
        self._looked.clear()
        outcome = Outcome()
        try:
            now = self._clock()
            live = self._live_at is None or now - self._live_at >= _LIVE_EVERY
            self._live_at = now if live else self._live_at
            if looked:
                self._sync.complete(repositories, outcome)
            filled = self._sync.filler.run(repositories, live=live, patient=True)
            if filled.waiting:
                raise filled.waiting
            if looked or filled.changed:
                self._logs.run(repositories, until=now + self._poll_every)
        except RateLimited as error:
            outcome.waiting = error
            self._note_waiting(outcome)
            return
        for repo, reason in (filled.failures | outcome.failures).items():
            log.warning("%s: %s", repo, reason, extra={"repository": repo})
        if looked or filled.changed:
            self.telling.changed()
            self._progress.rest()

    def roll_up(self) -> None:
        """Sums of what changed."""
        if sum(refresh(self._engine, self._clock())):
            self._progress.changed()

    def _renew_fingerprints(self) -> int:
        """How many of the next batch; 0 when all are of this version."""
        renewed = next(self._renewal, 0)
        if renewed:
            self._progress.changed()
        return renewed

    def keep_rolling_up(self) -> None:
        """One collector does it, in no more than a third of its time: a first sync changes the same days again and
        again."""
        begun = time.monotonic()
        if self.claims.share.leads and begun >= self._roll_up_from:
            self._renew_fingerprints()
            self.roll_up()
            self._roll_up_from = time.monotonic() + 2 * (time.monotonic() - begun)

    def reprice(self) -> None:
        """One collector does it, a second at a time: others write, too."""
        self._prices.adopt()
        if self.claims.share.leads:
            self._prices.recompute(seconds=_REPRICING_SECONDS)

    def apply_inbox(self) -> None:
        """What came by webhook. Jobs of runs that ended are fetched by the next fill."""
        applied = self._inbox.apply()
        if applied.changed:
            self.telling.changed()

    def fetch_requested_logs(self) -> None:
        """Every few seconds: somebody is waiting in front of a page."""
        if self._must_wait():
            return
        try:
            self._logs.run_requested(self._held(), leads=self.claims.share.leads)
        except RateLimited as error:
            self.waiting_until = error.until

    def renew_claims(self) -> bool:
        """True when there is something new to look after."""
        share = self.claims.renew()
        self._client.rate.set_share(share.collectors)
        self._progress.leads = share.leads
        return bool(share.gained)

    def know(self, **more: Any) -> None:
        self._progress.know(**more)

    def beat(self, *, force: bool = False) -> datetime | None:
        """When the database last took a sign of life, or, where that is earlier, the oldest piece of work made
        progress."""
        self._progress.know(rate_limit=self._limit())
        self._progress.beat(force=force)
        seen_at, work_since = self._progress.seen_at, self._progress.work_since
        return min(seen_at, work_since) if seen_at and work_since else seen_at

    def forget_unwanted(self) -> None:
        """Before anything is claimed: what GITHUB_REPOS does not name any more."""
        self._sync.forget_unwanted()

    def know_standing(self) -> None:
        """How many repositories have history or jobs that are still to be read, told with the next sign of life."""
        if not self.claims.share.leads:
            return
        with session_scope(self._engine) as session:
            ledgers = list_ledger(session, NOT_COUNTED)
        self._progress.know(catching_up=sum(each.state == LedgerState.CATCHING_UP for each in ledgers))

    def end(self) -> None:
        """The program was asked to end."""
        self._progress.stop()

    def now(self) -> datetime:
        """By the collector's clock."""
        return self._clock()

    @property
    def clock_ahead(self) -> timedelta | None:
        """By how much this machine's clock is ahead of GitHub's; null before GitHub's first answer."""
        return self._client.clock_ahead

    def note_pruned(self, runs: int, *, whole: bool) -> None:
        """`whole`: it came to its end."""
        self._client.tally.count(Count.RUNS_DELETED, "pruned", runs)
        if whole:
            self._client.tally.note(Last.RETENTION, self._clock())

    def _held(self) -> dict[int, str]:
        with session_scope(self._engine) as session:
            return claimed_repositories(session, self.claims.share.names)

    def _must_wait(self) -> bool:
        return self.waiting_until is not None and self._clock() < self.waiting_until

    def _begun(self) -> tuple[float, int]:
        return time.monotonic(), self._client.requests_sent

    def _settle(self, outcome: Outcome, begun: tuple[float, int]) -> None:
        seconds, requests = time.monotonic() - begun[0], self._client.requests_sent - begun[1]
        self._count(outcome, seconds)
        for name, reason in outcome.failures.items():
            log.warning("%s: %s", name, reason, extra={"repository": name})
        if outcome.waiting:
            self._note_waiting(outcome)
        elif outcome.failures:
            name, reason = next(iter(outcome.failures.items()))
            more = f" (and {len(outcome.failures) - 1} more)" if len(outcome.failures) > 1 else ""
            self._progress.settle("error", f"{name}: {reason}{more}", rate_limit=self._limit())
        else:
            self._progress.settle("idle", None, rate_limit=self._limit())
        read = counted(len(outcome.read), "repository", "repositories")
        log.info("%s read, %s changed, %s", read, counted(outcome.changed, "row"), counted(requests, "request"),
                 extra={"seconds": round(seconds, 3)})  # fmt: skip

    def _count(self, outcome: Outcome, seconds: float) -> None:
        tally = self._client.tally
        result = "waiting" if outcome.waiting else "stopped" if outcome.stopped else "error"
        tally.count(Count.SYNCS, "ok" if outcome.complete else result)
        tally.time(Took.SYNC, seconds)
        if outcome.complete:
            tally.note(Last.SYNC, self._clock())

    def _note_waiting(self, outcome: Outcome) -> None:
        if outcome.waiting is None:
            return
        self.waiting_until = outcome.waiting.until
        message = f"{outcome.waiting}; going on at {outcome.waiting.until:%H:%M:%S} UTC"
        log.warning("%s", message)
        self._progress.settle("waiting", message, rate_limit=self._limit())

    def _limit(self) -> dict[str, int | str | None]:
        state = self._client.rate.state
        reset = state.reset_at.isoformat() if state.reset_at else None
        return {
            "limit": state.limit, "remaining": state.remaining, "reset_at": reset, "reserve": self._client.rate.kept,
        }  # fmt: skip
