"""Backfill of history before the complete part, and the audit of run numbers.

A backfill reads windows of created_at, newest first, and resumes where it was interrupted. The audit requests missing
run numbers from GitHub a few times over some hours, because filtered lists can be stale. Runs that are still missing
then were deleted on GitHub.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from collector.context import CollectorContext, SyncResult
from collector.github.errors import GitHubError, RateLimited
from collector.sync.failures import isolate_failure
from collector.sync.repository import RepositorySync, record_failure
from collector.sync.scan_plan import BackfillWindow, count_runs, is_due, next_span, read_windows
from db.collection.backfills import (
    BackfillKey,
    advance,
    due_backfills,
    get_backfill,
    request_backfill,
    set_expected_runs,
)
from db.collection.run_gaps import OpenGap, audit_run_numbers, due_gaps, record_checks
from db.collection.sync_state import add_gap, sync_state
from db.engine import session_scope, write_scope
from db.repositories.repository_queries import repositories_without_actions

_FIRST_SPAN = timedelta(days=4)
_SECOND = timedelta(seconds=1)
AUDIT_EVERY = timedelta(hours=1)
# GitHub may not list the newest runs yet.
_MIN_AGE = timedelta(minutes=2)
# Gaps closer to each other than this are searched for with one request.
_MERGE_DISTANCE = timedelta(hours=1)
_WINDOWS_PER_PASS = 20


@dataclass
class _WindowCount:
    """Runs of one window that were read so far."""

    runs: int = 0
    inserted: int = 0


class Backfiller:
    def __init__(self, context: CollectorContext, reader: RepositorySync) -> None:
        self._engine, self._client, self._reader = context.engine, context.client, reader
        self._clock, self._stop, self._progress = context.clock, context.stop, context.progress

    def request(self, repository_id: int, since: datetime, until: datetime | None = None) -> BackfillKey | None:
        """Stores a request for this history. Returns null if none of it is missing."""
        now = self._clock()
        with write_scope(self._engine) as session:
            return request_backfill(session, repository_id, since, until or now, now)

    def run(self, repository_id: int, repo: str) -> int:
        """Reads all requested history of the repository; returns the number of new or changed runs. Progress is stored
        after each window."""
        with session_scope(self._engine) as session:
            due = due_backfills(session, repository_id, self._clock())
        return sum(self._read(key, repo) for key in due)

    def _read(self, key: BackfillKey, repo: str) -> int:
        self._report_total(key, repo)
        with session_scope(self._engine) as session:
            row = get_backfill(session, key)
        changed, span = 0, _FIRST_SPAN
        phase = row.phase if row else None
        while row and not self._stop.is_set():
            since = max(row.since, row.cursor - span)
            # The second of the cursor was read with the newer window.
            until = row.cursor if row.cursor == row.until else row.cursor - _SECOND
            listed, stored = self._read_span(key, repo, since, until)
            changed, span = changed + stored, next_span(span, listed)
            with session_scope(self._engine) as session:
                row = get_backfill(session, key)
            # One phase per call: GitHub's search index needs time before windows can be verified.
            if row is None or row.phase != phase or row.cursor >= row.until:
                break
        return changed

    def _report_total(self, key: BackfillKey, repo: str) -> None:
        """Reports the expected number of runs."""
        with session_scope(self._engine) as session:
            row = get_backfill(session, key)
        if row is None:
            return
        expected = row.runs_expected
        if expected is None:
            expected = count_runs(self._client, repo, key.since, key.until)
            with write_scope(self._engine) as session:
                set_expected_runs(session, key, expected)
        self._progress.begin(f"Reading history of {repo}", expected or 0)
        self._progress.advance(row.runs_done)

    def _read_span(self, key: BackfillKey, repo: str, since: datetime, until: datetime) -> tuple[int, int]:
        """The numbers of listed and of changed runs from `since` to `until`. The cursor moves after each window."""
        listed = changed = 0
        count = _WindowCount()
        for window, payloads, last in read_windows(self._client, repo, since, until):
            stored = self._reader.store(key.repository_id, payloads)
            count.runs, count.inserted = count.runs + len(payloads), count.inserted + stored.inserted
            listed, changed = listed + len(payloads), changed + stored.changed
            self._progress.advance(len(payloads))
            if last:
                self._save_progress(key, window, count)
                count = _WindowCount()
            if self._stop.is_set():
                break
        return listed, changed

    def _save_progress(self, key: BackfillKey, window: BackfillWindow, count: _WindowCount) -> None:
        with write_scope(self._engine) as session:
            # An incomplete window must be read again by the verification.
            late = max(count.inserted, 1 if window.is_incomplete else 0)
            # Locked first, as at the end of a sync: in another order both could wait for each other.
            sync_state(session, key.repository_id, lock=True)
            advance(session, key, window.since, count.runs, late, self._clock())
            if window.over_cap:
                second = f"{window.since:%Y-%m-%d %H:%M:%S} UTC"
                line = f"more than 1,000 runs at {second}: GitHub does not list more of one second"
                add_gap(session, key.repository_id, "capped", line, since=window.since, until=window.until)
            for line in window.invalid_items[:20]:
                add_gap(session, key.repository_id, "unreadable", line, since=window.since, until=window.until)


@dataclass
class GapSearch:
    """Gaps that one window of created_at covers."""

    since: datetime
    until: datetime
    gaps: list[OpenGap]


class RunNumberAuditor:
    def __init__(self, context: CollectorContext, reader: RepositorySync) -> None:
        self._engine, self._client, self._reader = context.engine, context.client, reader
        self._clock, self._stop = context.clock, context.stop

    def run(self, repository_id: int, repo: str, *, force: bool = False) -> int:
        """Runs once an hour, or with `force`; returns the number of missing runs that GitHub listed."""
        now = self._clock()
        if not self._compare(repository_id, now, force=force):
            return 0
        with session_scope(self._engine) as session:
            searches = group_gaps(due_gaps(session, repository_id, now))
        inserted = 0
        for search in searches[:_WINDOWS_PER_PASS]:
            if self._stop.is_set():
                break
            for _, payloads, _ in read_windows(self._client, repo, search.since, search.until):
                inserted += self._reader.store(repository_id, payloads).inserted
            with write_scope(self._engine) as session:
                record_checks(session, repository_id, search.gaps, now)
        if inserted:
            self._compare(repository_id, now, force=True)
        return inserted

    def _compare(self, repository_id: int, now: datetime, *, force: bool) -> bool:
        with write_scope(self._engine) as session:
            state = sync_state(session, repository_id)
            if state.complete_since is None or state.covered_to is None:
                return False
            if not force and not is_due(state.audited_at, AUDIT_EVERY, now):
                # Between audits, known gaps are still requested when they are due.
                return True
            audit_run_numbers(session, repository_id, state.complete_since, min(state.covered_to, now - _MIN_AGE), now)
            state.audited_at = now
        return True


class HistorySync:
    """Reads missing history and searches for missing runs, one repository after the other."""

    def __init__(self, context: CollectorContext, reader: RepositorySync, backfill: timedelta) -> None:
        self._context, self._backfill = context, backfill
        self._backfiller, self._auditor = Backfiller(context, reader), RunNumberAuditor(context, reader)

    def run(self, repositories: Mapping[int, str], result: SyncResult) -> None:
        """For each repository (id to owner/name): history down to the configured backfill, and the hourly audit of run
        numbers. Stores failures; raises RateLimited."""
        without_actions = self._without_actions()
        for repository_id, repo in repositories.items():
            if repository_id in without_actions:
                continue
            if self._context.stop.is_set():
                return
            try:
                with isolate_failure(repo):
                    self._backfiller.request(repository_id, self._context.clock() - self._backfill)
                    changed = self._backfiller.run(repository_id, repo)
                    changed += self._auditor.run(repository_id, repo)
            except RateLimited:
                raise
            except GitHubError as error:
                result.failures.setdefault(repo, str(error))
                record_failure(self._context.engine, repo, error, self._context.clock())
                continue
            self._context.record_changes(result, changed)

    def backfill(
        self, repositories: Mapping[int, str], since: datetime, until: datetime | None, result: SyncResult
    ) -> None:
        """Reads this history now, and audits run numbers whether or not the audit is due. Raises RateLimited."""
        without_actions = self._without_actions()
        for repository_id, repo in repositories.items():
            if repository_id in without_actions:
                continue
            try:
                with isolate_failure(repo):
                    self._backfiller.request(repository_id, since, until)
                    self._context.record_changes(result, self._backfiller.run(repository_id, repo))
                    self._auditor.run(repository_id, repo, force=True)
            except RateLimited:
                raise
            except GitHubError as error:
                result.failures[repo] = str(error)

    def _without_actions(self) -> set[int]:
        with session_scope(self._context.engine) as session:
            return repositories_without_actions(session)


def group_gaps(gaps: Sequence[OpenGap]) -> list[GapSearch]:
    """Newest first. Gaps that overlap, or are close to each other, share a search."""
    searches: list[GapSearch] = []
    for gap in sorted(gaps, key=lambda gap: gap.created_before, reverse=True):
        last = searches[-1] if searches else None
        if last and gap.created_before >= last.since - _MERGE_DISTANCE:
            last.since = min(last.since, gap.created_after)
            last.gaps.append(gap)
        else:
            searches.append(GapSearch(gap.created_after, gap.created_before, [gap]))
    return searches
