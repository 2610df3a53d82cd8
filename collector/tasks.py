"""The periodic tasks of the collector service. Every task can run again at any time."""

import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from collector.alert_worker import AlertWorker
from collector.claims import ClaimManager
from collector.context import CollectorContext, SyncReporter, SyncResult
from collector.derived_data import DerivedData
from collector.github.errors import RateLimited
from collector.sync.engine import SyncEngine
from collector.sync.inbox import InboxProcessor
from collector.teams import TeamsTask
from db.engine import session_scope
from db.enums import CompletenessState
from db.repositories.repository_queries import resolved_repositories
from health.completeness.service import NO_COUNTS, list_completeness

log = logging.getLogger(__name__)
# How often the jobs of runs in progress are fetched again; runs with news are fetched at once.
_RUNNING_JOBS_INTERVAL = timedelta(seconds=30)


@dataclass
class Collector:
    """The parts of one collector, as collector.bootstrap puts them together."""

    context: CollectorContext
    sync: SyncEngine
    inbox: InboxProcessor
    claims: ClaimManager
    derived_data: DerivedData
    alert_worker: AlertWorker
    reporter: SyncReporter
    teams: TeamsTask


class CollectorTasks:
    """While GitHub's rate limit is used up, tasks that send requests do nothing."""

    def __init__(self, collector: Collector) -> None:
        self._collector, self._context = collector, collector.context
        self._synced = threading.Event()
        self._running_jobs_at: datetime | None = None
        # The names of the claims, and the ids of their repositories.
        self._held: tuple[frozenset[str], frozenset[int]] | None = None

    def sync_runs(self) -> None:
        """Syncs the run lists of the repositories that this collector holds; the leader also resolves the targets."""
        collector, reporter = self._collector, self._collector.reporter
        if reporter.is_rate_limited:
            return
        start, result = reporter.start(), SyncResult()
        try:
            targets = collector.sync.targets.resolve(result) if collector.claims.assignment.is_leader else None
            names = collector.claims.renew().names
            collector.claims.set_busy(names)
            collector.sync.run_lists.sync(sorted(names), result)
            if targets:
                collector.sync.targets.prune(targets, result)
        except RateLimited as error:
            result.rate_limited = error
        finally:
            collector.claims.set_busy(frozenset())
        result.stopped = result.stopped or self._context.stop.is_set()
        self._synced.set()
        collector.alert_worker.request_evaluation()
        reporter.finish(result, start)

    def fetch_jobs(self) -> None:
        """Fetches jobs; after a sync also history, missing runs and logs. May run at the same time as `sync_runs`."""
        collector, reporter = self._collector, self._collector.reporter
        if reporter.is_rate_limited:
            return
        repositories = self._claimed_repositories()
        synced = self._synced.is_set()
        self._synced.clear()
        result = SyncResult()
        try:
            now = self._context.clock()
            include_running = self._running_jobs_at is None or now - self._running_jobs_at >= _RUNNING_JOBS_INTERVAL
            self._running_jobs_at = now if include_running else self._running_jobs_at
            if synced:
                collector.sync.history.run(repositories, result)
            fetched = collector.sync.job_fetcher.run(
                repositories,
                include_running=include_running,
                use_backoff=True,
                is_held=self._is_held,
            )
            if fetched.rate_limited:
                raise fetched.rate_limited
            if synced or fetched.changed:
                collector.sync.logs.run(repositories, until=now + self._context.poll_interval)
        except RateLimited as error:
            reporter.record_rate_limit(error)
            return
        for repo, reason in (fetched.failures | result.failures).items():
            log.warning("%s: %s", repo, reason, extra={"repository": repo})
        if synced or fetched.changed:
            collector.alert_worker.request_evaluation()
            self._context.progress.restore_state()

    def fetch_requested_logs(self) -> None:
        """Fetches logs that a reader of the dashboard or the API waits for."""
        collector, reporter = self._collector, self._collector.reporter
        if reporter.is_rate_limited:
            return
        try:
            is_leader = collector.claims.assignment.is_leader
            collector.sync.logs.run_requested(self._claimed_repositories(), is_leader=is_leader)
        except RateLimited as error:
            reporter.waiting_until = error.until

    def sample_logs(self) -> None:
        """Sketches successful logs of jobs that failed lately, with requests that nothing else needs."""
        collector, reporter = self._collector, self._collector.reporter
        if reporter.is_rate_limited:
            return
        try:
            collector.sync.samples.run(self._claimed_repositories())
        except RateLimited as error:
            reporter.waiting_until = error.until

    def read_owners(self) -> None:
        """Reads CODEOWNERS files and, on one collector of several, GitHub's teams that are due, with requests that
        nothing else needs."""
        collector, reporter = self._collector, self._collector.reporter
        if reporter.is_rate_limited:
            return
        try:
            if collector.claims.assignment.is_leader:
                collector.sync.github_teams.run()
            collector.sync.codeowners.run(self._claimed_repositories())
        except RateLimited as error:
            reporter.waiting_until = error.until

    def apply_inbox(self) -> None:
        """Applies webhook deliveries. Jobs of completed runs are left to `fetch_jobs`."""
        if self._collector.inbox.apply().changed:
            self._collector.alert_worker.request_evaluation()

    def run_rollups(self) -> None:
        """One collector of several runs this."""
        if self._collector.claims.assignment.is_leader:
            self._collector.derived_data.refresh()

    def update_teams(self) -> None:
        """One collector of several applies TEAMS_FILE and stores what teams own."""
        if self._collector.claims.assignment.is_leader:
            self._collector.teams.run()

    def reprice(self) -> None:
        """Every collector applies its price list; one of them recomputes costs."""
        self._collector.derived_data.prices.apply_price_list()
        if self._collector.claims.assignment.is_leader:
            self._collector.derived_data.reprice()

    def renew_claims(self) -> bool:
        """Returns whether this collector gained a repository."""
        assignment = self._collector.claims.renew()
        self._context.client.rate.set_collector_count(assignment.collectors)
        self._context.progress.is_leader = assignment.is_leader
        return bool(assignment.gained)

    def report_backlog(self) -> None:
        """The leader adds the number of repositories with missing history or jobs to its next heartbeat."""
        if not self._collector.claims.assignment.is_leader:
            return
        with session_scope(self._context.engine) as session:
            repositories = list_completeness(session, NO_COUNTS)
        catching_up = sum(row.state == CompletenessState.CATCHING_UP for row in repositories)
        self._context.progress.set_heartbeat_fields(catching_up=catching_up)

    def _claimed_repositories(self) -> dict[int, str]:
        return self._repositories(self._collector.claims.assignment.names)

    def _repositories(self, names: frozenset[str]) -> dict[int, str]:
        with session_scope(self._context.engine) as session:
            return resolved_repositories(session, names)

    def _is_held(self, repository_id: int) -> bool:
        """Whether this collector holds the repository now. Called for each run whose jobs are to be fetched, so the ids
        are read again only after the claims have changed."""
        names = self._collector.claims.assignment.names
        if self._held is None or self._held[0] != names:
            self._held = names, frozenset(self._repositories(names))
        return repository_id in self._held[1]
