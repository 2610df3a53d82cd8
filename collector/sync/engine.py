"""One complete sync of all repositories: targets, run lists, history, jobs and logs."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from collector.context import CollectorContext, SyncResult
from collector.github.errors import RateLimited
from collector.logs.collect import LogCollector
from collector.logs.samples import SampleCollector
from collector.sync.backfill import HistorySync
from collector.sync.codeowners import CodeownersReader
from collector.sync.github_teams import GitHubTeamsReader
from collector.sync.job_fetcher import JobFetcher
from collector.sync.repository import RepositorySync
from collector.sync.run_lists import RunListSync
from collector.sync.targets import TargetSync, resolve_targets


class SyncEngine:
    """The stages are public: the service runs them as separate jobs, `run` and `backfill` one after the other."""

    def __init__(
        self,
        context: CollectorContext,
        *,
        repos: tuple[str, ...],
        backfill_days: int,
        retention_days: int,
        collect_logs: str = "none",
    ) -> None:
        self._context = context
        retention = timedelta(days=retention_days)
        # Runs that retention would delete on the same day are not read.
        backfill = min(timedelta(days=backfill_days), retention)
        repository_sync = RepositorySync(context, retention)
        self.targets = TargetSync(context, repos)
        self.run_lists = RunListSync(context, repository_sync, backfill)
        self.history = HistorySync(context, repository_sync, backfill)
        self.job_fetcher = JobFetcher(context)
        self.logs = LogCollector(context, collect=collect_logs)
        # Where all logs are collected, those of successful jobs are sketched when they are stored.
        self.samples = SampleCollector(context, lambda: self.logs.has_backlog, is_enabled=collect_logs == "failed")
        self.codeowners, self.github_teams = CodeownersReader(context), GitHubTeamsReader(context)

    def run(self) -> SyncResult:
        """Runs all stages for all configured repositories. Errors of GitHub are in the result: a repository that fails
        does not stop the others."""
        self.targets.drop_unconfigured()
        result = self._run_stages(self._sync)
        if not result.rate_limited and not result.stopped:
            self._collect_logs(result)
            self._read_owners(result)
        return result

    def backfill(self, repos: tuple[str, ...], since: datetime, until: datetime | None) -> SyncResult:
        """Reads runs of these entries that were created from `since` to `until`, and their jobs and logs. `until` null:
        up to what is already complete. A repository that was never read is synced first."""

        def stages(result: SyncResult) -> None:
            targets = resolve_targets(self._context.client, repos)
            result.failures.update({entry: str(error) for entry, error in targets.failures.items()})
            self.run_lists.sync(targets.names, result)
            self.history.backfill(result.repositories, since, until, result)
            self._fetch_jobs(result.repositories, result)

        result = self._run_stages(stages)
        if result.is_complete:
            self._collect_logs(result)
        return result

    def _sync(self, result: SyncResult) -> None:
        targets = self.targets.resolve(result)
        self.run_lists.sync(targets.names, result)
        self.targets.prune(targets, result)
        self.history.run(result.repositories, result)
        self._fetch_jobs(result.repositories, result)

    def _run_stages(self, stages: Callable[[SyncResult], None]) -> SyncResult:
        result = SyncResult()
        try:
            stages(result)
        except RateLimited as error:
            result.rate_limited = error
        result.stopped = result.stopped or self._context.stop.is_set()
        return result

    def _fetch_jobs(self, repositories: Mapping[int, str], result: SyncResult) -> None:
        fetched = self.job_fetcher.run(repositories)
        result.changed += fetched.changed
        for repo, reason in fetched.failures.items():
            result.failures.setdefault(repo, reason)
        if fetched.rate_limited:
            raise fetched.rate_limited

    def _collect_logs(self, result: SyncResult) -> None:
        try:
            self.logs.run(result.repositories)
        except RateLimited as error:
            result.rate_limited = error

    def _read_owners(self, result: SyncResult) -> None:
        try:
            self.github_teams.run()
            self.codeowners.run(result.repositories)
        except RateLimited as error:
            result.rate_limited = error
