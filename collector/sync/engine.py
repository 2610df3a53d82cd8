"""One pass over all repositories: lists of runs first, so that new runs show at once, then their jobs."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Engine

from collector.github.client import Client
from collector.github.errors import GitHubError, NotFound, RateLimited, Unauthorized, Unreachable
from collector.github.fanout import fan_out
from collector.progress import Progress
from collector.sync.details import fetch_details
from collector.sync.repository import Reading, RepositoryReader, note_failure
from collector.sync.targets import Targets, resolve
from db.engine import session_scope, write_scope
from db.queries.sync import WantedDetails, count_wanted_details, wanted_details
from db.store.jobs import store_details
from db.store.records import DetailsRecord
from db.store.repositories import (
    get_repository,
    keep_targets,
    note_target,
    owned_by,
    repository_id_of,
    set_monitored,
)
from db.store.runs import mark_details_settled
from db.store.sync_state import set_gaps, sync_state

# Runs whose jobs are fetched between two looks at what is most urgent, and stored in one transaction.
_ROUND, _BATCH = 400, 25


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


class Sync:
    def __init__(
        self,
        engine: Engine,
        client: Client,
        *,
        repos: tuple[str, ...],
        backfill_days: int,
        clock: Callable[[], datetime],
        stop: threading.Event,
        progress: Progress,
    ) -> None:
        self._engine, self._client, self._clock = engine, client, clock
        self._repos, self._backfill = repos, timedelta(days=backfill_days)
        self._stop, self._progress = stop, progress
        self._reader = RepositoryReader(engine, client, clock, stop, progress.advance)

    def run(self) -> Outcome:
        """Never raises for what GitHub does: a repository that fails does not stop the others."""
        outcome = Outcome()
        try:
            targets = self._targets(outcome)
            self._read_lists(targets.names, outcome)
            self._tidy(targets, outcome)
            self._fill(outcome)
        except RateLimited as error:
            outcome.waiting = error
        outcome.stopped = outcome.stopped or self._stop.is_set()
        return outcome

    def _targets(self, outcome: Outcome) -> Targets:
        self._progress.begin("Looking for repositories")
        targets = resolve(self._client, self._repos)
        for entry, reason in targets.failures.items():
            outcome.failures[entry] = reason
            with write_scope(self._engine) as session:
                note_target(session, entry, None, reason, self._clock())
        return targets

    def _read_lists(self, names: Sequence[str], outcome: Outcome) -> None:
        hopeless: GitHubError | None = None
        for number, name in enumerate(names, start=1):
            if self._stop.is_set():
                outcome.stopped = True
                return
            self._progress.begin(f"Reading runs of {name} ({number} of {len(names)})")
            try:
                if hopeless:
                    raise hopeless
                reading = self._reader.read(name, self._clock() - self._backfill)
            except RateLimited:
                raise
            except GitHubError as error:
                outcome.failures[name] = str(error)
                note_failure(self._engine, name, error, self._clock())
                # A bad token or no network is the same for all: one sign of it is enough for this pass.
                hopeless = error if isinstance(error, Unauthorized | Unreachable) else hopeless
                continue
            outcome.read.append(reading)
            outcome.stopped = outcome.stopped or reading.stopped
            self._note_changed(outcome, reading.changed)

    def _tidy(self, targets: Targets, outcome: Outcome) -> None:
        """Forgets what is no longer asked for. What is asked for and could not be read stays: a failure that
        passes must not hide a repository."""
        if outcome.stopped:
            return
        owners = {entry.removesuffix("/*").lower() for entry in targets.failures}
        with write_scope(self._engine) as session:
            keep_targets(session, [*targets.names, *targets.failures])
            known = {reading.repository_id for reading in outcome.read}
            known |= {found for name in targets.names if (found := repository_id_of(session, name))}
            set_monitored(session, known | set(owned_by(session, owners)))

    def _fill(self, outcome: Outcome) -> None:
        """Jobs and attempts: in each repository of failed runs first, then of the newest."""
        for reading in outcome.read:
            with session_scope(self._engine) as session:
                total = count_wanted_details(session, reading.repository_id, self._clock())
            if total:
                self._progress.begin(f"Reading jobs of {reading.repo}", total)
            failed: dict[int, str] = {}
            while not self._stop.is_set() and self._fill_round(reading, failed, outcome):
                pass
            self._note_gaps(reading)
            if failed:
                outcome.failures[reading.repo] = next(iter(failed.values()))

    def _fill_round(self, reading: Reading, failed: dict[int, str], outcome: Outcome) -> bool:
        """True when there may be more to do."""
        with session_scope(self._engine) as session:
            listed = wanted_details(session, reading.repository_id, self._clock(), _ROUND + len(failed))
        wanted = [each for each in listed if each.run_id not in failed]
        if not wanted:
            return False
        batch: list[DetailsRecord] = []
        limited: RateLimited | None = None
        for item, result in fan_out(lambda each: self._fetch(reading, each), wanted, stop=self._stop):
            if isinstance(result, DetailsRecord):
                batch.append(result)
            elif isinstance(result, RateLimited):
                limited = result
                break
            elif isinstance(result, NotFound):
                self._settle(reading, item)
            else:
                failed[item.run_id] = f"jobs of run {item.run_id}: {result}"
            if len(batch) >= _BATCH:
                self._store(reading, batch, outcome)
                batch = []
        self._store(reading, batch, outcome)
        if limited:
            self._note_gaps(reading)
            raise limited
        return True

    def _fetch(self, reading: Reading, wanted: WantedDetails) -> DetailsRecord:
        return fetch_details(self._client, reading.repo, wanted, self._clock)

    def _settle(self, reading: Reading, wanted: WantedDetails) -> None:
        with write_scope(self._engine) as session:
            mark_details_settled(session, reading.repository_id, wanted.run_id, self._clock())

    def _store(self, reading: Reading, batch: list[DetailsRecord], outcome: Outcome) -> None:
        if not batch:
            return
        with write_scope(self._engine) as session:
            changed = store_details(session, get_repository(session, reading.repository_id), batch)
        self._progress.advance(len(batch))
        self._note_changed(outcome, changed)

    def _note_changed(self, outcome: Outcome, changed: int) -> None:
        outcome.changed += changed
        if changed:
            self._progress.changed()

    def _note_gaps(self, reading: Reading) -> None:
        with write_scope(self._engine) as session:
            left = count_wanted_details(session, reading.repository_id, self._clock())
            line = f"{left:,} runs still without their jobs: their durations and costs are estimates or missing"
            set_gaps(sync_state(session, reading.repository_id), "jobs", [line] if left else [])
