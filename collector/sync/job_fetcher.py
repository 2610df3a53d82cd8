"""Fetching the jobs and earlier attempts of one run.

Filling in the jobs and attempts of runs: of all repositories together, failed runs first, then the newest, so that
a short budget goes where people look.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Engine

from collector.github.client import Client
from collector.github.errors import BadAnswer, GitHubError, NotFound, RateLimited
from collector.github.pagination import fan_out, pages
from collector.github.payloads import JobPayload, RunPayload, read
from collector.progress import Progress
from collector.sync.convert import attempt_record, job_record
from collector.sync.failures import why_unread, why_unseen
from db.collection.sync_state import set_gaps
from db.definitions.records import AttemptRecord, DetailsRecord, JobRecord
from db.engine import session_scope, write_scope
from db.enums import Status
from db.jobs.job_writes import store_details
from db.jobs.pending_jobs import WantedDetails, count_wanted_details, pending_details, wanted_details
from db.repositories.repository_writes import get_repository
from db.runs.run_writes import mark_details_settled
from health.completeness.gaps import unfilled_line


def fetch_details(client: Client, repo: str, wanted: WantedDetails, clock: Callable[[], datetime]) -> DetailsRecord:
    """All attempts' jobs come in one list (filter=all): `latest` may leave out jobs that were not run again."""
    run = f"/repos/{repo}/actions/runs/{wanted.run_id}"
    fetched_at = clock()
    jobs: dict[int, JobRecord] = {}
    count: int | None = None
    repeated = 0
    for page in pages(client, f"{run}/jobs", "jobs", JobPayload, params={"filter": "all"}):
        if page.unreadable:
            raise BadAnswer(f"a job cannot be read: {page.unreadable[0]}")
        if page.total_count is not None:
            count = max(count or 0, page.total_count)
        # A job that one page lists twice is counted twice; between pages jobs repeat because the pages shift.
        repeated += len(page.items) - len({payload.id for payload in page.items})
        for payload in page.items:
            job = job_record(payload)
            known = jobs.get(job.id)
            # GitHub can list one job twice, once with its steps cut short.
            if known is None or _fullness(job) >= _fullness(known):
                jobs[job.id] = job
    attempts = [_attempt(client, f"{run}/attempts/{number}") for number in wanted.missing_attempts]
    return DetailsRecord(
        wanted.run_id,
        tuple(attempt for attempt in attempts if attempt),
        tuple(jobs.values()),
        fetched_at,
        attempt=wanted.attempt,
        over=wanted.over,
        job_count=None if count is None else count - repeated,
    )


def _fullness(job: JobRecord) -> tuple[bool, int]:
    return job.status == Status.COMPLETED, len(job.steps)


def _attempt(client: Client, path: str) -> AttemptRecord | None:
    try:
        payload = read(RunPayload, client.get(path).data)
    except NotFound:
        return None  # GitHub forgot it; its jobs still tell what is known
    if isinstance(payload, str):
        raise BadAnswer(f"an attempt cannot be read: {payload}")
    return attempt_record(payload)


# Runs between two looks at what is most urgent, and runs stored in one transaction: short, so that webhooks and
# readers need not wait for the write lock.
_ROUND, _BATCH = 400, 50
WORKERS = 32
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
# Between two looks at the jobs of a run that ended just now and whose jobs are not all there, or not all over.
_FIRST_LOOK, _LONGEST_LOOK = timedelta(seconds=10), timedelta(minutes=4)


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


@dataclass
class _Pass:
    """`repositories` maps ids to owner/name. `missing` are runs whose jobs GitHub knew nothing of (404), `lost`
    repositories that turned out not to be seen: nothing more is asked of them in this pass."""

    repositories: Mapping[int, str]
    patient: bool
    filled: Filled = field(default_factory=Filled)
    batch: dict[int, list[DetailsRecord]] = field(default_factory=lambda: defaultdict(list))
    missing: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    lost: set[int] = field(default_factory=set)

    @property
    def waiting_to_be_stored(self) -> int:
        return sum(map(len, self.batch.values())) + sum(map(len, self.missing.values()))

    def note_failure(self, repository_id: int, line: str) -> None:
        self.filled.failures.setdefault(self.repositories[repository_id], line)


class Filler:
    """Remembers between calls which runs and repositories could not be read, so that a broken one is not asked for all
    the time."""

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
        # By run and attempt: a new attempt is asked for at once.
        self._unsettled: dict[tuple[int, int], _Trouble] = {}
        self._unseen: dict[int, _Trouble] = {}

    def run(self, repositories: Mapping[int, str], *, live: bool = True, patient: bool = False) -> Filled:
        """Everything that is wanted of these repositories (id to owner/name). Without `live` running runs are left
        alone unless there is news of them. `patient` waits longer after each failure of a run, and each answer that is
        not GitHub's last word; otherwise it is asked for once in every call."""
        current = _Pass(repositories, patient)
        if not repositories:
            return current.filled
        with session_scope(self._engine) as session:
            left = count_wanted_details(session, repositories, self._clock())
        if left:
            self._progress.begin("Reading jobs", sum(left.values()))
        wanted = self._wanted(current, live)
        for item, result in fan_out(
            lambda each: fetch_details(self._client, repositories[each.repository_id], each, self._clock),
            wanted, stop=self._stop, workers=self._workers,
        ):  # fmt: skip
            if isinstance(result, RateLimited):
                current.filled.waiting = current.filled.waiting or result
            else:
                self._take(item, result, current)
            if current.waiting_to_be_stored >= _BATCH:
                self._store(current)
            if current.filled.waiting:
                wanted.close()
        self._store(current)
        self._note_gaps(repositories, left)
        return current.filled

    def _wanted(self, current: _Pass, live: bool) -> Generator[WantedDetails, None, None]:
        """Looks again after each round: what failed meanwhile comes first."""
        asked: set[int] = set()
        while not self._stop.is_set():
            now = self._clock()
            seen = [each for each in current.repositories if self._may(self._unseen.get(each), now, current.patient)]
            with session_scope(self._engine) as session:
                # What is on its way, or failed, is still wanted in the database.
                limit = _ROUND + self._workers + 2 * _BATCH + len(self._trouble) + len(self._unsettled)
                listed = wanted_details(session, set(seen) - current.lost, now, limit, live=live)
            fresh = [each for each in listed if each.run_id not in asked]
            fresh = [each for each in fresh if self._is_due(each, now, current.patient)]
            if not fresh:
                return
            for each in fresh[:_ROUND]:
                asked.add(each.run_id)
                if each.repository_id not in current.lost:
                    yield each

    def _is_due(self, run: WantedDetails, now: datetime, patient: bool) -> bool:
        pauses = self._trouble.get(run.run_id), self._unsettled.get((run.run_id, run.attempt))
        return all(self._may(pause, now, patient) for pause in pauses)

    def _may(self, trouble: _Trouble | None, now: datetime, patient: bool) -> bool:
        return trouble is None or not patient or now >= trouble.again_at

    def _take(self, item: WantedDetails, result: DetailsRecord | GitHubError, current: _Pass) -> None:
        if isinstance(result, DetailsRecord):
            self._trouble.pop(item.run_id, None)
            self._unseen.pop(item.repository_id, None)
            current.batch[item.repository_id].append(result)
        elif isinstance(result, NotFound):
            current.missing[item.repository_id].append(item.run_id)
        else:
            self._note_trouble(item.repository_id, item.run_id, result, current)

    def _note_trouble(self, repository_id: int, run_id: int, error: GitHubError, current: _Pass) -> None:
        self._trouble[run_id] = self._again(self._trouble.get(run_id))
        current.note_failure(repository_id, f"jobs of run {run_id}: {error}")

    def _again(
        self, before: _Trouble | None, first: timedelta = _FIRST_PAUSE, longest: timedelta = _LONGEST_PAUSE
    ) -> _Trouble:
        tries = before.tries + 1 if before else 1
        pause = min(first * 2 ** min(tries - 1, 10), longest)
        return _Trouble(tries, self._clock() + pause)

    def _note_unsettled(self, details: list[DetailsRecord], pending: set[int]) -> None:
        """Runs whose jobs GitHub is still completing: after growing pauses their lists are read again."""
        for detail in details:
            key = detail.run_id, detail.attempt or 1
            before = self._unsettled.pop(key, None)
            if detail.over and detail.run_id in pending:
                self._unsettled[key] = self._again(before, _FIRST_LOOK, _LONGEST_LOOK)

    def _store(self, current: _Pass) -> None:
        for repository_id, details in current.batch.items():
            with write_scope(self._engine) as session:
                changed = store_details(session, get_repository(session, repository_id), details)
                pending = pending_details(session, repository_id, [detail.run_id for detail in details])
            self._note_unsettled(details, pending)
            current.filled.changed += changed
            self._progress.advance(len(details))
            if changed:
                self._progress.changed()
        current.batch.clear()
        try:
            for repository_id, run_ids in current.missing.items():
                self._settle(repository_id, run_ids, current)
        except RateLimited as error:
            current.filled.waiting = current.filled.waiting or error
        current.missing.clear()

    def _settle(self, repository_id: int, run_ids: list[int], current: _Pass) -> None:
        """Runs that are gone have no jobs to wait for. Whether they are is asked after the 404, and of the repository
        first: where the token lost it, all of its runs answer like this, and none of them is gone."""
        repo = current.repositories[repository_id]
        if unseen := why_unseen(self._client, repository_id, repo):
            current.lost.add(repository_id)
            self._unseen[repository_id] = self._again(self._unseen.get(repository_id))
            current.note_failure(repository_id, str(unseen))
            return
        self._unseen.pop(repository_id, None)
        for run_id in run_ids:
            if error := why_unread(self._client, repo, run_id):
                self._note_trouble(repository_id, run_id, error, current)
                continue
            with write_scope(self._engine) as session:
                mark_details_settled(session, repository_id, run_id, self._clock())

    def _note_gaps(self, repositories: Mapping[int, str], before: Mapping[int, int]) -> None:
        if not before:
            return
        with session_scope(self._engine) as session:
            left = count_wanted_details(session, repositories, self._clock())
        for repository_id in before:
            missing = left.get(repository_id, 0)
            with write_scope(self._engine) as session:
                set_gaps(session, repository_id, "jobs", [unfilled_line(missing)] if missing else [])
