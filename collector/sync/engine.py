"""What is to be done about all repositories: a look at their lists of runs, so that new runs show at once, then
history and holes, then the jobs."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Engine

from collector.github.client import GitHubClient
from collector.github.errors import GitHubError, RateLimited, Unauthorized, Unreachable
from collector.github.pagination import fan_out
from collector.progress import Progress
from collector.sync.backfill import Backfiller, RunNumberAuditor
from collector.sync.failures import isolate_failure
from collector.sync.job_fetcher import JobFetcher
from collector.sync.repository import RepositoryResult, RepositorySync, record_failure
from collector.sync.targets import Targets, is_configured, resolve_targets
from db.engine import session_scope, write_scope
from db.repositories.repository_queries import repositories_without_actions, repository_names, target_entries
from db.repositories.repository_writes import (
    add_targets,
    delete_other_targets,
    limit_monitoring,
    record_target,
    repository_id_of,
    repository_ids_of_owners,
)

_CONCURRENT_LISTS = 8
_MAX_UNREACHABLE = 2


@dataclass
class SyncResult:
    """How a pass went. `failures` maps a name of GITHUB_REPOS to one line; `waiting` is set when GitHub asked
    to wait, and the rest of the pass was left for later."""

    repository_results: list[RepositoryResult] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    changed: int = 0
    rate_limited: RateLimited | None = None
    stopped: bool = False

    @property
    def is_complete(self) -> bool:
        return not (self.failures or self.rate_limited or self.stopped)

    @property
    def repositories(self) -> dict[int, str]:
        return {reading.repository_id: reading.repo for reading in self.repository_results}


class SyncEngine:
    def __init__(
        self,
        engine: Engine,
        client: GitHubClient,
        *,
        repos: tuple[str, ...],
        backfill_days: int,
        retention_days: int,
        clock: Callable[[], datetime],
        stop: threading.Event,
        progress: Progress,
    ) -> None:
        self._engine, self._client, self._clock = engine, client, clock
        # What is deleted the same day is not read.
        kept = timedelta(days=retention_days)
        self._repos, self._backfill = repos, min(timedelta(days=backfill_days), kept)
        self._stop, self._progress = stop, progress
        self._reader = RepositorySync(engine, client, clock, stop, progress.advance, kept)
        self.backfiller = Backfiller(engine, client, self._reader, clock=clock, stop=stop, progress=progress)
        self._auditor = RunNumberAuditor(engine, client, self._reader, clock=clock, stop=stop)
        self.job_fetcher = JobFetcher(engine, client, clock=clock, stop=stop, progress=progress)

    def run(self) -> SyncResult:
        """Everything, once, to its end. Never raises for what GitHub does: a repository that fails does not stop the
        others."""
        outcome = SyncResult()
        self.drop_unconfigured()
        try:
            targets = self.resolve_targets(outcome)
            self.sync_runs(targets.names, outcome)
            self.prune_targets(targets, outcome)
            self.backfill(outcome.repositories, outcome)
            self._fetch_jobs(outcome)
        except RateLimited as error:
            outcome.rate_limited = error
        outcome.stopped = outcome.stopped or self._stop.is_set()
        return outcome

    def backfill_history(self, repos: tuple[str, ...], since: datetime, until: datetime | None) -> SyncResult:
        """Runs of these entries since then, and their jobs. A repository that was never read is looked at first."""
        outcome = SyncResult()
        try:
            targets = resolve_targets(self._client, repos)
            outcome.failures.update({entry: str(error) for entry, error in targets.failures.items()})
            self.sync_runs(targets.names, outcome)
            without = self._without_actions()
            for repository_id, repo in outcome.repositories.items():
                if repository_id not in without:
                    self._backfill_repository(repository_id, repo, since, until, outcome)
            self._fetch_jobs(outcome)
        except RateLimited as error:
            outcome.rate_limited = error
        outcome.stopped = outcome.stopped or self._stop.is_set()
        return outcome

    def _backfill_repository(
        self, repository_id: int, repo: str, since: datetime, until: datetime | None, outcome: SyncResult
    ) -> None:
        try:
            with isolate_failure(repo):
                self.backfiller.request(repository_id, since, until)
                self._note_changed(outcome, self.backfiller.run(repository_id, repo))
                self._auditor.run(repository_id, repo, force=True)
        except RateLimited:
            raise
        except GitHubError as error:
            outcome.failures[repo] = str(error)

    def drop_unconfigured(self) -> None:
        """What GITHUB_REPOS does not name any more is neither read nor asked for, from the start on: GitHub need not be
        reachable for that. Its history stays."""
        with write_scope(self._engine) as session:
            kept = [name for name in target_entries(session) if is_configured(self._repos, name)]
            delete_other_targets(session, kept, ())
            known = {found for name in kept if (found := repository_id_of(session, name))}
            named = {number for number, name in repository_names(session).items() if is_configured(self._repos, name)}
            limit_monitoring(session, known | named)

    def resolve_targets(self, outcome: SyncResult) -> Targets:
        """Which repositories GITHUB_REPOS means today; they stand in the database for other collectors."""
        self._progress.begin("Looking for repositories")
        targets = resolve_targets(self._client, self._repos)
        with write_scope(self._engine) as session:
            add_targets(session, targets.names, self._clock())
            for entry, error in targets.failures.items():
                outcome.failures[entry] = str(error)
                record_target(session, entry, None, str(error), self._clock(), code=error.code)
        return targets

    def sync_runs(self, names: Sequence[str], outcome: SyncResult) -> None:
        """The lists of runs of these repositories, several at once. Those that were never read are identified first, so
        that what is still to be read is counted from the start."""
        hopeless: list[GitHubError] = []
        new = self._unknown_repositories(names)
        if len(new) > 1:
            self._progress.begin(f"Looking up {len(new)} repositories")
            unreadable = self._fan_out(new, self._reader.identify, outcome, hopeless)
            names = [name for name in names if name not in unreadable]
        if not names:
            return
        label = f"Reading runs of {names[0]}" if len(names) == 1 else f"Reading runs of {len(names)} repositories"
        self._progress.begin(label)
        self._fan_out(names, lambda name: self._reader.read(name, self._clock() - self._backfill), outcome, hopeless)

    def _unknown_repositories(self, names: Sequence[str]) -> list[str]:
        with session_scope(self._engine) as session:
            return [name for name in names if repository_id_of(session, name) is None]

    def _fan_out(
        self,
        names: Sequence[str],
        action: Callable[[str], RepositoryResult | None],
        outcome: SyncResult,
        hopeless: list[GitHubError],
    ) -> dict[str, GitHubError]:
        """Runs `action` for each name and notes its reading; returns the errors by name. `hopeless` holds the first
        error that is the same for all names: nothing more is asked for. Raises RateLimited when GitHub asks to wait."""
        cut_off: list[Unreachable] = []
        errors: dict[str, GitHubError] = {}

        def attempt(name: str) -> RepositoryResult | None:
            if hopeless:
                raise hopeless[0]
            try:
                with isolate_failure(name):
                    return action(name)
            except (Unauthorized, RateLimited) as error:
                # A bad token is the same for all: one sign of it is enough for this pass.
                hopeless.append(error)
                raise
            except Unreachable as error:
                # No network is, too; but one repository's answer may break off while the others' do not.
                cut_off.append(error)
                if len(cut_off) >= _MAX_UNREACHABLE:
                    hopeless.append(error)
                raise

        for name, result in fan_out(attempt, names, stop=self._stop, workers=_CONCURRENT_LISTS):
            if isinstance(result, RepositoryResult):
                outcome.repository_results.append(result)
                outcome.stopped = outcome.stopped or result.stopped
                self._note_changed(outcome, result.changed)
            elif isinstance(result, RateLimited):
                outcome.rate_limited = result
            elif isinstance(result, GitHubError):
                errors[name] = result
                outcome.failures[name] = str(result)
                record_failure(self._engine, name, result, self._clock())
        if outcome.rate_limited:
            raise outcome.rate_limited
        return errors

    def backfill(self, repositories: Mapping[int, str], outcome: SyncResult) -> None:
        """History that is still missing, and holes in what is stored."""
        without = self._without_actions()
        for repository_id, repo in repositories.items():
            if repository_id in without:
                continue
            if self._stop.is_set():
                return
            try:
                with isolate_failure(repo):
                    self.backfiller.request(repository_id, self._clock() - self._backfill)
                    changed = self.backfiller.run(repository_id, repo)
                    changed += self._auditor.run(repository_id, repo)
            except RateLimited:
                raise
            except GitHubError as error:
                outcome.failures.setdefault(repo, str(error))
                record_failure(self._engine, repo, error, self._clock())
                continue
            self._note_changed(outcome, changed)

    def prune_targets(self, targets: Targets, outcome: SyncResult) -> None:
        """Forgets what is no longer asked for. What is asked for and could not be read stays: a failure that
        passes must not hide a repository."""
        if outcome.stopped:
            return
        owners = {entry.removesuffix("/*").lower() for entry in targets.failures}
        with write_scope(self._engine) as session:
            delete_other_targets(session, [*targets.names, *targets.failures], owners)
            known = {found for name in targets.names if (found := repository_id_of(session, name))}
            limit_monitoring(
                session, known | set(outcome.repositories) | set(repository_ids_of_owners(session, owners))
            )

    def _without_actions(self) -> set[int]:
        with session_scope(self._engine) as session:
            return repositories_without_actions(session)

    def _fetch_jobs(self, outcome: SyncResult) -> None:
        filled = self.job_fetcher.run(outcome.repositories)
        outcome.changed += filled.changed
        for repo, reason in filled.failures.items():
            outcome.failures.setdefault(repo, reason)
        if filled.rate_limited:
            raise filled.rate_limited

    def _note_changed(self, outcome: SyncResult, changed: int) -> None:
        outcome.changed += changed
        if changed:
            self._progress.mark_data_changed()
