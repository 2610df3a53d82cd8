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

from collector.github.client import GitHubClient
from collector.github.errors import GitHubError, InvalidResponse, NotFound, RateLimited
from collector.github.pagination import fan_out, pages
from collector.github.payloads import InvalidPayload, JobPayload, RunPayload, parse_payload
from collector.progress import Progress
from collector.sync.convert import attempt_record, job_record
from collector.sync.failures import diagnose_missing_repository, diagnose_missing_run
from db.collection.sync_state import set_gaps
from db.definitions.records import AttemptRecord, JobRecord, RunDetailsRecord
from db.engine import session_scope, write_scope
from db.enums import Status
from db.jobs.job_writes import store_run_details
from db.jobs.pending_jobs import PendingJobs, count_pending_jobs, pending_jobs, runs_pending_jobs
from db.repositories.repository_writes import get_repository
from db.runs.run_writes import mark_details_unavailable
from health.completeness.gaps import runs_without_jobs_text


def fetch_run_jobs(
    client: GitHubClient, repo: str, wanted: PendingJobs, clock: Callable[[], datetime]
) -> RunDetailsRecord:
    """All attempts' jobs come in one list (filter=all): `latest` may leave out jobs that were not run again."""
    run = f"/repos/{repo}/actions/runs/{wanted.run_id}"
    fetched_at = clock()
    jobs: dict[int, JobRecord] = {}
    count: int | None = None
    repeated = 0
    for page in pages(client, f"{run}/jobs", "jobs", JobPayload, params={"filter": "all"}):
        if page.invalid_items:
            raise InvalidResponse(f"a job cannot be read: {page.invalid_items[0]}")
        if page.total_count is not None:
            count = max(count or 0, page.total_count)
        # A job that one page lists twice is counted twice; between pages jobs repeat because the pages shift.
        repeated += len(page.items) - len({payload.id for payload in page.items})
        for payload in page.items:
            job = job_record(payload)
            known = jobs.get(job.id)
            # GitHub can list one job twice, once with its steps cut short.
            if known is None or _completeness_key(job) >= _completeness_key(known):
                jobs[job.id] = job
    attempts = [_attempt(client, f"{run}/attempts/{number}") for number in wanted.missing_attempts]
    return RunDetailsRecord(
        wanted.run_id,
        tuple(attempt for attempt in attempts if attempt),
        tuple(jobs.values()),
        fetched_at,
        attempt=wanted.attempt,
        run_completed=wanted.completed,
        job_count=None if count is None else count - repeated,
    )


def _completeness_key(job: JobRecord) -> tuple[bool, int]:
    return job.status == Status.COMPLETED, len(job.steps)


def _attempt(client: GitHubClient, path: str) -> AttemptRecord | None:
    try:
        return attempt_record(parse_payload(RunPayload, client.get(path).data))
    except NotFound:
        return None  # GitHub no longer has it; its jobs still hold what is known
    except InvalidPayload as error:
        raise InvalidResponse(f"an attempt cannot be read: {error}") from None


# Runs between two looks at what is most urgent, and runs stored in one transaction: short, so that webhooks and
# readers need not wait for the write lock.
_PENDING_LIMIT, _WRITE_BATCH = 400, 50
WORKERS = 32
_FIRST_PAUSE, _MAX_PAUSE = timedelta(minutes=1), timedelta(hours=1)
# Between two looks at the jobs of a run that ended just now and whose jobs are not all there, or not all over.
_FIRST_RECHECK, _MAX_RECHECK = timedelta(seconds=10), timedelta(minutes=4)


@dataclass
class JobFetchResult:
    """`failures` maps a repository to one line; `waiting` is set when GitHub asked to wait."""

    changed: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    rate_limited: RateLimited | None = None


@dataclass
class _RetryState:
    tries: int
    retry_at: datetime


@dataclass
class _FetchPass:
    """`repositories` maps ids to owner/name. `missing` are runs whose jobs GitHub knew nothing of (404), `lost`
    repositories that turned out not to be seen: nothing more is asked of them in this pass."""

    repositories: Mapping[int, str]
    use_backoff: bool
    result: JobFetchResult = field(default_factory=JobFetchResult)
    batch: dict[int, list[RunDetailsRecord]] = field(default_factory=lambda: defaultdict(list))
    missing: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    unavailable: set[int] = field(default_factory=set)

    @property
    def unsaved_count(self) -> int:
        return sum(map(len, self.batch.values())) + sum(map(len, self.missing.values()))

    def note_failure(self, repository_id: int, line: str) -> None:
        self.result.failures.setdefault(self.repositories[repository_id], line)


class JobFetcher:
    """Remembers between calls which runs and repositories could not be read, so that a broken one is not asked for all
    the time."""

    def __init__(
        self,
        engine: Engine,
        client: GitHubClient,
        *,
        clock: Callable[[], datetime],
        stop: threading.Event,
        progress: Progress,
        workers: int = WORKERS,
    ) -> None:
        self._engine, self._client, self._clock = engine, client, clock
        self._stop, self._progress, self._workers = stop, progress, workers
        self._trouble: dict[int, _RetryState] = {}
        # By run and attempt: a new attempt is asked for at once.
        self._unsettled: dict[tuple[int, int], _RetryState] = {}
        self._unseen: dict[int, _RetryState] = {}

    def run(
        self, repositories: Mapping[int, str], *, include_running: bool = True, use_backoff: bool = False
    ) -> JobFetchResult:
        """Everything that is wanted of these repositories (id to owner/name). Without `live` running runs are left
        alone unless there is news of them. `patient` waits longer after each failure of a run, and each answer that is
        not GitHub's last word; otherwise it is asked for once in every call."""
        current = _FetchPass(repositories, use_backoff)
        if not repositories:
            return current.result
        with session_scope(self._engine) as session:
            left = count_pending_jobs(session, repositories, self._clock())
        if left:
            self._progress.begin("Reading jobs", sum(left.values()))
        wanted = self._pending_runs(current, include_running)
        for item, result in fan_out(
            lambda each: fetch_run_jobs(self._client, repositories[each.repository_id], each, self._clock),
            wanted, stop=self._stop, workers=self._workers,
        ):  # fmt: skip
            if isinstance(result, RateLimited):
                current.result.rate_limited = current.result.rate_limited or result
            else:
                self._handle_result(item, result, current)
            if current.unsaved_count >= _WRITE_BATCH:
                self._store(current)
            if current.result.rate_limited:
                wanted.close()
        self._store(current)
        self._record_gaps(repositories, left)
        return current.result

    def _pending_runs(self, current: _FetchPass, live: bool) -> Generator[PendingJobs, None, None]:
        """Looks again after each round: what failed meanwhile comes first."""
        asked: set[int] = set()
        while not self._stop.is_set():
            now = self._clock()
            seen = [
                each
                for each in current.repositories
                if self._is_retry_due(self._unseen.get(each), now, current.use_backoff)
            ]
            with session_scope(self._engine) as session:
                # What is on its way, or failed, is still wanted in the database.
                limit = _PENDING_LIMIT + self._workers + 2 * _WRITE_BATCH + len(self._trouble) + len(self._unsettled)
                listed = pending_jobs(session, set(seen) - current.unavailable, now, limit, include_unfinished=live)
            fresh = [each for each in listed if each.run_id not in asked]
            fresh = [each for each in fresh if self._is_due(each, now, current.use_backoff)]
            if not fresh:
                return
            for each in fresh[:_PENDING_LIMIT]:
                asked.add(each.run_id)
                if each.repository_id not in current.unavailable:
                    yield each

    def _is_due(self, run: PendingJobs, now: datetime, patient: bool) -> bool:
        pauses = self._trouble.get(run.run_id), self._unsettled.get((run.run_id, run.attempt))
        return all(self._is_retry_due(pause, now, patient) for pause in pauses)

    def _is_retry_due(self, trouble: _RetryState | None, now: datetime, patient: bool) -> bool:
        return trouble is None or not patient or now >= trouble.retry_at

    def _handle_result(self, item: PendingJobs, result: RunDetailsRecord | GitHubError, current: _FetchPass) -> None:
        if isinstance(result, RunDetailsRecord):
            self._trouble.pop(item.run_id, None)
            self._unseen.pop(item.repository_id, None)
            current.batch[item.repository_id].append(result)
        elif isinstance(result, NotFound):
            current.missing[item.repository_id].append(item.run_id)
        else:
            self._record_failure(item.repository_id, item.run_id, result, current)

    def _record_failure(self, repository_id: int, run_id: int, error: GitHubError, current: _FetchPass) -> None:
        self._trouble[run_id] = self._next_retry(self._trouble.get(run_id))
        current.note_failure(repository_id, f"jobs of run {run_id}: {error}")

    def _next_retry(
        self, before: _RetryState | None, first: timedelta = _FIRST_PAUSE, longest: timedelta = _MAX_PAUSE
    ) -> _RetryState:
        tries = before.tries + 1 if before else 1
        pause = min(first * 2 ** min(tries - 1, 10), longest)
        return _RetryState(tries, self._clock() + pause)

    def _record_unsettled(self, details: list[RunDetailsRecord], pending: set[int]) -> None:
        """Runs whose jobs GitHub is still completing: after growing pauses their lists are read again."""
        for detail in details:
            key = detail.run_id, detail.attempt or 1
            before = self._unsettled.pop(key, None)
            if detail.run_completed and detail.run_id in pending:
                self._unsettled[key] = self._next_retry(before, _FIRST_RECHECK, _MAX_RECHECK)

    def _store(self, current: _FetchPass) -> None:
        for repository_id, details in current.batch.items():
            with write_scope(self._engine) as session:
                changed = store_run_details(session, get_repository(session, repository_id), details)
                pending = runs_pending_jobs(session, repository_id, [detail.run_id for detail in details])
            self._record_unsettled(details, pending)
            current.result.changed += changed
            self._progress.advance(len(details))
            if changed:
                self._progress.mark_data_changed()
        current.batch.clear()
        try:
            for repository_id, run_ids in current.missing.items():
                self._resolve_missing(repository_id, run_ids, current)
        except RateLimited as error:
            current.result.rate_limited = current.result.rate_limited or error
        current.missing.clear()

    def _resolve_missing(self, repository_id: int, run_ids: list[int], current: _FetchPass) -> None:
        """Runs that are gone have no jobs to wait for. Whether they are is asked after the 404, and of the repository
        first: where the token lost it, all of its runs answer like this, and none of them is gone."""
        repo = current.repositories[repository_id]
        if unseen := diagnose_missing_repository(self._client, repository_id, repo):
            current.unavailable.add(repository_id)
            self._unseen[repository_id] = self._next_retry(self._unseen.get(repository_id))
            current.note_failure(repository_id, str(unseen))
            return
        self._unseen.pop(repository_id, None)
        for run_id in run_ids:
            if error := diagnose_missing_run(self._client, repo, run_id):
                self._record_failure(repository_id, run_id, error, current)
                continue
            with write_scope(self._engine) as session:
                mark_details_unavailable(session, repository_id, run_id, self._clock())

    def _record_gaps(self, repositories: Mapping[int, str], before: Mapping[int, int]) -> None:
        if not before:
            return
        with session_scope(self._engine) as session:
            left = count_pending_jobs(session, repositories, self._clock())
        for repository_id in before:
            missing = left.get(repository_id, 0)
            with write_scope(self._engine) as session:
                set_gaps(session, repository_id, "jobs", [runs_without_jobs_text(missing)] if missing else [])
