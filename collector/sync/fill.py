"""Filling in the jobs and attempts of runs: of all repositories together, failed runs first, then the newest, so that
a short budget goes where people look."""

import threading
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Engine

from collector.github.client import Client
from collector.github.errors import GitHubError, NotFound, RateLimited
from collector.github.fanout import fan_out
from collector.progress import Progress
from collector.sync.details import fetch_details
from db.engine import session_scope, write_scope
from db.queries.sync import WantedDetails, count_wanted_details, wanted_details
from db.store.jobs import store_details
from db.store.records import DetailsRecord
from db.store.repositories import get_repository
from db.store.runs import mark_details_settled
from db.store.sync_state import set_gaps, sync_state

# Runs between two looks at what is most urgent, and runs stored in one transaction: short, so that webhooks and
# readers need not wait for the write lock.
_ROUND, _BATCH = 400, 50
WORKERS = 32
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)


@dataclass
class Filled:
    """`failures` maps a repository to one line; `waiting` is set when GitHub asked to wait."""

    changed: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    waiting: RateLimited | None = None


@dataclass
class _Trouble:
    tries: int
    again_at: datetime


class Filler:
    """Remembers between calls which runs could not be read, so that a broken one is not asked for all the time."""

    def __init__(
        self,
        engine: Engine,
        client: Client,
        *,
        clock: Callable[[], datetime],
        stop: threading.Event,
        progress: Progress,
        workers: int = WORKERS,
    ) -> None:
        self._engine, self._client, self._clock = engine, client, clock
        self._stop, self._progress, self._workers = stop, progress, workers
        self._trouble: dict[int, _Trouble] = {}

    def run(self, repositories: Mapping[int, str], *, live: bool = True, patient: bool = False) -> Filled:
        """Everything that is wanted of these repositories (id to owner/name). Without `live` running runs are left
        alone unless there is news of them. `patient` waits longer after each failure of a run; otherwise it is asked
        for once in every call."""
        filled = Filled()
        if not repositories:
            return filled
        with session_scope(self._engine) as session:
            left = count_wanted_details(session, repositories, self._clock())
        if left:
            self._progress.begin("Reading jobs", sum(left.values()))
        batch: dict[int, list[DetailsRecord]] = defaultdict(list)
        wanted = self._wanted(repositories, live, patient)
        for item, result in fan_out(
            lambda each: fetch_details(self._client, repositories[each.repository_id], each, self._clock),
            wanted, stop=self._stop, workers=self._workers,
        ):  # fmt: skip
            if isinstance(result, RateLimited):
                filled.waiting = filled.waiting or result
                wanted.close()
                continue
            self._take(item, result, repositories, batch, filled)
            if sum(map(len, batch.values())) >= _BATCH:
                self._store(batch, filled)
        self._store(batch, filled)
        self._note_gaps(repositories, left)
        return filled

    def _wanted(
        self, repositories: Mapping[int, str], live: bool, patient: bool
    ) -> Generator[WantedDetails, None, None]:
        """Looks again after each round: what failed meanwhile comes first."""
        asked: set[int] = set()
        while not self._stop.is_set():
            now = self._clock()
            with session_scope(self._engine) as session:
                # What is on its way, or failed, is still wanted in the database.
                limit = _ROUND + self._workers + 2 * _BATCH + len(self._trouble)
                listed = wanted_details(session, repositories, now, limit, live=live)
            fresh = [each for each in listed if each.run_id not in asked and self._may(each.run_id, now, patient)]
            if not fresh:
                return
            asked.update(each.run_id for each in fresh[:_ROUND])
            yield from fresh[:_ROUND]

    def _may(self, run_id: int, now: datetime, patient: bool) -> bool:
        trouble = self._trouble.get(run_id)
        return trouble is None or not patient or now >= trouble.again_at

    def _take(
        self, item: WantedDetails, result: DetailsRecord | GitHubError, repositories: Mapping[int, str],
        batch: dict[int, list[DetailsRecord]], filled: Filled,
    ) -> None:  # fmt: skip
        if isinstance(result, DetailsRecord):
            self._trouble.pop(item.run_id, None)
            batch[item.repository_id].append(result)
        elif isinstance(result, NotFound):
            with write_scope(self._engine) as session:
                mark_details_settled(session, item.repository_id, item.run_id, self._clock())
        else:
            tries = self._trouble[item.run_id].tries + 1 if item.run_id in self._trouble else 1
            pause = min(_FIRST_PAUSE * 2 ** min(tries - 1, 10), _LONGEST_PAUSE)
            self._trouble[item.run_id] = _Trouble(tries, self._clock() + pause)
            filled.failures.setdefault(repositories[item.repository_id], f"jobs of run {item.run_id}: {result}")

    def _store(self, batch: dict[int, list[DetailsRecord]], filled: Filled) -> None:
        for repository_id, details in batch.items():
            with write_scope(self._engine) as session:
                changed = store_details(session, get_repository(session, repository_id), details)
            filled.changed += changed
            self._progress.advance(len(details))
            if changed:
                self._progress.changed()
        batch.clear()

    def _note_gaps(self, repositories: Mapping[int, str], before: Mapping[int, int]) -> None:
        if not before:
            return
        with session_scope(self._engine) as session:
            left = count_wanted_details(session, repositories, self._clock())
        for repository_id in before:
            missing = left.get(repository_id, 0)
            line = f"{missing:,} runs still without their jobs: their durations and costs are estimates or missing"
            with write_scope(self._engine) as session:
                set_gaps(sync_state(session, repository_id), "jobs", [line] if missing else [])
