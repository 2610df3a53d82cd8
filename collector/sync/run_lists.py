"""Syncing the run lists of several repositories at a time."""

from collections.abc import Callable, Sequence
from datetime import timedelta

from collector.context import CollectorContext, RepositoryResult, SyncResult
from collector.github.errors import GitHubError, RateLimited, Unauthorized, Unreachable
from collector.github.pagination import fan_out
from collector.sync.failures import isolate_failure
from collector.sync.repository import RepositorySync, record_failure
from db.engine import session_scope
from db.repositories.repository_writes import repository_id_of

_CONCURRENT_LISTS = 8
_MAX_UNREACHABLE = 2


class RunListSync:
    """`backfill`: how far back the first sync of a repository reads."""

    def __init__(self, context: CollectorContext, repository_sync: RepositorySync, backfill: timedelta) -> None:
        self._context, self._repository_sync, self._backfill = context, repository_sync, backfill

    def sync(self, names: Sequence[str], result: SyncResult) -> None:
        """Syncs the run lists of these repositories. Names that were never read are looked up first, so that the
        number of repositories is known from the start. Failures are stored; raises RateLimited."""
        fatal: list[GitHubError] = []
        unknown = self._unknown_repositories(names)
        if len(unknown) > 1:
            self._context.progress.begin(f"Looking up {len(unknown)} repositories")
            failed = self._fan_out(unknown, self._repository_sync.identify, result, fatal)
            names = [name for name in names if name not in failed]
        if not names:
            return
        label = f"Reading runs of {names[0]}" if len(names) == 1 else f"Reading runs of {len(names)} repositories"
        self._context.progress.begin(label)
        self._fan_out(names, self._sync_one, result, fatal)

    def _sync_one(self, name: str) -> RepositoryResult:
        return self._repository_sync.read(name, self._context.clock() - self._backfill)

    def _unknown_repositories(self, names: Sequence[str]) -> list[str]:
        with session_scope(self._context.engine) as session:
            return [name for name in names if repository_id_of(session, name) is None]

    def _fan_out(
        self,
        names: Sequence[str],
        action: Callable[[str], object],
        result: SyncResult,
        fatal: list[GitHubError],
    ) -> dict[str, GitHubError]:
        """Runs `action` for each name and adds its RepositoryResult, if it returns one; returns the errors by name.
        `fatal` receives the first error that is the same for all names: no further request is sent after it."""
        unreachable: list[Unreachable] = []
        errors: dict[str, GitHubError] = {}

        def attempt(name: str) -> object:
            if fatal:
                raise fatal[0]
            try:
                with isolate_failure(name):
                    return action(name)
            except (Unauthorized, RateLimited) as error:
                # A rejected token is rejected for all names.
                fatal.append(error)
                raise
            except Unreachable as error:
                # So is a missing network; but the response of one repository may break off while others arrive.
                unreachable.append(error)
                if len(unreachable) >= _MAX_UNREACHABLE:
                    fatal.append(error)
                raise

        for name, outcome in fan_out(attempt, names, stop=self._context.stop, workers=_CONCURRENT_LISTS):
            if isinstance(outcome, RepositoryResult):
                result.repository_results.append(outcome)
                result.stopped = result.stopped or outcome.stopped
                self._context.record_changes(result, outcome.changed)
            elif isinstance(outcome, RateLimited):
                result.rate_limited = outcome
            elif isinstance(outcome, GitHubError):
                errors[name] = outcome
                result.failures[name] = str(outcome)
                record_failure(self._context.engine, name, outcome, self._context.clock())
        if result.rate_limited:
            raise result.rate_limited
        return errors
