"""What is to be done about all repositories: a look at their lists of runs, so that new runs show at once, then
history and holes, then the jobs."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Engine

from collector.github.client import Client
from collector.github.errors import GitHubError, RateLimited, Unauthorized, Unreachable
from collector.github.pagination import fan_out
from collector.progress import Progress
from collector.sync.backfill import Auditor, Backfiller
from collector.sync.failures import of_one
from collector.sync.job_fetcher import Filler
from collector.sync.repository import Reading, RepositoryReader, note_failure
from collector.sync.targets import Targets, is_wanted, resolve
from db.engine import session_scope, write_scope
from db.repositories.repository_queries import all_targets, repositories_without_actions, repository_names
from db.repositories.repository_writes import (
    add_targets,
    keep_targets,
    note_target,
    owned_by,
    repository_id_of,
    set_monitored,
)

_LISTS_AT_ONCE = 8
_SIGNS_OF_NO_NETWORK = 2


@dataclass
class Outcome:
    """How a pass went. `failures` maps a name of GITHUB_REPOS to one line; `waiting` is set when GitHub asked
    to wait, and the rest of the pass was left for later."""

    read: list[Reading] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    changed: int = 0
    waiting: RateLimited | None = None
    stopped: bool = False

    @property
    def complete(self) -> bool:
        return not (self.failures or self.waiting or self.stopped)

    @property
    def repositories(self) -> dict[int, str]:
        return {reading.repository_id: reading.repo for reading in self.read}


class Sync:
    def __init__(
        self,
        engine: Engine,
        client: Client,
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
        self._reader = RepositoryReader(engine, client, clock, stop, progress.advance, kept)
        self.backfiller = Backfiller(engine, client, self._reader, clock=clock, stop=stop, progress=progress)
        self._auditor = Auditor(engine, client, self._reader, clock=clock, stop=stop)
        self.filler = Filler(engine, client, clock=clock, stop=stop, progress=progress)

    def run(self) -> Outcome:
        """Everything, once, to its end. Never raises for what GitHub does: a repository that fails does not stop the
        others."""
        outcome = Outcome()
        self.forget_unwanted()
        try:
            targets = self.resolve(outcome)
            self.look(targets.names, outcome)
            self.tidy(targets, outcome)
            self.complete(outcome.repositories, outcome)
            self._fill(outcome)
        except RateLimited as error:
            outcome.waiting = error
        outcome.stopped = outcome.stopped or self._stop.is_set()
        return outcome

    def read_history(self, repos: tuple[str, ...], since: datetime, until: datetime | None) -> Outcome:
        """Runs of these entries since then, and their jobs. A repository that was never read is looked at first."""
        outcome = Outcome()
        try:
            targets = resolve(self._client, repos)
            outcome.failures.update(targets.failures)
            self.look(targets.names, outcome)
            without = self._without_actions()
            for repository_id, repo in outcome.repositories.items():
                if repository_id not in without:
                    self._read_history(repository_id, repo, since, until, outcome)
            self._fill(outcome)
        except RateLimited as error:
            outcome.waiting = error
        outcome.stopped = outcome.stopped or self._stop.is_set()
        return outcome

    def _read_history(
        self, repository_id: int, repo: str, since: datetime, until: datetime | None, outcome: Outcome
    ) -> None:
        try:
            with of_one(repo):
                self.backfiller.want(repository_id, since, until)
                self._note_changed(outcome, self.backfiller.run(repository_id, repo))
                self._auditor.run(repository_id, repo, force=True)
        except RateLimited:
            raise
        except GitHubError as error:
            outcome.failures[repo] = str(error)

    def forget_unwanted(self) -> None:
        """What GITHUB_REPOS does not name any more is neither read nor asked for, from the start on: GitHub need not be
        reachable for that. Its history stays."""
        with write_scope(self._engine) as session:
            kept = [name for name in all_targets(session) if is_wanted(self._repos, name)]
            keep_targets(session, kept, ())
            known = {found for name in kept if (found := repository_id_of(session, name))}
            named = {number for number, name in repository_names(session).items() if is_wanted(self._repos, name)}
            set_monitored(session, known | named)

    def resolve(self, outcome: Outcome) -> Targets:
        """Which repositories GITHUB_REPOS means today; they stand in the database for other collectors."""
        self._progress.begin("Looking for repositories")
        targets = resolve(self._client, self._repos)
        with write_scope(self._engine) as session:
            add_targets(session, targets.names, self._clock())
            for entry, reason in targets.failures.items():
                outcome.failures[entry] = reason
                note_target(session, entry, None, reason, self._clock())
        return targets

    def look(self, names: Sequence[str], outcome: Outcome) -> None:
        """The lists of runs of these repositories, several at once. Those that were never read are identified first, so
        that what is still to be read is counted from the start."""
        hopeless: list[GitHubError] = []
        new = self._new_among(names)
        if len(new) > 1:
            self._progress.begin(f"Looking up {len(new)} repositories")
            unreadable = self._fan_out(new, self._reader.identify, outcome, hopeless)
            names = [name for name in names if name not in unreadable]
        if not names:
            return
        label = f"Reading runs of {names[0]}" if len(names) == 1 else f"Reading runs of {len(names)} repositories"
        self._progress.begin(label)
        self._fan_out(names, lambda name: self._reader.read(name, self._clock() - self._backfill), outcome, hopeless)

    def _new_among(self, names: Sequence[str]) -> list[str]:
        with session_scope(self._engine) as session:
            return [name for name in names if repository_id_of(session, name) is None]

    def _fan_out(
        self,
        names: Sequence[str],
        action: Callable[[str], Reading | None],
        outcome: Outcome,
        hopeless: list[GitHubError],
    ) -> dict[str, GitHubError]:
        """Runs `action` for each name and notes its reading; returns the errors by name. `hopeless` holds the first
        error that is the same for all names: nothing more is asked for. Raises RateLimited when GitHub asks to wait."""
        cut_off: list[Unreachable] = []
        errors: dict[str, GitHubError] = {}

        def attempt(name: str) -> Reading | None:
            if hopeless:
                raise hopeless[0]
            try:
                with of_one(name):
                    return action(name)
            except (Unauthorized, RateLimited) as error:
                # A bad token is the same for all: one sign of it is enough for this pass.
                hopeless.append(error)
                raise
            except Unreachable as error:
                # No network is, too; but one repository's answer may break off while the others' do not.
                cut_off.append(error)
                if len(cut_off) >= _SIGNS_OF_NO_NETWORK:
                    hopeless.append(error)
                raise

        for name, result in fan_out(attempt, names, stop=self._stop, workers=_LISTS_AT_ONCE):
            if isinstance(result, Reading):
                outcome.read.append(result)
                outcome.stopped = outcome.stopped or result.stopped
                self._note_changed(outcome, result.changed)
            elif isinstance(result, RateLimited):
                outcome.waiting = result
            elif isinstance(result, GitHubError):
                errors[name] = result
                outcome.failures[name] = str(result)
                note_failure(self._engine, name, result, self._clock())
        if outcome.waiting:
            raise outcome.waiting
        return errors

    def complete(self, repositories: Mapping[int, str], outcome: Outcome) -> None:
        """History that is still missing, and holes in what is stored."""
        without = self._without_actions()
        for repository_id, repo in repositories.items():
            if repository_id in without:
                continue
            if self._stop.is_set():
                return
            try:
                with of_one(repo):
                    self.backfiller.want(repository_id, self._clock() - self._backfill)
                    changed = self.backfiller.run(repository_id, repo)
                    changed += self._auditor.run(repository_id, repo)
            except RateLimited:
                raise
            except GitHubError as error:
                outcome.failures.setdefault(repo, str(error))
                note_failure(self._engine, repo, error, self._clock())
                continue
            self._note_changed(outcome, changed)

    def tidy(self, targets: Targets, outcome: Outcome) -> None:
        """Forgets what is no longer asked for. What is asked for and could not be read stays: a failure that
        passes must not hide a repository."""
        if outcome.stopped:
            return
        owners = {entry.removesuffix("/*").lower() for entry in targets.failures}
        with write_scope(self._engine) as session:
            keep_targets(session, [*targets.names, *targets.failures], owners)
            known = {found for name in targets.names if (found := repository_id_of(session, name))}
            set_monitored(session, known | set(outcome.repositories) | set(owned_by(session, owners)))

    def _without_actions(self) -> set[int]:
        with session_scope(self._engine) as session:
            return repositories_without_actions(session)

    def _fill(self, outcome: Outcome) -> None:
        filled = self.filler.run(outcome.repositories)
        outcome.changed += filled.changed
        for repo, reason in filled.failures.items():
            outcome.failures.setdefault(repo, reason)
        if filled.waiting:
            raise filled.waiting

    def _note_changed(self, outcome: Outcome, changed: int) -> None:
        outcome.changed += changed
        if changed:
            self._progress.changed()
