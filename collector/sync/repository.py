"""Sync of one repository: its identity, its workflows and its list of runs."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from collector.context import CollectorContext, RepositoryResult
from collector.github.client import GitHubClient
from collector.github.errors import Forbidden, GitHubError, NotFound, Unprocessable
from collector.github.pagination import ResultPage, pages
from collector.github.payloads import InvalidPayload, RunPayload, WorkflowPayload, parse_payload
from collector.sync.convert import repository_record, run_record, workflow_record, workflow_record_from_run
from collector.sync.failures import has_no_actions, parse_repository
from collector.sync.scan_plan import DEEPEST_RESCAN, RunCoverage, ScanPlan, is_due, plan_scan
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

log = logging.getLogger(__name__)
WORKFLOWS_EVERY = timedelta(hours=1)
# The delay until a new name or default branch is noticed; the list of runs works under the old name until then.
IDENTIFY_EVERY = timedelta(hours=1)
_MAX_UNFINISHED = 200
# The number of runs on page 1: if page 1 is unchanged, so are they.
_FIRST_PAGE = 100


@dataclass
class ListProgress:
    """Runs listed so far. `truncated`: GitHub's list ended before the scan did."""

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
    """One batch of runs per page. The list has no filter: filtered lists come from a search index that can be stale or
    incomplete for minutes, the list without a filter is exact."""
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
        # GitHub ends the list after about 40,000 runs; older ones are read by windows of created_at.
        if progress.oldest is None:
            raise
        progress.truncated = True


def _update_progress(progress: ListProgress, runs: list[RunPayload]) -> None:
    times = [run.created_at for run in runs]
    if times:
        progress.newest = max([*times, progress.newest] if progress.newest else times)
        progress.oldest = min([*times, progress.oldest] if progress.oldest else times)
    progress.ids.update(run.id for run in runs)


class RepositorySync:
    """`retention`: runs that are older are not read again."""

    def __init__(self, context: CollectorContext, retention: timedelta) -> None:
        self._engine, self._client, self._clock = context.engine, context.client, context.clock
        self._stop, self._progress, self._retention = context.stop, context.progress, retention
        self._schedules = ScheduleReader(context.engine, context.client, context.clock)
        # Pages of workflow lists by repository id: an unchanged page costs no request of the hourly limit.
        self._workflow_pages: dict[int, dict[str, ResultPage[WorkflowPayload]]] = {}

    def read(self, name: str, backfill_from: datetime) -> RepositoryResult:
        """Syncs the repository once. Each page is stored before the next one is requested. covered_to moves only after
        the last page, so that an interruption leaves no gap. Raises GitHubError."""
        repository_id, repo = self.identify(name)
        try:
            return self._read(repository_id, repo, backfill_from)
        except (NotFound, Forbidden) as error:
            if not self._record_missing_actions(repository_id, repo, error):
                raise
            return RepositoryResult(repository_id, repo, 0)

    def _read(self, repository_id: int, repo: str, backfill_from: datetime) -> RepositoryResult:
        changed = self._read_workflows(repository_id, repo)
        coverage, etag = self._run_coverage(repository_id)
        now = self._clock()
        plan = plan_scan(coverage, backfill_from, now, now - self._retention)
        progress = ListProgress()
        for payloads in list_runs(self._client, repo, plan, etag, progress):
            retained = [run for run in payloads if run.created_at >= now - self._retention]
            initial_progress = progress if plan.is_initial else None
            changed += self.store(repository_id, retained, initial_progress=initial_progress).changed
            self._progress.advance(len(payloads))
            if self._stop.is_set():
                return RepositoryResult(repository_id, repo, changed, stopped=True)
        changed += self._refresh_unfinished(repository_id, repo, progress)
        self._reopen_job_lists(repository_id)
        self._record_complete(repository_id, plan, progress)
        self._schedules.read(repository_id, repo)
        return RepositoryResult(repository_id, repo, changed)

    def store(
        self, repository_id: int, payloads: list[RunPayload], *, initial_progress: ListProgress | None = None
    ) -> UpsertResult:
        """Stores runs. The initial scan moves complete_since back with each page, so that an interrupted one does not
        start again."""
        own_runs = [run for run in payloads if run.repository is None or run.repository.id == repository_id]
        with write_scope(self._engine) as session:
            # Before the first read: the inbox, the backfill and the audit store the same runs at the same time.
            lock_repository(session, repository_id)
            repository = get_repository(session, repository_id)
            names = {run.repository.full_name for run in payloads if run.repository and run.repository.full_name}
            if names - {repository.full_name}:
                # The repository has a new name, or another repository has its name: those runs do not belong to it.
                sync_state(session, repository_id).identity_checked_at = None
            ensure_workflows(session, repository_id, [workflow_record_from_run(run) for run in own_runs])
            records = [run_record(run) for run in own_runs]
            result = upsert_runs(session, repository, records)
            mark_unlisted_deleted(session, repository_id)
            request_workflow_list(session, repository_id, records)
            if initial_progress and initial_progress.newest:
                state = sync_state(session, repository_id)
                state.covered_to = state.covered_to or initial_progress.newest
                state.complete_since = initial_progress.oldest
            return result

    def identify(self, name: str) -> tuple[int, str]:
        """(id, owner/name) of the repository that has this name, which is stored. It is requested from GitHub once an
        hour, to notice a new name or default branch. Raises GitHubError."""
        now = self._clock()
        with write_scope(self._engine) as session:
            known, etag = self._cached_identity(session, name, now)
            if known and etag is None:
                return known
        response = self._client.get(f"/repos/{name}", etag=etag or None)
        with write_scope(self._engine) as session:
            if response.not_modified and known:
                repository = get_repository(session, known[0])
                start_monitoring(session, repository)
            else:
                payload = parse_repository(response.data, name)
                repository = upsert_repository(session, repository_record(payload))
                sync_state(session, repository.id).repository_etag = response.etag
            sync_state(session, repository.id).identity_checked_at = now
            record_target(session, name, repository.id, None, now)
            return repository.id, repository.full_name

    def _cached_identity(self, session: Session, name: str, now: datetime) -> tuple[tuple[int, str] | None, str | None]:
        """The stored (id, owner/name), and the ETag of the next request; an ETag of null if none is due."""
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
            last = sync_state(session, repository_id).workflows_at
        now = self._clock()
        if not is_due(last, WORKFLOWS_EVERY, now):
            return 0
        cache = self._workflow_pages.setdefault(repository_id, {})
        path = f"/repos/{repo}/actions/workflows"
        listed = list(pages(self._client, path, "workflows", WorkflowPayload, cache=cache))
        records = {payload.id: workflow_record(payload) for page in listed for payload in page.items}
        complete = _is_complete(listed, len(records))
        with write_scope(self._engine) as session:
            complete_at = now if complete else None
            changed = upsert_workflows(session, repository_id, list(records.values()), complete_at=complete_at)
            # An incomplete list is read again by the next sync.
            sync_state(session, repository_id).workflows_at = complete_at
        return changed

    def _run_coverage(self, repository_id: int) -> tuple[RunCoverage, str | None]:
        with session_scope(self._engine) as session:
            state = sync_state(session, repository_id)
            return RunCoverage(state.complete_since, state.covered_to, rescan_times(state)), state.runs_etag

    def _refresh_unfinished(self, repository_id: int, repo: str, progress: ListProgress) -> int:
        """Requests unfinished runs that this scan did not list one by one, older ones less often. Returns the number of
        changed rows."""
        now = self._clock()
        with session_scope(self._engine) as session:
            run_ids = unfinished_runs(
                session,
                repository_id,
                progress.ids,
                now,
                skip_newest=_FIRST_PAGE if progress.unchanged else 0,
                limit=_MAX_UNFINISHED,
            )
        changed = 0
        for run_id in run_ids:
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
        """Whether the repository has no Actions; then there is nothing to collect until a later sync. Whether the
        repository itself exists is requested once; later `identify` notices when it is gone."""
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
                "%s has no GitHub Actions: nothing is collected until they are enabled",
                repo,
                extra={"repository": repo},
            )
        return True

    def _reopen_job_lists(self, repository_id: int) -> None:
        """Schedules job lists that were incomplete to be fetched again, at growing intervals."""
        now = self._clock()
        with session_scope(self._engine) as session:
            due = job_lists_to_recheck(session, repository_id, now)
        if due:
            with write_scope(self._engine) as session:
                lock_repository(session, repository_id)
                reopen_job_lists(session, repository_id, due)

    def _record_complete(self, repository_id: int, plan: ScanPlan, progress: ListProgress) -> None:
        now = self._clock()
        with write_scope(self._engine) as session:
            state = sync_state(session, repository_id, lock=True)
            record_sync_success(state, now)
            state.actions_missing_since = None
            if progress.unchanged:
                return
            # An empty repository is covered up to now.
            state.covered_to = max(filter(None, (progress.newest, state.covered_to)), default=now)
            state.runs_etag = progress.etag
            reached = progress.oldest if progress.truncated and progress.oldest else plan.until
            if plan.is_initial:
                state.complete_since = reached
            record_rescans(state, [level.name for level in plan.rescan_levels], now)
            if DEEPEST_RESCAN in plan.rescan_levels:
                close_covered_backfills(session, repository_id, reached, now)
            if DEEPEST_RESCAN in plan.rescan_levels or progress.invalid_items:
                set_gaps(session, repository_id, "unreadable", progress.invalid_items[:20])


def _is_complete(listed: Sequence[ResultPage[WorkflowPayload]], number: int) -> bool:
    """Whether the list has as many workflows as GitHub counts, and all of them are valid."""
    total = max((page.total_count for page in listed if page.total_count is not None), default=None)
    return total is not None and number >= total and not any(page.invalid_items for page in listed)


def record_failure(engine: Engine, name: str, error: GitHubError, now: datetime) -> None:
    """Stores the failure beside the data, until the next successful sync."""
    with write_scope(engine) as session:
        repository_id = repository_id_of(session, name)
        record_target(session, name, repository_id, str(error), now, code=error.code)
        if repository_id:
            record_sync_error(sync_state(session, repository_id), str(error), error.code, now)
