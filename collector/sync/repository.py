"""One repository: who it is, its workflows and its list of runs."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from collector.github.client import Client
from collector.github.errors import BadAnswer, GitHubError, NotFound
from collector.github.pagination import pages
from collector.github.payloads import RepositoryPayload, RunPayload, WorkflowPayload, read
from collector.sync.convert import repository_record, run_record, workflow_of, workflow_record
from collector.sync.cursor import Known, Walk, plan
from collector.sync.tail import Seen, walk
from db.engine import write_scope
from db.queries.sync import unfinished_runs
from db.store.repositories import (
    ensure_workflows,
    get_repository,
    note_target,
    repository_id_of,
    upsert_repository,
    upsert_workflows,
)
from db.store.runs import mark_gone, upsert_runs
from db.store.sync_state import set_gaps, sync_state

WORKFLOWS_EVERY = timedelta(hours=6)
_UNFINISHED_LIMIT = 200
# Page 1 shows this many of the newest runs: an unchanged page 1 says that none of them changed.
_FIRST_PAGE = 100
_CAPPED = "capped"


@dataclass(frozen=True)
class Reading:
    """What a look at a repository changed; `stopped` when it was interrupted before it was complete."""

    repository_id: int
    repo: str
    changed: int
    stopped: bool = False


class RepositoryReader:
    def __init__(
        self,
        engine: Engine,
        client: Client,
        clock: Callable[[], datetime],
        stop: threading.Event,
        on_runs: Callable[[int], None],
    ) -> None:
        self._engine, self._client, self._clock, self._stop = engine, client, clock, stop
        self._on_runs = on_runs

    def read(self, name: str, backfill_from: datetime) -> Reading:
        """One look at a repository. Each page is stored before the next is asked for; only when the walk came
        to its end is the repository called complete, so an interruption leaves no hole."""
        repository_id, repo = self._identify(name)
        changed = self._read_workflows(repository_id, repo)
        known, etag = self._known(repository_id)
        walk_plan = plan(known, backfill_from, self._clock())
        seen = Seen()
        for payloads in walk(self._client, repo, walk_plan, etag, seen):
            changed += self._store(repository_id, payloads)
            self._on_runs(len(payloads))
            if self._stop.is_set():
                return Reading(repository_id, repo, changed, stopped=True)
        changed += self._follow_unfinished(repository_id, repo, seen)
        self._note_complete(repository_id, walk_plan, seen)
        return Reading(repository_id, repo, changed)

    def _identify(self, name: str) -> tuple[int, str]:
        """GET of the repository: free when unchanged, and the way to notice a new name or default branch."""
        now = self._clock()
        with write_scope(self._engine) as session:
            repository_id = repository_id_of(session, name)
            etag = sync_state(session, repository_id).repository_etag if repository_id else None
        answer = self._client.get(f"/repos/{name}", etag=etag)
        with write_scope(self._engine) as session:
            if answer.not_modified and repository_id:
                repository = get_repository(session, repository_id)
                repository.monitored = True
            else:
                payload = read(RepositoryPayload, answer.data)
                if isinstance(payload, str):
                    raise BadAnswer(f"GitHub's answer about {name} cannot be read ({payload})")
                repository = upsert_repository(session, repository_record(payload))
                sync_state(session, repository.id).repository_etag = answer.etag
            note_target(session, name, repository.id, None, now)
            return repository.id, repository.full_name

    def _read_workflows(self, repository_id: int, repo: str) -> int:
        with write_scope(self._engine) as session:
            last = sync_state(session, repository_id).workflows_at
        now = self._clock()
        if last and now - last < WORKFLOWS_EVERY:
            return 0
        records = [
            workflow_record(payload)
            for page in pages(self._client, f"/repos/{repo}/actions/workflows", "workflows", WorkflowPayload)
            for payload in page.items
        ]
        with write_scope(self._engine) as session:
            sync_state(session, repository_id).workflows_at = now
            return upsert_workflows(session, repository_id, records)

    def _known(self, repository_id: int) -> tuple[Known, str | None]:
        with write_scope(self._engine) as session:
            state = sync_state(session, repository_id)
            known = Known(
                state.complete_since,
                state.covered_to,
                state.relooked_at,
                state.relooked_deep_at,
                capped=any(gap["kind"] == _CAPPED for gap in state.gaps),
            )
            return known, state.runs_etag

    def _store(self, repository_id: int, payloads: list[RunPayload]) -> int:
        # A transferred or shared list must not put another repository's runs under this one.
        ours = [each for each in payloads if each.repository is None or each.repository.id == repository_id]
        with write_scope(self._engine) as session:
            repository = get_repository(session, repository_id)
            ensure_workflows(session, repository_id, [workflow_of(each) for each in ours])
            return upsert_runs(session, repository, [run_record(each) for each in ours]).changed

    def _follow_unfinished(self, repository_id: int, repo: str, seen: Seen) -> int:
        """Runs that were running and that this walk did not meet are asked for one by one."""
        with write_scope(self._engine) as session:
            newest = _FIRST_PAGE if seen.unchanged else 0
            wanted = unfinished_runs(session, repository_id, seen.ids, skip_newest=newest, limit=_UNFINISHED_LIMIT)
        changed = 0
        for run_id in wanted:
            if self._stop.is_set():
                break
            try:
                payload = read(RunPayload, self._client.get(f"/repos/{repo}/actions/runs/{run_id}").data)
            except NotFound:
                with write_scope(self._engine) as session:
                    mark_gone(session, repository_id, run_id)
                changed += 1
                continue
            if not isinstance(payload, str):
                changed += self._store(repository_id, [payload])
        return changed

    def _note_complete(self, repository_id: int, walk_plan: Walk, seen: Seen) -> None:
        now = self._clock()
        with write_scope(self._engine) as session:
            state = sync_state(session, repository_id)
            state.synced_at, state.error, state.error_at = now, None, None
            if seen.unchanged:
                return
            # An empty repository is covered up to now.
            state.covered_to = max(filter(None, (seen.newest, state.covered_to)), default=now)
            state.runs_etag = seen.etag
            if walk_plan.first:
                reached = seen.oldest if seen.capped and seen.oldest else walk_plan.until
                state.complete_since = reached
            if walk_plan.relook:
                state.relooked_at = now
            if walk_plan.deep:
                state.relooked_deep_at = now
            if walk_plan.first:
                set_gaps(state, _CAPPED, _capped(seen))
            if walk_plan.deep or seen.unreadable:
                set_gaps(state, "unreadable", seen.unreadable[:20])


def _capped(seen: Seen) -> list[str]:
    if not seen.capped:
        return []
    return [f"GitHub's list of runs ends at {seen.oldest:%Y-%m-%d %H:%M} UTC; older runs are not known"]


def note_failure(engine: Engine, name: str, error: GitHubError, now: datetime) -> None:
    """What is stored stays; the failure stands beside it until a look goes well."""
    with write_scope(engine) as session:
        repository_id = repository_id_of(session, name)
        note_target(session, name, repository_id, str(error), now)
        if repository_id:
            state: Any = sync_state(session, repository_id)
            state.error, state.error_at = str(error)[:1000], now
