"""Fetches the jobs and earlier attempts of runs: of all repositories together, failed runs first, then the newest."""

from collections import defaultdict
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from collector.context import CollectorContext
from collector.github.client import GitHubClient
from collector.github.errors import GitHubError, InvalidResponse, NotFound, RateLimited
from collector.github.pagination import fan_out, pages
from collector.github.payloads import InvalidPayload, JobPayload, RunPayload, parse_payload
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

# Runs that are fetched before the pending runs are queried again, and runs stored in one transaction. Transactions are
# short, so that webhooks and readers need not wait for the write lock.
_PENDING_LIMIT, WRITE_BATCH = 400, 50
WORKERS = 32
_FIRST_PAUSE, _MAX_PAUSE = timedelta(minutes=1), timedelta(hours=1)
# Pauses before the jobs of a completed run are fetched again while some are missing or unfinished.
_FIRST_RECHECK, _MAX_RECHECK = timedelta(seconds=10), timedelta(minutes=4)


def fetch_run_jobs(
    client: GitHubClient, repo: str, pending: PendingJobs, clock: Callable[[], datetime]
) -> RunDetailsRecord:
    """The jobs of all attempts from one list (filter=all): `latest` may omit jobs that were not re-run. Raises
    GitHubError."""
    run = f"/repos/{repo}/actions/runs/{pending.run_id}"
    fetched_at = clock()
    jobs: dict[int, JobRecord] = {}
    count: int | None = None
    repeated = 0
    for page in pages(client, f"{run}/jobs", "jobs", JobPayload, params={"filter": "all"}):
        if page.invalid_items:
            raise InvalidResponse(f"a job cannot be read: {page.invalid_items[0]}")
        if page.total_count is not None:
            count = max(count or 0, page.total_count)
        # total_count counts a job twice that one page lists twice. Jobs that repeat on the next page are not counted
        # twice: the list moved between the requests.
        repeated += len(page.items) - len({payload.id for payload in page.items})
        for payload in page.items:
            job = job_record(payload)
            known = jobs.get(job.id)
            # GitHub can list a job twice, once with incomplete steps.
            if known is None or _completeness_key(job) >= _completeness_key(known):
                jobs[job.id] = job
    attempts = [_attempt(client, f"{run}/attempts/{number}") for number in pending.missing_attempts]
    return RunDetailsRecord(
        pending.run_id,
        tuple(attempt for attempt in attempts if attempt),
        tuple(jobs.values()),
        fetched_at,
        attempt=pending.attempt,
        run_completed=pending.completed,
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


@dataclass
class JobFetchResult:
    """`failures` maps owner/name to one line. `rate_limited`: the rest was not fetched."""

    changed: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    rate_limited: RateLimited | None = None


@dataclass
class _RetryState:
    tries: int
    retry_at: datetime


@dataclass
class _FetchPass:
    """`repositories`: owner/name by id. `missing`: runs whose jobs answered 404, by repository. `unavailable`:
    repositories that the token cannot see; no more requests are sent for them in this pass. `is_held`: whether this
    collector still holds a repository; another one fetches the jobs of those that were released meanwhile."""

    repositories: Mapping[int, str]
    use_backoff: bool
    is_held: Callable[[int], bool]
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
    """Keeps the retry times of runs and repositories that could not be read between calls."""

    def __init__(self, context: CollectorContext, *, workers: int = WORKERS) -> None:
        self._engine, self._client, self._clock = context.engine, context.client, context.clock
        self._stop, self._progress, self._workers = context.stop, context.progress, workers
        self._failed_runs: dict[int, _RetryState] = {}
        # By run and attempt, so that a new attempt is fetched at once.
        self._unsettled: dict[tuple[int, int], _RetryState] = {}
        self._unavailable: dict[int, _RetryState] = {}

    def run(
        self,
        repositories: Mapping[int, str],
        *,
        include_running: bool = True,
        use_backoff: bool = False,
        is_held: Callable[[int], bool] = lambda _: True,
    ) -> JobFetchResult:
        """Fetches all pending jobs of these repositories (owner/name by id) while `is_held` is true for their ids.
        Without `include_running`, runs in progress are skipped unless there is news of them. With `use_backoff`, the
        pause before a retry grows after each failure of a run; without it every pending run is requested once per
        call."""
        current = _FetchPass(repositories, use_backoff, is_held)
        if not repositories:
            return current.result
        with session_scope(self._engine) as session:
            counts = count_pending_jobs(session, repositories, self._clock())
        if counts:
            self._progress.begin("Reading jobs", sum(counts.values()))
        pending = self._pending_runs(current, include_running)
        for item, result in fan_out(
            lambda run: fetch_run_jobs(self._client, repositories[run.repository_id], run, self._clock),
            pending,
            stop=self._stop,
            workers=self._workers,
        ):
            if isinstance(result, RateLimited):
                current.result.rate_limited = current.result.rate_limited or result
            else:
                self._handle_result(item, result, current)
            if current.unsaved_count >= WRITE_BATCH:
                self._store(current)
            if current.result.rate_limited:
                pending.close()
        self._store(current)
        self._record_gaps(repositories, counts)
        return current.result

    def _pending_runs(self, current: _FetchPass, include_running: bool) -> Generator[PendingJobs, None, None]:
        """Queries again after each batch, so that newly failed runs come first."""
        started: set[int] = set()
        while not self._stop.is_set():
            now = self._clock()
            repository_ids = {
                repository_id
                for repository_id in current.repositories
                if current.is_held(repository_id)
                and self._is_retry_due(self._unavailable.get(repository_id), now, current.use_backoff)
            }
            with session_scope(self._engine) as session:
                # Runs in flight and runs that failed are still pending in the database.
                limit = _PENDING_LIMIT + self._workers + 2 * WRITE_BATCH + len(self._failed_runs) + len(self._unsettled)
                listed = pending_jobs(
                    session, repository_ids - current.unavailable, now, limit, include_unfinished=include_running
                )
            due = [run for run in listed if run.run_id not in started and self._is_due(run, now, current.use_backoff)]
            if not due:
                return
            for run in due[:_PENDING_LIMIT]:
                started.add(run.run_id)
                if run.repository_id not in current.unavailable and current.is_held(run.repository_id):
                    yield run

    def _is_due(self, run: PendingJobs, now: datetime, use_backoff: bool) -> bool:
        states = self._failed_runs.get(run.run_id), self._unsettled.get((run.run_id, run.attempt))
        return all(self._is_retry_due(state, now, use_backoff) for state in states)

    def _is_retry_due(self, state: _RetryState | None, now: datetime, use_backoff: bool) -> bool:
        return state is None or not use_backoff or now >= state.retry_at

    def _handle_result(self, item: PendingJobs, result: RunDetailsRecord | GitHubError, current: _FetchPass) -> None:
        if isinstance(result, RunDetailsRecord):
            self._failed_runs.pop(item.run_id, None)
            self._unavailable.pop(item.repository_id, None)
            current.batch[item.repository_id].append(result)
        elif isinstance(result, NotFound):
            current.missing[item.repository_id].append(item.run_id)
        else:
            self._record_failure(item.repository_id, item.run_id, result, current)

    def _record_failure(self, repository_id: int, run_id: int, error: GitHubError, current: _FetchPass) -> None:
        self._failed_runs[run_id] = self._next_retry(self._failed_runs.get(run_id))
        current.note_failure(repository_id, f"jobs of run {run_id}: {error}")

    def _next_retry(
        self, before: _RetryState | None, first: timedelta = _FIRST_PAUSE, longest: timedelta = _MAX_PAUSE
    ) -> _RetryState:
        tries = before.tries + 1 if before else 1
        pause = min(first * 2 ** min(tries - 1, 10), longest)
        return _RetryState(tries, self._clock() + pause)

    def _record_unsettled(self, details: list[RunDetailsRecord], pending: set[int]) -> None:
        """Schedules runs whose jobs GitHub is still completing to be fetched again, after growing pauses."""
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
        """Marks deleted runs, whose jobs can no longer be fetched. The repository is requested first: if the token can
        no longer see it, GitHub returns 404 for all of its runs although they exist."""
        repo = current.repositories[repository_id]
        if repository_error := diagnose_missing_repository(self._client, repository_id, repo):
            current.unavailable.add(repository_id)
            self._unavailable[repository_id] = self._next_retry(self._unavailable.get(repository_id))
            current.note_failure(repository_id, str(repository_error))
            return
        self._unavailable.pop(repository_id, None)
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
            counts = count_pending_jobs(session, repositories, self._clock())
        for repository_id in before:
            missing = counts.get(repository_id, 0)
            with write_scope(self._engine) as session:
                set_gaps(session, repository_id, "jobs", [runs_without_jobs_text(missing)] if missing else [])
