"""Reading the list of runs, newest first, as far back as the plan says.

One repository: who it is, its workflows and its list of runs.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from collector.github.client import GitHubClient
from collector.github.errors import Forbidden, GitHubError, NotFound, Unprocessable
from collector.github.pagination import ResultPage, pages
from collector.github.payloads import InvalidPayload, RunPayload, WorkflowPayload, parse_payload
from collector.sync.convert import repository_record, run_record, workflow_record, workflow_record_from_run
from collector.sync.failures import has_no_actions, parse_repository
from collector.sync.scan_plan import (
    DEEPEST_RESCAN,
    RunCoverage,
    ScanPlan,
    is_due,
    plan_scan,
)
from collector.sync.schedules import ScheduleReader
from db.collection.backfills import close_covered_backfills
from db.collection.claims import lock_repository
from db.collection.sync_state import (
    record_rescans,
    record_sync_error,
    record_sync_success,
    rescan_times,
    set_gaps,
    sync_state,
)
from db.engine import session_scope, write_scope
from db.jobs.pending_jobs import job_lists_to_recheck, reopen_job_lists, unfinished_runs
from db.repositories.repository_writes import (
    ensure_workflows,
    get_repository,
    mark_unlisted_deleted,
    record_target,
    repository_id_of,
    request_workflow_list,
    start_monitoring,
    upsert_repository,
    upsert_workflows,
)
from db.runs.run_writes import UpsertResult, mark_deleted, record_check, upsert_runs


@dataclass
class ListProgress:
    """What the walk met so far. `capped`: GitHub's list ended before the walk did."""

    newest: datetime | None = None
    oldest: datetime | None = None
    etag: str | None = None
    unchanged: bool = False
    truncated: bool = False
    ids: set[int] = field(default_factory=set)
    invalid_items: list[str] = field(default_factory=list)


def list_runs(
    client: GitHubClient, repo: str, plan: ScanPlan, etag: str | None, progress: ListProgress
) -> Iterator[list[RunPayload]]:
    """Batches of runs, one a page. Unfiltered on purpose: filtered lists come from a search index that can be
    stale or partial for minutes, unfiltered ones are correct."""
    path = f"/repos/{repo}/actions/runs"
    try:
        for page in pages(client, path, "workflow_runs", RunPayload, etag=etag if plan.is_incremental else None):
            if page.not_modified:
                progress.unchanged = True
                return
            progress.etag = progress.etag or page.etag
            progress.invalid_items += page.invalid_items
            _update_progress(progress, page.items)
            yield page.items
            if progress.oldest and progress.oldest < plan.until:
                return
    except Unprocessable:
        # GitHub ends an unfiltered list at about 40,000 runs; what is older is read by windows of created_at.
        if progress.oldest is None:
            raise
        progress.truncated = True


def _update_progress(seen: ListProgress, runs: list[RunPayload]) -> None:
    times = [run.created_at for run in runs]
    if times:
        seen.newest = max([*times, seen.newest] if seen.newest else times)
        seen.oldest = min([*times, seen.oldest] if seen.oldest else times)
    seen.ids.update(run.id for run in runs)


log = logging.getLogger(__name__)
WORKFLOWS_EVERY = timedelta(hours=1)
# A new name or default branch is noticed this late; the list of runs works under the old name meanwhile.
IDENTIFY_EVERY = timedelta(hours=1)
_MAX_UNFINISHED = 200
# Page 1 shows this many of the newest runs: an unchanged page 1 says that none of them changed.
_FIRST_PAGE = 100


@dataclass(frozen=True)
class RepositoryResult:
    """What a look at a repository changed; `stopped` when it was interrupted before it was complete."""

    repository_id: int
    repo: str
    changed: int
    stopped: bool = False


class RepositorySync:
    def __init__(
        self,
        engine: Engine,
        client: GitHubClient,
        clock: Callable[[], datetime],
        stop: threading.Event,
        on_runs: Callable[[int], None],
        retention: timedelta,
    ) -> None:
        """Runs older than `kept` are not looked at again."""
        self._engine, self._client, self._clock, self._stop = engine, client, clock, stop
        self._on_runs, self._kept = on_runs, retention
        self._schedules = ScheduleReader(engine, client, clock)
        # Pages of the lists of workflows by repository: unchanged ones cost nothing of the rate limit.
        self._lists: dict[int, dict[str, ResultPage[WorkflowPayload]]] = {}

    def read(self, name: str, backfill_from: datetime) -> RepositoryResult:
        """One look at a repository. Each page is stored before the next is asked for; covered_to moves only when
        the walk came to its end, so an interruption leaves no hole."""
        repository_id, repo = self._identify(name)
        try:
            return self._read(repository_id, repo, backfill_from)
        except (NotFound, Forbidden) as error:
            if not self._record_missing_actions(repository_id, repo, error):
                raise
            return RepositoryResult(repository_id, repo, 0)

    def _read(self, repository_id: int, repo: str, backfill_from: datetime) -> RepositoryResult:
        changed = self._read_workflows(repository_id, repo)
        known, etag = self._run_coverage(repository_id)
        now = self._clock()
        walk_plan = plan_scan(known, backfill_from, now, now - self._kept)
        seen = ListProgress()
        for payloads in list_runs(self._client, repo, walk_plan, etag, seen):
            kept = [each for each in payloads if each.created_at >= now - self._kept]
            changed += self.store(repository_id, kept, initial_progress=seen if walk_plan.is_initial else None).changed
            self._on_runs(len(payloads))
            if self._stop.is_set():
                return RepositoryResult(repository_id, repo, changed, stopped=True)
        changed += self._refresh_unfinished(repository_id, repo, seen)
        self._reopen_job_lists(repository_id)
        self._record_complete(repository_id, walk_plan, seen)
        self._schedules.read(repository_id, repo)
        return RepositoryResult(repository_id, repo, changed)

    def store(
        self, repository_id: int, payloads: list[RunPayload], *, initial_progress: ListProgress | None = None
    ) -> UpsertResult:
        """Stores runs. A first walk moves complete_since down with each page: what it has read stays read."""
        ours = [each for each in payloads if each.repository is None or each.repository.id == repository_id]
        with write_scope(self._engine) as session:
            # Before anything is read: the inbox, history and the audit store the same runs at the same time.
            lock_repository(session, repository_id)
            repository = get_repository(session, repository_id)
            names = {each.repository.full_name for each in payloads if each.repository and each.repository.full_name}
            if names - {repository.full_name}:
                # It has a new name; or the name is another repository's now, whose runs must not be put under this one.
                sync_state(session, repository_id).identity_checked_at = None
            ensure_workflows(session, repository_id, [workflow_record_from_run(each) for each in ours])
            records = [run_record(each) for each in ours]
            stored = upsert_runs(session, repository, records)
            mark_unlisted_deleted(session, repository_id)
            request_workflow_list(session, repository_id, records)
            if initial_progress and initial_progress.newest:
                state = sync_state(session, repository_id)
                state.covered_to = state.covered_to or initial_progress.newest
                state.complete_since = initial_progress.oldest
            return stored

    def identify(self, name: str) -> None:
        """Stores which repository the name stands for. Raises GitHubError."""
        self._identify(name)

    def _identify(self, name: str) -> tuple[int, str]:
        """GET of the repository, once an hour: the way to notice a new name or default branch."""
        now = self._clock()
        with write_scope(self._engine) as session:
            known, etag = self._cached_identity(session, name, now)
            if known and etag is None:
                return known
        answer = self._client.get(f"/repos/{name}", etag=etag or None)
        with write_scope(self._engine) as session:
            if answer.not_modified and known:
                repository = get_repository(session, known[0])
                start_monitoring(session, repository)
            else:
                payload = parse_repository(answer.data, name)
                repository = upsert_repository(session, repository_record(payload))
                sync_state(session, repository.id).repository_etag = answer.etag
            sync_state(session, repository.id).identity_checked_at = now
            record_target(session, name, repository.id, None, now)
            return repository.id, repository.full_name

    def _cached_identity(self, session: Session, name: str, now: datetime) -> tuple[tuple[int, str] | None, str | None]:
        """Who it was last time, and the ETag to ask again with; null where there is no need to ask yet."""
        repository_id = repository_id_of(session, name)
        if repository_id is None:
            return None, ""
        state, repository = sync_state(session, repository_id), get_repository(session, repository_id)
        known = (repository_id, repository.full_name)
        if not is_due(state.identity_checked_at, IDENTIFY_EVERY, now) and state.error is None:
            start_monitoring(session, repository)
            record_target(session, name, repository_id, None, now)
            return known, None
        return known, state.repository_etag or ""

    def _read_workflows(self, repository_id: int, repo: str) -> int:
        with session_scope(self._engine) as session:
            last = sync_state(session, repository_id).workflows_listed_at
        now = self._clock()
        if not is_due(last, WORKFLOWS_EVERY, now):
            return 0
        memory = self._lists.setdefault(repository_id, {})
        path = f"/repos/{repo}/actions/workflows"
        listed = list(pages(self._client, path, "workflows", WorkflowPayload, cache=memory))
        records = {payload.id: workflow_record(payload) for page in listed for payload in page.items}
        complete = _is_complete(listed, len(records))
        with write_scope(self._engine) as session:
            found = list(records.values())
            changed = upsert_workflows(session, repository_id, found, complete_at=now if complete else None)
            # One that is incomplete is read again with the next look.
            sync_state(session, repository_id).workflows_listed_at = now if complete else None
        return changed

    def _run_coverage(self, repository_id: int) -> tuple[RunCoverage, str | None]:
        with session_scope(self._engine) as session:
            state = sync_state(session, repository_id)
            return RunCoverage(state.complete_since, state.covered_to, rescan_times(state)), state.runs_etag

    def _refresh_unfinished(self, repository_id: int, repo: str, seen: ListProgress) -> int:
        """Runs that were running and that this walk did not meet are asked for one by one, the old ones rarely."""
        now = self._clock()
        with session_scope(self._engine) as session:
            newest = _FIRST_PAGE if seen.unchanged else 0
            limit = _MAX_UNFINISHED
            wanted = unfinished_runs(session, repository_id, seen.ids, now, skip_newest=newest, limit=limit)
        changed = 0
        for run_id in wanted:
            if self._stop.is_set():
                break
            changed += self._refresh_run(repository_id, repo, run_id)
            with write_scope(self._engine) as session:
                record_check(session, repository_id, run_id, now)
        return changed

    def _refresh_run(self, repository_id: int, repo: str, run_id: int) -> int:
        try:
            payload = parse_payload(RunPayload, self._client.get(f"/repos/{repo}/actions/runs/{run_id}").data)
        except NotFound:
            with write_scope(self._engine) as session:
                mark_deleted(session, repository_id, run_id)
            return 1
        except InvalidPayload:
            return 0
        return self.store(repository_id, [payload]).changed

    def _record_missing_actions(self, repository_id: int, repo: str, error: GitHubError) -> bool:
        """Whether the repository has no Actions: then there is nothing to collect until a later look finds some. That
        it is still there is asked once; after that _identify notices its end."""
        with session_scope(self._engine) as session:
            known = sync_state(session, repository_id).actions_missing_since
        if not (known and isinstance(error, NotFound)) and not has_no_actions(self._client, repository_id, repo, error):
            return False
        now = self._clock()
        with write_scope(self._engine) as session:
            state = sync_state(session, repository_id, lock=True)
            state.actions_missing_since = state.actions_missing_since or now
            record_sync_success(state, now)
        if known is None:
            log.info(
                "%s has no GitHub Actions: nothing to collect there until it has", repo, extra={"repository": repo}
            )
        return True

    def _reopen_job_lists(self, repository_id: int) -> None:
        """Lists of jobs that were short when they were last read are read again, rarely, with the next jobs."""
        now = self._clock()
        with session_scope(self._engine) as session:
            due = job_lists_to_recheck(session, repository_id, now)
        if due:
            with write_scope(self._engine) as session:
                lock_repository(session, repository_id)
                reopen_job_lists(session, repository_id, due)

    def _record_complete(self, repository_id: int, walk_plan: ScanPlan, seen: ListProgress) -> None:
        now = self._clock()
        with write_scope(self._engine) as session:
            state = sync_state(session, repository_id, lock=True)
            record_sync_success(state, now)
            state.actions_missing_since = None
            if seen.unchanged:
                return
            # An empty repository is covered up to now.
            state.covered_to = max(filter(None, (seen.newest, state.covered_to)), default=now)
            state.runs_etag = seen.etag
            reached = seen.oldest if seen.truncated and seen.oldest else walk_plan.until
            if walk_plan.is_initial:
                state.complete_since = reached
            record_rescans(state, [level.name for level in walk_plan.rescan_levels], now)
            if DEEPEST_RESCAN in walk_plan.rescan_levels:
                close_covered_backfills(session, repository_id, reached, now)
            if DEEPEST_RESCAN in walk_plan.rescan_levels or seen.invalid_items:
                set_gaps(session, repository_id, "unreadable", seen.invalid_items[:20])


def _is_complete(listed: Sequence[ResultPage[WorkflowPayload]], number: int) -> bool:
    """Every workflow of the list was read: as many as GitHub counts, and none that cannot be read."""
    total = max((page.total_count for page in listed if page.total_count is not None), default=None)
    return total is not None and number >= total and not any(page.invalid_items for page in listed)


def record_failure(engine: Engine, name: str, error: GitHubError, now: datetime) -> None:
    """What is stored stays; the failure stands beside it until a look goes well."""
    with write_scope(engine) as session:
        repository_id = repository_id_of(session, name)
        record_target(session, name, repository_id, str(error), now, code=error.code)
        if repository_id:
            record_sync_error(sync_state(session, repository_id), str(error), error.code, now)
