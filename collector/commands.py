"""python -m collector sync and backfill: passes that end when everything is stored."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from collector.context import SyncResult
from collector.tasks import Collector

# The program reacts to a signal, and sends a heartbeat, at least this often while it waits for the rate limit.
_STEP_SECONDS = 1.0


@dataclass(frozen=True)
class BackfillRequest:
    """Runs created from `since` to `until` (null: up to what is complete) of these entries of GITHUB_REPOS."""

    since: datetime
    until: datetime | None
    repos: tuple[str, ...]


class CollectorCommands:
    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def sync(self) -> SyncResult:
        """A complete pass. Waits for the rate limit."""
        return self._retry_after_rate_limit(self.sync_once)

    def sync_once(self) -> SyncResult:
        """Webhooks, runs, history, jobs, logs, derived data, alert rules and notifications, one after the other. Errors
        of GitHub are in the result and in the heartbeat."""
        collector = self._collector
        start = collector.reporter.start()
        collector.derived_data.prices.apply_price_list()
        collector.inbox.apply()
        # The sync reads CODEOWNERS files only where teams are defined, and they change what teams own.
        collector.teams.run()
        result = collector.sync.run()
        collector.context.progress.end()
        collector.teams.run()
        collector.derived_data.refresh_all()
        collector.alert_worker.run_once()
        collector.reporter.finish(result, start)
        return result

    def backfill(self, request: BackfillRequest) -> SyncResult:
        """History with its jobs and logs. Waits for the rate limit."""
        collector = self._collector
        start = collector.reporter.start()
        collector.derived_data.prices.apply_price_list()
        result = self._retry_after_rate_limit(
            lambda: collector.sync.backfill(request.repos, request.since, request.until)
        )
        collector.derived_data.refresh_rollups()
        collector.reporter.finish(result, start)
        return result

    def _retry_after_rate_limit(self, run: Callable[[], SyncResult]) -> SyncResult:
        context, reporter = self._collector.context, self._collector.reporter
        result = run()
        while result.rate_limited and not context.stop.is_set():
            reporter.record_rate_limit(result.rate_limited)
            while reporter.is_rate_limited and not context.stop.wait(_STEP_SECONDS):
                reporter.beat()
            if context.stop.is_set():
                result.stopped = True
                break
            result = run()
        return result
